"""Moves (direct contribution): whether each head's update moves words towards their class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from headwise.directions.contributions import DirectionTestResult
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.stats import detectable, is_within

from .rules import COLLECTS, INCONCLUSIVE, MOVES, NO, YES

SHARES = (
    "effect",
    "effect_low",
    "effect_high",
    "se",
    "uniform",
    "excess",
    "excess_low",
    "excess_high",
    "excess_se",
    "random_bar",
)


def moves(results: Sequence[DirectionTestResult]) -> pd.DataFrame:
    """Whether each head's update moves words towards their class, along one direction or several.

    Along one direction the effect is the share of the classes' distance that the head adds. It must be at least the smallest effect of
    interest, and as much above that of the same head under uniform attention; be seen in every test of `DirectionTestResult` (an
    intersection-union test: the largest p and the smallest t count; Berger 1982); and its t must exceed that of every head of the
    random-weight models. Over directions p is multiplied by their number. `no` if its share lies within the smallest effect of interest along
    every direction, simultaneously over heads.

    Returns:
        One row per head: `layer`, `head`, `moves`; `moves_effect`, its largest share of a distance (of those that make it a yes, if any), with its
        interval `moves_low` and `moves_high`; `moves_p`, `moves_t` and `moves_control_t`, which the t must exceed; `moves_control`, the largest share of a head of a
        random-weight model; `moves_uniform`, the share under uniform attention; `moves_detectable`, the smallest share that is found with 80% power;
        `moves_negative`, whether it moves words of some class away from it; `moves_towards`, the class.
    """
    frames = [_along(result, len(results)) for result in results]
    heads = [c for c in results[0].components if c.kind == "head"]
    found: list[dict[str, object]] = []
    for i, component in enumerate(heads):
        own: list[dict[str, Any]] = [dict(frame.iloc[i]) for frame in frames]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
        said = [row["said"] for row in own]
        best = max(
            range(len(own)),
            key=lambda k: (said[k] == YES, np.nan_to_num(own[k]["effect"], nan=-np.inf)),
        )
        answer = NO if set(said) == {NO} else INCONCLUSIVE
        row = own[best]
        found.append(
            {
                "layer": component.layer,
                "head": component.head,
                "moves": YES if YES in said else answer,
                "moves_effect": float(row["effect"]),
                "moves_low": float(row["effect_low"]),
                "moves_high": float(row["effect_high"]),
                "moves_p": float(row["p"]),
                "moves_t": float(row["t"]),
                "moves_control": float(row["control"]),
                "moves_control_t": float(row["control_t"]),
                "moves_uniform": float(row["uniform"]),
                "moves_detectable": float(row["detectable"]),
                "moves_negative": YES if any(r["is_negative"] for r in own) else NO,
                "moves_towards": results[best].between[0],
            }
        )
    return pd.DataFrame(found)


def _along(result: DirectionTestResult, n_directions: int) -> pd.DataFrame:
    """The evidence on each head along one direction, in shares of the distance."""
    heads = result.table["kind"].to_numpy() == "head"
    t: pd.DataFrame = result.table.loc[heads].reset_index(drop=True)
    # Classes that do not lie apart have no distance of which anything could be a share.
    whole = result.total if result.total > 0 else np.nan
    share = {name: t[name].to_numpy(dtype=float) / whole for name in SHARES}
    p = joint_p(t, n_directions)
    least = np.minimum(t["t"].to_numpy(dtype=float), t["excess_t"].to_numpy(dtype=float))
    said = MOVES.decide(
        effect=np.minimum(share["effect"], share["excess"]),
        p_fwer=p,
        t=least,
        control_t=result.control.t,
        is_small=is_within(share["effect"], share["se"], result.critical, MOVES.smallest),
        cases=result.cases,
        clusters=result.clusters,
    )
    negative = t["p_fwer_negative"].to_numpy(dtype=float) * n_directions < MOVES.level
    found = pd.DataFrame(share).assign(
        said=said,
        p=p,
        t=least,
        control=t["control"],
        control_t=t["control_t"],
        is_negative=negative & (share["effect"] <= -MOVES.smallest),
    )
    return found.assign(detectable=_smallest_share(result, t, share))


def _smallest_share(
    result: DirectionTestResult, t: pd.DataFrame, share: dict[str, Float[ndarray, " head"]]
) -> Float[ndarray, " head"]:
    """The smallest share that would be a yes with 80% power. It must pass the thresholds of the effect, of the excess over uniform attention, and of random directions."""

    def needed(se: Float[ndarray, " head"]) -> Float[ndarray, " head"]:
        return MOVES.smallest_found(
            se=se,
            bars=t["bar"].to_numpy(dtype=float),
            control_t=result.control.t,
            df=t["df"].to_numpy(dtype=float),
            cases=result.cases,
            clusters=result.clusters,
        )

    against_uniform = np.maximum(share["uniform"], 0) + needed(share["excess_se"])
    against_random = share["random_bar"] + detectable(share["se"], 0.0, t["df"].to_numpy(float))
    return np.max([needed(share["se"]), against_uniform, against_random], axis=0)


def joint_p(table: pd.DataFrame, n_directions: int) -> Float[ndarray, " head"]:
    """The largest of the p values that all must be small, times the number of directions, at most 1."""
    largest = table[["p_fwer", "p_random_fwer", "excess_p_fwer"]].to_numpy(dtype=float).max(axis=1)
    return np.minimum(1.0, n_directions * largest)


def whole_moves(results: Sequence[DirectionTestResult]) -> list[str]:
    """Whether the classes of words are separated along each of some directions, by the rule for heads.

    The effect is the distance of the classes in steps of the direction, or its excess over that in the model with uniform attention where that is
    smaller. `no` also where its interval ends below zero.
    """
    said: list[str] = []
    for result in results:
        whole, direction = result.whole, result.direction
        step = float(direction.project(direction.vector))
        effect, excess = whole["effect"] / step, whole["excess"] / step
        p = len(results) * max(whole["p"], whole["p_random"], whole["excess_p"])
        reach = float(stats.t.ppf(1 - MOVES.level, whole["df"])) if whole["df"] > 0 else np.nan
        is_small = abs(effect) + reach * whole["se"] / step < MOVES.smallest
        said += MOVES.decide(
            effect=np.array([min(effect, excess)]),
            p_fwer=np.array([p]),
            t=np.array([min(whole["t"], whole["excess_t"])]),
            control_t=whole["control_t"],
            is_small=np.array([is_small or whole["effect_high"] <= 0]),
            cases=result.cases,
            clusters=result.clusters,
        )
    return said


def collects(result: OVAlignmentTestResult) -> pd.DataFrame:
    """Whether each head's update moves a word along the OV images of its linked words, beyond other attention and other values.

    By `rules.decide`, of the smallest excess of `OVAlignmentTestResult`, in units of cosine.

    Returns:
        One row per head: `layer`, `head`, `moves`; `moves_effect`, the smallest excess, with its interval, p, t and controls as in `moves`; and `moves_own` and `moves_others`,
        cosines with the OV images of linked words and of those of other sentences.
    """
    t = result.table
    columns = {
        name: t[name].to_numpy(dtype=float) for name in ("effect", "se", "df", "p_fwer", "t")
    }
    control_t = float(t["control_t"].iloc[0])
    said = COLLECTS.decide(
        effect=columns["effect"],
        p_fwer=columns["p_fwer"],
        t=columns["t"],
        control_t=control_t,
        is_small=is_within(columns["effect"], columns["se"], result.critical, COLLECTS.smallest),
        cases=result.cases,
        clusters=result.clusters,
    )
    found = COLLECTS.smallest_found(
        se=columns["se"],
        bars=result.critical,
        control_t=control_t,
        df=columns["df"],
        cases=result.cases,
        clusters=result.clusters,
    )
    return pd.DataFrame(
        {
            "layer": t["layer"],
            "head": t["head"],
            "moves": said,
            "moves_effect": t["effect"],
            "moves_low": t["effect_low"],
            "moves_high": t["effect_high"],
            "moves_p": t["p_fwer"],
            "moves_t": t["t"],
            "moves_control": t["control"],
            "moves_control_t": t["control_t"],
            "moves_detectable": found,
            "moves_own": t["own"],
            "moves_others": t["others"],
        }
    )
