"""Permuted labels: whether classifiers predict labels better than permuted ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

EPSILON = 1e-5  # in units of a test's spread: sums that are equal differ in their last digits


@dataclass(frozen=True, eq=False)
class PValues:
    """One-sided p values of many tests on the same data.

    Attributes:
        p: Of each test alone; 1 where all sums are zero.
        p_fwer: Of each test as one of all of them: the chance that the best of all would look as good
            if none were better than zero.
        q: Share of false discoveries to be expected among tests with a q this low (Benjamini-Hochberg).
    """

    p: Float[ndarray, " test"]
    p_fwer: Float[ndarray, " test"]
    q: Float[ndarray, " test"]


def label_permutation(
    predictions: Int[ndarray, "test example"],
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    *,
    seed: int,
    n_permutations: int = 2000,
) -> PValues:
    """Tests whether each of many classifiers predicts labels better than permuted ones.

    Predictions of unseen examples are compared with permuted labels: within groups that have several labels, and among whole groups that have
    one. Balanced accuracy is compared with its own
    shuffles (`p`) and, in units of their spread, with the largest of all at every shuffle (`p_fwer`).

    Args:
        predictions: Predicted label of each example, by each classifier.
        codes: True labels.
        groups: Group of each example.
        seed: Fixes the shuffles.
        n_permutations: How many; the smallest p is about 1 / n_permutations.

    Reference: Westfall and Young 1993; Ojala and Garriga 2010, Permutation tests for studying classifier
    performance.
    """
    shuffled = shuffled_labels(codes, groups, n_permutations, seed)
    names = np.unique(codes)
    scores = np.zeros((len(predictions), len(shuffled)), dtype=np.float32)
    for name in names:
        is_name = (shuffled == name).astype(np.float32)
        recalled = (predictions == name).astype(np.float32) @ is_name.T
        scores += recalled / np.maximum(is_name.sum(axis=1), 1) / len(names)
    spread = scores.std(axis=1, keepdims=True)
    deviations = (scores - scores.mean(axis=1, keepdims=True)) / np.maximum(spread, EPSILON)
    observed = deviations[:, :1] - EPSILON
    largest = deviations.max(axis=0)
    p = (deviations >= observed).mean(axis=1)
    p_fwer = (largest >= observed).mean(axis=1)
    return PValues(p, p_fwer, stats.false_discovery_control(p))


def shuffled_labels(
    codes: Int[ndarray, " example"], groups: Int[ndarray, " example"], n: int, seed: int
) -> Int[ndarray, "shuffle example"]:
    """The labels, and `n` permutations of them as in `label_permutation`."""
    rng = np.random.default_rng(seed)
    names, group = np.unique(groups, return_inverse=True)
    group = group.ravel()
    first = np.zeros(len(names), dtype=int)
    first[group[::-1]] = codes[::-1]
    is_pure = np.ones(len(names), dtype=bool)
    np.logical_and.at(is_pure, group, codes == first[group])
    pure = np.flatnonzero(is_pure)
    by_group = np.argsort(group, kind="stable")
    shuffled = np.empty((n + 1, len(codes)), dtype=codes.dtype)
    shuffled[0] = codes
    for row in shuffled[1:]:
        # Sorted by group and chance, places of one group change hands among themselves.
        row[by_group] = codes[np.lexsort((rng.random(len(codes)), group))]
        of_group = first.copy()
        of_group[pure] = rng.permutation(first[pure])
        inside = is_pure[group]
        row[inside] = of_group[group[inside]]
    return shuffled
