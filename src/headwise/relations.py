"""Looks: does a head attend from one word of a pair to the other, more than any rule would?

A relation is a set of word pairs, each a dependent (the adjective) and its governor (the noun); see
`headwise.notation`. For every head a pair is a hit in one of three directions:

- `dependent->governor`: of all other words the dependent attends most to its governor;
- `governor->dependent`: of all other words the governor attends most to one of its dependents
  (counted once per governor);
- `column`: of all words the one that attends most to the dependent is its governor.

Attention is between words (summed over a key's pieces, averaged over a query's), special tokens are
left out and a word's attention to itself does not count. Rules without a model (`headwise.baselines`)
are chosen on one part of the groups; every figure is of the other. All that is asked at once shares
one error rate (`headwise.comparison`). Models of the same shape with random weights stand beside.

One forward pass, and one more for each random model; no pattern outlives its batch; time is linear in
tokens. Methods and their criticism: Clark, Khandelwal, Levy and Manning 2019; Voita, Talbot, Moiseev,
Sennrich and Titov 2019; Kobayashi, Kuribayashi, Yokoi and Inui 2020; Pande, Budhraja, Nema, Kumar and
Khapra 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from . import notation, words
from .comparison import MIN_PAIRS, Evidence, Scope, table, weigh
from .corpus import Corpus
from .errors import HeadwiseError
from .hits import Case, Count, Counter
from .loading import random_like
from .models import Model
from .notation import Relation
from .progress import track
from .questions import DIRECTIONS, Direction, ask
from .showing import Viewable
from .stats import MIN_CLUSTERS
from .streaming import watch, watched
from .suites import Sentence, Suite


@dataclass(frozen=True, eq=False)
class RelationResult(Viewable):
    """What every head does with the relations that were asked.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        relations: The relations, in the order of the table.
        evidence: Hits and rules of every relation and direction that could be counted.
        selected_share: Share of the groups used for choosing rules; 0 means that nothing was set aside.
        impossible: Per relation and direction, questions whose answer a decoder cannot see; not counted.
        missing: Pairs left out because a word of theirs is cut off or shares its only token.
        coverage: How words were split and aligned.
        seed: The seed of the split, the intervals, the flips and the random models.
        controls: Hit rates on all reported pairs of models with random weights, `[model, case, layer,
            head]`, cases as in `evidence`.
        table: One row per relation, layer, head and direction. Of the reported part: `pairs` (governors for
            `governor->dependent`), `sentences`, `clusters` (groups); `hit_rate`, `norm_hit_rate` (attention
            weighted by the length of what it moves), `mass` (mean attention on right words), `sink` (mean
            attention on the first and on special tokens), all 0 to 1; `uniform`, the hit rate of looking
            anywhere; `baseline`, the best rule, and `baseline_hit_rate`; `effect`, the difference of hit
            rates, with its 95% interval over groups `effect_low`, `effect_high`; `p` of the head alone,
            `p_family` over everything asked, `q` (Benjamini-Hochberg), one-sided; NaN where too little can
            be counted. The same with `_apart` (words between) and `_distractor` (a wrong word of the right
            part of speech is as near). `control_hit_rate` is the mean over random models, `control_best`
            that of their best head. `verdict` follows `comparison.verdict`.
    """

    model: str
    suite: str
    relations: tuple[Relation, ...]
    evidence: tuple[Evidence, ...]
    selected_share: float
    impossible: dict[tuple[str, Direction], int]
    missing: int
    coverage: words.Coverage
    seed: int
    controls: Float[ndarray, "model case layer head"]
    table: pd.DataFrame

    def case(self, direction: Direction, relation: str | None = None) -> Evidence | None:
        """Evidence on one direction of a relation (of the first, if none is named)."""
        name = relation or self.relations[0].text
        for evidence in self.evidence:
            if evidence.case.direction == direction and evidence.case.relation.text == name:
                return evidence
        return None

    def hit_rates(
        self, direction: Direction, relation: str | None = None, scope: Scope = "all"
    ) -> Float[ndarray, "layer head"]:
        """Reported hit rate of every head; NaN where there is nothing to count."""
        return self._grid("hit_rate", direction, relation, scope)

    def hit_rates_on_everything(
        self, direction: Direction, relation: str | None = None
    ) -> Float[ndarray, "layer head"]:
        """Hit rate of every head on both parts: to compare with published figures."""
        evidence = self.case(direction, relation)
        assert evidence is not None
        hits = evidence.count.hits
        return hits.mean(axis=-1) if hits.shape[-1] else np.full(hits.shape[:2], np.nan)

    def effects(
        self, direction: Direction, relation: str | None = None, scope: Scope = "all"
    ) -> Float[ndarray, "layer head"]:
        """How much more often than its best rule each head hits; NaN where there is nothing to count."""
        return self._grid("effect", direction, relation, scope)

    def _grid(
        self, column: str, direction: Direction, relation: str | None, scope: Scope
    ) -> Float[ndarray, "layer head"]:
        name = relation or self.relations[0].text
        rows = self._rows(direction, name)
        wanted = column if scope == "all" else f"{column}_{scope}"
        return rows.pivot(index="layer", columns="head", values=wanted).to_numpy(dtype=float)

    def _rows(self, direction: Direction, relation: str) -> pd.DataFrame:
        asked = (self.table["direction"] == direction) & (self.table["relation"] == relation)
        return self.table.loc[asked]

    def best(self, direction: Direction, relation: str | None = None) -> "pd.Series | None":
        """The row of the head whose effect is largest where it is smaller, on all pairs or apart.

        The best of many heads is flattered by its effect; its `p_family` knows how many there were.
        None where nothing could be counted.
        """
        name = relation or self.relations[0].text
        rows = self._rows(direction, name)
        rows = rows.loc[rows["pairs"] > 0]
        if rows.empty:
            return None
        worst = rows[["effect", "effect_apart"]].min(axis=1)
        return rows.loc[worst.idxmax()]

    @property
    def too_little(self) -> list[str]:
        """What cannot be judged because too little of it could be counted, and why, in sentences."""
        few: list[str] = []
        alike: list[str] = []
        for e in self.evidence:
            name = e.case.relation.text
            name = name if ":" in name or "->" in name else f"{name} ({e.case.direction})"
            if e.case.impossible and not len(e.case.questions):
                continue
            n, n_groups = int(e.reported.sum()), len(np.unique(e.group[e.reported]))
            if n < MIN_PAIRS:
                few.append(f"{name}, {n}")
            elif n_groups < MIN_CLUSTERS:
                alike.append(f"{name}, {n} from {n_groups}")
        lines: list[str] = []
        if few:
            lines.append(f"Fewer than {MIN_PAIRS} held-out cases, so no p value: {'; '.join(few)}.")
        if alike:
            lines.append(
                f"Cases from fewer than {MIN_CLUSTERS} groups of sentences, which cannot show how groups differ, so no "
                f"interval and no p value: {'; '.join(alike)}."
            )
        return lines

    @property
    def supported(self) -> pd.DataFrame:
        """The rows whose verdict is `supported`, strongest first."""
        rows = self.table.loc[self.table["verdict"] == "supported"]
        return rows.sort_values(by="effect", ascending=False)


def test_relation(
    model: Model,
    suite: Suite,
    relation: str | Relation | Sequence[str | Relation],
    select: float = 0.5,
    seed: int = 0,
    *,
    controls: int = 3,
    norms: bool = True,
    n_flips: int = 5000,
) -> RelationResult:
    """Tests every head for attention between the words of some relations.

    Args:
        model: The model.
        suite: Sentences with links.
        relation: What is asked, in the notation of `headwise.notation` (`"amod"`, `"amod: column"`,
            `"NOUN -> ADJ (amod)"`, `"every>=100"`), or several; error rates are kept over all of them.
        select: Share of the groups on which rules are chosen; the rest is reported. 0 chooses and
            reports on everything, and then the rules are flattered, if anything.
        seed: Fixes every figure.
        controls: How many models of the same shape with random weights stand beside.
        norms: Whether attention weighted by what it moves is counted, too.
        n_flips: Sign flips behind p values; the smallest p is about 1 / n_flips.

    Raises:
        HeadwiseError: A relation that is not understood or that the suite lacks, a direction in which a
            decoder cannot look, `select` out of range, too few groups to divide, or a word of a pair
            that the tokenizer drops.
    """
    if not 0 <= select < 1:
        raise HeadwiseError(
            f"select={select} is not a share of the groups; expected 0 <= select < 1."
        )
    if controls < 0:
        raise HeadwiseError(f"controls={controls} is not a number of models; expected 0 or more.")
    relations = notation.parse(relation, suite)
    used = _sentences_with_pairs(suite, relations)
    corpus = Corpus.of(used)
    alignments = words.align(model, used)
    cases, missing = _cases(model, relations, corpus, alignments)
    groups = _groups(suite, used)
    selected = _selected_groups(groups, select, seed)
    fitted, reported = _parts(cases, groups, selected, select)
    asked = _Asked(cases, alignments, fitted, reported)
    counts = _count(model, asked, norms, "reading heads")
    evidence = [
        weigh(case, count, corpus, _group_of(case, groups), fit, report)
        for case, count, fit, report in zip(cases, counts, fitted, reported, strict=True)
    ]
    random = _controls(model, asked, seed, controls)
    frame = table(evidence, seed=seed, n_flips=n_flips)
    return RelationResult(
        model=model.name,
        suite=suite.name,
        relations=tuple(relations),
        evidence=tuple(evidence),
        selected_share=select,
        impossible={(c.relation.text, c.direction): c.impossible for c in cases},
        missing=missing,
        coverage=words.coverage(alignments),
        seed=seed,
        controls=random,
        table=_with_controls(frame, random),
    )


# pytest collects functions called test_*; this one is not a test.
test_relation.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def _sentences_with_pairs(suite: Suite, relations: Sequence[Relation]) -> list[Sentence]:
    corpus = Corpus.of(suite.sentences)
    asked = np.unique(np.concatenate([relation.pairs(corpus)[:, 0] for relation in relations]))
    return [suite.sentences[i] for i in asked]


def _cases(
    model: Model,
    relations: Sequence[Relation],
    corpus: Corpus,
    alignments: Sequence[words.Alignment],
) -> tuple[list[Case], int]:
    """Every relation in every direction asked, and how many pairs have a word without a vector."""
    cases: list[Case] = []
    missing = 0
    has_vector = np.ones(len(corpus.classes), dtype=bool)
    for start, alignment in zip(corpus.starts, alignments, strict=False):
        has_vector[start + np.array(sorted(alignment.missing), dtype=int)] = False
    for relation in relations:
        asked = relation.pairs(corpus)
        places = corpus.starts[asked[:, :1]] + asked[:, 1:]
        complete = has_vector[places].all(axis=1)
        for sentence, *pair in asked[~complete]:
            for word in pair:
                words.require(corpus.sentences[sentence], alignments[sentence], int(word))
        missing += int((~complete).sum())
        for direction in relation.directions:
            questions, impossible = ask(direction, asked[complete], corpus.lengths, model.is_causal)
            case = Case(relation, direction, questions, impossible)
            if relation.directions != DIRECTIONS and not len(questions) and impossible:
                raise HeadwiseError(_cannot_look(model, case))
            cases.append(case)
    return cases, missing


def _cannot_look(model: Model, case: Case) -> str:
    ahead = (
        "who looks stands before it"
        if case.direction == "column"
        else "the answer stands behind it"
    )
    return (
        f"{case.relation.text!r} cannot be asked of {model.name}: in a decoder a word sees only what stands before it, "
        f"and in all {case.impossible:,} cases {ahead}. Ask for another direction, or of an encoder."
    )


def _groups(suite: Suite, sentences: Sequence[Sentence]) -> Int[ndarray, " sentence"]:
    index = {group: i for i, group in enumerate(suite.groups)}
    return np.array([index[sentence.group] for sentence in sentences], dtype=int)


def _selected_groups(
    groups: Int[ndarray, " sentence"], select: float, seed: int
) -> Int[ndarray, " group"]:
    """Draws the groups of the part that rules are chosen on."""
    names = np.unique(groups)
    n_selected = round(len(names) * select)
    if select > 0 and n_selected in (0, len(names)):
        raise HeadwiseError(
            f"The sentences come from {len(names)} group(s), too few to choose rules on a share of "
            f"{select} of them and report on the others. Add groups, or pass select=0."
        )
    return np.random.default_rng(seed).permutation(names)[:n_selected]


def _group_of(case: Case, groups: Int[ndarray, " sentence"]) -> Int[ndarray, " question"]:
    return groups[case.questions.sentence]


def _parts(
    cases: Sequence[Case],
    groups: Int[ndarray, " sentence"],
    selected: Int[ndarray, " group"],
    select: float,
) -> tuple[list[Bool[ndarray, " _"]], list[Bool[ndarray, " _"]]]:
    """For each case, the questions to choose on and those to report on; all of them for both, if asked."""
    inside = [np.isin(_group_of(case, groups), selected) for case in cases]
    if select == 0:
        everything = [np.ones_like(part) for part in inside]
        return everything, everything
    return inside, [~part for part in inside]


@dataclass(frozen=True, eq=False)
class _Asked:
    """All that is asked, of whatever model."""

    cases: list[Case]
    alignments: list[words.Alignment]
    fitted: list[Bool[ndarray, " _"]]
    reported: list[Bool[ndarray, " _"]]


def _count(model: Model, asked: _Asked, norms: bool, title: str) -> list[Count]:
    counter = Counter(model, asked.cases, asked.fitted, asked.reported, norms=norms)
    seen = watch(model, words.batches(model, asked.alignments), counter)
    for _ in track(seen, len(asked.alignments), title, watched):
        pass
    return counter.counts()


def _controls(
    model: Model, asked: _Asked, seed: int, n: int
) -> Float[ndarray, "model case layer head"]:
    """Hit rates of models with random weights on what is reported."""
    rates = np.full((n, len(asked.cases), model.n_layers, model.n_heads), np.nan)
    for i in range(n):
        random = random_like(model, seed + i)
        title = f"random weights, {i + 1} of {n}"
        counts = _count(random, asked, False, title)
        for c, (count, part) in enumerate(zip(counts, asked.reported, strict=True)):
            if part.any():
                rates[i, c] = count.hits[..., part].mean(-1)
    return rates


def _with_controls(
    frame: pd.DataFrame, controls: Float[ndarray, "model case layer head"]
) -> pd.DataFrame:
    n_models, n_cases = controls.shape[:2]
    if not n_models:
        return frame.assign(control_hit_rate=np.nan, control_best=np.nan)
    by_case = controls.reshape(n_models, n_cases, -1)
    best = np.repeat(by_case.max(axis=(0, 2)), by_case.shape[2])
    return frame.assign(control_hit_rate=by_case.mean(axis=0).ravel(), control_best=best)
