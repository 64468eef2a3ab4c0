"""Transfer of a step between fields: from king to queen as from uncle to aunt, and from actor to actress.

The words of a minimal pair differ in one respect. The mean step between them, of the pairs of one field, is a direction
(`directions.from_pairs`). Pairs of the same field that it was not fitted on (each word pair is left out in turn) and those of
other fields are measured along it: how often the step goes the right way, how far, and at what angle.

Two controls are measured in the same way, each along steps of its own: models with random weights, and the model with uniform attention, whose steps
are
those of the words' embeddings with the sentence's mean mixed in. A field follows the step if its mean step is above zero by a sign-flip test over
word pairs (maximum over all layers and fields), longer than along random directions, of a larger t than in every model with random
weights, and further than under uniform attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import check_counts
from headwise.activations import hooks
from headwise.activations.alignment import align, require
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.loading import random_like
from headwise.model.model import Model
from headwise.stats import Block, Clusters, Tests, max_t, mean_of
from headwise.stats.deciding import INCONCLUSIVE, LEVEL, MIN_CASES, MIN_CLUSTERS, NO, SMALLEST, YES

from . import nulls
from ._columns import TRANSFER
from ._stream.word_positions import Words, streams_of
from .constructors import from_pairs
from .contributions import alike
from .direction import Direction

LEAST = 3  # word pairs of a field: one is left out, and a mean of the others needs two
ROUNDING = 1e-5  # of a step
NUMBERS = (
    "pairs",
    "words",
    "step",
    "se",
    "critical",
    "t",
    "control_t",
    "p_fwer",
    "p_random",
    "excess",
    "excess_p_fwer",
)
N_CONTROLS = 5  # models with random weights


@dataclass(frozen=True, eq=False, repr=False)
class TransferTestResult(Result):
    """Steps of several fields along that of one.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        source: The field that the direction is of.
        fields: All fields, the source first.
        direction: Of the source's pairs, at the chosen layer.
        layer: The layer at which left-out pairs of the source lie closest to the direction (mean cosine), so that other fields do not
            influence the choice.
        n_pairs: Word pairs by field.
        n_null: Models with random weights that were measured in the same way, and
        why_not: why there are none.
        table: One row per `layer` and `field`; see `columns`.
    """

    model: str
    suite: str
    source: str
    fields: tuple[str, ...]
    direction: Direction
    layer: int
    n_pairs: dict[str, int]
    n_null: int
    why_not: str
    table: pd.DataFrame
    columns: ClassVar[Columns] = TRANSFER

    def significant(self) -> pd.DataFrame:
        """The rows, at the chosen layer, of fields that go along the step (the rule of the module), the longest steps first."""
        rows = self.table.loc[self.table["layer"] == self.layer]
        found = [self.said(str(field)) == YES for field in rows["field"]]
        return rows.loc[found].sort_values("step", ascending=False)

    def _summary(self) -> str:
        along = list(self.significant()["field"])
        told = f"{', '.join(along)} go along it" if along else "no field goes along it"
        return f"{len(self.fields)} fields along the step of {self.source} at layer {self.layer}; {told}"

    def said(self, field: str) -> str:
        """Whether a field follows the step: yes, no or inconclusive, by the rule of the module.

        `no` if its step lies within the smallest effect of interest around zero, simultaneously over layers and fields; inconclusive with
        fewer than 20 pairs of sentences or 10 word pairs.
        """
        at = self.table.columns.get_indexer(list(NUMBERS))
        rows = (self.table["field"] == field) & (self.table["layer"] == self.layer)
        row = dict(zip(NUMBERS, self.table.loc[rows].iloc[0, at].astype(float), strict=True))
        if row["pairs"] < MIN_CASES or row["words"] < MIN_CLUSTERS:
            return INCONCLUSIVE
        within = abs(row["step"]) + row["critical"] * row["se"] < SMALLEST
        p = max(row["p_fwer"], row["p_random"], row["excess_p_fwer"])
        beats = row["t"] > row["control_t"]  # never of NaN: what was not controlled was not shown
        found = row["step"] >= SMALLEST and row["excess"] >= SMALLEST and p < LEVEL and beats
        return YES if found else NO if within else INCONCLUSIVE


def transfer_test(
    model: Model,
    suite: Suite,
    source: str,
    *,
    n_null: int = N_CONTROLS,
    n_null_directions: int = 1000,
    seed: int = 0,
) -> TransferTestResult:
    """Measures steps of every field along the step of one, at every layer.

    Args:
        model: The model.
        suite: Minimal pairs with a marked word each; groups are word pairs, named `field-...`.
        source: The field that the direction is fitted on.
        n_null: Models with random weights.
        n_null_directions: Random directions.
        seed: Fixes them, and flips.

    Raises:
        HeadwiseError: No such field, fewer than three word pairs of the source, no other field, pairs that lie at one point.
    """
    check_counts(n_null=n_null, n_null_directions=n_null_directions, seed=seed)
    suite = as_suite(suite)
    of_group = {group: group.partition("-")[0] for group in suite.groups}
    names = list(dict.fromkeys(of_group[pair.group] for pair in suite.pairs))
    n_pairs = {name: len({p.group for p in suite.pairs if of_group[p.group] == name}) for name in names}  # fmt: skip
    if n_pairs.get(source, 0) < LEAST or len(names) < 2:
        known = ", ".join(f"{name} ({n})" for name, n in n_pairs.items()) or "none"
        raise HeadwiseError(
            f"{suite.name!r} has too few word pairs to go from {source!r} to another field: expected {LEAST} or more groups named "
            f"'{source}-...' and another field besides; it has {known}."
        )
    names = [source, *(name for name in names if name != source)]
    fields = np.array([of_group[pair.group] for pair in suite.pairs])
    at = _marked(model, suite)
    own = _Measured.of(model, suite, at, fields == source)
    with hooks.edit(model, "pattern" if len(model.stacks) == 1 else "encoder.pattern", alike):
        even = _Measured.of(model, suite, at, fields == source)
    control_t, n_made, why_not = _random_weights(model, suite, at, fields, source, n_null, seed)
    table = _table(model, own, even, names, fields, n_null_directions, seed)
    table = table.assign(control_t=control_t, words=[n_pairs[name] for name in table["field"]])
    rows = table[table["field"] == source]
    chosen = int(np.array(rows["layer"])[int(np.array(rows["cosine"], dtype=float).argmax())])
    kept = tuple(pair for pair in suite.pairs if of_group[pair.group] == source)
    fitted = Suite(
        suite.name,
        suite.question,
        tuple(s for p in kept for s in (p.clean, p.corrupted)),
        sha256=suite.sha256,
        pairs=kept,
    )
    return TransferTestResult(
        model=model.name,
        suite=suite.name,
        source=source,
        fields=tuple(names),
        direction=from_pairs(model, fitted, layer=chosen),
        layer=chosen,
        n_pairs=n_pairs,
        n_null=n_made,
        why_not=why_not,
        table=table,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """Steps of every pair at every layer along the mean step of the source.

    Attributes:
        steps: From the female to the male word, say.
        ends: Where words lie.
        groups: Word pair of each pair.
        along: In steps of the source; a pair of the source along the others only.
        cosine: With the same.
        length: Of the mean step of the source; 0 where the words coincide.
    """

    steps: Float[ndarray, "layer pair d_model"]
    ends: Float[ndarray, "layer word d_model"]
    groups: Int[ndarray, " pair"]
    along: Float[ndarray, "layer pair"]
    cosine: Float[ndarray, "layer pair"]
    length: Float[ndarray, " layer"]

    @staticmethod
    def of(model: Model, suite: Suite, at: Words, is_source: Bool[ndarray, " pair"]) -> "_Measured":
        steps, ends, groups = _steps(model, suite, at)
        found = [_along(x, groups, is_source) for x in steps]
        along, cosine, length = (np.stack([f[i] for f in found]) for i in range(3))
        return _Measured(steps, ends, groups, along, cosine, length)


def _random_weights(
    model: Model, suite: Suite, at: Words, fields: ndarray, source: str, n: int, seed: int
) -> tuple[float, int, str]:
    """The largest t of any field but the source, at any layer of any model with random weights."""
    largest = float("nan")
    for i in range(n):
        try:
            twin = random_like(model, seed + 1000 + i)
        except HeadwiseError as error:
            return float("nan"), 0, str(error)
        own = _Measured.of(twin, suite, at, fields == source)
        for name in {*fields.tolist()} - {source}:
            chosen = fields == name
            found = mean_of(own.along[:, chosen], Clusters.of(own.groups[chosen]))
            t = np.divide(found.value, found.se, out=np.zeros_like(found.value), where=found.se > 0)
            largest = float(np.nanmax([largest, np.nan_to_num(t).max()]))
    return largest, n, "" if n else "none was requested"


def _table(
    model: Model,
    own: _Measured,
    even: _Measured,
    names: Sequence[str],
    fields: ndarray,
    n_null_directions: int,
    seed: int,
) -> pd.DataFrame:
    source = fields == names[0]
    clusters = Clusters.of(own.groups)
    layers = np.flatnonzero(own.length > 0)
    if not len(layers):
        raise HeadwiseError(
            f"The pairs of {names[0]!r} lie at one point at every layer of {model.name}; write pairs of words that differ."
        )
    rows: list[dict[str, object]] = []
    for layer in layers:
        x = own.steps[layer]
        readers = _readers(model, x[source], own.ends[layer], int(layer), n_null_directions, seed)
        for name in names:
            chosen = fields == name
            along, excess = own.along[layer, chosen], (own.along - even.along)[layer, chosen]
            right = mean_of((along > 0).astype(float), clusters.where(chosen), bound="rate")
            found = mean_of(np.stack([along, excess]), clusters.where(chosen))
            mean = x[chosen].mean(axis=0)
            reach = float(mean @ x[source].mean(axis=0) / own.length[layer])
            p_random = float(
                (1 + (np.abs(readers @ mean) >= reach).sum()) / (1 + n_null_directions)
            )
            rows.append(
                {
                    "layer": int(layer),
                    "field": name,
                    "pairs": int(chosen.sum()),
                    "right": float(right.value),
                    "right_low": float(right.low),
                    "right_high": float(right.high),
                    "step": float(found.value[0]),
                    "step_low": float(found.low[0]),
                    "step_high": float(found.high[0]),
                    "se": float(found.se[0]),
                    "cosine": own.cosine[layer, chosen].mean(),
                    "p_random": p_random,
                    "uniform": float(found.value[0] - found.value[1]),
                    "excess": float(found.value[1]),
                    "excess_low": float(found.low[1]),
                    "excess_high": float(found.high[1]),
                }
            )
    tests = [
        _tests(values[layers], clusters, names, fields, seed)
        for values in (own.along, own.along - even.along)
    ]
    return pd.DataFrame(rows).assign(
        t=tests[0].t, p=tests[0].p, p_fwer=tests[0].p_fwer, critical=tests[0].critical, excess_p_fwer=tests[1].p_fwer
    )  # fmt: skip


def _tests(
    values: Float[ndarray, "layer pair"],
    clusters: Clusters,
    names: Sequence[str],
    fields: ndarray,
    seed: int,
) -> Tests:
    """Of every layer and field; those with too few word pairs take no part."""
    blocks = [
        Block(np.where(np.abs(row[None, fields == name]) > ROUNDING, row[None, fields == name], 0.0), clusters.where(fields == name))
        for row in values
        for name in names
    ]  # fmt: skip
    return max_t(blocks, seed=seed)


def _marked(model: Model, suite: Suite) -> Words:
    """The last marked word of both sentences of every pair."""
    both = [s for pair in suite.pairs for s in (pair.clean, pair.corrupted)]
    marks = [max(s.marks, key=lambda m: m.word) if s.marks else None for s in both]
    for sentence, mark in zip(both, marks, strict=True):
        if mark is None:
            raise HeadwiseError(f"{sentence.source}: {sentence.text[:40]!r} marks no word.")
    at = Words(align(model, both), np.arange(len(both)), np.array([m.word for m in marks if m]))
    for sentence, alignment, word in zip(both, at.alignments, at.positions, strict=True):
        if not require(sentence, alignment, int(word)):
            raise HeadwiseError(
                f"{sentence.source}: {sentence.words[int(word)]!r} has no token of its own in {model.name}. Put another word."
            )
    return at


def _steps(
    model: Model, suite: Suite, at: Words
) -> tuple[
    Float[ndarray, "layer pair d_model"],
    Float[ndarray, "layer word d_model"],
    Int[ndarray, " pair"],
]:
    """From the marked word of the corrupted sentence to that of the clean one, or the other way where labels are swapped."""
    labels = [max(p.clean.marks, key=lambda m: m.word).label for p in suite.pairs]
    x = streams_of(model, at)
    sign = np.where([label == labels[0] for label in labels], 1.0, -1.0)
    index = {group: i for i, group in enumerate(suite.groups)}
    return (
        sign[:, None] * (x[:, ::2] - x[:, 1::2]),
        x,
        np.array([index[pair.group] for pair in suite.pairs]),
    )


def _along(
    x: Float[ndarray, "pair d_model"], groups: Int[ndarray, " pair"], is_source: ndarray
) -> tuple[Float[ndarray, " pair"], Float[ndarray, " pair"], float]:
    """Steps along the mean step of the source, in units of it, their cosines, and its length; a pair of the source against the others only."""
    along, cosine = np.zeros(len(x)), np.zeros(len(x))
    whole = x[is_source].mean(axis=0)
    length = float(np.linalg.norm(whole))
    if length <= 1e-6 * float(np.linalg.norm(x, axis=1).max(initial=0)) or length == 0:
        return along, cosine, 0.0
    norms = np.maximum(np.linalg.norm(x, axis=1), 1e-12)
    for group in np.unique(groups[is_source]):
        own = is_source & (groups == group)
        others = x[is_source & (groups != group)].mean(axis=0)
        far = max(float(np.linalg.norm(others)), 1e-12)
        along[own] = x[own] @ others / far**2
        cosine[own] = x[own] @ others / (far * norms[own])
    rest = ~is_source
    along[rest] = x[rest] @ whole / length**2
    cosine[rest] = x[rest] @ whole / (length * norms[rest])
    return along, cosine, length


def _readers(
    model: Model,
    steps: Float[ndarray, "pair d_model"],
    ends: Float[ndarray, "word d_model"],
    layer: int,
    n: int,
    seed: int,
) -> Float[ndarray, "draw d_model"]:
    """Random directions with the covariance of the words, within each side of the pairs."""
    direction = Direction.of(
        model, steps.mean(axis=0), positive="ahead", negative="behind", layer=layer
    )
    sides = np.arange(len(ends)) % 2
    return nulls.random_readers(direction, ends, sides, n, seed)
