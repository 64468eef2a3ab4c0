import numpy as np
import pytest
from scipy.stats import binom

from headwise.errors import HeadwiseError
from headwise.stats import Block, Clusters, detectable, flips, is_within, max_t, mean_of, p_against


def one_each(values, **kwargs):
    """Every item is a cluster."""
    values = np.asarray(values, float)
    few = {"min_items": 1, "min_clusters": 1} | kwargs
    return max_t([Block(values, Clusters.of(np.arange(values.shape[1])))], seed=0, **few)


def test_five_clusters_by_hand():
    found = one_each([[1, 1, 1, 1, 1], [-1, 2, -2, 1, 2], [0, 0, 0, 0, 0]])
    # All of the 32 flips are tried. The first is largest unflipped; the sum of the second is 2, and as large in 13 of them.
    assert found.p[:2].tolist() == [1 / 32, 13 / 32]
    # In units of their spread the second never comes near the first.
    assert found.p_fwer[0] == 1 / 32
    assert found.p[2] == found.p_fwer[2] == 1 and found.t[2] == 0
    assert found.q_fdr[:2] == pytest.approx([3 / 32, 39 / 64])


def test_flips_of_one_cluster_are_the_same_in_all_blocks():
    """Two tests on the two halves of each cluster's items are one test, so the family costs nothing."""
    values = np.random.default_rng(0).normal(size=(1, 30)) + 0.3
    clusters = Clusters.of(np.repeat(np.arange(15), 2))
    half = np.arange(30) % 2 == 0
    doubled = np.repeat(values[:, half], 2, axis=1)
    blocks = [Block(doubled[:, h], clusters.where(h)) for h in (half, ~half)]
    found = max_t(blocks, seed=0, min_items=10)
    np.testing.assert_allclose(found.p_fwer, found.p, atol=1e-3)


def test_each_block_has_its_own_items():
    rng = np.random.default_rng(0)
    clusters = Clusters.of(np.arange(120) // 4)
    values, part = rng.normal(size=(3, 120)), np.arange(120) % 4 > 1
    values[1] += 0.8
    both = max_t([Block(values, clusters), Block(values[:, part], clusters.where(part))], seed=0)
    for rows, block in ((slice(0, 3), values), (slice(3, 6), values[:, part])):
        kept = clusters if block is values else clusters.where(part)
        alone, estimate = max_t([Block(block, kept)], seed=0), mean_of(block, kept)
        np.testing.assert_array_equal(both.p[rows], alone.p)
        np.testing.assert_allclose(both.se[rows], estimate.se)
        np.testing.assert_allclose(both.t[rows], estimate.value / estimate.se)
        assert (both.p_fwer[rows] >= alone.p_fwer).all()


def test_too_little_is_not_tested_and_takes_no_part():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 60)) + 0.3
    clusters = Clusters.of(np.arange(60) // 3)
    alone = max_t([Block(values, clusters)], seed=0)
    few = [np.arange(60) < 27, np.arange(60) % 4 == 0]  # 9 clusters; 15 items
    blocks = [Block(values, clusters), *(Block(values[:, f], clusters.where(f)) for f in few)]
    found = max_t(blocks, seed=0)
    for name in ("p", "p_fwer", "q_fdr", "criticals"):
        column = getattr(found, name)
        np.testing.assert_array_equal(column[:4], getattr(alone, name))
        assert np.isnan(column[4:]).all()
    values[2, 5] = np.nan
    missing = max_t([Block(values, clusters)], seed=0)
    assert np.isnan(missing.p).tolist() == [False, False, True, False]
    assert np.isfinite(missing.critical)
    nothing = max_t([Block(values[:, :6], clusters.where(np.arange(60) < 6))], seed=0)
    assert np.isnan(nothing.p).all() and np.isnan(nothing.critical)
    assert np.isnan(max_t([], seed=0).critical)


def test_the_unit_does_not_matter():
    values = np.random.default_rng(1).normal(size=(100, 60))
    values[7] += 1
    found, again = one_each(values), one_each(values * 3)
    assert np.flatnonzero(found.p_fwer < 0.05).tolist() == [7]
    np.testing.assert_array_equal(found.p_fwer, again.p_fwer)
    assert (found.t > found.critical).tolist() == (found.p_fwer < 0.05).tolist()


def test_a_perfect_score_is_finite():
    found = one_each(np.ones((2, 12)))
    assert found.p.tolist() == [1 / 4096] * 2 and np.isfinite(found.t).all() and found.t[0] > 1000


@pytest.mark.parametrize("n_clusters", [12, 20, 50])
def test_rare_misses_do_not_hide_an_effect_that_is_large(n_clusters):
    """Right in 95%: the misses skew the sum, which must not count against an effect many standard errors above zero."""
    rng = np.random.default_rng(n_clusters)
    values = np.zeros((40, 4 * n_clusters))
    values[1:] = rng.integers(-1, 2, (39, values.shape[1]))
    values[0] = rng.random(values.shape[1]) < 0.95
    found = max_t([Block(values, Clusters.of(np.arange(values.shape[1]) // 4))], seed=0)
    assert found.p_fwer[0] < 0.05


def test_further_tests_against_a_family():
    """A member of the family has the p that it has there; one that is larger than all flips has the smallest."""
    rng = np.random.default_rng(0)
    clusters = Clusters.of(np.arange(90) // 3, np.arange(90) % 15)
    values = rng.normal(size=(8, 90)) + np.linspace(0, 0.6, 8)[:, None]
    family = max_t([Block(values, clusters)], seed=0)
    np.testing.assert_allclose(p_against(Block(values, clusters), family), family.p_fwer)
    more = p_against(Block(np.ones((1, 90)), clusters), family)
    assert more[0] < 0.001
    untested = max_t([Block(values, clusters)], seed=0, min_clusters=40)
    assert np.isnan(p_against(Block(values, clusters), untested)).all()


def test_balanced_tests_weigh_classes_alike():
    """Forty items without effect and ten that lose: balanced, the loss is half of it all."""
    rng = np.random.default_rng(0)
    codes, clusters = (np.arange(100) >= 80).astype(int), Clusters.of(np.arange(100) // 2)
    values = np.where(codes == 1, -1.0, 0.5) + rng.normal(0, 0.1, (1, 100))
    plain = max_t([Block(values, clusters)], seed=0)
    balanced = max_t([Block(values, clusters, codes)], seed=0)
    assert plain.p[0] < 0.05 < balanced.p[0] and balanced.t[0] < 0 < plain.t[0]


def test_blocks_are_clustered_alike():
    values = np.zeros((1, 40))
    crossed = Clusters.of(np.arange(40) // 4, np.arange(40) % 4)
    one = Clusters.of(np.arange(40) // 4)
    with pytest.raises(HeadwiseError, match="the same factors"):
        max_t([Block(values, crossed), Block(values, one)], seed=0, min_clusters=2)


def test_the_family_keeps_its_error_rate():
    """Of 400 families of 40 null tests on common clusters about 5% have a p below 0.05 over the family."""
    rng = np.random.default_rng(0)
    false = 0
    for seed in range(400):
        values = 0.5 * rng.standard_normal((1, 30)) + rng.standard_normal((40, 30))
        found = max_t([Block(values, Clusters.of(np.arange(30)))], seed=seed, n_flips=400)
        false += found.p_fwer.min() < 0.05
    assert binom.ppf(0.005, 400, 0.03) <= false <= binom.ppf(0.995, 400, 0.05)


def pairs_of_blocks(rng, n_blocks=20, n_groups=61):
    """Groups of minimal pairs, each of two blocks of words, of which each item has one."""
    all_pairs = [(a, b) for a in range(n_blocks // 2) for b in range(n_blocks // 2, n_blocks)]
    chosen = rng.permutation(len(all_pairs))[:n_groups]
    items = [(g, all_pairs[pair][i % 2]) for g, pair in enumerate(chosen) for i in range(4)]
    return np.array(items).T


@pytest.mark.parametrize("varies", ["words", "groups", "both"])
def test_effects_that_vary_by_words_across_groups(varies):
    """Zero on average: with the groups alone something is found in every family of 96, with both factors in at most 5%."""
    rng = np.random.default_rng(0)
    false = by_groups = 0
    for seed in range(150):
        group, word = pairs_of_blocks(rng)
        values = 0.5 * rng.normal(size=(96, len(group)))
        if varies != "groups":
            values += rng.normal(size=(96, 20))[:, word]
        if varies != "words":
            values += rng.normal(size=(96, 61))[:, group]
        found = max_t([Block(values, Clusters.of(group, word))], seed=seed, n_flips=300)
        false += found.p_fwer.min() <= 0.05
        if varies == "words" and seed < 20:
            wrong = max_t([Block(values, Clusters.of(group))], seed=seed, n_flips=300)
            by_groups += wrong.p_fwer.min() <= 0.05
    assert false <= binom.ppf(0.995, 150, 0.05)
    assert by_groups >= 19 or varies != "words"


@pytest.mark.parametrize(("n_clusters", "most"), [(10, 0.085), (20, 0.075), (40, 0.065)])
def test_many_small_gains_and_few_large_losses(n_clusters, most):
    """Zero on average; plain flips of exponential losses find a gain at 5% in 13, 11 and 9%."""
    rng = np.random.default_rng(n_clusters)
    found = one_each(1 - rng.exponential(size=(4000, n_clusters)), n_flips=1000)
    assert (found.p <= 0.05).mean() <= most


def test_one_large_loss_among_forty():
    """One cluster in ten loses 9, the others gain 1: plain flips err in 9%, since one or two losses leave t at 2 or 3."""
    rng = np.random.default_rng(0)
    found = one_each(np.where(rng.random((3000, 40)) < 0.9, 1.0, -9.0), n_flips=500)
    assert (found.p <= 0.05).mean() <= 0.03


def test_what_is_found_among_many():
    """Power is not lost to the correction where nothing is skewed: 20 clusters, five standard errors, 40 tests."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        values = rng.normal(size=(40, 20))
        values[0] += 5 / np.sqrt(20)
        found += one_each(values, n_flips=500).p_fwer[0] < 0.05
    assert found >= 42


def test_the_correction_for_skewness_has_an_inverse():
    t = np.linspace(-3, 9, 241)
    for n in (10.0, 40.0):
        for skew in (-3.0, -0.8, 0.0, 0.8, 3.0):
            of, number = np.full(len(t), skew), np.full(len(t), n)
            bar = flips._uncorrected(t, of, number)
            np.testing.assert_allclose(flips._corrected(bar, of, number), t, atol=1e-6)


def test_what_is_detectable_is_found_though_clusters_differ_in_size():
    """Power at the effect that is printed, with clusters of 1 to 11 items."""
    rng = np.random.default_rng(0)
    clusters = Clusters.of(np.repeat(np.arange(20), rng.integers(1, 12, 20)))
    group = np.unique(clusters.factors[0], return_inverse=True)[1]

    def draw(effect):
        of_group = rng.normal(size=(16, 20))[:, group]
        return effect + of_group + rng.normal(size=of_group.shape)

    def tested(values):
        found = max_t([Block(values, clusters)], seed=0, n_flips=500)
        return found.p_fwer, detectable(found.se, found.bars, 19)

    printed = np.nanmean([tested(draw(0.0))[1] for _ in range(20)])
    power = np.mean([tested(draw(printed))[0] < 0.05 for _ in range(40)])
    assert 0.65 < power < 0.95


def test_no_is_said_of_all_heads_at_once():
    """32 heads with an effect of just the smallest size of interest: one is told 'no' in about 5% of samples, not in 16%."""
    rng = np.random.default_rng(1)
    clusters = Clusters.of(np.arange(20))
    wrong = 0
    for _ in range(200):
        values = 1 + rng.normal(size=(32, 20)) * 0.7
        found = max_t([Block(values, clusters)], seed=0, n_flips=400)
        wrong += is_within(values.mean(axis=1), found.se, found.criticals, 1.0).any()
    assert wrong <= 20  # 99.8% of binomial(200, 0.055)
