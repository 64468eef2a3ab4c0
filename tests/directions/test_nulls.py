"""Chance for contributions: nothing is found more often than stated."""

import numpy as np
import pytest
from scipy.stats import binom

from headwise import Direction
from headwise.directions import nulls


def shuffled_classes(kind, rng, n_groups=30):
    """Groups of one class, of both, or some of each; classes that mean nothing."""
    if kind == "pure":
        groups = np.repeat(np.arange(n_groups), rng.integers(1, 6, n_groups))
        return groups, rng.permutation(np.arange(n_groups) % 2)[groups]
    groups, n_pure = np.repeat(np.arange(n_groups), 2), n_groups // 2 if kind == "both" else 0
    codes = rng.permuted(np.tile([0, 1], (n_groups, 1)), axis=1)
    codes[:n_pure] = rng.permutation(np.arange(n_pure) % 2)[:, None]
    return groups, codes.ravel()


@pytest.mark.parametrize("kind", ["pure", "mixed", "both"])
def test_shuffled_labels_are_found_as_often_as_stated(kind):
    """Family-wise, over 30 parts that have much in common, within the binomial 99% interval of 5%."""
    found, rng = 0, np.random.default_rng(0)
    for seed in range(300):
        groups, codes = shuffled_classes(kind, rng)
        common = 2 * rng.standard_normal((12, 30))[:, groups] + rng.standard_normal((12, len(codes)))  # fmt: skip
        values = rng.standard_normal((30, 12)) @ common + rng.standard_normal((30, len(codes)))
        p = nulls.against_shuffled(values, codes, groups, seed=seed, n_permutations=200)
        found += p.p_fwer.min() < 0.05
    low, high = binom.ppf([0.005, 0.995], 300, 0.05)
    assert low <= found <= high


def test_random_directions_are_found_as_often_as_stated(tiny_bert):
    """One part's step along a direction drawn as those that it is compared with."""
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 2
    x = rng.standard_normal((80, 32)) * np.geomspace(0.1, 3, 32)
    x[classes == 1, 0] += 50  # between classes, which is in no random direction
    within = x - np.stack([x[classes == c].mean(0) for c in (0, 1)])[classes]
    counts = np.zeros(2)
    for seed in range(400):
        vector = rng.standard_normal(80) @ within
        found = Direction.of(tiny_bert, vector, positive="a", negative="b", layer=1)
        readers = nulls.random_readers(found, x, classes, 200, seed)
        assert np.abs(readers[:, 0]).max() < 0.5
        step = rng.standard_normal((1, 32))
        for i, own in enumerate((step * np.sign(found.project(step)), step)):
            counts[i] += nulls.against_random(found.project(own), own, readers).p[0] < 0.05
    # Random ones may point either way; a step that is turned ahead is as far as theirs, others are so half the time.
    for count, rate in zip(counts, (0.05, 0.025), strict=True):
        low, high = binom.ppf([0.005, 0.995], 400, rate)
        assert low <= count <= high


def test_72_random_steps_push_nothing(tiny_bert):
    """The best of many heads is compared with the best along random directions: family-wise at most 5%."""
    rng, found = np.random.default_rng(0), 0
    for seed in range(100):
        x = rng.standard_normal((60, 32)) * np.geomspace(0.1, 3, 32)
        way = Direction.of(
            tiny_bert, rng.standard_normal(60) @ x, positive="a", negative="b", layer=1
        )
        readers = nulls.random_readers(way, x, np.arange(60) % 2, 300, seed)
        steps = rng.standard_normal((72, 32)) * np.geomspace(0.1, 3, 32)
        found += nulls.against_random(way.project(steps), steps, readers).p_fwer.min() < 0.05
    assert found <= binom.ppf(0.995, 100, 0.05)
