"""Intervals and tests for clustered data: a thin layer over scipy.

Several pairs come from one sentence and several sentences from one source, so what is resampled, or
flipped, is the cluster, never the pair.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse, stats

MIN_CLUSTERS = 5


def sum_by_cluster(
    values: Float[ndarray, "test item"], clusters: Int[ndarray, " item"], n_clusters: int
) -> Float[ndarray, "test cluster"]:
    """Sums items that belong to one cluster; `clusters` are indices below `n_clusters`."""
    n_items = values.shape[1]
    membership = sparse.csr_array(
        (np.ones(n_items), (np.arange(n_items), clusters)), shape=(n_items, n_clusters)
    )
    return np.asarray(values @ membership)


def bootstrap_ratios(
    sums: Float[ndarray, "test cluster"],
    counts: Float[ndarray, " cluster"],
    *,
    seed: int,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> tuple[Float[ndarray, " test"], Float[ndarray, " test"]]:
    """Percentile intervals of many means over items when whole clusters are drawn again.

    A resample is how often each cluster was drawn, so all tests share one matrix of draws and their
    resampled means are one matrix product.

    Args:
        sums: Sum of each test's items in each cluster.
        counts: Items in each cluster; clusters without any are not drawn.
        seed: Fixes the resamples.
        n_resamples: How often clusters are drawn; 2,000 gives ends stable to about a tenth of the width.
        level: Share of resampled means inside the interval.

    Returns:
        Lower and upper ends; NaN with fewer than five clusters, since so few cannot show how they vary.
    """
    used = counts > 0
    n_used = int(used.sum())
    if n_used < MIN_CLUSTERS:
        nothing = np.full(len(sums), np.nan)
        return nothing, nothing
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_used, np.full(n_used, 1 / n_used), size=n_resamples).astype(float)
    means = (draws @ sums[:, used].T) / (draws @ counts[used])[:, None]
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    return low, high


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
    rest = values.shape[:-1]
    index = np.unique(clusters, return_inverse=True)[1].ravel()
    n_clusters = int(index.max()) + 1 if len(index) else 0
    sums = sum_by_cluster(values.reshape(-1, len(index)).astype(float), index, n_clusters)
    counts = np.bincount(index, minlength=n_clusters).astype(float)
    low, high = bootstrap_ratios(sums, counts, seed=seed, n_resamples=n_resamples, level=level)
    return low.reshape(rest), high.reshape(rest)


@dataclass(frozen=True, eq=False)
class SignFlip:
    """One-sided p values of many tests on the same clusters.

    Attributes:
        p: Of each test alone; 1 where all sums are zero.
        p_family: Of each test as one of all of them: the chance that the best of all would look as good
            if none were better than zero.
        q: Share of false discoveries to be expected among tests with a q this low (Benjamini-Hochberg).
    """

    p: Float[ndarray, " test"]
    p_family: Float[ndarray, " test"]
    q: Float[ndarray, " test"]


def sign_flip(sums: Float[ndarray, "test cluster"], *, seed: int, n_flips: int = 5000) -> SignFlip:
    """Is the mean of each test above zero, though many were tried?

    Under the null hypothesis a cluster's sum could as well have had the other sign. The signs of whole
    clusters are flipped, the same for all tests, so that what the tests have in common stays; each is
    compared with its own flips (`p`) and with the largest of all at every flip (`p_family`), in units of
    its own spread, `sum / sqrt(sum of squares)`. Cost: `tests * clusters * n_flips` multiplications.

    Args:
        sums: Sum of each test's values in each cluster; 0 where it has none.
        seed: Fixes the flips.
        n_flips: How many are drawn; with 12 clusters or fewer all of them are tried.

    Reference: Westfall and Young 1993 (the maximum); Winkler, Ridgway, Webster, Smith and Nichols 2014
    (exchangeable blocks).
    """
    n_tests, n_clusters = sums.shape
    testable = (sums != 0).any(axis=1)
    p, p_family = np.ones(n_tests), np.ones(n_tests)
    if not testable.any():
        return SignFlip(p, p_family, np.ones(n_tests))
    scaled = sums[testable] / np.sqrt((sums[testable] ** 2).sum(axis=1, keepdims=True))
    observed = scaled.sum(axis=1)
    above = np.zeros(len(scaled))
    above_any = np.zeros(len(scaled))
    total = 0
    for signs in _flips(n_clusters, n_flips, seed):
        flipped = scaled @ signs
        above += (flipped >= observed[:, None] - EPSILON).sum(axis=1)
        above_any += (flipped.max(axis=0) >= observed[:, None] - EPSILON).sum(axis=1)
        total += signs.shape[1]
    p[testable], p_family[testable] = above / total, above_any / total
    return SignFlip(p, p_family, stats.false_discovery_control(p))


EPSILON = 1e-9  # equal sums may differ in their last digit
N_EXHAUSTIVE = 12


def _flips(n_clusters: int, n_flips: int, seed: int) -> Iterator[Float[ndarray, "cluster flip"]]:
    """Columns of signs, the observed one among them: all there are, or a random sample."""
    if n_clusters <= N_EXHAUSTIVE:
        bits = np.arange(2**n_clusters) >> np.arange(n_clusters)[:, None] & 1
        yield 1.0 - 2 * bits
        return
    rng = np.random.default_rng(seed)
    yield np.ones((n_clusters, 1))
    for start in range(0, n_flips, 500):
        width = min(500, n_flips - start)
        yield rng.choice((-1.0, 1.0), size=(n_clusters, width))
