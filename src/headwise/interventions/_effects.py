"""Mean effects over sentences with intervals and tests: one row per variant."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise.stats import Block, Clusters, Estimates, max_t, mean_of
from headwise.stats.deciding import LEVEL

from .metrics import Reading

Values = Float[ndarray, "variant sentence"]


def worse(reading: Reading, values: Float[ndarray, "all_variants sentence"]) -> Values:
    """By how much every variant is worse than the first: its degradation."""
    change = values[1:] - values[0]
    return change if reading.rises else -change


def turned(
    reading: Reading, values: Float[ndarray, "all_variants sentence"]
) -> Float[ndarray, " variant"]:
    """Share of sentences whose sign differs from that in the first; NaN where the sign has no meaning."""
    if not reading.flips:
        return np.full(len(values) - 1, np.nan)
    return np.asarray(((values[1:] > 0) != (values[0] > 0)).mean(axis=1))


def table_of(
    reading: Reading, name: str, effects: Values, clusters: Clusters, seed: int
) -> pd.DataFrame:
    """Mean, interval over clusters and one-sided test of every variant, all of them one family.

    Args:
        reading: The metric.
        name: What the column of means is called.
        effects: Of every variant and sentence.
        clusters: Which cluster each sentence belongs to.
        seed: Fixes the flips.

    Returns:
        Columns `metric`, the mean (as `name`), its 95% interval (`<name>_low`, `<name>_high`), `se`, `t`, `p`, `p_fwer` (over all rows), `q_fdr`, `critical`, how many standard
        errors about the mean hold all effects at once, and `bar`, what a t must exceed at 5% over the family. For a metric that can only
        rise, such as `kl`, t and p are NaN; so they are with fewer than 20 sentences or 10 clusters.
    """
    estimates = mean_of(effects, clusters)
    tests = max_t([Block(effects, clusters)], seed=seed)
    says = 1.0 if reading.has_sign else np.nan
    return pd.DataFrame(
        {
            "metric": reading.name,
            name: estimates.value,
            f"{name}_low": estimates.low,
            f"{name}_high": estimates.high,
            "se": estimates.se,
            "t": tests.t * says,
            "p": tests.p * says,
            "p_fwer": tests.p_fwer * says,
            "q_fdr": tests.q_fdr * says,
            "critical": tests.criticals * says,
            "bar": tests.bars * says,
        }
    )


def shares_of(effects: Values, clean: Float[ndarray, " sentence"], clusters: Clusters) -> Estimates:
    """Mean effects as shares of the mean clean metric.

    Both means are estimated on the same sentences, and one with a large clean metric has more to lose; so the standard error is that of the
    ratio (linearised), not of the effect over a constant.

    Returns:
        NaN where the clean metric is not above zero, by its interval if there is one: no share of it can be lost.
    """
    whole = mean_of(clean[None], clusters)
    mean = float(whole.value[0])
    if not mean > 0 or whole.low[0] <= 0:
        nothing = np.full(len(effects), np.nan)
        return Estimates(nothing, nothing, nothing, nothing, whole.df, whole.n_clusters)
    ratio = effects.mean(axis=1, keepdims=True) / mean
    return mean_of(ratio + (effects - ratio * clean) / mean, clusters)


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


def significant(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Rows whose family-wise p is below 5%, those with the largest `by` first."""
    return table.loc[table["p_fwer"] < LEVEL].sort_values(by, ascending=False)
