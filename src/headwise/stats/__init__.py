"""Intervals and tests for clustered data.

Several pairs come from one sentence and several sentences from one source, so the unit of every interval and test is the cluster and never the pair.
"""

from .clusters import MIN_CLUSTERS, Clusters, sum_by_cluster
from .flips import Block, Tests, max_t, p_against
from .intervals import (
    Bound,
    Estimates,
    balanced_mean,
    balanced_of,
    contrast_of,
    difference_of,
    mean_of,
)
from .judging import combine, detectable, is_within
from .permutation import EPSILON, PValues, label_permutation, shuffled_labels

__all__ = [
    "EPSILON",
    "MIN_CLUSTERS",
    "Block",
    "Bound",
    "Clusters",
    "Estimates",
    "PValues",
    "Tests",
    "balanced_mean",
    "balanced_of",
    "combine",
    "contrast_of",
    "detectable",
    "difference_of",
    "is_within",
    "label_permutation",
    "max_t",
    "mean_of",
    "p_against",
    "shuffled_labels",
    "sum_by_cluster",
]
