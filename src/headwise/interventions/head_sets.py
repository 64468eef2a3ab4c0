"""Sets of heads: whether a set is needed, and whether it is sufficient.

The degradation of a set may be more or less than the sum over its heads. Controls are random sets of as many heads from the same layers, an unrelated
suite, which shows whether the damage is specific, and the reverse: all other heads are ablated and only the set is kept. Wang et al. 2022
(faithfulness of a circuit); Miller, Chughtai and Saunders 2024 (what such a figure depends on).

A random set may share heads with the set, since the question is whether this choice of heads is better than a random one: only among
all sets of as many heads in each layer is its rank a p value. Where there are not twenty such sets (a single head in a layer of eight), no rank is
significant at 5%, and they are drawn from all layers.

Time: random sets are ablated on fewer sentences, and the set is compared on the same ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import OneOrMore, check_counts
from headwise.data.suite import AnySentence, Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.heads import AnyHeads, Head, chosen, order_met
from headwise.model.model import Model
from headwise.stats import mean_of

from . import _effects
from ._columns import HEAD_SET
from .ablation import METHODS, Ablation, AblationResult, ablate
from .controls import spread
from .metrics import AnyMetric

TINY = 1e-9
N_RANDOM = 200
N_RANDOM_KEPT = 20
RANDOM_CASES = 20  # sentences on which random sets are ablated
FEWEST = 20  # sets by lot with which a rank can reach 5%
SAME, ANY = "the same layers", "all layers"

Sets = dict[str, tuple[Head, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class HeadSetResult(Result):
    """The effect of ablating a set of heads, and of keeping only it.

    Attributes:
        heads: The set.
        methods: The methods of ablation.
        ablation: Every ablation on all sentences: `set`, `kept` (all others ablated), `all`, and each head by itself.
        random_from: Where random sets were drawn: from `the same layers`, or `all layers`.
        random: Mean degradation of every random set, by metric.
        unrelated: The set ablated for the unrelated suite, if one was given.
        table: One row per `metric` and `method`; see `columns`. Random sets, and the set beside them, are ablated on fewer sentences.
    """

    heads: tuple[Head, ...]
    methods: tuple[str, ...]
    ablation: AblationResult
    random_from: str
    random: dict[str, Float[ndarray, "method random_set"]]
    unrelated: AblationResult | None
    table: pd.DataFrame
    columns: ClassVar[Columns] = HEAD_SET

    def _summary(self) -> str:
        named = ", ".join(head.name for head in self.heads)
        return f"{len(self.heads)} heads together x {len(self.methods)} methods: {named}"

    def _untested(self) -> str:
        return "One set of heads was tested, so there is no family: read `p_cost` and `p_random` in `table`."

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.ablation.model

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.ablation.suite


def ablate_set(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    heads: AnyHeads,
    *,
    method: OneOrMore[str] = METHODS,
    unrelated: Suite | None = None,
    metrics: OneOrMore[AnyMetric] | None = None,
    n_null: int = N_RANDOM,
    n_null_kept: int = N_RANDOM_KEPT,
    null_cases: int = RANDOM_CASES,
    seed: int = 0,
    batch_tokens: int | None = None,
) -> HeadSetResult:
    """Ablates a set of heads, random sets like it, and everything but the set.

    Args:
        model: Any model.
        suite: As in `headwise.ablate`; not the sentences on which the set was selected.
        heads: The set.
        method: Methods of ablation, all by default.
        unrelated: Sentences of another question.
        metrics: As in `headwise.ablate`.
        n_null: Random sets; the smallest `p_random` is 1 / (n_null + 1). All there are, if there are fewer.
        n_null_kept: For how many of them everything else is ablated.
        null_cases: Most sentences on which random sets are ablated, spread over groups.
        seed: Fixes random sets, whose `z` is resampled, and flips.
        batch_tokens: Most tokens in a batch.

    Raises:
        HeadwiseError: As `headwise.ablate`; or the set has every head of the model, so that no other could be drawn.
    """
    check_counts(n_null=n_null, n_null_kept=n_null_kept, seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    ablated = tuple(chosen(model, heads))
    every = model.heads
    random, random_from = _like(every, ablated, n_null, seed)
    head_sets: Sets = {"set": ablated, "kept": _others(every, ablated), "all": tuple(every)}
    head_sets |= {head.name: (head,) for head in ablated}
    head_sets = {name: own for name, own in head_sets.items() if own}
    suite = as_suite(suite)
    ablation = ablate(model, suite, metrics=metrics, heads=head_sets, method=method, seed=seed, batch_tokens=batch_tokens, n_null=0)  # fmt: skip
    whole = Ablation.of(model, suite, metrics, method, "", seed, batch_tokens, "4GiB")
    beside: Sets = {"set": ablated, "all": tuple(every)}
    beside |= {f"random {i}": own for i, own in enumerate(random)}
    kept = [_others(every, own) for own in random[:n_null_kept]]
    beside |= {f"kept {i}": own for i, own in enumerate(kept) if own}
    degradations = _degradations(whole, spread(suite, whole.prompts, null_cases), beside)
    elsewhere = None
    if unrelated is not None:
        elsewhere = ablate(
            model, unrelated, metrics=None, heads={"set": ablated}, method=method, seed=seed, batch_tokens=batch_tokens,
            n_null=0,
        )  # fmt: skip
    rows = [
        _row(ablation, elsewhere, name, k, ablated, degradations[name])
        for name in ablation.metrics
        for k in range(len(ablation.methods))
    ]
    by_lot = {name: own.of("random") for name, own in degradations.items()}
    return HeadSetResult(ablated, ablation.methods, ablation, random_from, by_lot, elsewhere, pd.DataFrame(rows))  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Degradations:
    """Mean degradations of ablations, by one metric, on as many sentences."""

    names: tuple[str, ...]
    values: Float[ndarray, "method head_set"]
    cases: int

    def of(self, kind: str) -> Float[ndarray, "method ablated"]:
        """Those of one name, or of a name and a number."""
        return self.values[:, [name.partition(" ")[0] == kind for name in self.names]]


def _degradations(whole: Ablation, suite: Suite, head_sets: Mapping[str, tuple[Head, ...]]) -> dict[str, _Degradations]:  # fmt: skip
    try:
        own = whole.anew(whole.model, suite, whole.requested, whole.methods)
    except HeadwiseError:  # a metric that wants every label in several groups
        own = whole
    cases = len(own.prompts.sentences)
    found: dict[str, _Degradations] = {}
    for reading, values in zip(own.readings, own.values(head_sets), strict=True):
        mean = (
            _effects.worse(reading, values).mean(axis=1).reshape(len(own.methods), len(head_sets))
        )
        found[reading.name] = _Degradations(tuple(head_sets), mean, cases)
    return found


def _others(every: Sequence[Head], chosen: Sequence[Head]) -> tuple[Head, ...]:
    return tuple(head for head in every if head not in chosen)


def _like(
    every: Sequence[Head], chosen: tuple[Head, ...], n: int, seed: int
) -> tuple[list[tuple[Head, ...]], str]:
    """Other sets of as many heads of each layer, all different; of all layers where there are too few of these."""
    layers: dict[tuple[str, int], list[Head]] = {}
    for head in every:
        layers.setdefault((head.side, head.layer), []).append(head)
    by_layer = [
        (own, k)
        for at, own in layers.items()
        if (k := sum((h.side, h.layer) == at for h in chosen))
    ]
    for pools, name in ((by_layer, SAME), ([(list(every), len(chosen))], ANY)):
        n_sets = prod(comb(len(pool), k) for pool, k in pools)
        if n_sets >= FEWEST or (name == ANY and n_sets > 1):
            return _draw(pools, chosen, min(n, n_sets - 1), n_sets, seed), name
    raise HeadwiseError(
        "The set has every head of the model, so there is no other set of as many heads to compare it with. Leave a head "
        "out, or use headwise.ablate with the set by name."
    )


def _draw(
    pools: Sequence[tuple[list[Head], int]],
    chosen: tuple[Head, ...],
    n: int,
    n_sets: int,
    seed: int,
) -> list[tuple[Head, ...]]:
    """As many different sets, or all that there are; never the set itself."""
    rng = np.random.default_rng(seed)
    found: dict[tuple[Head, ...], None] = {}
    if n_sets <= 10 * n:  # drawing would meet the same ones again and again
        drawn = product(*(combinations(pool, k) for pool, k in pools))
        all_sets = [_sorted(h for part in parts for h in part) for parts in drawn]
        found = dict.fromkeys(all_sets[i] for i in rng.permutation(len(all_sets)))
        found.pop(_sorted(chosen))
    while len(found) < n:
        own = [pool[i] for pool, k in pools for i in rng.permutation(len(pool))[:k]]
        if (made := _sorted(own)) != _sorted(chosen):
            found[made] = None
    return list(found)[:n]


def _sorted(members: Iterable[Head]) -> tuple[Head, ...]:
    return tuple(sorted(members, key=order_met))


def _row(
    ablation: AblationResult,
    elsewhere: AblationResult | None,
    metric: str,
    k: int,
    chosen: Sequence[Head],
    beside: _Degradations,
) -> dict[str, object]:
    """One metric and method of ablation."""
    clusters = ablation.clusters
    degradations = dict(zip(ablation.head_sets, ablation.degradations[metric][k], strict=True))
    mean = {name: float(degradation.mean()) for name, degradation in degradations.items()}
    parts = np.sum([degradations[head.name] for head in chosen], axis=0)
    kept = degradations.get("kept", np.zeros_like(degradations["all"]))
    # 1 less a ratio of means over the same sentences, with the standard error of that ratio.
    lost = _effects.shares_of(kept[None], degradations["all"], clusters)
    degradation = mean_of(degradations["set"][None], clusters)
    excess = mean_of((degradations["set"] - parts)[None], clusters)
    share = ablation.row(name="set", method=ablation.methods[k], metric=metric)
    random, own = beside.of("random")[k], float(beside.of("set")[k, 0])
    whole = float(beside.of("all")[k, 0])
    random_kept = beside.of("kept")[k]
    there = elsewhere if elsewhere is not None and metric in elsewhere.metrics else None
    its: Any = (
        None if there is None else there.row(name="set", method=there.methods[k], metric=metric)
    )
    return {
        "metric": metric,
        "method": ablation.methods[k],
        "heads": len(chosen),
        "degradation": mean["set"],
        "degradation_low": float(degradation.low[0]),
        "degradation_high": float(degradation.high[0]),
        "share": share["share"],
        "share_low": share["share_low"],
        "share_high": share["share_high"],
        "share_se": share["share_se"],
        "p_degradation": share["p"],
        "sum_of_parts": float(parts.mean()),
        "excess": float(excess.value[0]),
        "excess_low": float(excess.low[0]),
        "excess_high": float(excess.high[0]),
        "random": float(random.mean()),
        "random_max": float(random.max()),
        "random_sets": len(random),
        "random_cases": beside.cases,
        "times": own / random.mean() if abs(random.mean()) > TINY else float("nan"),
        "p_random": float((1 + (random >= own).sum()) / (1 + len(random))),
        "unrelated": float("nan") if its is None else float(its["degradation"]),
        "unrelated_share": float("nan") if its is None else float(its["share"]),
        "all": mean["all"],
        "restored": 1 - float(lost.value[0]),
        "restored_low": 1 - float(lost.high[0]),
        "restored_high": 1 - float(lost.low[0]),
        "restored_random": 1 - float(random_kept.mean()) / whole
        if len(random_kept) and abs(whole) > TINY
        else float("nan"),
    }
