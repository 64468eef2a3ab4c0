"""One rule for yes and no: what no control passes, at least as large as what is of interest, and absence only by equivalence."""

from dataclasses import replace

import numpy as np
import pytest

from headwise.evidence import INCONCLUSIVE, LOOKS, MATTERS, NO, YES, verdict_over, verdict_over_all
from headwise.stats.deciding import Thresholds

GOOD = {"effect": 0.2, "p_fwer": 0.01, "t": 5.0, "control_t": 4.0, "is_small": False, "cases": 100, "clusters": 20}  # fmt: skip


def said(**changed):
    values = {name: np.array([value]) for name, value in (GOOD | changed).items()}
    return MATTERS.decide(**values)[0]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, YES),
        ({"control_t": 5.0}, INCONCLUSIVE),  # what a control reaches is no finding
        ({"control_t": np.nan}, INCONCLUSIVE),  # nor what was not controlled
        ({"control_t": -np.inf}, INCONCLUSIVE),
        ({"p_fwer": 0.05}, INCONCLUSIVE),
        ({"p_fwer": np.nan}, INCONCLUSIVE),
        ({"effect": 0.049}, INCONCLUSIVE),  # significant and too small to be of interest
        ({"effect": np.nan}, INCONCLUSIVE),
        ({"cases": 19}, INCONCLUSIVE),
        ({"clusters": 9}, INCONCLUSIVE),
        ({"effect": 0.01, "is_small": True}, NO),
        ({"effect": 0.01, "is_small": True, "clusters": 9}, INCONCLUSIVE),
        ({"effect": 0.01, "is_small": True, "cases": 19}, INCONCLUSIVE),
        ({"effect": 0.01}, INCONCLUSIVE),  # not found is not absent
        ({"effect": -0.3}, INCONCLUSIVE),  # an effect the other way round is no absence
    ],
)
def test_the_rule(changed, expected):
    assert said(**changed) == expected


def test_many_heads():
    assert verdict_over([NO, YES, INCONCLUSIVE]) == "supported"
    assert verdict_over([NO, NO]) == "not supported"
    assert verdict_over([NO, INCONCLUSIVE]) == verdict_over([]) == "inconclusive"


def test_everything_has_to_hold():
    assert verdict_over_all([YES, YES]) == "supported"
    assert verdict_over_all([YES, NO, INCONCLUSIVE]) == "not supported"
    assert verdict_over_all([YES, INCONCLUSIVE]) == verdict_over_all([]) == "inconclusive"


def test_a_rule_states_the_thresholds_that_it_uses():
    strict = replace(LOOKS, by=Thresholds(smallest=0.12, level=0.01, min_cases=33, min_clusters=7))
    for shown in ("at least 12 points", "below 1%", "fewer than 33 cases or 7 clusters"):
        assert shown in strict.text and shown not in LOOKS.text
    values = {name: np.array([value]) for name, value in GOOD.items()}
    assert strict.decide(**values | {"p_fwer": np.array([0.009])}) == [YES]
    for change in ({"effect": 0.119}, {"cases": 32}, {"clusters": 6}, {}):
        changed = values | {name: np.array([value]) for name, value in change.items()}
        assert strict.decide(**changed) == [INCONCLUSIVE]  # GOOD has p = 0.01
