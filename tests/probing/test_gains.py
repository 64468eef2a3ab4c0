"""Gains over the best baseline: heads no better than it are not found, better ones are, and who is best is no lottery."""

import numpy as np
import pytest

from headwise import evidence, stats
from headwise.probing.gains import best_baseline, choose, family, halvings
from headwise.stats import Clusters
from helpers.gains import BEST, simulated


def test_the_detectable_gain_is_found_as_often_as_it_says():
    """Power at the gain that is called detectable: about 80%."""
    said = [simulated(s, [0.6] * 8).table["detectable"].median() for s in range(5)]
    gain = float(np.mean(said))
    found = [
        (simulated(100 + s, [0.6 + gain, *[0.6] * 7]).table["p_fwer"].iloc[1] < 0.05)
        for s in range(40)
    ]
    assert 0.6 <= np.mean(found) <= 0.97  # binomial(40, 0.8)


def test_the_baseline_is_chosen_on_what_is_fitted():
    """It is the better one inside, even where the other is luckier on what is scored."""
    truth, fold = np.tile([0, 1], 20), np.repeat([0, 1], 20)
    right, wrong = truth, 1 - truth
    a, b = (("a", 0, None), "x"), (("b", 0, None), "x")
    inner = {a: np.array([0.9, 0.2]), b: np.array([0.3, 0.8])}
    best = best_baseline({a: wrong, b: right}, inner, truth, fold)
    assert best.places == (a, b)
    np.testing.assert_array_equal(best.predicted, np.where(fold == 0, wrong, right))
    unknown = {a: np.full(2, np.nan), b: np.full(2, np.nan)}
    assert best_baseline({a: wrong, b: right}, unknown, truth, fold).places == (b, b)


def test_gains_are_paired_by_example():
    rng = np.random.default_rng(0)
    groups, truth = np.repeat(np.arange(20), 10), np.tile([0, 1], 100)
    base = (rng.random(200) < 0.6).astype(float)
    rows = family(np.stack([base, np.ones(200)]), base, truth, Clusters.of(groups), 0.0, 0)
    assert rows["gain"].iloc[0] == 0 and rows["gain_low"].iloc[0] < 0 < rows["gain_high"].iloc[0]
    right = np.mean([1 - base[truth == c].mean() for c in (0, 1)])
    assert rows["gain"].iloc[1] == pytest.approx(right) and rows["p_fwer"].iloc[1] < 0.01


def test_halves_of_groups_have_every_label():
    groups = np.repeat(np.arange(21), 4)
    truth = (np.arange(21) % 3)[groups]
    halves = halvings(truth, groups, 20, 0)
    assert len(np.unique(halves, axis=0)) == 20
    for half in halves:
        assert not set(groups[half]) & set(groups[~half])
        assert set(truth[half]) == set(truth[~half]) == {0, 1, 2}
        assert abs(len(set(groups[half])) - len(set(groups[~half]))) <= 1


def test_the_choice_has_no_part_in_the_score():
    """The best of many places that read nothing looks good on what it was chosen by, and not on the other half."""
    flattered, honest = [], []
    for seed in range(10):
        result = simulated(seed, [0.25] * 48, baseline=0.25)
        correct = np.stack([result.correct(k, "logistic") for k, _ in list(result.predictions)[1:]])
        flattered.append(correct.mean(axis=1).max())
        choice = result.chosen("z", "logistic")
        honest.append(choice.accuracy.value)
        assert sum(choice.shares.values()) == pytest.approx(1)
        assert choice.key == max(choice.shares, key=choice.shares.get)
    assert np.mean(flattered) > 0.32 and abs(np.mean(honest) - 0.25) < 0.03


def test_a_good_place_is_chosen_in_every_half():
    result = simulated(0, [0.5, 0.97, 0.5])
    choice = result.chosen("z", "logistic")
    assert choice.shares == {("z", 0, 1): 1.0} and choice.passes == 1
    assert choice.gain.value == pytest.approx(result.gain(choice.key, "logistic").value)
    assert evidence.verdict(choice) == "supported"
    assert evidence.verdict(simulated(0, [0.2, 0.3]).chosen("z", "logistic")) == "not supported"
    without = simulated(0, [0.97], control_t=np.nan).chosen("z", "logistic")
    assert evidence.verdict(without) == "inconclusive"


def test_one_choice_for_every_seed():
    """Which half chooses is no lottery: over seeds of the halving the answer hardly changes."""
    result = simulated(3, [0.7, 0.72, 0.68])
    keys = [("z", 0, i) for i in range(3)]
    correct = np.stack([result.correct(key, "logistic")[None] for key in keys])
    said = [
        choose(keys, "logistic", correct, result.correct(*BEST)[None], result.truth, result.groups, result.clusters, 0.0, seed).gain.value
        for seed in range(8)
    ]  # fmt: skip
    assert np.ptp(said) < 0.03


def test_no_draw_of_folds_decides_alone():
    """A place that is found with the folds of one draw only is not found; each halving goes by one draw, and every draw by as many halvings."""
    keys = [("z", 0, 0)]
    found, none = (simulated(s, [0.9 if s == 1 else 0.6]) for s in (1, 2))
    own, without = (np.stack([r.correct(keys[0], "logistic")]) for r in (found, none))
    base = found.correct(*BEST)
    rest = found.truth, found.groups, found.clusters, 0.0, 0

    def of(draws):
        return choose(keys, "logistic", np.stack(draws, axis=1), np.tile(base, (len(draws), 1)), *rest)  # fmt: skip

    assert evidence.verdict(of([own])) == "supported"
    mixed = of([own, *4 * [without]])
    assert mixed.passes == 0.2 and evidence.verdict(mixed) != "supported"
    assert mixed.accuracy.value == pytest.approx(
        0.2 * of([own]).accuracy.value + 0.8 * of([without]).accuracy.value
    )


def test_what_a_choice_asks_for_is_what_would_be_found():
    """p is twice the median over halvings, so the bar is that of half the level."""
    result = simulated(5, [0.8])
    choice = result.chosen("z", "logistic")
    gain = result.correct(("z", 0, 0), "logistic") - result.correct(*BEST)
    own = [stats.Block(gain[None], result.clusters, result.truth)]
    whole, half = (stats.max_t(own, seed=result.seed, level=level) for level in (0.05, 0.025))
    assert choice.critical == half.critical > whole.critical
    df = len(np.unique(result.groups)) - 1
    assert choice.detectable > stats.detectable(np.array(choice.gain_se), whole.bars[0], df)


def test_the_gain_of_a_choice_is_found_as_often_as_it_says():
    said = [simulated(s, [0.6]).chosen("z", "logistic").detectable for s in range(5)]
    gain = float(np.mean(said))
    found = [simulated(200 + s, [0.6 + gain]).chosen("z", "logistic").p < 0.05 for s in range(40)]
    assert 0.6 <= np.mean(found) <= 0.97  # binomial(40, 0.8)
