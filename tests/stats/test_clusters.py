"""Items in clusters."""

import numpy as np
import pytest

from headwise.errors import HeadwiseError
from headwise.stats import (
    Clusters,
    sum_by_cluster,
)


def test_sums_by_hand():
    sums = sum_by_cluster(np.array([[1.0, 2, 3], [10, 20, 30]]), np.array([2, 0, 2]), 4)
    assert sums.tolist() == [[2, 0, 4, 0], [20, 0, 40, 0]]


def test_a_factor_within_another_is_dropped():
    template = np.array(["a", "a", "b", "b", "c", "c"])
    sentence = [(0, "x"), (0, "y"), (1, "x"), (1, "y"), (2, "x"), (2, "y")]
    nested = Clusters.of(sentence, template)
    assert [f.tolist() for f in nested.factors] == [[0, 0, 1, 1, 2, 2]]
    assert nested.n == 3
    same = Clusters.of(template, ["z", "z", "y", "y", "x", "x"])
    assert len(same.factors) == 1
    crossed = Clusters.of(template, [0, 1, 0, 1, 0, 1])
    assert crossed.counts == (3, 2) and crossed.n == 2


def test_a_part_keeps_its_codes():
    part = Clusters.of(["a", "b", "c", "c"]).where(np.array([False, True, True, True]))
    assert part.factors[0].tolist() == [1, 2, 2] and part.n == 2 and len(part) == 3


def test_clusters_that_cannot_be():
    with pytest.raises(HeadwiseError, match="got factors of no items"):
        Clusters.of()
    with pytest.raises(HeadwiseError, match=r"got factors of \[2, 3\] items"):
        Clusters.of([0, 1], [0, 1, 2])
    a, b, c = np.indices((2, 2, 2)).reshape(3, -1)
    with pytest.raises(HeadwiseError, match="got 3"):
        Clusters.of(a, b, c)
