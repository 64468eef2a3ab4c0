"""Matters (ablation): whether the model needs each head."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportGeneralTypeIssues=false, reportAttributeAccessIssue=false

import pandas as pd
from scipy import stats

from headwise._formatting import Verdict, percent
from headwise.interventions._needed import judged
from headwise.interventions.ablation import AblationResult
from headwise.interventions.head_sets import HeadSetResult
from headwise.stats import is_within

from .rules import MATTERS

SET_RULE = (
    f"Verdict on a set of heads, on groups by which it was not selected: 'supported' if by every method of ablation its degradation is at least {percent(MATTERS.smallest)} of the clean metric, with p below {percent(MATTERS.level)} (sign-flip "
    f"test over clusters), and at most {percent(MATTERS.level)} of random sets degrade the metric as much; 'not supported' if by every method the degradation lies within plus or minus {percent(MATTERS.smallest)} (two one-sided tests), or if "
    f"every single head is a no; otherwise, and with fewer than {MATTERS.min_cases} sentences or {MATTERS.min_clusters} clusters, 'inconclusive'."
)  # fmt: skip


def matters(
    result: AblationResult, metric: str | None = None, side: str | None = None
) -> pd.DataFrame:
    """Whether the model needs each head, by all methods of ablation; the rule is that of `judged`.

    Args:
        result: Of single heads.
        metric: Which metric; the first by default.
        side: Which heads of an encoder-decoder; by default those of the side of the first head.

    Returns:
        One row per head: `layer`, `head`, and the columns of `judged`.
    """
    told = judged(result, metric)
    side = next(iter(result.head_sets.values()))[0].side if side is None else side
    singles = {name: own[0] for name, own in result.head_sets.items() if own[0].side == side}
    told = told.loc[list(singles)].reset_index(drop=True)
    told.insert(0, "layer", [head.layer for head in singles.values()])
    told.insert(1, "head", [head.head for head in singles.values()])
    return told


def set_verdict(result: HeadSetResult) -> Verdict:
    """Whether the model needs a set of heads, by the first metric and every method of ablation; see `SET_RULE`."""
    metric, clusters = result.ablation.metrics[0], result.ablation.clusters
    rows = result.table[result.table["metric"] == metric]
    if len(clusters) < MATTERS.min_cases or clusters.n < MATTERS.min_clusters:
        return "inconclusive"
    degrades = (rows["share"] >= MATTERS.smallest) & (rows["p_degradation"] < MATTERS.level)
    if result.ablation.can(metric) and (degrades & (rows["p_random"] <= MATTERS.level)).all():
        return "supported"
    share, se = (rows[name].to_numpy(float) for name in ("share", "share_se"))
    # One set, and every method must agree: nothing to correct for.
    critical = float(stats.t.ppf(1 - MATTERS.level, max(1, clusters.n - 1)))
    is_small = is_within(share, se, critical, MATTERS.smallest)
    return "not supported" if is_small.all() else "inconclusive"
