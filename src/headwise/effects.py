"""Means over sentences with what is known about their error: one row per variant."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from .metrics import Reading
from .stats import cluster_bootstrap, sign_flip, sum_by_cluster

Values = Float[ndarray, "variant sentence"]


def worse(reading: Reading, values: Float[ndarray, "all_variants sentence"]) -> Values:
    """By how much every variant is worse than the first: what it costs."""
    change = values[1:] - values[0]
    return change if reading.rises else -change


def turned(
    reading: Reading, values: Float[ndarray, "all_variants sentence"]
) -> Float[ndarray, " variant"]:
    """Share of sentences of which the sign is another than in the first; NaN where it says nothing."""
    if not reading.flips:
        return np.full(len(values) - 1, np.nan)
    return np.asarray(((values[1:] > 0) != (values[0] > 0)).mean(axis=1))


def table_of(
    reading: Reading, name: str, effects: Values, groups: Int[ndarray, " sentence"], seed: int
) -> pd.DataFrame:
    """Mean, interval over groups, and one-sided sign-flip p of every variant.

    Args:
        reading: What was measured.
        name: What the column of means is called.
        effects: Of every variant and sentence.
        groups: Group of each sentence, as an index.
        seed: Fixes intervals and flips.

    Returns:
        Columns `metric`, the mean, `low`, `high`, `p`, `p_family` (the largest of all rows) and `q`; the p values
        are NaN where a metric cannot but rise, so that its sign says nothing.
    """
    low, high = cluster_bootstrap(effects, groups, seed=seed)
    tested = sign_flip(sum_by_cluster(effects, groups, int(groups.max()) + 1), seed=seed)
    says = 1.0 if reading.has_sign else np.nan
    return pd.DataFrame(
        {
            "metric": reading.name,
            name: effects.mean(axis=1),
            "low": low,
            "high": high,
            "p": tested.p * says,
            "p_family": tested.p_family * says,
            "q": tested.q * says,
        }
    )


def differ(low: Float[ndarray, " row"], high: Float[ndarray, " row"], n_ways: int) -> list[bool]:
    """Whether several ways lead to different verdicts (above zero, below, or neither, by the interval).

    Args:
        low: Lower ends, way by way.
        high: Upper ends.
        n_ways: How many ways there are.

    Returns:
        For every row of the input.
    """
    verdicts = (np.asarray(low) > 0).astype(int) - (np.asarray(high) < 0)
    by_way = verdicts.reshape(n_ways, -1)
    return np.tile((by_way != by_way[0]).any(axis=0), n_ways).tolist()
