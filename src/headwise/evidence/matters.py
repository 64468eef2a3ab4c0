"""Matters (ablation): whether the model needs each head."""

import pandas as pd

from headwise.interventions._needed import judged
from headwise.interventions.ablation import AblationResult

from .rules import MIN_CASES, MIN_CLUSTERS, SMALLEST, Texts

MATTERS = Texts(
    what="Share of the clean metric that is lost when the head is ablated (the degradation), the mean over the ways of ablation. The interval reaches from the lowest to the highest end over the ways.",
    unit="rate",
    rule=f"Yes: in every way of ablation at least {100 * SMALLEST:.0f}% of the clean metric is lost, with a family-wise p below 5% and a t above that of every head of every control (random weights, uniform attention). "
    f"No: in every way the loss lies within plus or minus {100 * SMALLEST:.0f}%, simultaneously over heads (two one-sided tests). Inconclusive: otherwise, where the clean metric is not above zero, and with fewer "
    f"than {MIN_CASES} sentences or {MIN_CLUSTERS} clusters.",
    p_over="all heads and ways of ablation; the largest of the ways",
)


def matters(result: AblationResult, metric: str | None = None, side: str = "") -> pd.DataFrame:
    """Whether the model needs each head, by all methods of ablation; the rule is that of `judged`.

    Returns:
        One row per head: `layer`, `head`, and the columns of `judged`.
    """
    told = judged(result, metric)
    singles = {name: cut[0] for name, cut in result.cuts.items() if cut[0].side == side}
    told = told.loc[list(singles)].reset_index(drop=True)
    told.insert(0, "layer", [head.layer for head in singles.values()])
    told.insert(1, "head", [head.head for head in singles.values()])
    return told
