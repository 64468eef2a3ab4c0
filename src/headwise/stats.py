"""Intervals for clustered data: a thin layer over scipy.

Several pairs come from one sentence and several sentences from one source, so what is resampled is
the cluster, never the pair.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

MIN_CLUSTERS = 5


def cluster_sums(
    values: Float[ndarray, "*rest item"], clusters: Int[ndarray, " item"]
) -> Float[ndarray, "*rest cluster"]:
    """Sums items that belong to one cluster; clusters in sorted order."""
    membership = clusters[:, None] == np.unique(clusters)
    return values @ membership.astype(float)


def cluster_bootstrap(
    values: Float[ndarray, "*rest item"],
    clusters: Int[ndarray, " item"],
    *,
    seed: int,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> tuple[Float[ndarray, "*rest"], Float[ndarray, "*rest"]]:
    """Percentile interval of a mean over items when whole clusters are drawn again.

    Args:
        values: One value per item; leading axes (heads, say) share each resample.
        clusters: Which cluster each item belongs to.
        seed: Fixes the resamples.
        n_resamples: How often clusters are drawn; 2,000 gives ends stable to about a tenth of the width.
        level: Share of resampled means inside the interval.

    Returns:
        Lower and upper ends; NaN where there are fewer than five clusters, since so few cannot show
        how clusters vary.
    """
    nothing = np.full(values.shape[:-1], np.nan)
    if values.shape[-1] == 0 or len(np.unique(clusters)) < MIN_CLUSTERS:
        return nothing, nothing
    sums = cluster_sums(values, clusters)
    counts = cluster_sums(np.ones(values.shape[-1]), clusters)
    result = stats.bootstrap(
        (sums, np.broadcast_to(counts, sums.shape)),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        axis=-1,
        n_resamples=n_resamples,
        batch=100,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def _ratio_of_sums(sums: ndarray, counts: ndarray, axis: int = -1) -> ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)
