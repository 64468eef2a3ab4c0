"""When a kind of evidence says yes and when it says no: one rule for all kinds.

An effect is written in a unit in which one smallest effect of interest serves for yes and for no: points of hit rate or of balanced
accuracy, a share of the clean metric, a share of a distance.

- Yes: the effect is at least the smallest one of interest, it is above zero with a family-wise p below 5%, and its t is larger than
  that of every head of every control (random weights, uniform attention, and permuted links or labels where that is the null).
- No: the effect lies, simultaneously over heads, within plus or minus the smallest effect of interest (two one-sided tests; Schuirmann
  1987, Lakens 2017). That an effect was not found is no evidence of absence.
- Inconclusive: otherwise, and wherever there are fewer than 20 cases or 10 clusters.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

YES, NO, INCONCLUSIVE = "yes", "no", "inconclusive"
LEVEL = 0.05
SMALLEST = 0.05  # smallest effect of interest, in the unit of each kind
MIN_CASES = 20
MIN_CLUSTERS = 10
N_SPLITS = 20
N_RANDOM = 10  # random-weight models in a family of controls
N_RANDOM_PROBED = 5  # where probes are fitted on every head of each


def decide(
    *,
    effect: Float[ndarray, " test"],
    p_fwer: Float[ndarray, " test"],
    t: Float[ndarray, " test"],
    control_t: float | Float[ndarray, " test"],
    is_small: Bool[ndarray, " test"],
    cases: int | Int[ndarray, " test"],
    clusters: int | Int[ndarray, " test"],
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
    """
    enough = (np.asarray(cases) >= MIN_CASES) & (np.asarray(clusters) >= MIN_CLUSTERS)
    # Written so that NaN on either side is no yes: what was not controlled was not shown.
    beats = np.isfinite(control_t) & (np.asarray(t) > control_t)
    is_yes = enough & (effect >= SMALLEST) & (p_fwer < LEVEL) & beats
    is_no = enough & is_small
    return np.where(is_yes, YES, np.where(is_no, NO, INCONCLUSIVE)).tolist()
