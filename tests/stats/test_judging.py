"""What follows from an estimate."""

import numpy as np
import pytest
from scipy import stats

from headwise.stats import (
    Clusters,
    combine,
    detectable,
    is_within,
    mean_of,
)


def test_within_the_smallest_effect():
    value, se = np.array([0.01, -0.01, 0.03, np.nan]), np.array([0.01, 0.01, 0.01, 0.01])
    assert is_within(value, se, 3.0, 0.05).tolist() == [True, True, False, False]
    assert not is_within(value, se, float("nan"), 0.05).any()


def test_nothing_seen_in_twenty_items_is_no_absence():
    found = mean_of(np.zeros(20), Clusters.of(np.arange(20) // 2), "difference")
    assert not is_within(found.value, found.se, 1.8, 0.05)


def test_what_could_have_been_found():
    """That effect is found in 80%, by the noncentral t."""
    for df, critical in ((19, 1.73), (19, 3.5), (300, 4)):
        least = float(detectable(np.array(2.0), critical, df))
        assert stats.nct.sf(critical, df, least / 2) == pytest.approx(0.8, abs=0.015)


def test_p_values_of_splits_are_combined():
    p = np.array([[0.01, 0.4, np.nan, 0.9], [0.02, 0.6, np.nan, np.nan], [0.03, 0.8, np.nan, 0.01]])
    np.testing.assert_allclose(combine(p), [0.04, 1, np.nan, 1])
