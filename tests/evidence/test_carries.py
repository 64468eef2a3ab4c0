"""Carries: heads no better than the best baseline do not, better ones do."""

import numpy as np
import pytest

from headwise import evidence
from helpers.gains import simulated


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
