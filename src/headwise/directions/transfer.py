"""Is a step one direction: from king to queen as from uncle to aunt, and from actor to actress?

The words of a minimal pair differ in one respect. The mean step between them, of the pairs of one field, is a direction
(`Direction.of_pairs`). Pairs of the same field that it was not fitted on (each word pair is left out in turn) and those of
other fields are measured along it: how often the step goes the right way, how far, and at what angle.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from .. import stats, words
from ..errors import HeadwiseError
from ..models import Model
from ..showing import Viewable
from ..suites import Suite
from . import nulls
from .at_words import Words, streams_of
from .direction import Direction

LEAST = 3  # word pairs of a field: one is left out, and a mean of the others needs two


@dataclass(frozen=True, eq=False)
class TransferResult(Viewable):
    """How far steps of several fields go along that of one.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        source: The field that the direction is of.
        fields: All fields, the source first.
        direction: Of the source's pairs, at the chosen layer.
        layer: The layer at which left-out pairs of the source lie closest to the direction (mean cosine), so that other fields have no part in
            choosing it.
        n_pairs: Word pairs by field.
        table: One row per `layer` and `field`: `pairs` of sentences and `words`, pairs of words; `right`, how often a step goes the right
            way, with its 95% interval over word pairs (`right_low`, `right_high`; chance is 0.5); `step`, how far it goes, in steps of the direction, with
            its interval (`low`, `high`); mean `cosine` to the direction; one-sided sign-flip `p` over word pairs, `p_family` over all layers and
            fields; `p_random`, the share of random directions, which vary as the words do, along which the mean step is as long or longer.
    """

    model: str
    suite: str
    source: str
    fields: tuple[str, ...]
    direction: Direction
    layer: int
    n_pairs: dict[str, int]
    table: pd.DataFrame

    def row(self, field: str, layer: int | None = None) -> pd.Series:
        """One row of the table; at the chosen layer by default."""
        t = self.table
        at = self.layer if layer is None else layer
        return t[(t["field"] == field) & (t["layer"] == at)].iloc[0]


def test_transfer(
    model: Model,
    suite: Suite,
    source: str,
    *,
    n_random: int = 1000,
    seed: int = 0,
) -> TransferResult:
    """Measures steps of every field along the step of one, at every layer.

    Args:
        model: The model.
        suite: Minimal pairs with a marked word each; groups are word pairs, named `field-...`.
        source: The field that the direction is fitted on.
        n_random: Random directions.
        seed: Fixes them, flips and intervals.

    Raises:
        HeadwiseError: No such field, fewer than three word pairs of the source, no other field, pairs that lie at one point.
    """
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
    steps, ends, groups = _steps(model, suite)
    fields = np.array([of_group[pair.group] for pair in suite.pairs])
    rows: list[dict[str, object]] = []
    sums: list[Float[ndarray, " group"]] = []
    n_groups = int(groups.max()) + 1
    for layer in range(len(steps)):
        x = steps[layer]
        along, cosine, length = _along(x, groups, fields == source)
        if length == 0:  # nothing sets the words apart here
            continue
        readers = _readers(model, x[fields == source], ends[layer], layer, n_random, seed)
        for name in names:
            own = fields == name
            right = (along[own] > 0).astype(float)
            (right_low, low), (right_high, high) = stats.cluster_bootstrap(
                np.stack([right, along[own]]), groups[own], seed=seed
            )
            mean = x[own].mean(axis=0)
            reach = float((mean @ x[fields == source].mean(axis=0)) / length)
            p_random = float((1 + (np.abs(readers @ mean) >= reach).sum()) / (1 + n_random))
            rows.append(
                {
                    "layer": layer,
                    "field": name,
                    "pairs": int(own.sum()),
                    "words": n_pairs[name],
                    "right": right.mean(),
                    "right_low": right_low,
                    "right_high": right_high,
                    "step": along[own].mean(),
                    "low": low,
                    "high": high,
                    "cosine": cosine[own].mean(),
                    "p_random": p_random,
                }
            )
            sums.append(np.bincount(groups[own], along[own], minlength=n_groups))
    tested = stats.sign_flip(np.stack(sums), seed=seed)
    table = pd.DataFrame(rows).assign(p=tested.p, p_family=tested.p_family)
    own = table[table["field"] == source]
    chosen = int(np.array(own["layer"])[int(np.array(own["cosine"], dtype=float).argmax())])
    kept = tuple(pair for pair in suite.pairs if of_group[pair.group] == source)
    fitted = Suite(
        suite.name,
        suite.question,
        tuple(s for p in kept for s in (p.clean, p.corrupted)),
        sha256=suite.sha256,
        pairs=kept,
    )
    return TransferResult(
        model=model.name,
        suite=suite.name,
        source=source,
        fields=tuple(names),
        direction=Direction.of_pairs(model, fitted, layer=chosen),
        layer=chosen,
        n_pairs=n_pairs,
        table=table,
    )


def _steps(
    model: Model, suite: Suite
) -> tuple[
    Float[ndarray, "layer pair d_model"],
    Float[ndarray, "layer word d_model"],
    Int[ndarray, " pair"],
]:
    """From the marked word of the corrupted sentence to that of the clean one, or the other way where labels are swapped."""
    both = [s for pair in suite.pairs for s in (pair.clean, pair.corrupted)]
    marks = [max(s.marks, key=lambda m: m.word) if s.marks else None for s in both]
    for sentence, mark in zip(both, marks, strict=True):
        if mark is None:
            raise HeadwiseError(f"{sentence.source}: {sentence.text[:40]!r} marks no word.")
    labels = [mark.label for mark in marks if mark]
    at = Words(
        words.align(model, both), np.arange(len(both)), np.array([m.word for m in marks if m])
    )
    for sentence, alignment, word in zip(both, at.alignments, at.positions, strict=True):
        if not words.require(sentence, alignment, int(word)):
            raise HeadwiseError(
                f"{sentence.source}: {sentence.words[int(word)]!r} has no token of its own in {model.name}. Put another word."
            )
    x = streams_of(model, at)
    positive = labels[0]
    sign = np.where([label == positive for label in labels[::2]], 1.0, -1.0)
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
    """Random directions that vary as the words do; within each side of the pairs."""
    direction = Direction.of(
        model, steps.mean(axis=0), positive="ahead", negative="behind", layer=layer
    )
    sides = np.arange(len(ends)) % 2
    return nulls.random_readers(direction, ends, sides, n, seed)
