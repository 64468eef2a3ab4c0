"""Null distributions of contributions: permuted labels, and random directions of the same space.

A contribution that separates two classes is compared with permuted labels, and one along a direction with those along random ones. Each is compared
with its own null (`p`) and, in units of its null's spread, with the largest of all (`p_fwer`), which corrects for the number of heads.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import stats

from headwise.stats import PValues, shuffled_labels

from .direction import Direction

EPSILON = 1e-9


def between(
    values: Float[ndarray, "part word"], codes: Int[ndarray, " word"]
) -> Float[ndarray, " part"]:
    """Mean of class 1 less mean of class 0."""
    return values[:, codes == 1].mean(axis=1) - values[:, codes == 0].mean(axis=1)


def against_shuffled(
    values: Float[ndarray, "part word"],
    codes: Int[ndarray, " word"],
    groups: Int[ndarray, " word"],
    *,
    seed: int,
    n_permutations: int = 2000,
) -> PValues:
    """Tests whether classes differ more, in the expected direction, than permuted ones.

    Labels are permuted within groups that have both, and among whole groups that have one, as in `stats.label_permutation`.

    Args:
        values: Contributions.
        codes: 1 for the positive class, 0 for the negative one.
        groups: Group of each word.
        seed: Fixes the shuffles.
        n_permutations: How many; the smallest p is about 1 / n_permutations.
    """
    shuffled = shuffled_labels(codes, groups, n_permutations, seed)
    weights = shuffled / shuffled.sum(axis=1, keepdims=True)
    weights -= (1 - shuffled) / (1 - shuffled).sum(axis=1, keepdims=True)
    return _compared(values @ weights.T)


def _compared(found: Float[ndarray, "part draw"]) -> PValues:
    """The first draw of each row against all draws; one-sided, the largest of all rows for the family."""
    spread = found.std(axis=1, keepdims=True)
    is_flat = spread[:, 0] <= EPSILON * np.abs(found).max(initial=EPSILON)
    centred = found - found.mean(axis=1, keepdims=True)
    scaled = np.where(is_flat[:, None], 0.0, centred / np.where(spread > 0, spread, 1.0))
    observed = scaled[:, :1] - EPSILON
    p = np.where(is_flat, 1.0, (scaled >= observed).mean(axis=1))
    largest = scaled.max(axis=0)
    family = np.where(is_flat, 1.0, (largest >= observed).mean(axis=1))
    return PValues(p, family, stats.false_discovery_control(p))


def random_readers(
    direction: Direction,
    vectors: Float[ndarray, "word d_model"],
    classes: Int[ndarray, " word"],
    n: int,
    seed: int,
) -> Float[ndarray, "draw d_model"]:
    """Readers of random directions, in the direction's own metric.

    They have the covariance of the words' vectors within their classes: with that of all words, a large difference between classes would be in
    every random direction too.
    """
    rng = np.random.default_rng(seed)
    centred = vectors.copy()
    for name in np.unique(classes):
        centred[classes == name] -= vectors[classes == name].mean(axis=0)
    drawn = rng.standard_normal((n, len(centred))) @ centred  # Gaussian, with their covariance
    if not centred.any():  # a word at layer 0 is the same everywhere; any direction is as good
        drawn = rng.standard_normal((n, centred.shape[1]))
    return direction.readers(drawn)


def bars_of_random(
    steps: Float[ndarray, "part d_model"], readers: Float[ndarray, "draw d_model"], level: float
) -> Float[ndarray, " part"]:
    """The step of each part that exceeds the largest of all parts along random directions, in all but a share `level` of them."""
    found = np.abs(steps @ readers.T)
    spread = np.maximum(np.sqrt((found**2).mean(axis=1)), EPSILON)
    return spread * np.quantile((found / spread[:, None]).max(axis=0), 1 - level, method="higher")


def against_random(
    along: Float[ndarray, " part"],
    steps: Float[ndarray, "part d_model"],
    readers: Float[ndarray, "draw d_model"],
) -> PValues:
    """Tests whether parts step further along the direction than along random ones of either sign.

    Args:
        along: How far they step along the direction.
        steps: Mean of class 1 less mean of class 0, of every part.
        readers: What reads the random ones.
    """
    found = np.concatenate([along[:, None], np.abs(steps @ readers.T)], axis=1)
    # Both signs were drawn, so the spread is about zero.
    spread = np.sqrt((found[:, 1:] ** 2).mean(axis=1, keepdims=True))
    scaled = found / np.maximum(spread, EPSILON)
    p = (scaled >= scaled[:, :1] - EPSILON).mean(axis=1)
    # The best of many heads must go further along this direction than the best of all goes along random ones.
    p_fwer = (scaled.max(axis=0) >= scaled[:, :1] - EPSILON).mean(axis=1)
    return PValues(p, p_fwer, stats.false_discovery_control(p))
