"""Conclusions from an estimate: equivalence, the smallest detectable effect, and one p from several splits."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

LARGEST = 1e3  # a t beyond this cannot be reached


def is_within(
    value: Float[ndarray, "*rest"],
    se: Float[ndarray, "*rest"],
    critical: float | Float[ndarray, "*rest"],
    smallest: float,
) -> Bool[ndarray, "*rest"]:
    """Whether an effect lies within plus or minus the smallest effect of interest: two one-sided tests.

    That an effect was not found does not show that there is none; that an interval lies within bounds too small to matter does
    (Schuirmann 1987; Lakens 2017). With the critical value of a family it holds for all of its tests together. A large loss in a cluster so rare that none
    was seen is not ruled out: of 10 clusters, a third of samples hold none that is 1 in 10.

    Args:
        value: The effect.
        se: Its standard error. Of hits and of differences of hits take that of `mean_of` with its `bound`, which is not 0 where all items
            are alike.
        critical: One-sided critical value of t, `Tests.criticals`.
        smallest: Smallest effect of interest, in the unit of the effect.

    Returns:
        False where anything is NaN.
    """
    return np.asarray(np.abs(value) + critical * se < smallest)


def detectable(
    se: Float[ndarray, "*rest"],
    critical: float | Float[ndarray, "*rest"],
    df: float | Float[ndarray, "*rest"],
    power: float = 0.8,
) -> Float[ndarray, "*rest"]:
    """Smallest effect that would be found with some power, by the normal approximation to the noncentral t (Johnson and Welch 1940).

    An effect of as many standard errors as the critical value is found half the time. Beyond it t varies by 1, and by how far its
    standard error is off, which counts the more the larger the critical value is.

    Args:
        se: Standard error of the effect.
        critical: What t must exceed, `Tests.bars`.
        df: Degrees of freedom, `clusters - 1` of the factor that has fewest.
        power: How often it would be found.

    Returns:
        NaN where none would: with few clusters of very different sizes no effect is large enough.
    """
    spread = np.sqrt(1 + np.square(critical) / (2 * np.asarray(df)))
    found = np.asarray((critical + stats.norm.ppf(power) * spread) * se)
    return np.where(np.asarray(critical) < LARGEST, found, np.nan)


def combine(p: Float[ndarray, " split *rest"]) -> Float[ndarray, "*rest"]:
    """One p from those of many splits of the same data: twice their median.

    It keeps the error rate, however the splits depend on one another (Meinshausen, Meier and Buehlmann 2009).

    Args:
        p: Of every split. A split without one (NaN) shows nothing and counts as 1.

    Returns:
        NaN where no split has one.
    """
    nothing = np.isnan(p).all(axis=0)
    median = np.median(np.where(np.isnan(p), 1.0, p), axis=0)
    return np.where(nothing, np.nan, np.minimum(1.0, 2 * median))
