import numpy as np
import pytest

from headwise.stats import cluster_bootstrap, cluster_sums


def test_cluster_sums_by_hand():
    sums = cluster_sums(np.array([[1.0, 2, 3], [10, 20, 30]]), np.array([7, 3, 7]))
    assert sums.tolist() == [[2, 4], [20, 40]]


def test_rows_are_treated_alike():
    values = np.random.default_rng(0).normal(size=(2, 60))
    clusters = np.arange(60) // 6
    both = cluster_bootstrap(values, clusters, seed=1)
    first = cluster_bootstrap(values[:1], clusters, seed=1)
    assert np.allclose([both[0][0], both[1][0]], [first[0][0], first[1][0]])


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
