"""Matters: whether the model needs each head."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from ..ablation import AblationResult
from ..stats import detectable, is_within
from .rules import MIN_CASES, MIN_CLUSTERS, NO, SMALLEST, YES, Texts, decide

MATTERS = Texts(
    what="Share of the clean metric that is lost when the head is ablated (the degradation), the mean over the ways of ablation. The interval reaches from the lowest to the highest end over the ways.",
    unit="rate",
    rule=f"Yes: in every way of ablation at least {100 * SMALLEST:.0f}% of the clean metric is lost, with a family-wise p below 5% and a t above that of every head of every control (random weights, uniform attention). "
    f"No: in every way the loss lies within plus or minus {100 * SMALLEST:.0f}%, simultaneously over heads (two one-sided tests). Inconclusive: otherwise, where the clean metric is not above zero, and with fewer "
    f"than {MIN_CASES} sentences or {MIN_CLUSTERS} clusters.",
    p_over="all heads and ways of ablation; the largest of the ways",
)


def matters(result: AblationResult, metric: str | None = None, side: str = "") -> pd.DataFrame:
    """Whether the model needs each head, by all ways of ablating it together; the rule is that of `judged`.

    Returns:
        One row per head: `layer`, `head`, and the columns of `judged`.
    """
    told = judged(result, metric)
    singles = {name: cut[0] for name, cut in result.cuts.items() if cut[0].side == side}
    told = told.loc[list(singles)].reset_index(drop=True)
    told.insert(0, "layer", [head.layer for head in singles.values()])
    told.insert(1, "head", [head.head for head in singles.values()])
    return told


def judged(result: AblationResult, metric: str | None = None) -> pd.DataFrame:
    """Whether the model needs what each cut takes away.

    `yes` if in every way the degradation is at least 5% of the clean metric, its p over all cuts and ways is below 5%, and its t is above that of
    every cut in every control; `no` if in every way it lies within plus or minus 5%, simultaneously over cuts; else `inconclusive`, as everything is
    where the clean metric is not above zero, controls are missing (but for a no), or sentences or clusters are too few.

    Returns:
        By name of the cut: `matters`; `matters_effect`, the share of the clean metric that is lost, averaged over the ways, with
        `matters_low`, the lowest, and `matters_high`, the highest end of their intervals; `matters_p`, the largest p; `matters_t`, the smallest
        t; `matters_control` and `matters_control_t`, the largest degradation (as a share of the clean metric of the model itself) and t in a control;
        `matters_detectable`, the smallest share that would be a yes in four of five samples; `matters_negative`, whether ablating
        it helps, by the same rule with the other sign; `matters_disagree`, whether the ways disagree; `matters_cases` and
        `matters_clusters`.
    """
    name = metric or result.metrics[0]
    t = pd.DataFrame(result.table[result.table["metric"] == name])
    n_ways, names = len(result.hows), list(result.cuts)
    n, clusters = len(result.clusters), result.clusters.n

    def by_way(column: str) -> Float[ndarray, "cut how"]:
        return np.asarray(t[column], dtype=float).reshape(len(names), n_ways)

    share, se = by_way("share"), by_way("share_se")
    critical = by_way("critical")
    none = (float("nan"), float("nan"))
    cost, control_t = result.controls.largest(name) if result.controls else none
    _, helped_t = result.controls.largest(name, -1) if result.controls else none
    can = result.can(name)
    small = np.asarray(is_within(share, se, critical, SMALLEST).all(axis=1) & can)

    def decided(
        effect: Float[ndarray, " cut"],
        p_fwer: Float[ndarray, " cut"],
        t: Float[ndarray, " cut"],
        control_t: float,
    ) -> list[str]:
        # Of what the model cannot do nothing can be lost, whatever t is.
        bar = control_t if can else np.nan
        return decide(
            effect=effect, p_fwer=p_fwer, t=t, control_t=bar, is_small=small, cases=n, clusters=clusters,
        )  # fmt: skip

    p, ts = by_way("p_fwer"), by_way("t")
    said = decided(share.min(axis=1), p.max(axis=1), ts.min(axis=1), control_t)
    helps = decided(-share.max(axis=1), by_way("p_helps").max(axis=1), -ts.max(axis=1), helped_t)
    whole = float(result.intact[name].mean())
    return pd.DataFrame(
        {
            "matters": said,
            "matters_effect": share.mean(axis=1),
            "matters_low": by_way("share_low").min(axis=1),
            "matters_high": by_way("share_high").max(axis=1),
            "matters_p": p.max(axis=1),
            "matters_t": ts.min(axis=1),
            "matters_control": cost / whole if can else np.nan,
            "matters_control_t": control_t,
            "matters_detectable": _detectable(se, by_way("bar"), control_t, clusters - 1).max(
                axis=1
            ),
            "matters_negative": [YES if one == YES else NO for one in helps],
            "matters_disagree": [YES if x > 0 else NO for x in by_way("disagree").max(axis=1)],
            "matters_cases": n,
            "matters_clusters": clusters,
        },
        index=pd.Index(names, name="cut"),
    )


def _detectable(
    se: Float[ndarray, "cut how"], bars: Float[ndarray, "cut how"], control_t: float, df: int
) -> Float[ndarray, "cut how"]:
    """Smallest share that would be a yes with 80% power: the t must pass two bars, and the share one of its own."""
    if df < 1:
        return np.full(se.shape, np.nan)
    bar = np.fmax(bars, control_t)
    return np.maximum(detectable(se, bar, df), SMALLEST + detectable(se, 0.0, df))
