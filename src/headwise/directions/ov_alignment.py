"""OV alignment: whether a head moves a word along the OV images of the words that it is linked to.

If a head lets *creature* collect *fluffy* and *blue*, its update at *creature* is aligned with the OV images of *fluffy* and *blue* in that head
(`W_O W_V e(fluffy)`, see `ov_images`), more than with those of adjectives from other sentences. The compared sentences form one group, with the same
noun in the same frame but other adjectives, so that neither the noun nor its context explains a difference. Each sentence gives, for every head, the
mean cosine of its update with the OV images of its own adjectives minus that with those of the others.

That difference alone is no evidence. An update is the attention-weighted sum of OV images, so any attention above zero causes one: heads of
never-trained models and of uniform attention have it. The excess of a head is its difference minus the same

- under uniform attention, with its own values (does it depend on what the head attends to?);
- under the attention of the other heads of its layer, with its own values, the mean (does it attend there more than the other heads?);
- with its own attention, through the values and outputs of the other heads against their OV images, the mean (do its values match its attention?).

The effect is the smallest of the three, and all must be above zero (an intersection-union test). Its t must exceed that of every head of models
with random weights, and that of every pair of one head's attention and another's values of the same model: among so many some match by chance.

A decoder attends to earlier words only, an OV image is that of the bare word at the head's layer, and a head that writes contextual information of
its keys is not found this way. Time: a pass, and `layers * heads**2` small products for every word; once more
for every random-weight model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import check_counts
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.heads import Head
from headwise.model.loading import random_like
from headwise.model.model import Model
from headwise.stats import Block, Clusters, Estimates, max_t, mean_of
from headwise.stats.deciding import LEVEL, N_RANDOM

from ._columns import OV_ALIGNMENT
from ._ov_cosines import Sample

EXCESSES = ("over_uniform", "over_attention", "over_values")
ROUNDING = 1e-5  # of a cosine


@dataclass(frozen=True, eq=False, repr=False)
class OVAlignmentTestResult(Result):
    """The OV alignment of each head.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        relation: The link between a word and its dependents.
        heads: Every head.
        cosines: Mean cosine of each head's update at a word with the OV images of its linked words, `[head, word]`; and
        others: with those of the other sentences of its group.
        groups: Group of each word, as an index.
        sentences: Sentence of each word.
        left_out: Linked words that are several tokens, so that they have no OV image.
        cases: Words, and
        clusters: groups of them.
        critical: What a t must exceed to be above zero with 5% error over all heads.
        n_null: Models with random weights that were tested in the same way, and
        why_not: why there are none.
        random_t: Largest t of a head of these, and
        mismatched_t: of the attention of one head with the values of another one of its layer.
        table: One row per head; see `columns`.
    """

    model: str
    suite: str
    relation: str
    heads: tuple[Head, ...]
    cosines: Float[ndarray, "head word"]
    others: Float[ndarray, "head word"]
    groups: Int[ndarray, " word"]
    sentences: Int[ndarray, " word"]
    left_out: int
    cases: int
    clusters: int
    critical: float
    n_null: int
    why_not: str
    random_t: float
    mismatched_t: float
    table: pd.DataFrame
    columns: ClassVar[Columns] = OV_ALIGNMENT

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and heads of each."""
        return 1 + max(h.layer for h in self.heads), 1 + max(h.head for h in self.heads)

    @property
    def strongest(self) -> int:
        """Index of the head with the largest effect."""
        return int(np.array(self.table["effect"], dtype=float).argmax())

    def significant(self) -> pd.DataFrame:
        """The rows of heads that pass the test over all heads and exceed every control, strongest first; `evidence.collects` also requires a minimum effect."""
        t = self.table.sort_values(by="effect", ascending=False)
        # NaN without random weights: what was not controlled was not shown.
        return t.loc[
            (t["p_fwer"] < LEVEL) & (t["t"] > np.maximum(self.mismatched_t, self.random_t))
        ]

    def _summary(self) -> str:
        return f"{len(self.heads)} heads by {self.relation}; {self._found('aligned')}"


def ov_alignment_test(
    model: Model,
    suite: Suite,
    relation: str = "amod",
    *,
    n_null: int = N_RANDOM,
    seed: int = 0,
) -> OVAlignmentTestResult:
    """Tests for every head whether words move along the OV images of their linked words.

    Args:
        model: A model of one stack.
        suite: Sentences with links; in every group the same governor with other dependents.
        relation: The link, from a dependent (the adjective) to its governor (the noun), whose update is read.
        n_null: Models with random weights that are tested in the same way; without any no head can be a yes.
        seed: Fixes flips and random weights.

    Raises:
        HeadwiseError: A model of two stacks or of one head a layer, an unknown relation, or no group in which sentences differ in such words.
        NoImages: There are such groups, but the tokenizer has too few of the words as one token.
    """
    check_counts(n_null=n_null, seed=seed)
    suite = as_suite(suite)
    if len(model.stacks) == 2 or model.n_heads < 2:
        what = "an encoder-decoder" if len(model.stacks) == 2 else "a model of one head a layer"
        raise HeadwiseError(
            f"{model.name} is {what}, and OV alignment is tested in models of one stack, against the other heads of the layer. Load its "
            "encoder or another model."
        )
    if relation not in suite.relations:
        known = ", ".join(suite.relations) or "none"
        raise HeadwiseError(
            f"The suite {suite.name!r} has no relation {relation!r}; it has: {known}."
        )
    sample = Sample.of(model, suite, relation)
    found = sample.cosines(model)
    diagonal = np.arange(model.n_heads)
    heads = model.heads
    clusters = Clusters.of(sample.examples.groups)
    difference = found[0] - found[1]
    own, mismatched = _own(difference, clusters), _mismatched(difference, clusters)
    few, grown = sample.few(seed)
    controls: list[tuple[float, float]] = []
    why_not = "" if n_null else "none was requested"
    for i in range(n_null):
        try:
            twin = random_like(model, seed + 1000 + i)
        except HeadwiseError as error:
            why_not = str(error)
            break
        there = few.cosines(twin)
        random = _own(there[0] - there[1], Clusters.of(few.examples.groups))
        controls.append((grown * float(random.t.max()), float(random.effect.max())))
    random_t, random_effect = (
        map(max, zip(*controls, strict=True)) if controls else (np.nan, np.nan)
    )
    cosines = found[:, :, diagonal, diagonal].reshape(2, len(heads), -1)
    control = (max(random_effect, mismatched[1]), max(random_t, mismatched[0]))
    table, critical = _table(heads, cosines, own, control if controls else (np.nan, np.nan), clusters, seed)  # fmt: skip
    return OVAlignmentTestResult(
        model=model.name,
        suite=suite.name,
        relation=relation,
        heads=heads,
        cosines=cosines[0],
        others=cosines[1],
        groups=sample.examples.groups,
        sentences=sample.examples.sentences,
        left_out=sample.left_out,
        cases=len(sample.own),
        clusters=clusters.n,
        critical=critical,
        n_null=len(controls),
        why_not=why_not,
        random_t=float(random_t),
        mismatched_t=mismatched[0],
        table=table,
    )


@dataclass(frozen=True, eq=False)
class _Matched:
    """Excess of heads over mismatched attention and values.

    Attributes:
        excesses: Over each of `EXCESSES`.
        each: Their means.
        effect: The smallest mean.
        t: The smallest t.
    """

    excesses: Float[ndarray, "excess head word"]
    each: Estimates
    effect: Float[ndarray, " head"]
    t: Float[ndarray, " head"]


def _beyond(
    layer: Float[ndarray, "pattern head word"],
) -> Float[ndarray, "excess other head word"]:
    """Excess for the attention of each head with the values of each: over uniform attention, and over the others with its values, or with its attention."""
    n = layer.shape[1]
    real = layer[:n]
    return np.stack([
        real - layer[n],
        real - (real.sum(axis=0) - real) / (n - 1),
        real - (real.sum(axis=1, keepdims=True) - real) / (n - 1),
    ])  # fmt: skip


def _own(difference: Float[ndarray, "layer pattern head word"], clusters: Clusters) -> _Matched:
    """Heads with their own attention and values."""
    of_layer = [np.diagonal(_beyond(layer), axis1=1, axis2=2) for layer in difference]
    excesses = np.concatenate([x.transpose(0, 2, 1) for x in of_layer], axis=1)
    t, effect, each = _least(excesses, clusters)
    return _Matched(excesses, each, effect, t)


def _mismatched(
    difference: Float[ndarray, "layer pattern head word"], clusters: Clusters
) -> tuple[float, float]:
    """The largest t and effect of pairs of one head's attention and another's values."""
    off = ~np.eye(difference.shape[2], dtype=bool)
    found = [_least(_beyond(layer)[:, off], clusters) for layer in difference]
    return max(float(t.max()) for t, _, _ in found), max(float(e.max()) for _, e, _ in found)


def _least(
    excesses: Float[ndarray, "excess head word"], clusters: Clusters
) -> tuple[Float[ndarray, " head"], Float[ndarray, " head"], Estimates]:
    found = mean_of(excesses, clusters)
    t = np.divide(found.value, found.se, out=np.zeros_like(found.value), where=found.se > 0)
    t[np.abs(found.value) <= ROUNDING] = 0.0
    return np.nan_to_num(t).min(axis=0), found.value.min(axis=0), found


def _table(
    heads: Sequence[Head],
    cosines: Float[ndarray, "kind head word"],
    found: _Matched,
    control: tuple[float, float],
    clusters: Clusters,
    seed: int,
) -> tuple[pd.DataFrame, float]:
    n = len(heads)
    values = np.where(
        np.abs(found.excesses).max(axis=2, keepdims=True) <= ROUNDING, 0.0, found.excesses
    )
    tests = max_t([Block(values.reshape(3 * n, -1), clusters)], seed=seed)
    p, p_fwer, q = (x.reshape(3, n).max(axis=0) for x in (tests.p, tests.p_fwer, tests.q_fdr))
    least = found.each.value.argmin(axis=0), np.arange(n)
    table = pd.DataFrame(
        {
            "name": [head.name for head in heads],
            "layer": [head.layer for head in heads],
            "head": [head.head for head in heads],
            "own": cosines[0].mean(axis=1),
            "others": cosines[1].mean(axis=1),
            "difference": (cosines[0] - cosines[1]).mean(axis=1),
            **dict(zip(EXCESSES, found.each.value, strict=True)),
            "effect": found.effect,
            "effect_low": found.each.low[least],
            "effect_high": found.each.high[least],
            "se": found.each.se[least],
            "df": found.each.df,
            "t": found.t,
            "p": p,
            "p_fwer": p_fwer,
            "q_fdr": q,
            "wins": (cosines[0] > cosines[1]).mean(axis=1),
            "control": control[0],
            "control_t": control[1],
        }
    )
    return table, tests.critical
