"""When a yes is out of reach."""

import numpy as np
import pytest

from headwise.evidence import rules
from headwise.stats import (
    detectable,
)
from headwise.stats.deciding import SMALLEST, smallest_found
from headwise.stats.flips import MIN_TESTED_CLUSTERS, MIN_TESTED_ITEMS


def test_enough_is_what_the_rule_of_evidence_asks():
    assert (MIN_TESTED_ITEMS, MIN_TESTED_CLUSTERS) == (rules.MIN_CASES, rules.MIN_CLUSTERS)


def test_nothing_can_be_found_where_nothing_can_be_a_yes():
    """One bar after the other: p, controls, the smallest effect of interest, and none where a yes is out of reach."""
    usual = {"se": np.array([0.02]), "bars": 3.0, "control_t": 2.0, "df": 30.0, "cases": 100, "clusters": 31}  # fmt: skip
    found = float(smallest_found(**usual)[0])
    assert found == pytest.approx(float(detectable(np.array(0.02), 3.0, 30.0)))
    assert smallest_found(**usual | {"control_t": 6.0})[0] > 1.5 * found
    tiny = smallest_found(**usual | {"se": np.array([1e-6])})[0]
    assert tiny == pytest.approx(SMALLEST, rel=1e-3)
    for change in (
        {"control_t": np.nan},
        {"control_t": -np.inf, "bars": np.nan},
        {"cases": 19},
        {"clusters": 9},
        {"most": found - 0.01},
    ):
        assert np.isnan(smallest_found(**usual | change)).all(), change
    assert np.isfinite(smallest_found(**usual | {"most": found + 0.01})).all()
