"""Whether a head or a set of heads is needed: one rule for both."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise.stats import is_within
from headwise.stats.deciding import NO, YES, Thresholds, decide, smallest_found, smallest_of

if TYPE_CHECKING:
    from .ablation import AblationResult


def judged(result: "AblationResult", metric: str | None = None) -> pd.DataFrame:
    """Whether the model needs each ablated head or set of heads.

    `yes` if by every method the degradation is at least 5% of the clean metric, its p over all ablations and methods is below 5%, and its t is
    above that of every ablation in every control; `no` if by every method it lies within plus or minus 5%, simultaneously over ablations; else
    `inconclusive`, as everything is
    where the clean metric is not above zero, controls are missing (but for a no), or sentences or clusters are too few.

    Returns:
        By name: `matters`; `matters_effect`, the degradation as a share of the clean metric, averaged over the methods, with
        `matters_low`, the lowest, and `matters_high`, the highest end of their intervals; `matters_p`, the largest p; `matters_t`, the smallest
        t; `matters_control` and `matters_control_t`, the largest degradation (as a share of the clean metric of the model itself) and t in a control;
        `matters_detectable`, the smallest share that would be a yes in four of five samples; `matters_negative`, whether ablation improves
        the metric, by the same rule with the other sign; `matters_disagree`, whether the methods disagree; `matters_cases` and
        `matters_clusters`.
    """
    name = metric or result.metrics[0]
    t = pd.DataFrame(result.table[result.table["metric"] == name])
    n_ways, names = len(result.methods), list(result.head_sets)
    n, clusters = len(result.clusters), result.clusters.n

    def by_way(column: str) -> Float[ndarray, "head_set method"]:
        return np.asarray(t[column], dtype=float).reshape(len(names), n_ways)

    share, se = by_way("share"), by_way("share_se")
    critical = by_way("critical")
    none = (float("nan"), float("nan"))
    degradation, control_t = result.controls.largest(name) if result.controls else none
    _, helped_t = result.controls.largest(name, -1) if result.controls else none
    can = result.can(name)
    by = Thresholds(smallest=smallest_of("matters"))
    small = np.asarray(is_within(share, se, critical, by.smallest).all(axis=1) & can)

    def decided(
        effect: Float[ndarray, " head_set"],
        p_fwer: Float[ndarray, " head_set"],
        t: Float[ndarray, " head_set"],
        control_t: float,
    ) -> list[str]:
        # Of what the model cannot do nothing can be lost, whatever t is.
        bar = control_t if can else np.nan
        return decide(
            effect=effect, p_fwer=p_fwer, t=t, control_t=bar, is_small=small, cases=n, clusters=clusters, by=by,
        )  # fmt: skip

    p, ts = by_way("p_fwer"), by_way("t")
    said = decided(share.min(axis=1), p.max(axis=1), ts.min(axis=1), control_t)
    helps = decided(-share.max(axis=1), by_way("p_helps").max(axis=1), -ts.max(axis=1), helped_t)
    whole = float(result.clean_values[name].mean())
    return pd.DataFrame(
        {
            "matters": said,
            "matters_effect": share.mean(axis=1),
            "matters_low": by_way("share_low").min(axis=1),
            "matters_high": by_way("share_high").max(axis=1),
            "matters_p": p.max(axis=1),
            "matters_t": ts.min(axis=1),
            "matters_control": degradation / whole if can else np.nan,
            "matters_control_t": control_t,
            "matters_detectable": smallest_found(
                se=se,
                bars=by_way("bar"),
                control_t=control_t if can else np.nan,
                df=clusters - 1,
                cases=n,
                clusters=clusters,
                by=by,
            ).max(axis=1),
            "matters_negative": [YES if one == YES else NO for one in helps],
            "matters_disagree": [YES if x > 0 else NO for x in by_way("disagree").max(axis=1)],
            "matters_cases": n,
            "matters_clusters": clusters,
        },
        index=pd.Index(names, name="name"),
    )
