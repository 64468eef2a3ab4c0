import numpy as np
import pytest
from scipy.stats import binom

from headwise.stats import (
    bootstrap_ratios,
    cluster_bootstrap,
    label_permutation,
    shuffled_labels,
    sign_flip,
    sum_by_cluster,
)


def test_sums_by_hand():
    sums = sum_by_cluster(np.array([[1.0, 2, 3], [10, 20, 30]]), np.array([2, 0, 2]), 4)
    assert sums.tolist() == [[2, 0, 4, 0], [20, 0, 40, 0]]


def test_intervals_are_those_of_scipy():
    """Percentiles of the ratio of resampled sums, which scipy draws one resample at a time."""
    from scipy import stats

    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, 40).astype(float)
    sums = rng.binomial(counts.astype(int), 0.6).astype(float)
    low, high = bootstrap_ratios(sums[None], counts, seed=0, n_resamples=20_000)
    reference = stats.bootstrap(
        (sums, counts), lambda s, c, axis: s.sum(axis) / c.sum(axis),
        paired=True, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert [low[0], high[0]] == pytest.approx([reference.low, reference.high], abs=0.004)


def test_intervals_cover():
    """Of 600 data sets with clustered noise about 95% have the true mean inside their interval."""
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(600):
        counts = rng.integers(1, 6, 120)
        common = rng.normal(0, 1, 120)
        sums = np.array(
            [rng.normal(0.3 + c, 1, n).sum() for c, n in zip(common, counts, strict=True)]
        )
        low, high = bootstrap_ratios(sums[None], counts.astype(float), seed=seed, n_resamples=500)
        inside += low[0] <= 0.3 <= high[0]
    assert 0.93 <= inside / 600 <= 0.97


def test_rows_are_treated_alike():
    values = np.random.default_rng(0).normal(size=(2, 60))
    clusters = np.arange(60) // 6
    both = cluster_bootstrap(values, clusters, seed=1)
    first = cluster_bootstrap(values[:1], clusters, seed=1)
    assert np.allclose([both[0][0], both[1][0]], [first[0][0], first[1][0]])


def test_each_test_has_its_own_counts():
    """Two cases of two tests, in one call as in two; a cluster without items of a case adds nothing."""
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, (2, 30)).astype(float)
    sums = rng.normal(size=(4, 30)) * np.repeat(counts, 2, axis=0)
    together = np.array(bootstrap_ratios(sums, counts, seed=3))
    apart = [np.array(bootstrap_ratios(sums[i : i + 2], counts[i // 2], seed=3)) for i in (0, 2)]
    np.testing.assert_allclose(together, np.concatenate(apart, axis=1), atol=1e-6)
    few = counts * np.array([[1], [0]])
    assert (
        np.isnan(np.array(bootstrap_ratios(sums, few, seed=3))).tolist()
        == [[False] * 2 + [True] * 2] * 2
    )


def test_few_clusters_give_no_interval():
    low, high = cluster_bootstrap(np.ones(40), np.arange(40) % 4, seed=0)
    assert np.isnan(low) and np.isnan(high)


def test_a_copied_item_does_not_narrow_the_interval():
    """Resampling items would halve the width; resampling clusters must not."""
    values = np.random.default_rng(0).normal(size=30)
    once = cluster_bootstrap(values, np.arange(30), seed=0)
    copied = cluster_bootstrap(np.repeat(values, 4), np.repeat(np.arange(30), 4), seed=0)
    assert np.allclose(once, copied)


@pytest.mark.parametrize("n_clusters", [40])
def test_interval_covers_the_truth_about_as_often_as_it_says(n_clusters):
    """Clustered noise around a known mean: coverage of a 95% interval, 300 draws."""
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(n_clusters), 5)
    covered = 0
    for draw in range(300):
        values = rng.normal(size=n_clusters)[clusters] + rng.normal(size=clusters.size)
        low, high = cluster_bootstrap(values, clusters, seed=draw, n_resamples=400)
        covered += bool(low <= 0 <= high)
    assert 0.90 <= covered / 300 <= 0.98


def test_sign_flip_by_hand():
    """Five clusters of +1: of 32 flips only the observed one is as large."""
    found = sign_flip(np.array([[1.0, 1, 1, 1, 1], [1, 1, 1, 1, -1], [0, 0, 0, 0, 0]]), seed=0)
    assert found.p[:2] == pytest.approx([1 / 32, 6 / 32])
    # The largest of both is 5 on one flip (times its scale), and at least 3 on 6 and its own.
    assert found.p_family[0] == pytest.approx(2 / 32)
    assert found.p[2] == found.p_family[2] == 1
    assert found.q[:2] == pytest.approx([3 / 32, 9 / 32])


def test_the_family_keeps_its_error_rate():
    """Of 400 families of 40 null tests on common clusters about 5% have a p_family below 0.05."""
    rng = np.random.default_rng(0)
    false = 0
    for seed in range(400):
        common = rng.standard_normal((1, 30))
        sums = 0.5 * common + rng.standard_normal((40, 30))
        false += sign_flip(sums, seed=seed, n_flips=400).p_family.min() < 0.05
    low, high = binom.interval(0.99, 400, 0.05)
    assert low <= false <= high


def test_a_real_difference_is_found_among_many():
    rng = np.random.default_rng(1)
    sums = rng.standard_normal((100, 60))
    sums[7] += 1
    found = sign_flip(sums, seed=0)
    assert np.flatnonzero(found.p_family < 0.05).tolist() == [7]
    assert found.p_family[7] >= found.p[7]
    again = sign_flip(sums * 3, seed=0)
    np.testing.assert_array_equal(found.p_family, again.p_family)


def test_labels_are_shuffled_where_they_may_be():
    """Groups 0 and 1 have two labels each, 2 to 5 one."""
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 5])
    codes = np.array([0, 1, 1, 0, 2, 0, 1, 1, 2, 0])
    shuffled = shuffled_labels(codes, groups, 500, seed=0)
    assert shuffled[0].tolist() == codes.tolist() and len(shuffled) == 501
    for group in (0, 1):
        inside = groups == group
        assert (np.sort(shuffled[:, inside], axis=1) == np.sort(codes[inside])).all()
        assert len(np.unique(shuffled[:, inside], axis=0)) == (3 if group == 0 else 2)
    assert (shuffled[:, 6] == shuffled[:, 7]).all()  # whole groups change labels
    whole = shuffled[:, [5, 6, 8, 9]]
    assert (np.sort(whole, axis=1) == [0, 0, 1, 2]).all()
    assert len(np.unique(whole, axis=0)) == 12


def test_a_classifier_that_knows_among_many_that_do_not():
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(0, 3, 120), np.arange(120) // 2
    predictions = rng.integers(0, 3, (60, 120))
    predictions[7] = np.where(rng.random(120) < 0.5, codes, predictions[7])
    predictions[9] = 0  # always the same says nothing
    found = label_permutation(predictions, codes, groups, seed=0)
    assert np.flatnonzero(found.p_family < 0.05).tolist() == [7]
    assert found.p[9] == found.p_family[9] == 1
    assert (found.p_family >= found.p - 1e-9).all()


def test_shuffled_labels_are_found_as_often_as_stated():
    """Of 300 families of 25 classifiers that know nothing, on grouped labels, about 5% have one below 0.05."""
    rng = np.random.default_rng(1)
    false = 0
    for seed in range(300):
        groups = np.repeat(np.arange(24), 3)
        codes = np.repeat(rng.permutation(np.arange(24) % 2), 3)
        # What groups have in common, predictions may have in common, too.
        predictions = np.where(
            rng.random((25, 72)) < 0.7,
            np.repeat(rng.integers(0, 2, (25, 24)), 3, axis=1),
            rng.integers(0, 2, (25, 72)),
        )
        found = label_permutation(predictions, codes, groups, seed=seed, n_permutations=400)
        false += found.p_family.min() < 0.05
    low, high = binom.interval(0.99, 300, 0.05)
    assert low <= false <= high


def test_balanced_intervals():
    """Of one class they are the plain ones; of several every class counts alike, however many items it has."""
    from headwise.stats import balanced_bootstrap, balanced_mean, cluster_bootstrap

    rng = np.random.default_rng(0)
    values, clusters = (rng.random((3, 400)) < 0.7).astype(float), np.arange(400) // 4
    one = balanced_bootstrap(values, np.zeros(400, dtype=int), clusters, seed=1)
    for found, expected in zip(one, cluster_bootstrap(values, clusters, seed=1), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    codes = (np.arange(400) >= 360).astype(int)  # 360 hits of one class, 40 misses of another
    hits = (codes == 0).astype(float)[None]
    low, high = balanced_bootstrap(hits, codes, clusters, seed=1)
    assert balanced_mean(hits, codes).item() == low.item() == high.item() == 0.5
    few = balanced_bootstrap(values, codes, np.zeros(400, dtype=int), seed=1)
    assert np.isnan(few).all()
