import numpy as np
from scipy.stats import binom

from headwise.stats import label_permutation, shuffled_labels


def test_labels_are_shuffled_where_they_may_be():
    """Groups 0 and 1 have two labels each, 2 to 5 one."""
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 5])
    codes = np.array([0, 1, 1, 0, 2, 0, 1, 1, 2, 0])
    shuffled = shuffled_labels(codes, groups, 500, seed=0)
    assert shuffled[0].tolist() == codes.tolist() and len(shuffled) == 501
    for group in (0, 1):
        inside = groups == group
        assert (np.sort(shuffled[:, inside], axis=1) == np.sort(codes[inside])).all()
        assert len(np.unique(shuffled[:, inside], axis=0)) == (3 if group == 0 else 2)
    assert (shuffled[:, 6] == shuffled[:, 7]).all()  # whole groups change labels
    whole = shuffled[:, [5, 6, 8, 9]]
    assert (np.sort(whole, axis=1) == [0, 0, 1, 2]).all()
    assert len(np.unique(whole, axis=0)) == 12


def test_a_classifier_that_knows_among_many_that_do_not():
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(0, 3, 120), np.arange(120) // 2
    predictions = rng.integers(0, 3, (60, 120))
    predictions[7] = np.where(rng.random(120) < 0.5, codes, predictions[7])
    predictions[9] = 0  # always the same says nothing
    found = label_permutation(predictions, codes, groups, seed=0)
    assert np.flatnonzero(found.p_fwer < 0.05).tolist() == [7]
    assert found.p[9] == found.p_fwer[9] == 1
    assert (found.p_fwer >= found.p - 1e-9).all()


def test_shuffled_labels_are_found_as_often_as_stated():
    """Of 300 families of 25 classifiers that know nothing, on grouped labels, about 5% have one below 0.05."""
    rng = np.random.default_rng(1)
    false = 0
    for seed in range(300):
        groups = np.repeat(np.arange(24), 3)
        codes = np.repeat(rng.permutation(np.arange(24) % 2), 3)
        # What groups have in common, predictions may have in common, too.
        predictions = np.where(
            rng.random((25, 72)) < 0.7,
            np.repeat(rng.integers(0, 2, (25, 24)), 3, axis=1),
            rng.integers(0, 2, (25, 72)),
        )
        found = label_permutation(predictions, codes, groups, seed=seed, n_permutations=400)
        false += found.p_fwer.min() < 0.05
    low, high = binom.interval(0.99, 300, 0.05)
    assert low <= false <= high
