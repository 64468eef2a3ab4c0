import numpy as np
import pytest
from scipy import stats

from headwise.stats import (
    Clusters,
    balanced_mean,
    balanced_of,
    contrast_of,
    difference_of,
    mean_of,
)


def hits(rng, n_sets, sizes, rate, alike):
    """Data sets of hits in clusters (beta-binomial with that correlation), and the cluster of each item."""
    chance = np.full((n_sets, len(sizes)), rate)
    if alike:
        scale = (1 - alike) / alike
        chance = rng.beta(rate * scale, (1 - rate) * scale, chance.shape)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return (rng.random((n_sets, len(cluster))) < chance[:, cluster]).astype(float), cluster


def covers(found, truth):
    return ((found.low <= truth) & (truth <= found.high)).mean()


def test_clusters_of_equal_sizes_are_a_sample_of_means():
    """The t interval over cluster means, whatever is inside the clusters."""
    values = np.random.default_rng(0).normal(size=(3, 8, 5))
    found = mean_of(values.reshape(3, 40), Clusters.of(np.repeat(np.arange(8), 5)))
    means = values.mean(axis=2)
    for row, mean in enumerate(means):
        expected = stats.ttest_1samp(mean, 0).confidence_interval()
        assert [found.low[row], found.high[row]] == pytest.approx([expected.low, expected.high])
    assert found.df == pytest.approx(7) and found.n_clusters == 8


def test_items_of_one_cluster_add_nothing_by_being_many():
    values, cluster = np.random.default_rng(0).normal(size=30), np.arange(30) // 3
    once = mean_of(values, Clusters.of(cluster))
    copied = mean_of(np.tile(values, 4), Clusters.of(np.tile(cluster, 4)))
    assert copied.se == pytest.approx(once.se) and copied.low == pytest.approx(once.low)


def test_hits_by_items_that_are_their_own_clusters():
    """Wilson's interval, a little wider for a quantile between normal and t."""
    values = (np.arange(200) < 130).astype(float)
    found = mean_of(values, Clusters.of(np.arange(200)), "rate")
    expected = stats.binomtest(130, 200).proportion_ci(method="wilson")
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=0.002)


def test_all_alike_have_width():
    """Five of five, each a cluster: Wilson's interval of five."""
    five = mean_of(np.ones(5), Clusters.of(np.arange(5)), "rate")
    expected = stats.binomtest(5, 5).proportion_ci(method="wilson")
    assert five.low == pytest.approx(expected.low) and five.high == 1
    assert five.se > 0
    # Of 60 items in 15 clusters what counts is between the two.
    many = mean_of(np.zeros(60), Clusters.of(np.arange(60) // 4), "rate")
    q = stats.norm.ppf(0.975) ** 2
    assert many.low == 0 and many.high == pytest.approx(q / (np.sqrt(60 * 15) + q))
    gains = mean_of(np.zeros((2, 40)), Clusters.of(np.arange(40) // 2), "difference")
    assert (gains.low < -0.03).all() and (gains.high > 0.03).all() and (gains.se > 0).all()
    every = mean_of(np.ones(40), Clusters.of(np.arange(40) // 2), "difference")
    assert 0.6 < every.low < 0.95 and every.high == 1


def test_ends_stay_within_what_is_possible():
    rng = np.random.default_rng(0)
    for rate in (0.02, 0.5, 0.98):
        values, cluster = hits(rng, 50, np.full(8, 3), rate, 0.2)
        found = mean_of(values, Clusters.of(cluster), "rate")
        assert (found.low >= 0).all() and (found.high <= 1).all()
        assert (found.low <= found.value).all() and (found.value <= found.high).all()
        lost = mean_of(values - 1, Clusters.of(cluster), "difference")
        assert (lost.low >= -1).all() and (lost.high <= 1).all()
        assert (lost.low <= lost.value).all() and (lost.value <= lost.high).all()


def test_few_clusters_give_no_interval():
    found = mean_of(np.ones(40), Clusters.of(np.arange(40) % 4), "rate")
    assert found.value == pytest.approx(1)
    assert np.isnan([found.low, found.high, found.se]).all()
    crossed = mean_of(np.ones(40), Clusters.of(np.arange(40) // 4, np.arange(40) % 4))
    assert np.isnan(crossed.low)


@pytest.mark.parametrize("alike", [0, 0.3])
@pytest.mark.parametrize("n_clusters", [10, 20, 40])
def test_intervals_of_rates_cover(n_clusters, alike):
    """Of 1,500 data sets; benchmarks/validity_stats.py has all cells."""
    rng = np.random.default_rng(n_clusters)
    sizes = np.resize([2, 4, 5, 9], n_clusters)
    for rate, most in ((0.5, 0.975), (0.9, 0.99), (0.95, 0.99), (0.99, 0.995)):
        values, cluster = hits(rng, 1500, sizes, rate, alike)
        found = mean_of(values, Clusters.of(cluster), "rate")
        assert 0.92 <= covers(found, rate) <= most


@pytest.mark.parametrize("n_clusters", [5, 10, 40])
def test_intervals_of_unbounded_values_cover(n_clusters):
    """Clusters of very different sizes, alike and not; a percentile bootstrap of 5 would cover in 87%."""
    rng = np.random.default_rng(n_clusters)
    sizes = np.resize([1, 2, 3, 5, 8, 11], n_clusters)
    cluster = np.repeat(np.arange(n_clusters), sizes)
    for alike in (0, 1):
        common = rng.normal(size=(4000, n_clusters))[:, cluster]
        found = mean_of(alike * common + rng.normal(size=common.shape), Clusters.of(cluster))
        assert 0.935 <= covers(found, 0.0) <= 0.965


def test_balanced_means():
    """Of one class they are plain; of two, every class counts alike and has a variance of its own."""
    rng = np.random.default_rng(0)
    values, cluster = hits(rng, 3, np.full(100, 4), 0.7, 0)
    clusters = Clusters.of(cluster)
    plain, one = mean_of(values, clusters), balanced_of(values, np.zeros(400, int), clusters)
    np.testing.assert_allclose([one.low, one.high], [plain.low, plain.high])
    codes = (np.arange(400) >= 360).astype(int)
    found = balanced_of(values, codes, clusters)
    np.testing.assert_allclose(found.value, balanced_mean(values, codes))
    parts = [mean_of(values[:, codes == c], clusters.where(codes == c)).se for c in (0, 1)]
    np.testing.assert_allclose(found.se, np.hypot(*parts) / 2)
    # Always the same answer: right in all of one class, in none of the other.
    always = balanced_of(1.0 - codes, codes, clusters, "rate")
    assert always.value == 0.5 and 0.4 < always.low < 0.5 < always.high < 0.6
    lone = balanced_of(values, np.where(cluster == 0, 1, 0), clusters)
    assert np.isnan(lone.low).all()  # a class in one cluster shows nothing of how it varies


def test_a_difference_does_not_depend_on_where_zero_is():
    """Classes in 6 and 20 groups, 200 taken off everything."""
    rng = np.random.default_rng(0)
    codes = np.repeat([1, 0], [12, 40])
    clusters = Clusters.of(np.arange(52) // 2)
    values = np.where(codes == 1, 101.0, 100.0) + rng.normal(0, 0.01, (2, 52))
    here, there = (difference_of(v, codes, clusters) for v in (values, values - 200))
    np.testing.assert_allclose([here.low, here.high], [there.low, there.high], atol=1e-9)
    assert (here.low > 0.98).all() and (here.high < 1.02).all()


def test_differences_between_and_within_clusters():
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=60), np.repeat([1, 0], [24, 36])
    apart = difference_of(values, codes, Clusters.of(np.arange(60) // 3))
    means = values.reshape(20, 3).mean(axis=1)
    welch = stats.ttest_ind(means[:8], means[8:], equal_var=False)
    assert apart.value / apart.se == pytest.approx(welch.statistic)
    paired = difference_of(values, np.tile([0, 1], 30), Clusters.of(np.arange(60) // 2))
    expected = stats.ttest_rel(values[1::2], values[::2]).confidence_interval()
    assert [paired.low, paired.high] == pytest.approx([expected.low, expected.high])


def test_a_class_in_four_groups_has_no_interval():
    values, clusters = np.random.default_rng(0).normal(size=60), Clusters.of(np.arange(60) // 2)
    for n, is_none in ((8, True), (10, False)):
        found = difference_of(values, (np.arange(60) < n).astype(int), clusters)
        assert np.isfinite(found.value) and np.isnan(found.low) == is_none
    assert np.isnan(difference_of(values, np.ones(60, int), clusters).value)


def test_one_class_less_the_mean_of_the_others():
    rng = np.random.default_rng(0)
    codes, groups = np.repeat([0, 1, 2], [40, 40, 400]), np.arange(480) // 4
    values = rng.normal(size=(2, 480)) + np.array([1.0, 3.0, 5.0])[codes]
    found = contrast_of(values, codes, 0, Clusters.of(groups))
    assert (found.low < 1 - 4).all() and (found.high > 1 - 4).all()
    parts = [mean_of(values[:, codes == c], Clusters.of(groups[codes == c])).se for c in range(3)]
    np.testing.assert_allclose(found.se**2, parts[0] ** 2 + (parts[1] ** 2 + parts[2] ** 2) / 4)
    few = Clusters.of(np.where(codes == 0, groups % 4, groups))  # the class is in four groups
    assert np.isnan(contrast_of(values, codes, 0, few).low).all()
    two = contrast_of(values[:, :80], codes[:80], 1, Clusters.of(groups[:80]))
    same = difference_of(values[:, :80], codes[:80], Clusters.of(groups[:80]))
    np.testing.assert_allclose([two.low, two.high], [same.low, same.high])
