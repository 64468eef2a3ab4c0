"""Looks (attention): tests whether heads attend from one word of a pair to the other, more than chance and model-free baselines.

A relation is a set of word pairs, each a dependent (the adjective) and its governor (the noun); see
`headwise.attention.relation_query`. For every head a pair is a hit in one of three directions:

- `dependent->governor`: of all other words the dependent attends most to its governor;
- `governor->dependent`: of all other words the governor attends most to one of its dependents
  (counted once per governor);
- `column`: of all words the one that attends most to the dependent is its governor.

Attention is between words (summed over a key's pieces, averaged over a query's), special tokens are
left out and a word's attention to itself does not count; how much of all attention is meant stands
beside (`mass`). Each head is compared with chance, with baselines that read plain text, and with
baselines that read parts of speech (`headwise.attention._comparison`), chosen and counted on different groups over
many splits (`headwise.attention._crossfit`). All relations of one call share one error rate (`headwise.attention._significance`), and heads of
never-trained models of the same shape are tested on the same questions (`headwise.attention.controls`).

One forward pass, and for each random model one over as many sentences as a comparison with it needs; no
pattern outlives its batch; time is linear in tokens. Methods and their criticism: Clark, Khandelwal, Levy
and Manning 2019; Htut, Phang, Bordia and Bowman 2019; Voita, Talbot, Moiseev, Sennrich and Titov 2019;
Kobayashi, Kuribayashi, Yokoi and Inui 2020; Pande, Budhraja, Nema, Kumar and Khapra 2021. Models without
training as controls: Zhang and Bowman 2018; Wieting and Kiela 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import check_counts
from headwise.activations.alignment import Alignment, Coverage, align, batches, coverage, require
from headwise.activations.streaming import watch, watched
from headwise.data.suite import Sentence, Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.stats.deciding import N_RANDOM, N_SPLITS

from . import _significance, relation_query
from ._columns import RELATIONS
from ._comparison import Evidence, weigh
from ._counting import Case, Count, Counter
from ._crossfit import Splits
from ._traits import Traits
from ._uniform import count_uniform
from .annotations import Corpus
from .controls import Controls, count_controls
from .questions import DIRECTIONS, AttentionOrder, ask
from .relation_query import Relation

N_FLIPS = 2000


@dataclass(frozen=True, eq=False, repr=False)
class RelationTestResult(Result):
    """The results of every head on the tested relations.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        relations: The relations, in the order of the table.
        evidence: Hits and baselines of every relation and direction that could be counted.
        impossible: Per relation and direction, questions whose answer a decoder cannot see; not counted.
        missing: Pairs left out because one of their words is truncated or shares its only token.
        coverage: How words were split and aligned.
        seed: The seed of the splits, the flips and the random models.
        controls: Hits of models with random weights.
        has_tags: Whether the suite has parts of speech.
        table: One row per relation, layer, head, direction and scope (all pairs, non-adjacent ones, those with a distractor); see `columns`. Effects
            are over plain baselines; with `_chance`, over uniform attention and permuted links; with `_tags`, over baselines that read parts of speech, too.

            `verdict`, which is of all scopes: supported, if over all splits, against chance and plain baselines, on all and on non-adjacent pairs, the
            effect is each time at least 5 points, `p_fwer` below 5% and `t` above `control_t`; and `mass_excess_low` is above zero. Not
            supported: the effect against chance is below 5 points, over everything tested. Inconclusive:
            otherwise, and with fewer than 20 cases or 10 clusters.
    """

    model: str
    suite: str
    relations: tuple[Relation, ...]
    evidence: tuple[Evidence, ...]
    impossible: dict[tuple[str, AttentionOrder], int]
    missing: int
    coverage: Coverage
    seed: int
    controls: Controls
    has_tags: bool
    table: pd.DataFrame
    columns: ClassVar[Columns] = RELATIONS

    def case(self, direction: AttentionOrder, relation: str | None = None) -> Evidence | None:
        """Evidence on one direction of a relation (of the first, if none is named)."""
        name = relation or self.relations[0].text
        for evidence in self.evidence:
            if evidence.case.direction == direction and evidence.case.relation.text == name:
                return evidence
        return None

    def _rows(self, direction: AttentionOrder, relation: str) -> pd.DataFrame:
        tested = (self.table["direction"] == direction) & (self.table["relation"] == relation)
        return self.table.loc[tested]

    def best(self, direction: AttentionOrder, relation: str | None = None) -> "pd.Series | None":
        """The row (of all pairs) of the head whose effect is largest where it is smaller, on all pairs or on non-adjacent ones.

        The effect of the best of many heads is biased upwards; its `p_fwer` accounts for their number.
        None where nothing could be counted.
        """
        worst = _significance.worst(self._rows(direction, relation or self.relations[0].text))
        counted: pd.Series = worst.loc[self.table.loc[worst.index, "pairs"] > 0]
        return None if counted.empty else self.table.loc[counted.idxmax()]

    @property
    def limits(self) -> list[str]:
        """What these data and this model could not show, in sentences."""
        lines = _significance.too_little(self.evidence)
        if not self.has_tags:
            lines.append(
                f"{self.suite} has no parts of speech, so that no baseline could read them: the comparison with these is the one with plain text."
            )
        if self.controls.why_none:
            lines.append(
                f"No head can be supported without models with random weights as controls. {self.controls.why_none}"
            )
        return lines

    @property
    def too_little(self) -> list[str]:
        """What cannot be tested because there are too few cases, and why, in sentences."""
        return _significance.too_little(self.evidence)

    def significant(self) -> pd.DataFrame:
        """The rows (of all pairs) whose verdict is `supported`, strongest first."""
        rows = self.table.loc[
            (self.table["verdict"] == "supported") & (self.table["scope"] == "all")
        ]
        return rows.sort_values(by="effect", ascending=False)

    def _summary(self) -> str:
        heads = len(self.table[["layer", "head"]].drop_duplicates())
        tested = len(self.table[["relation", "direction"]].drop_duplicates())
        return f"{heads} heads x {tested} relations and directions; {self._found('supported')}"


@dataclass(frozen=True, eq=False)
class Plan:
    """The questions to a model: sentences aligned, relations parsed, cases made.

    Attributes:
        model: The model.
        suite: The suite.
        relations: The tested relations.
        corpus: The sentences that have pairs.
        alignments: How these are tokenized.
        groups: Group of each, as an index.
        cases: Every relation in every direction.
        missing: Pairs left out because a word of theirs has no vector.
    """

    model: Model
    suite: Suite
    relations: tuple[Relation, ...]
    corpus: Corpus
    alignments: list[Alignment]
    groups: Int[ndarray, " sentence"]
    cases: list[Case]
    missing: int

    @classmethod
    def of(
        cls, model: Model, suite: Suite, relation: str | Relation | Sequence[str | Relation]
    ) -> "Plan":
        """Parses relations and makes their questions.

        Raises:
            HeadwiseError: As in `relation_test`.
        """
        relations = relation_query.parse(relation, suite)
        used = _sentences_with_pairs(suite, relations)
        corpus = Corpus.of(used)
        alignments = align(model, used)
        cases, missing = _cases(model, relations, corpus, alignments)
        groups = _groups(suite, used)
        return cls(model, suite, tuple(relations), corpus, alignments, groups, cases, missing)


def relation_test(
    model: Model,
    suite: Suite,
    relation: str | Relation | Sequence[str | Relation],
    *,
    norms: bool = True,
    n_null: int = N_RANDOM,
    n_splits: int = N_SPLITS,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> RelationTestResult:
    """Tests every head for attention between the words of some relations.

    Args:
        model: The model.
        suite: Sentences with links.
        relation: The relations, in the notation of `headwise.attention.relation_query` (`"amod"`, `"amod: column"`,
            `"NOUN -> ADJ (amod)"`, `"every>=100"`), or several; error rates are kept over all of them.
        norms: Whether attention weighted by what it moves is counted, too.
        n_null: How many models of the same shape with random weights are tested; without any
            nothing is supported.
        n_splits: How often the groups are divided into halves.
        n_flips: Sign flips behind the p values of each split; the smallest p is about 2 / n_flips.
        seed: Fixes every figure.

    Raises:
        HeadwiseError: A relation that is not understood or that the suite lacks, a direction in which a decoder cannot attend, too few groups
            to divide, or a marked word of a pair that the tokenizer drops.
    """
    check_counts(n_null=n_null, n_splits=n_splits, seed=seed)
    suite = as_suite(suite)
    plan = Plan.of(model, suite, relation)
    counts = count_heads(plan, norms=norms)
    random = count_controls(model, plan.cases, plan.alignments, n_null=n_null, seed=seed)
    return judge(plan, counts, random, seed=seed, n_splits=n_splits, n_flips=n_flips)


def count_heads(plan: Plan, *, norms: bool = True) -> list[Count]:
    """What every head attends to, for each case.

    Args:
        plan: The questions.
        norms: Whether attention weighted by what it moves is counted, too.
    """
    counter = Counter(plan.model, plan.cases, norms=norms)
    read = [alignment.within_context() for alignment in plan.alignments]
    seen = watch(plan.model, batches(plan.model, read), counter)
    for _ in track(seen, len(plan.alignments), "reading heads", watched):
        pass
    return counter.counts()


def judge(
    plan: Plan,
    counts: Sequence[Count],
    controls: Controls,
    *,
    n_splits: int = N_SPLITS,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> RelationTestResult:
    """The result from the counts of heads; see `relation_test`.

    Args:
        plan: The questions.
        counts: For each case what every head attends to.
        controls: Hits of models with random weights.
        n_splits: As in `relation_test`.
        n_flips: As in `relation_test`.
        seed: Fixes splits and flips.
    """
    splits = Splits.draw(plan.groups, n_splits, seed)
    traits = Traits.of(plan.corpus, plan.alignments)
    parts = batches(plan.model, plan.alignments)
    uniform = count_uniform(plan.model, plan.cases, parts)
    evidence = [
        weigh(case, count, alike, plan.corpus, traits, plan.groups, splits)
        for case, count, alike in zip(plan.cases, counts, uniform, strict=True)
    ]
    return RelationTestResult(
        model=plan.model.name,
        suite=plan.suite.name,
        relations=plan.relations,
        evidence=tuple(evidence),
        impossible={(c.relation.text, c.direction): c.impossible for c in plan.cases},
        missing=plan.missing,
        coverage=coverage(plan.alignments),
        seed=seed,
        controls=controls,
        has_tags=plan.corpus.has_tags,
        table=_significance.table(evidence, controls, seed=seed, n_flips=n_flips),
    )


# pytest collects functions called test_*; this one is not a test.
relation_test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def _sentences_with_pairs(suite: Suite, relations: Sequence[Relation]) -> list[Sentence]:
    corpus = Corpus.of(suite.sentences)
    tested = np.unique(np.concatenate([relation.pairs(corpus)[:, 0] for relation in relations]))
    return [suite.sentences[i] for i in tested]


def _cases(
    model: Model,
    relations: Sequence[Relation],
    corpus: Corpus,
    alignments: Sequence[Alignment],
) -> tuple[list[Case], int]:
    """Every relation in every tested direction, and how many pairs have a word without a vector."""
    cases: list[Case] = []
    missing = 0
    has_vector = np.ones(len(corpus.classes), dtype=bool)
    for start, alignment in zip(corpus.starts, alignments, strict=False):
        has_vector[start + np.array(sorted(alignment.missing), dtype=int)] = False
    for relation in relations:
        tested = relation.pairs(corpus)
        places = corpus.starts[tested[:, :1]] + tested[:, 1:]
        complete = has_vector[places].all(axis=1)
        dropped = {i: set(alignments[i].dropped) for i in np.unique(tested[~complete][:, 0])}
        for sentence, *pair in tested[~complete]:
            for word in dropped[sentence].intersection(pair):
                require(corpus.sentences[sentence], alignments[sentence], int(word))
        missing += int((~complete).sum())
        for direction in relation.directions:
            questions, impossible = ask(
                direction, tested[complete], corpus.lengths, model.is_causal
            )
            case = Case(relation, direction, questions, impossible)
            if relation.directions != DIRECTIONS and not len(questions) and impossible:
                raise HeadwiseError(_not_visible(model, case))
            cases.append(case)
    return cases, missing


def _not_visible(model: Model, case: Case) -> str:
    ahead = (
        "the query comes before the key"
        if case.direction == "column"
        else "the answer comes after the query"
    )
    return (
        f"{case.relation.text!r} cannot be tested on {model.name}: a decoder attends to earlier words only, "
        f"and in all {case.impossible:,} cases {ahead}. Choose another direction or an encoder."
    )


def _groups(suite: Suite, sentences: Sequence[Sentence]) -> Int[ndarray, " sentence"]:
    index = {group: i for i, group in enumerate(suite.groups)}
    return np.array([index[sentence.group] for sentence in sentences], dtype=int)
