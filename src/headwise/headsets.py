"""A set of heads as a whole: is it needed, and is it enough?

Cut together, a set may cost more or less than its heads cut one by one. Beside it stand random sets of as many heads from the
same layers, an unrelated suite, which shows whether the damage is specific, and the reverse: all other heads are
cut and only the set is kept. Wang et al. 2022 (faithfulness of a circuit); Miller, Chughtai and Saunders 2024 (what such a
figure depends on).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from . import heads as heads_
from .ablation import AblationResult, ablate
from .errors import HeadwiseError
from .heads import AnyHead, Head
from .metrics import AnyMetric
from .models import Model
from .showing import Viewable
from .stats import cluster_bootstrap
from .suites import Suite

TINY = 1e-9


@dataclass(frozen=True, eq=False)
class SetResult(Viewable):
    """What it costs to cut a set of heads, and what it is worth to keep it.

    Attributes:
        heads: The set.
        how: How heads were cut.
        ablation: Every cut: `set`, `kept` (all others cut), `all`, each head by itself, `random 0` ... and `random kept 0` ...
        unrelated: The set and random ones cut for the unrelated suite, if one was given.
        table: One row per metric: mean `cost` of the set with its 95% interval over groups (`low`, `high`), `sum_of_parts`, and
            how much more the set costs than that (`excess`, with its interval); mean
            (`random`) and largest (`random_max`) cost of random sets, `times`, cost over that mean, and `p`, the rank of the
            set among random ones; `unrelated`, what the set costs there in the same metric (NaN if it was not measured); `restored`, 1 less the cost of keeping only the set over that of cutting every head (`all`),
            with its interval, and `restored_random`, its mean for random sets.
    """

    heads: tuple[Head, ...]
    how: str
    ablation: AblationResult
    unrelated: AblationResult | None
    table: pd.DataFrame


def ablate_set(
    model: Model,
    suite: Suite,
    heads: Sequence[AnyHead],
    metrics: Sequence[AnyMetric] | None = None,
    how: str = "mean",
    n_random: int = 20,
    unrelated: Suite | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
) -> SetResult:
    """Cuts a set of heads, random sets like it, and everything but the set.

    Args:
        model: Any model.
        suite: As in `headwise.ablate`; not the sentences by which the set was found.
        heads: The set.
        metrics: As in `headwise.ablate`.
        how: One way of cutting.
        n_random: Random sets; the smallest p is 1 / (n_random + 1).
        unrelated: Sentences of another question.
        seed: Fixes random sets, whose `z` is resampled, and intervals.
        batch_tokens: Most tokens in a batch.

    Raises:
        HeadwiseError: As `headwise.ablate`; or the set has every head of its layers, so that no other could be drawn.
    """
    chosen = tuple(heads_.chosen(model, heads))
    random = _like(model, chosen, n_random, seed)
    every = heads_.every_head(model)
    cuts = {"set": chosen, "kept": _others(every, chosen), "all": tuple(every)}
    cuts |= {head.name: (head,) for head in chosen}
    cuts |= {f"random {i}": own for i, own in enumerate(random)}
    kept = {f"random kept {i}": _others(every, own) for i, own in enumerate(random)}
    ablation = ablate(
        model, suite, metrics, {name: own for name, own in (cuts | kept).items() if own}, [how],
        seed=seed, batch_tokens=batch_tokens,
    )  # fmt: skip
    elsewhere = None
    if unrelated is not None:
        small = {name: own for name, own in cuts.items() if name == "set" or "random" in name}
        elsewhere = ablate(
            model, unrelated, None, small, [how], seed=seed, batch_tokens=batch_tokens
        )
    table = pd.DataFrame(
        [_row(ablation, elsewhere, name, chosen, n_random, seed) for name in ablation.metrics]
    )
    return SetResult(chosen, how, ablation, elsewhere, table)


def _others(every: Sequence[Head], chosen: Sequence[Head]) -> tuple[Head, ...]:
    return tuple(head for head in every if head not in chosen)


def _like(model: Model, chosen: Sequence[Head], n: int, seed: int) -> list[tuple[Head, ...]]:
    """Random sets with as many heads of each layer, of those that are not in the set where there are enough."""
    rng = np.random.default_rng(seed)
    layers: dict[tuple[str, int], list[Head]] = {}
    for head in heads_.every_head(model):
        layers.setdefault((head.side, head.layer), []).append(head)
    of_layer = {at: [h for h in chosen if (h.side, h.layer) == at] for at in layers}
    if all(len(own) in (0, len(layers[at])) for at, own in of_layer.items()):
        raise HeadwiseError(
            "The set has every head of its layers, so there is no other set of as many heads there to compare it with. Leave a head "
            "out, or use headwise.ablate with the set by name."
        )
    found: list[tuple[Head, ...]] = []
    while len(found) < n:
        drawn: list[Head] = []
        for at, own in of_layer.items():
            others = [h for h in layers[at] if h not in own]
            pool = others if len(others) >= len(own) else layers[at]
            drawn += [pool[i] for i in rng.permutation(len(pool))[: len(own)]]
        if set(drawn) != set(chosen):
            found.append(tuple(sorted(drawn, key=heads_.order_met)))
    return found


def _row(
    ablation: AblationResult,
    elsewhere: AblationResult | None,
    metric: str,
    chosen: Sequence[Head],
    n_random: int,
    seed: int,
) -> dict[str, object]:
    costs: dict[str, Float[ndarray, " sentence"]] = dict(
        zip(ablation.cuts, ablation.costs[metric][0], strict=True)
    )
    mean = {name: float(cost.mean()) for name, cost in costs.items()}
    random = np.array([mean[f"random {i}"] for i in range(n_random)])
    low, high = cluster_bootstrap(costs["set"][None], ablation.groups, seed=seed)
    excess = costs["set"] - np.sum([costs[head.name] for head in chosen], axis=0)
    more_low, more_high = cluster_bootstrap(excess[None], ablation.groups, seed=seed)
    whole = mean["all"] if abs(mean["all"]) > TINY else float("nan")
    kept_low, kept_high = cluster_bootstrap(
        1 - costs.get("kept", costs["all"])[None] / whole, ablation.groups, seed=seed
    )
    return {
        "metric": metric,
        "heads": len(chosen),
        "cost": mean["set"],
        "low": float(low[0]),
        "high": float(high[0]),
        "sum_of_parts": sum(mean[head.name] for head in chosen),
        "excess": float(excess.mean()),
        "excess_low": float(more_low[0]),
        "excess_high": float(more_high[0]),
        "random": float(random.mean()),
        "random_max": float(random.max()),
        "times": mean["set"] / random.mean() if abs(random.mean()) > TINY else float("nan"),
        "p": float((1 + (random >= mean["set"]).sum()) / (1 + n_random)),
        "unrelated": _cost_of_set(elsewhere, metric),
        "all": mean["all"],
        "restored": 1 - mean.get("kept", mean["all"]) / whole,
        "restored_low": float(kept_low[0]),
        "restored_high": float(kept_high[0]),
        "restored_random": 1
        - float(np.mean([mean[f"random kept {i}"] for i in range(n_random)])) / whole,
    }


def _cost_of_set(result: AblationResult | None, metric: str) -> float:
    if result is None or metric not in result.metrics:
        return float("nan")
    return float(result.costs[metric][0, list(result.cuts).index("set")].mean())
