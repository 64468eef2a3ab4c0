"""Labels that vectors are cost little, whatever groups and orders are like."""

import numpy as np
import pytest

from headwise.probing._fits.codelength import Order, codelength, orders_of


def one_hot(n_groups, per_group, n_labels, seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), per_group)
    codes = (np.arange(n_groups) % n_labels)[groups]
    values = 5 * np.eye(n_labels)[codes] + rng.normal(0, 0.01, (len(codes), n_labels))
    return (values - values.mean(0)) / values.std(0), codes, groups


@pytest.mark.parametrize("seed", range(5))
def test_vectors_that_are_the_labels_in_pure_groups(seed):
    """Twenty groups of twenty with one label each: with a label missing at first it was up to 994 bits of 800."""
    values, codes, groups = one_hot(20, 20, 4, seed)
    bits = codelength(values, codes, orders_of(codes, groups, seed), (0.01, 0.1, 1.0), 4)
    assert 160 <= bits < 0.35 * 800


def test_useless_vectors_cost_what_there_is_to_say():
    codes, groups = np.random.default_rng(0).integers(0, 4, 400), np.arange(400)
    values = np.random.default_rng(1).normal(size=(400, 5))
    bits = codelength(values, codes, orders_of(codes, groups, 0), (0.01, 0.1, 1.0), 4)
    assert 780 < bits < 840


def test_by_hand():
    """Sixteen labels: two sent as they are, then what separable vectors and useless ones leave to say."""
    codes, orders = np.arange(16) % 2, (Order(np.arange(16), (2, 4, 8, 16)),)
    told = codelength(10.0 * codes[:, None] - 5, codes, orders, (100.0,), 2)
    at_best = 2 - 14 * np.log2(0.99 + 0.01 / 2)
    assert at_best <= told < at_best + 0.5
    assert codelength(np.zeros((16, 1)), codes, orders, (100.0,), 2) == pytest.approx(16, abs=0.01)


def test_penalties_cost_no_more_than_saying_which():
    """The mixture is at most log2(3) bits a portion longer than the best penalty alone."""
    values, codes, groups = one_hot(24, 5, 3, 0)
    orders = orders_of(codes, groups, 1, n_orders=2)
    alone = [codelength(values, codes, orders, (C,), 3) for C in (0.01, 0.1, 1.0)]
    assert codelength(values, codes, orders, (0.01, 0.1, 1.0), 3) <= min(alone) + np.log2(3) + 1e-6


def test_orders_keep_groups_whole_and_begin_with_every_label():
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(0, 3, 100), rng.integers(0, 17, 100)
    rare = np.where(groups == 3, 2, codes % 2)  # one label in one group only
    for labels in (codes, rare):
        orders = orders_of(labels, groups, 0)
        assert len(orders) == 5
        for order in orders:
            assert sorted(order.examples) == list(range(100)) and order.ends[-1] == 100
            assert set(labels[order.examples[: order.ends[0]]]) == set(labels)
            for end in order.ends[:-1]:
                assert not set(groups[order.examples[:end]]) & set(groups[order.examples[end:]])
