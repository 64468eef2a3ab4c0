"""Matters (ablation): whether the model needs each head."""

import pandas as pd

from headwise.interventions._needed import judged
from headwise.interventions.ablation import AblationResult


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
