"""Regressions side by side find what they find one by one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from headwise.probing._fits.softmax import fit_logistic


def drawn(n, dim, n_labels, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % n_labels)
    values = rng.normal(size=(n, dim)) @ (np.eye(dim) + 0.3 * rng.normal(size=(dim, dim)))
    values[:, :n_labels] += np.eye(n_labels)[codes]
    return ((values - values.mean(0)) / values.std(0)).astype(np.float32), codes


@pytest.mark.parametrize(("n", "dim", "n_labels"), [(120, 8, 2), (120, 8, 4), (40, 90, 3)])
def test_as_one_by_one(n, dim, n_labels):
    values, codes = drawn(n, dim, n_labels)
    rng = np.random.default_rng(1)
    weights = (rng.random((2, 6, n)) < 0.6).astype(float)
    C = np.tile([0.01, 0.1, 1.0], (2, 2))
    found = fit_logistic(np.stack([values, 2 * values]), codes, weights, C, n_labels)
    for m in range(2):
        for p in range(6):
            fitted = weights[m, p] > 0
            alone = LogisticRegression(C=C[m, p], max_iter=3000, tol=1e-7)
            alone.fit((m + 1) * values[fitted], codes[fitted])
            odds = np.exp(found[m, p] - found[m, p].max(axis=1, keepdims=True))
            expected = alone.predict_proba((m + 1) * values)
            np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=5e-3)


def test_a_label_that_was_not_fitted_is_not_said():
    values, codes = drawn(60, 5, 3)
    weights = (codes != 1).astype(float)[None, None]
    found = fit_logistic(values[None], codes, weights, np.ones((1, 1)), 3)[0, 0]
    assert set(found.argmax(axis=1)) == {0, 2}
    two = codes[codes != 1] // 2
    alone = LogisticRegression(C=1.0, tol=1e-7).fit(values[codes != 1], two)
    np.testing.assert_allclose(
        found[:, 2] - found[:, 0], alone.decision_function(values), atol=2e-2
    )


def test_vectors_that_never_vary():
    codes = np.arange(30) % 3
    found = fit_logistic(np.zeros((1, 30, 4)), codes, np.ones((1, 1, 30)), np.ones((1, 1)), 3)
    np.testing.assert_allclose(found, 0, atol=1e-3)
