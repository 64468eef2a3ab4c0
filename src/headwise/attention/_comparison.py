"""Heads against baselines: what each head is compared with, and the difference of hit rates.

Three comparisons, each with a baseline of its own:

- `chance`: does the head attend there at all? Against uniform attention and permuted links (any visible word
  as likely to be the right one);
- `plain`: more than position and plain text predict? Against rules that read the text alone, a learned
  ranking, words that were answers before, and the head's own most frequent distance;
- `tags`: more than parts of speech predict? The same, and rules and a ranking that read gold parts of
  speech, which no model is given. A head that does no better may still attend there.

on all pairs, on `non_adjacent` ones and, descriptively, on those with a distractor, a
wrong word of the right part of speech that is as near. Baselines are chosen on one half of the groups
and counted on the other, both halves in turn, over many splits (`headwise.attention._crossfit`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.stats import Clusters
from headwise.stats.deciding import MIN_CLUSTERS

from . import _learned, baselines
from ._candidates import Options
from ._counting import Case, Count
from ._crossfit import Chosen, Fitted, Splits, choose
from ._traits import Traits
from .annotations import Corpus
from .baselines import is_right
from .questions import NOBODY, Questions

Comparison = Literal["chance", "plain", "tags"]
Scope = Literal["all", "non_adjacent", "distractor"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
SCOPES: tuple[Scope, ...] = get_args(Scope)
# What is tested; the other combinations are not asked.
TESTED: tuple[tuple[Comparison, Scope], ...] = tuple(
    (comparison, scope) for comparison in COMPARISONS for scope in SCOPES[:2]
)
DESCRIBED: tuple[tuple[Comparison, Scope], ...] = (*TESTED, ("plain", "distractor"))


@dataclass(frozen=True, eq=False)
class Evidence:
    """One case with everything that is counted and compared in it.

    Attributes:
        case: The questions.
        count: What the heads did.
        uniform: What a uniform head would do, a `Count` of one head.
        group: Cluster of each question by source, an index shared by all cases.
        clusters: Clusters of the questions, by source and, where it varies, by the word that decides.
        splits: Which groups lie in which half.
        scopes: Which questions belong to each scope.
        chosen: For every comparison and scope the best common baseline.
        positions: Whether each head's own most frequent distance is right, fitted on the other half and on the same.
    """

    case: Case
    count: Count
    uniform: Count
    group: Int[ndarray, " question"]
    clusters: Clusters
    splits: Splits
    scopes: dict[Scope, Bool[ndarray, " question"]]
    chosen: dict[tuple[Comparison, Scope], Chosen]
    positions: tuple[Bool[ndarray, "head split question"], Bool[ndarray, "head split question"]]

    @cached_property
    def hits(self) -> Bool[ndarray, "head question"]:
        """Whether the most attended word is a right one."""
        return self.right(self.count.found)

    def right(
        self, found: Int[ndarray, "layer head question"]
    ) -> Bool[ndarray, "layer*head question"]:
        """Whether words that heads found are right ones; heads in one row."""
        n = len(self.case.questions)
        return is_right(self.case.questions, found.reshape(found.shape[0] * found.shape[1], n))

    @cached_property
    def half(self) -> Int[ndarray, "split question"]:
        """The half in which each question lies."""
        return self.splits.halves(self.group)

    def uses_positions(
        self, comparison: Comparison, scope: Scope
    ) -> Bool[ndarray, "head split half"]:
        """Where a head's own most frequent distance was a better baseline than the common one, on the half where it is chosen."""
        inside = self.scopes[scope]
        if comparison == "chance" or not inside.any():
            return np.zeros((len(self.hits), len(self.splits), 2), dtype=bool)
        inner = self.positions[1]
        on = np.stack([(self.half == h) & inside for h in (0, 1)], axis=1).astype(np.float32)
        rate = np.einsum("shq,nsq->nsh", on, inner.astype(np.float32), optimize=True)
        return rate / np.maximum(on.sum(axis=2), 1) > self.chosen[comparison, scope].fitted_rate

    def baseline(
        self, comparison: Comparison, scope: Scope
    ) -> Float[ndarray, "split head question"]:
        """How right the best baseline is about each question of a scope: for each head its own distance or the common one."""
        inside = self.scopes[scope]
        common = self.chosen[comparison, scope].right[:, inside]
        half, outer = self.half[:, inside], self.positions[0][..., inside]
        uses = self.uses_positions(comparison, scope)
        if not uses.any():
            return np.broadcast_to(common[:, None], (len(common), len(self.hits), common.shape[1]))
        split = np.arange(len(half))[:, None]
        other = uses[:, split, 1 - half]
        return np.where(other, outer, common).swapaxes(0, 1).astype(np.float32)

    def gains(self, comparison: Comparison, scope: Scope) -> Float[ndarray, "split head question"]:
        """How much more each head hits than its baseline, in every split."""
        inside = self.scopes[scope]
        return self.hits[:, inside].astype(np.float32) - self.baseline(comparison, scope)

    def baseline_names(self, comparison: Comparison, scope: Scope) -> list[str]:
        """For each head the baseline that it was compared with most often."""
        own = self.uses_positions(comparison, scope).mean(axis=(1, 2)) > 0.5
        return np.where(own, "own usual distance", self.chosen[comparison, scope].name).tolist()


def weigh(
    case: Case,
    count: Count,
    uniform: Count,
    corpus: Corpus,
    traits: Traits,
    groups: Int[ndarray, " sentence"],
    splits: Splits,
) -> Evidence:
    """Finds the best baselines for a case.

    Args:
        case: The questions.
        count: What the heads did.
        uniform: What a uniform head did.
        corpus: Words and their parts of speech.
        traits: Properties of the words in plain text.
        groups: Group of each sentence.
        splits: Which groups lie in which half.
    """
    questions = case.questions
    group = groups[questions.sentence]
    scopes: dict[Scope, Bool[ndarray, " question"]] = {
        "all": np.ones(len(questions), dtype=bool),
        "non_adjacent": questions.nearest > 1,
        "distractor": baselines.has_distractor(questions, corpus),
    }
    found = count.found.reshape(count.n_heads, len(questions))
    return Evidence(
        case=case,
        count=count,
        uniform=uniform,
        group=group,
        clusters=clusters_of(case, corpus, traits, group, int(groups.max(initial=0)) + 1),
        splits=splits,
        scopes=scopes,
        chosen=_choose(questions, uniform, corpus, traits, group, splits, scopes),
        positions=_learned.own_positions(found, questions, group, splits),
    )


def _choose(
    questions: Questions,
    uniform: Count,
    corpus: Corpus,
    traits: Traits,
    group: Int[ndarray, " question"],
    splits: Splits,
    scopes: dict[Scope, Bool[ndarray, " question"]],
) -> dict[tuple[Comparison, Scope], Chosen]:
    half = splits.halves(group)
    chance = np.stack([is_right(questions, uniform.found[0, 0]), baselines.by_chance(questions)])
    found: dict[tuple[Comparison, Scope], Chosen] = {}
    for scope, inside in scopes.items():
        names = ("uniform attention", "permuted links")
        found["chance", scope] = choose(names, chance, [], inside, half)
    if not len(questions):
        nothing = np.zeros((1, 0), dtype=bool)
        for scope, inside in scopes.items():
            for comparison in COMPARISONS[1:]:
                found[comparison, scope] = choose(["none"], nothing, [], inside, half)
        return found
    blocks = Options.blocks(questions, corpus)
    sets = baselines.answer_classes(questions, corpus)
    plain = _pointed([dict(baselines.plain_rules(b, traits)) for b in blocks])
    tagged = _pointed([dict(baselines.tagged_rules(b, corpus, traits, sets)) for b in blocks])
    right = is_right(questions, np.stack([*plain.values(), *tagged.values()]))
    n_offsets, n_plain = 2 * baselines.MAX_OFFSET, len(plain)
    told = _most_right([*plain.values()][n_offsets:], right[n_offsets:n_plain])
    known = _learned.known_answers(blocks, traits, group, splits)
    table_of = _tables(blocks, traits, told, None)
    by_text = {
        scope: _learned.ranking("learned ranking", blocks, table_of, group, inside, splits)
        for scope, inside in scopes.items()
        if scope != "distractor" and inside.any()
    }
    more: list[Fitted] = []
    if corpus.has_tags:
        told = [*told, *_most_right([*tagged.values()], right[n_plain:])]
        table_of = _tables(blocks, traits, told, corpus)
        name = "learned ranking with parts of speech"
        more = [_learned.ranking(name, blocks, table_of, group, scopes["all"], splits)]
    for scope, inside in scopes.items():
        fitted = [*known, by_text.get(scope, by_text["all"])]
        found["plain", scope] = choose([*plain], right[:n_plain], fitted, inside, half)
        everything = [*plain, *tagged]
        found["tags", scope] = choose(everything, right, [*fitted, *more], inside, half)
    return found


def _pointed(
    blocks: Sequence[dict[str, Int[ndarray, " _"]]],
) -> dict[str, Int[ndarray, " question"]]:
    """Where rules point, over all blocks of questions."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _tables(
    blocks: Sequence[Options],
    traits: Traits,
    rules: Sequence[Int[ndarray, " question"]],
    corpus: Corpus | None,
) -> Callable[[int], Float[ndarray, "row feature"]]:
    """Features of the words of each block; kept if there is one block, and else made whenever they are asked for."""
    ends = np.cumsum([len(block.questions) for block in blocks])

    def table_of(i: int) -> Float[ndarray, "row feature"]:
        own = slice(ends[i] - len(blocks[i].questions), ends[i])
        return _learned.features(blocks[i], traits, [places[own] for places in rules], corpus)

    return lru_cache(maxsize=1)(table_of)


def _most_right(
    places: list[Int[ndarray, " question"]], right: Bool[ndarray, "rule question"]
) -> list[Int[ndarray, " question"]]:
    """The rules that are right most often, which become features of the learned ranking."""
    best = np.argsort(-right.sum(axis=1), kind="stable")[:N_TOLD]
    return [places[i] for i in best]


N_TOLD = 32
CLOSED = (
    "ADP",
    "AUX",
    "CCONJ",
    "DET",
    "PART",
    "PRON",
    "PUNCT",
    "SCONJ",
)  # classes of words to which none are added (Universal Dependencies)


def clusters_of(
    case: Case,
    corpus: Corpus,
    traits: Traits,
    group: Int[ndarray, " question"],
    n_groups: int,
) -> Clusters:
    """Clusters by source, crossed with the deciding word: the dependent's form.

    Words are a sample, too (Clark 1973), and too few of them are too few clusters. Only where a few words of a closed class (*the* among
    determiners, by their tags) make most cases are they all there is of their kind, and no sample of it; then source is the only
    factor, which is written down twice, because all blocks of a family have the same factors.
    """
    questions = case.questions
    start = corpus.starts[questions.sentence]
    if case.direction == "governor->dependent":
        seen = np.where(questions.targets == NOBODY, np.iinfo(int).max, questions.targets)
        word = start + seen.min(axis=1, initial=np.iinfo(int).max)
    else:
        word = start + questions.query
    form = traits.form[word] if len(word) else np.zeros(0, dtype=int)
    counts = np.bincount(form, minlength=1).astype(float)
    effective = counts.sum() ** 2 / max(1.0, float((counts**2).sum()))
    is_closed = corpus.of_class(CLOSED)[word].mean() > 0.5 if len(word) else False
    whole_kind = is_closed and effective < MIN_CLUSTERS
    crossed = n_groups + len(traits.forms) + group if whole_kind else n_groups + form
    return Clusters((group.astype(np.int64), crossed.astype(np.int64)))
