"""Gains over the best baseline: heads no better than it are not found, better ones are, and who is best is no lottery."""

import numpy as np
import pandas as pd
import pytest

from headwise import evidence, stats
from headwise.probing._table import table_of
from headwise.probing._text_baselines import BEST_BASELINE
from headwise.probing.experiment import ProbeResult
from headwise.probing.gains import best_baseline, choose, family, halvings
from headwise.stats import Clusters

BEST = (BEST_BASELINE, "chosen")


def predictions(rng, truth, groups, accuracy):
    """As right as asked for, more so in some groups than in others."""
    p = np.clip(rng.beta(12 * accuracy, 12 * (1 - accuracy), groups.max() + 1), 0, 1)[groups]
    wrong = (truth + rng.integers(1, 4, len(truth))) % 4
    return np.where(rng.random(len(truth)) < p, truth, wrong)


def simulated(seed, accuracies, baseline=0.6, n_groups=41, per_group=5, control_t=0.0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), per_group)
    truth = rng.permutation(np.arange(n_groups) % 4)[groups]
    said = {BEST: predictions(rng, truth, groups, baseline)}
    for i, accuracy in enumerate(accuracies):
        said[("z", i // 12, i % 12), "logistic"] = predictions(rng, truth, groups, accuracy)
    controls = pd.DataFrame(
        {"site": ["z"], "classifier": ["logistic"], "gain": [0.0], "t": [control_t]}
    )
    clusters = Clusters.of(groups)
    table = table_of(said, truth, groups, clusters, {}, {}, controls, seed)
    result = object.__new__(ProbeResult)
    parts = {"table": table, "truth": truth, "groups": groups, "clusters": clusters}
    for name, value in {**parts, "predictions": said, "seed": seed, "controls": controls}.items():
        object.__setattr__(result, name, value)
    return result


def test_heads_as_good_as_the_best_baseline_do_not_carry():
    """72 heads no better than the baseline: at 5% for each alone, one or more would be found in half of all runs."""
    runs = [evidence.carries(simulated(s, [0.6] * 72), "logistic") for s in range(20)]
    assert sum((run["carries"] == "yes").any() for run in runs) <= 3  # 99.7% of binomial(20, 0.05)


def test_a_better_head_carries_and_a_worse_one_does_not():
    heads = evidence.carries(simulated(0, [0.95, *[0.6] * 4, 0.3]), "logistic")
    assert heads["carries"].tolist()[0] == "yes" and heads["carries"].tolist()[-1] == "no"
    assert (heads["carries_low"] <= heads["carries_effect"]).all()
    assert heads["carries_p"].iloc[0] < 0.05 and heads["carries_effect"].iloc[0] > 0.2


@pytest.mark.parametrize("control_t", [50.0, np.nan])
def test_what_a_control_passes_is_no_yes(control_t):
    heads = evidence.carries(simulated(0, [0.95], control_t=control_t), "logistic")
    assert heads["carries"].tolist() == ["inconclusive"]


@pytest.mark.parametrize("baseline", [0.97, 0.999])
def test_a_right_head_beside_a_baseline_that_is_nearly_right_is_no_no(baseline):
    """There is no room for a gain of five points, so that none was seen says nothing."""
    heads = evidence.carries(
        simulated(0, [0.999, 0.97], baseline=baseline, n_groups=80), "logistic"
    )
    assert set(heads["carries"]) == {"inconclusive"}


def test_nine_groups_say_nothing():
    heads = evidence.carries(simulated(0, [0.98, 0.2], n_groups=9, per_group=20), "logistic")
    assert set(heads["carries"]) == {"inconclusive"}


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
    correct = np.stack([result.correct(key, "logistic") for key in keys])
    said = [
        choose(keys, "logistic", correct, result.correct(*BEST), result.truth, result.groups, result.clusters, 0.0, seed).gain.value
        for seed in range(8)
    ]  # fmt: skip
    assert np.ptp(said) < 0.03


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
