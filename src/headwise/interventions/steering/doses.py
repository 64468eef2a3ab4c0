"""Dose-response over several steered directions, and the reported dose, which is chosen on other sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from headwise.stats import Clusters, mean_of

from .steering import SteerResult


@dataclass(frozen=True, eq=False)
class _Flips:
    """Sentences of which the clean model is right, of several results together.

    Attributes:
        own: Whether each is wrong when it is steered, and
        random: how often when it is steered along random directions.
        groups: Group of each.
        values: The metric, and
        random_values: its mean over random directions.
        result: Which result each is of.
    """

    own: Float[ndarray, "dose sentence"]
    random: Float[ndarray, "dose sentence"]
    groups: Int[ndarray, " sentence"]
    values: Float[ndarray, "dose sentence"]
    random_values: Float[ndarray, "dose sentence"]
    result: Int[ndarray, " sentence"]

    @staticmethod
    def of(results: Sequence[SteerResult]) -> "_Flips":
        metric = results[0].metrics[0]
        groups: list[Int[ndarray, " sentence"]] = []
        values: list[Float[ndarray, "direction dose sentence"]] = []
        n_before = 0  # groups of one result are not those of another
        for result in results:
            right = result.clean_values[metric] > 0
            groups.append(result.groups[right] + n_before)
            values.append(result.values[metric][:, :, right])
            n_before += int(result.groups.max(initial=-1)) + 1
        random = [v[1:] if len(v) > 1 else np.full((1, *v.shape[1:]), np.nan) for v in values]
        by_chance = [np.where(np.isnan(v), np.nan, v <= 0).mean(axis=0) for v in random]
        return _Flips(
            own=np.concatenate([v[0] <= 0 for v in values], axis=1).astype(float),
            random=np.concatenate(by_chance, axis=1),
            groups=np.concatenate(groups),
            values=np.concatenate([v[0] for v in values], axis=1),
            random_values=np.concatenate([v.mean(axis=0) for v in random], axis=1),
            result=np.repeat(np.arange(len(results)), [v.shape[2] for v in values]),
        )


def pooled(results: Sequence[SteerResult]) -> pd.DataFrame:
    """Several directions, each between two classes of its own, as one dose-response.

    Args:
        results: With the same doses and the same first metric.

    Returns:
        One row per dose: `dose`, `sentences` with the right sign before, `flipped`, the share of them that have the wrong one after,
        with its 95% interval over groups (`flipped_low`, `flipped_high`), `flipped_random`, mean over random directions, `value` and `random`, means of the
        metric, `beside` and `beside_random`, the off-target effect in the same sentences, and `elsewhere` and `elsewhere_random`, as in
        `SteerResult`.
    """
    flips = _Flips.of(results)
    found = mean_of(flips.own, Clusters.of(flips.groups), bound="rate")
    weights = np.bincount(flips.result, minlength=len(results)).astype(float)
    rows = {
        "dose": list(results[0].doses),
        "sentences": [flips.own.shape[1]] * len(results[0].doses),
        "flipped": found.value,
        "flipped_low": found.low,
        "flipped_high": found.high,
        "flipped_random": flips.random.mean(axis=1),
        "value": flips.values.mean(axis=1),
        "random": flips.random_values.mean(axis=1),
    }
    for name in ("beside", "elsewhere"):
        rows[name], rows[f"{name}_random"] = _damage(results, name, weights)
    return pd.DataFrame(rows)


def _damage(
    results: Sequence[SteerResult], name: str, weights: Float[ndarray, " result"]
) -> tuple[Float[ndarray, " dose"], Float[ndarray, " dose"]]:
    """Means over results of the direction itself, and over its random ones; results without such sentences do not count."""
    each = [getattr(result, name) for result in results]
    own = np.stack([x[0] for x in each])
    shape = np.full_like(own[0], np.nan)
    random = np.stack([x[1:].mean(axis=0) if len(x) > 1 else shape for x in each])
    found: list[Float[ndarray, " dose"]] = []
    for values in (own, random):
        known = ~np.isnan(values).any(axis=1) & (weights > 0)
        found.append(
            np.average(values[known], axis=0, weights=weights[known]) if known.any() else shape
        )
    return found[0], found[1]


@dataclass(frozen=True, slots=True)
class Reported:
    """Effects of steering, at doses that were chosen on other groups.

    Attributes:
        doses: The dose chosen on either half of the groups.
        sentences: Sentences of which the clean model is right.
        clusters: Their groups.
        flipped: Share of them that flips, each at the dose that was chosen on the half it is not of; with its 95% interval
        flipped_low: from and
        flipped_high: to.
        flipped_random: The same along random directions.
        beside: What changes in the rest of the same sentences, the mean of both doses, and
        beside_random: along random directions.
        elsewhere: What the same addition changes in sentences of another question, and
        elsewhere_random: along random directions.
    """

    doses: tuple[float, float]
    sentences: int
    clusters: int
    flipped: float
    flipped_low: float
    flipped_high: float
    flipped_random: float
    beside: float
    beside_random: float
    elsewhere: float
    elsewhere_random: float


def reported(results: Sequence[SteerResult], seed: int = 0) -> Reported:
    """Chooses the dose that flips most on one half of the groups and reports it on the other, both ways.

    The best of several doses is biased upwards on the sentences that it was chosen on.

    Args:
        results: As in `pooled`.
        seed: Fixes the halves.
    """
    flips, doses = _Flips.of(results), results[0].doses
    names, index = np.unique(flips.groups, return_inverse=True)
    in_first = (np.random.default_rng(seed).permutation(len(names)) % 2 == 0)[index.ravel()]
    own, random = np.full(len(in_first), np.nan), np.full(len(in_first), np.nan)
    chosen: list[int] = []
    for half in (in_first, ~in_first):
        gain = flips.own[:, ~half] - np.nan_to_num(flips.random[:, ~half])
        best = int(gain.mean(axis=1).argmax()) if (~half).any() else 0
        own[half], random[half] = flips.own[best, half], flips.random[best, half]
        chosen.append(best)
    found = mean_of(own, Clusters.of(flips.groups), bound="rate")
    table = pooled(results)
    both = table.iloc[chosen].mean(numeric_only=True)
    return Reported(
        doses=(doses[chosen[0]], doses[chosen[1]]),
        sentences=len(own),
        clusters=len(names),
        flipped=float(found.value),
        flipped_low=float(found.low),
        flipped_high=float(found.high),
        flipped_random=float(random.mean()) if len(random) else float("nan"),
        beside=float(both["beside"]),
        beside_random=float(both["beside_random"]),
        elsewhere=float(both["elsewhere"]),
        elsewhere_random=float(both["elsewhere_random"]),
    )
