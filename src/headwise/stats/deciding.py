"""The rule for yes, no and inconclusive: one for all kinds of evidence.

An effect is written in a unit in which one smallest effect of interest serves for yes and for no: points of hit rate or of balanced
accuracy, a share of the clean metric, a share of a distance.

- Yes: the effect is at least the smallest one of interest, it is above zero with a family-wise p below 5%, and its t is larger than
  that of every head of every control (random weights, uniform attention, and permuted links or labels where that is the null).
- No: the effect lies, simultaneously over heads, within plus or minus the smallest effect of interest (two one-sided tests; Schuirmann
  1987, Lakens 2017). That an effect was not found is no evidence of absence.
- Inconclusive: otherwise, and wherever there are fewer than 20 cases or 10 clusters.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from .judging import detectable

YES, NO, INCONCLUSIVE = "yes", "no", "inconclusive"
LEVEL = 0.05
SMALLEST = 0.05  # smallest effect of interest, in the unit of each kind
MIN_CASES = 20
MIN_CLUSTERS = 10
N_SPLITS = 20
N_DRAWS = 10  # of folds, over which scores of probes are averaged
N_RANDOM = 10  # random-weight models in a family of controls
N_RANDOM_PROBED = 5  # where probes are fitted on every head of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a yes and a no must reach.

    Attributes:
        smallest: Smallest effect of interest, in the unit of the kind.
        level: Error rate over a family.
        min_cases: Fewer decide nothing.
        min_clusters: Nor do fewer clusters.
    """

    smallest: float = SMALLEST
    level: float = LEVEL
    min_cases: int = MIN_CASES
    min_clusters: int = MIN_CLUSTERS

    def enough(
        self, cases: int | Int[ndarray, "..."], clusters: int | Int[ndarray, "..."]
    ) -> Bool[ndarray, "..."]:
        """Whether there are as many cases and clusters as a decision needs."""
        is_enough = (np.asarray(cases) >= self.min_cases) & (np.asarray(clusters) >= self.min_clusters)  # fmt: skip
        return np.asarray(is_enough)


USUAL = Thresholds()
_OF_INTEREST: ContextVar[Mapping[str, float]] = ContextVar("of_interest", default=MappingProxyType({}))  # fmt: skip


def smallest_of(kind: str) -> float:
    """Smallest effect of interest of one kind of evidence: 0.05, or that of an `of_interest` block."""
    return _OF_INTEREST.get().get(kind, SMALLEST)


@contextmanager
def of_interest(smallest: Mapping[str, float]) -> Generator[None]:
    """Other smallest effects of interest, by kind, for tests and reports that are made in a block."""
    token = _OF_INTEREST.set(MappingProxyType(dict(smallest)))
    try:
        yield
    finally:
        _OF_INTEREST.reset(token)


def decide(
    *,
    effect: Float[ndarray, " test"],
    p_fwer: Float[ndarray, " test"],
    t: Float[ndarray, " test"],
    control_t: float | Float[ndarray, " test"],
    is_small: Bool[ndarray, " test"],
    cases: int | Int[ndarray, " test"],
    clusters: int | Int[ndarray, " test"],
    by: Thresholds = USUAL,
) -> list[str]:
    """Yes, no or inconclusive for each of many tests, by the rule of the module.

    Args:
        effect: In the unit of the kind.
        p_fwer: One-sided, corrected over the family.
        t: The effect in units of its standard error.
        control_t: The largest t of any control's head; NaN or -inf where no control was run, in which case nothing is a yes.
        is_small: Whether the effect lies within the smallest effect of interest, simultaneously over heads (`stats.is_within`).
        cases: How many were counted.
        clusters: From how many clusters.
        by: What must be reached.
    """
    enough = by.enough(cases, clusters)
    # Written so that NaN on either side is no yes: what was not controlled was not shown.
    beats = np.isfinite(control_t) & (np.asarray(t) > control_t)
    is_yes = enough & (effect >= by.smallest) & (p_fwer < by.level) & beats
    is_no = enough & is_small
    return np.where(is_yes, YES, np.where(is_no, NO, INCONCLUSIVE)).tolist()


def smallest_found(
    *,
    se: Float[ndarray, "*rest"],
    bars: float | Float[ndarray, "*rest"],
    control_t: float | Float[ndarray, "*rest"],
    df: float | Float[ndarray, "*rest"],
    cases: int | Int[ndarray, "*rest"],
    clusters: int | Int[ndarray, "*rest"],
    most: float | Float[ndarray, "*rest"] = np.inf,
    by: Thresholds = USUAL,
) -> Float[ndarray, "*rest"]:
    """Smallest effect that would be a yes in 80% of such data: it must pass every threshold of `decide`.

    Args:
        se: Standard error of the effect.
        bars: What its t must exceed over the family, `stats.Tests.bars`.
        control_t: What its t must exceed in the controls.
        df: Degrees of freedom of the standard error.
        cases: How many were counted.
        clusters: From how many clusters.
        most: The largest effect that there could be, as 1 less the baseline's rate.
        by: What a yes must reach.

    Returns:
        NaN where nothing could be a yes, however large: without controls, with too few cases or clusters, or where it would be more than `most`.
    """
    enough = by.enough(cases, clusters)
    known = np.maximum(np.asarray(df, dtype=float), 1.0)
    bar = np.maximum(bars, control_t)
    found = np.maximum(detectable(se, bar, known), by.smallest + detectable(se, 0.0, known))
    return np.where(enough & np.isfinite(bar) & (found <= most), found, np.nan)
