"""Cluster-robust variances by hand."""

import numpy as np
import pytest

from headwise.stats import (
    Clusters,
    mean_of,
)


def test_two_crossed_factors_by_hand():
    """A table of rows and columns: by rows, by columns, and less by cells (Cameron, Gelbach and Miller 2011)."""
    table = np.random.default_rng(1).normal(size=(6, 9)) + np.arange(6)[:, None]
    row, column = np.indices(table.shape).reshape(2, -1)
    found = mean_of(table.ravel(), Clusters.of(row, column))
    by_rows = table.mean(axis=1).var(ddof=1) / 6
    by_columns = table.mean(axis=0).var(ddof=1) / 9
    by_cells = table.var(ddof=1) / 54
    two_way = by_rows + by_columns - by_cells
    assert found.se**2 == pytest.approx(max(by_rows, by_columns, two_way))
    assert found.df == pytest.approx(5) and found.n_clusters == 6
    assert found.se >= mean_of(table.ravel(), Clusters.of(row)).se - 1e-12
