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
        (np.ones(n_items, values.dtype), (np.arange(n_items), clusters)),
        shape=(n_items, n_clusters),
    )
    return np.asarray(values @ membership)


def bootstrap_ratios(
    sums: Float[ndarray, "test cluster"],
    counts: Float[ndarray, " cluster"] | Float[ndarray, "some_tests cluster"],
    *,
    seed: int,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> tuple[Float[ndarray, " test"], Float[ndarray, " test"]]:
    """Percentile intervals of many means over items when whole clusters are drawn again.

    A resample says how often each cluster was drawn. Drawn as independent Poisson numbers of mean 1
    (Hanley and MacGibbon 2006) it serves every test, whichever clusters have items of it: all tests share
    one matrix of draws, and their resampled means are one matrix product.

    Args:
        sums: Sum of each test's items in each cluster.
        counts: Items in each cluster, of all tests alike, or in several rows, each of as many tests as any
            other, in order; where there are none `sums` is 0.
        seed: Fixes the resamples.
        n_resamples: How often clusters are drawn; 2,000 gives ends stable to about a tenth of the width.
        level: Share of resampled means inside the interval.

    Returns:
        Lower and upper ends; NaN with fewer than five clusters, since so few cannot show how they vary.
    """
    low, high = (np.full(len(sums), np.nan) for _ in range(2))
    counts = np.atleast_2d(counts)
    of_test = np.arange(len(sums)) * len(counts) // max(1, len(sums))
    enough = np.flatnonzero(((counts > 0).sum(axis=1) >= MIN_CLUSTERS)[of_test])
    draws = _draws(counts.shape[1], n_resamples, seed)
    drawn = counts.astype(np.float32) @ draws
    tail = (1 - level) / 2
    for rows in _blocks(enough, n_resamples):
        items = drawn[of_test[rows]]
        resampled = sums[rows].astype(np.float32) @ draws / np.maximum(items, 1)
        # A resample without any item says nothing; it counts as the sample itself.
        mean = sums[rows].sum(axis=1, keepdims=True) / counts[of_test[rows]].sum(
            axis=1, keepdims=True
        )
        low[rows], high[rows] = np.quantile(
            np.where(items > 0, resampled, mean), (tail, 1 - tail), axis=1
        )
    return low, high


def _draws(n_clusters: int, n_resamples: int, seed: int) -> Float[ndarray, "cluster resample"]:
    """How often each cluster is drawn in each resample."""
    rng = np.random.default_rng(seed)
    return rng.poisson(1.0, size=(n_clusters, n_resamples)).astype(np.float32)


def _blocks(rows: Int[ndarray, " row"], width: int) -> Iterator[Int[ndarray, " _"]]:
    """Rows a few at a time, so that a matrix with `width` numbers for each stays small."""
    step = max(1, BLOCK // width)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


BLOCK = 2**21  # numbers


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


def balanced_bootstrap(
    values: Float[ndarray, "test item"],
    codes: Int[ndarray, " item"],
    clusters: Int[ndarray, " item"],
    *,
    seed: int,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> tuple[Float[ndarray, " test"], Float[ndarray, " test"]]:
    """Percentile intervals of means in which every class counts alike, when whole clusters are drawn again.

    Of hits, this is balanced accuracy. A resample without any item of a class is the mean of the others.

    Args:
        values: One value per test and item.
        codes: Class of each item.
        clusters: Which cluster each item belongs to.
        seed: Fixes the resamples, which are drawn as in `bootstrap_ratios`.
        n_resamples: How often clusters are drawn.
        level: Share of resampled means inside the interval.

    Returns:
        Lower and upper ends; NaN where there are fewer than five clusters.
    """
    index = np.unique(clusters, return_inverse=True)[1].ravel()
    n_clusters = int(index.max(initial=-1)) + 1
    low, high = (np.full(len(values), np.nan) for _ in range(2))
    if n_clusters < MIN_CLUSTERS:
        return low, high
    draws = _draws(n_clusters, n_resamples, seed)
    classes = [codes == code for code in np.unique(codes)]
    items = [
        np.bincount(index[c], minlength=n_clusters).astype(np.float32) @ draws for c in classes
    ]
    n_present = np.sum([n > 0 for n in items], axis=0)
    sums = [sum_by_cluster(values[:, c].astype(np.float32), index[c], n_clusters) for c in classes]
    tail = (1 - level) / 2
    for rows in _blocks(np.arange(len(values)), n_resamples):
        total = sum(s[rows] @ draws / np.maximum(n, 1) for s, n in zip(sums, items, strict=True))
        means = total / np.maximum(n_present, 1)
        low[rows], high[rows] = np.quantile(means, (tail, 1 - tail), axis=1)
    return low, high


def balanced_mean(
    values: Float[ndarray, "*rest item"], codes: Int[ndarray, " item"]
) -> Float[ndarray, "*rest"]:
    """Mean in which every class counts alike; of hits, balanced accuracy."""
    means = [values[..., codes == code].mean(axis=-1) for code in np.unique(codes)]
    return np.asarray(np.mean(means, axis=0))


@dataclass(frozen=True, eq=False)
class PValues:
    """One-sided p values of many tests on the same data.

    Attributes:
        p: Of each test alone; 1 where all sums are zero.
        p_family: Of each test as one of all of them: the chance that the best of all would look as good
            if none were better than zero.
        q: Share of false discoveries to be expected among tests with a q this low (Benjamini-Hochberg).
    """

    p: Float[ndarray, " test"]
    p_family: Float[ndarray, " test"]
    q: Float[ndarray, " test"]


def sign_flip(sums: Float[ndarray, "test cluster"], *, seed: int, n_flips: int = 5000) -> PValues:
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
    p, p_family = np.ones(n_tests), np.ones(n_tests)
    testable = np.flatnonzero((sums != 0).any(axis=1))
    if not len(testable):
        return PValues(p, p_family, np.ones(n_tests))
    signs = _flips(n_clusters, n_flips, seed)
    observed = np.empty(n_tests)
    largest = np.full(signs.shape[1], -np.inf, dtype=np.float32)
    for rows in _blocks(testable, signs.shape[1]):
        spread = np.sqrt((sums[rows].astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        scaled = (sums[rows] / spread).astype(np.float32)
        flipped = scaled @ signs
        observed[rows] = flipped[:, 0]
        p[rows] = (flipped >= flipped[:, :1] - EPSILON).mean(axis=1)
        np.maximum(largest, flipped.max(axis=0), out=largest)
    # How many of the largest are at least as large as what was observed.
    below = np.searchsorted(np.sort(largest), observed[testable] - EPSILON, side="left")
    p_family[testable] = (len(largest) - below) / len(largest)
    return PValues(p, p_family, stats.false_discovery_control(p))


EPSILON = 1e-5  # in units of a test's spread: sums that are equal differ in their last digits
N_EXHAUSTIVE = 12


def _flips(n_clusters: int, n_flips: int, seed: int) -> Float[ndarray, "cluster flip"]:
    """Columns of signs, the observed one first: all there are, or a random sample."""
    if n_clusters <= N_EXHAUSTIVE:
        bits = np.arange(2**n_clusters) >> np.arange(n_clusters)[:, None] & 1
        return (1 - 2 * bits).astype(np.float32)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2, size=(n_clusters, n_flips), dtype=np.int8) * 2 - 1
    return np.concatenate([np.ones((n_clusters, 1)), drawn], axis=1, dtype=np.float32)


def label_permutation(
    predictions: Int[ndarray, "test example"],
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    *,
    seed: int,
    n_permutations: int = 2000,
) -> PValues:
    """Does each of many classifiers say more of the labels than it would of shuffled ones?

    Predictions of unseen examples are held against labels that were dealt out anew: within groups that
    have several labels, and among whole groups that have one. Balanced accuracy is compared with its own
    shuffles (`p`) and, in units of their spread, with the largest of all at every shuffle (`p_family`).

    Args:
        predictions: Predicted label of each example, by each classifier.
        codes: True labels.
        groups: Group of each example.
        seed: Fixes the shuffles.
        n_permutations: How many; the smallest p is about 1 / n_permutations.

    Reference: Westfall and Young 1993; Ojala and Garriga 2010, Permutation tests for studying classifier
    performance.
    """
    shuffled = shuffled_labels(codes, groups, n_permutations, seed)
    names = np.unique(codes)
    scores = np.zeros((len(predictions), len(shuffled)), dtype=np.float32)
    for name in names:
        is_name = (shuffled == name).astype(np.float32)
        recalled = (predictions == name).astype(np.float32) @ is_name.T
        scores += recalled / np.maximum(is_name.sum(axis=1), 1) / len(names)
    spread = scores.std(axis=1, keepdims=True)
    deviations = (scores - scores.mean(axis=1, keepdims=True)) / np.maximum(spread, EPSILON)
    observed = deviations[:, :1] - EPSILON
    largest = deviations.max(axis=0)
    p = (deviations >= observed).mean(axis=1)
    p_family = (largest >= observed).mean(axis=1)
    return PValues(p, p_family, stats.false_discovery_control(p))


def shuffled_labels(
    codes: Int[ndarray, " example"], groups: Int[ndarray, " example"], n: int, seed: int
) -> Int[ndarray, "shuffle example"]:
    """Labels as they are, and `n` times dealt out anew, as `label_permutation` says."""
    rng = np.random.default_rng(seed)
    names, group = np.unique(groups, return_inverse=True)
    group = group.ravel()
    first = np.zeros(len(names), dtype=int)
    first[group[::-1]] = codes[::-1]
    is_pure = np.ones(len(names), dtype=bool)
    np.logical_and.at(is_pure, group, codes == first[group])
    pure = np.flatnonzero(is_pure)
    by_group = np.argsort(group, kind="stable")
    shuffled = np.empty((n + 1, len(codes)), dtype=codes.dtype)
    shuffled[0] = codes
    for row in shuffled[1:]:
        # Sorted by group and chance, places of one group change hands among themselves.
        row[by_group] = codes[np.lexsort((rng.random(len(codes)), group))]
        of_group = first.copy()
        of_group[pure] = rng.permutation(first[pure])
        inside = is_pure[group]
        row[inside] = of_group[group[inside]]
    return shuffled
