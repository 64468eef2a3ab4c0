"""Looks, carries, matters, moves: what is known of each head, side by side.

Each kind says `yes`, `no` or `unclear` of every head by a rule of its own, stated at the function and, for readers of a report, in the
texts above it. Beside it stand `<kind>_effect`, its 95% interval `<kind>_low` and `<kind>_high`, and `<kind>_p`, corrected as the
rule uses it. A head that looks and does not matter is a finding; a head of which nothing is said was not asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from .ablation import AblationResult
from .comparison import LEVEL
from .directions.collecting import CollectResult
from .directions.pushes import DirectionResult
from .probing import Key, ProbeResult
from .questions import Direction
from .relations import RelationResult
from .results import Kind

YES, NO, UNCLEAR = "yes", "no", "unclear"
LITTLE = 0.05  # of the intact metric: a head that costs less, with 95% confidence, does not matter
WORTH = 0.01  # of a distance: a head that adds less is not said to move anything
KINDS = ("looks", "carries", "matters", "moves")


@dataclass(frozen=True, slots=True)
class Texts:
    """What a kind of evidence says, in the words of a report.

    Attributes:
        what: What the effect is.
        unit: How it is written.
        rule: When it says yes, and when no.
        p_over: What p is corrected over.
    """

    what: str
    unit: Kind
    rule: str
    p_over: str


LOOKS = Texts(
    what="How much more often than the best rule that knows no model its most attended word is the right one, on groups that no rule was chosen on.",
    unit="difference",
    rule="Yes: the effect is above zero on all pairs and on those with words between, both with p below 5%. No: on one of the two the interval ends at or below zero, and on the other "
    "nothing is found. Unclear: otherwise, and wherever fewer than 20 cases or five groups could be counted.",
    p_over="all heads, directions and relations asked; the larger of two, on all pairs and on those with words between",
)
LOOKS_ALONG = replace(
    LOOKS,
    what="How much more often than the best rule that knows no model its most attended word is the right one, along the relation and direction in which the head does best: the best of many, so its "
    "effect and interval are flattered, and p is not.",
    rule="Yes: along one relation and direction the effect is above zero on all pairs and on those with words between, both with p below 5%. No: along each, on one of the two the interval ends at or below zero, and "
    "on the other nothing is found. Unclear: otherwise.",
)


def looks(result: RelationResult, direction: Direction) -> pd.DataFrame:
    """Whether each head looks, by the verdict of the relation test.

    Returns:
        One row per head: `layer`, `head`, `looks`, and `looks_effect` over the best rule that knows no model, on all pairs. The rule asks
        for a small p on all pairs and on those with words between, so `looks_p` is the larger of these.
    """
    rows = result.table.loc[result.table["direction"] == direction]
    return _looks(rows).reset_index(drop=True)


def looks_along(result: RelationResult) -> pd.DataFrame:
    """Whether each head looks along any relation in any direction that was asked.

    `yes` if along one, `no` if along none of those that could be counted, and of each the verdict is `not supported`.

    Returns:
        As of `looks`, of the relation and direction that is supported and has the largest effect where it is smaller, on all pairs or
        apart (without any that is supported, of all); and `looks_relation`, which that is.
    """
    rows = result.table.copy()
    rows["is_supported"] = rows["verdict"] == "supported"
    rows["worst"] = rows[["effect", "effect_apart"]].min(axis=1).fillna(-np.inf)
    best = rows.sort_values(["is_supported", "worst"], ascending=False, kind="stable")
    best = best.drop_duplicates(["layer", "head"]).sort_values(["layer", "head"])
    counted = rows[rows["pairs"] > 0]
    refused = (counted["verdict"] == "not supported").groupby([counted["layer"], counted["head"]])
    places = list(zip(best["layer"], best["head"], strict=True))
    denied = refused.all().reindex(places, fill_value=False).to_numpy(dtype=bool)
    supported = best["is_supported"].to_numpy(dtype=bool)
    found = _looks(best)
    found["looks"] = np.where(supported, YES, np.where(denied, NO, UNCLEAR))
    asked = zip(best["relation"], best["direction"], strict=True)
    found["looks_relation"] = [r if ":" in r or "->" in r else f"{r}: {d}" for r, d in asked]
    return found.reset_index(drop=True)


def _looks(rows: pd.DataFrame) -> pd.DataFrame:
    said = {"supported": YES, "not supported": NO}
    return pd.DataFrame(
        {
            "layer": rows["layer"],
            "head": rows["head"],
            "looks": [said.get(str(verdict), UNCLEAR) for verdict in rows["verdict"]],
            "looks_effect": rows["effect"],
            "looks_low": rows["effect_low"],
            "looks_high": rows["effect_high"],
            "looks_p": np.maximum(rows["p_family"], rows["p_family_apart"]),
        }
    )


CARRIES = Texts(
    what="How much better, in balanced accuracy, the label is read from the head's output z at the word than from a bag of the sentence's words.",
    unit="difference",
    rule="Yes: the interval lies above zero, and p of reading it at all, against shuffled labels, is below 5%. No: the interval ends at or below zero. Unclear: otherwise.",
    p_over="everything that was probed; of reading the label at all, not of the difference",
)


def carries(
    result: ProbeResult,
    classifier: str,
    against: tuple[Key, str],
    site: str = "z",
) -> pd.DataFrame:
    """Whether a label can be read from what each head hands over, better than from the baseline.

    `yes` if the interval of the difference in balanced accuracy lies above zero and p over everything probed, against shuffled
    labels, is below 5%; `no` if the interval lies at or below zero.

    Returns:
        One row per head: `layer`, `head`, `carries`, `carries_accuracy` (balanced), and `carries_effect`, its gain over the baseline.
        `carries_p` is of the accuracy.
    """
    rows = result.table[(result.table["site"] == site) & (result.table["classifier"] == classifier)]
    everything = result.truth >= 0
    found: list[dict[str, object]] = []
    records: list[dict[str, Any]] = rows.to_dict(orient="records")  # pyright: ignore
    for row in records:
        key = (site, int(row["layer"]), int(row["head"]))
        gain = result.gain(key, classifier, against, everything)
        is_found = gain.low > 0 and row["p_family"] < LEVEL
        found.append(
            {
                "layer": key[1],
                "head": key[2],
                "carries": YES if is_found else NO if gain.high <= 0 else UNCLEAR,
                "carries_accuracy": row["balanced_accuracy"],
                "carries_effect": gain.value,
                "carries_low": gain.low,
                "carries_high": gain.high,
                "carries_p": row["p_family"],
            }
        )
    return pd.DataFrame(found)


MATTERS = Texts(
    what="Share of the intact metric that is lost when the head is cut, the mean over the ways of cutting. The interval reaches from the lowest to the highest end over the ways.",
    unit="rate",
    rule=f"Yes: in every way of cutting the interval of the cost lies above zero, with p below 5%. No: in every way it ends below {100 * LITTLE:.0f}% of the metric. Unclear: otherwise.",
    p_over="all heads and ways of cutting; the largest of the ways",
)


def matters(result: AblationResult, metric: str | None = None, side: str = "") -> pd.DataFrame:
    """Whether the model needs each head, by all ways of cutting it together.

    `yes` if in every way the interval of the cost lies above zero and p over all heads and ways is below 5%; `no` if in every
    way it lies below 5% of the intact metric; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `matters`; `matters_effect`, the mean cost as a share of the intact metric, averaged over
        the ways; and `matters_disagree`, whether the ways disagree. As the ways differ, `matters_low` is the lowest and `matters_high` the
        highest end of their intervals, and `matters_p` the largest of their p. Shares are NaN where the intact metric is not above
        zero: of what a model does not do, nothing can be lost.
    """
    name = metric or result.metrics[0]
    intact = float(result.intact[name].mean())
    whole = intact if intact > 0 else np.nan
    found: list[dict[str, object]] = []
    for cut, (head, *_) in result.cuts.items():
        if head.side != side:
            continue
        own = [result.row(cut, how, name) for how in result.hows]
        needed = all(row["low"] > 0 and row["p_family"] < LEVEL for row in own)
        spared = all(row["high"] < LITTLE * whole for row in own)
        found.append(
            {
                "layer": head.layer,
                "head": head.head,
                "matters": YES if needed else NO if spared else UNCLEAR,
                "matters_effect": float(np.mean([row["cost"] for row in own])) / whole,
                "matters_low": float(np.min([row["low"] for row in own])) / whole,
                "matters_high": float(np.max([row["high"] for row in own])) / whole,
                "matters_p": float(np.max([row["p_family"] for row in own])),
                "matters_disagree": YES if bool(own[0]["disagree"]) else NO,
            }
        )
    return pd.DataFrame(found)


MOVES = Texts(
    what="Share of the distance between the classes that the head's update adds along the direction, the largest of the directions asked.",
    unit="rate",
    rule=f"Yes: along a direction it adds {100 * WORTH:.0f}% of the distance or more, the interval lies above zero, and p against shuffled labels and against random directions are below 5%. No: along "
    f"every direction the interval ends below {100 * LITTLE:.0f}% of the distance. Unclear: otherwise.",
    p_over="all heads and MLPs (shuffled labels), times the number of directions; the larger of that and p against random directions",
)


def moves(results: Sequence[DirectionResult]) -> pd.DataFrame:
    """Whether each head's update pushes words towards what they mean, along one direction or several.

    `yes` if along one of the directions it adds 1% of the distance or more, the interval of its effect lies above zero, p over all heads, MLPs and directions (times the
    number of directions) is below 5% against shuffled labels, and so is p against random directions; `no` if along every direction the
    interval lies below 5% of the whole distance; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `moves`; `moves_effect`, its largest share of a distance (of those that make it a yes, if any), with the
        interval of that as a share; and `moves_towards`, of which class. `moves_p` is the larger p of the two, times the number of directions.
    """
    heads = [c for c in results[0].components if c.kind == "head"]
    found: list[dict[str, object]] = []
    for component in heads:
        own: list[dict[str, Any]] = [dict(r.row(component.name)) for r in results]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
        p = [pushing_p(row["p_family"], row["p_random"], len(results)) for row in own]
        pushes = [
            row["low"] > 0 and row["share"] >= WORTH and p < LEVEL
            for row, p in zip(own, p, strict=True)
        ]
        spared = all(row["high"] < LITTLE * r.total for row, r in zip(own, results, strict=True))
        best = max(range(len(own)), key=lambda i: (pushes[i], own[i]["share"]))
        low, high = sorted(own[best][end] / results[best].total for end in ("low", "high"))
        found.append(
            {
                "layer": component.layer,
                "head": component.head,
                "moves": YES if any(pushes) else NO if spared else UNCLEAR,
                "moves_effect": float(own[best]["share"]),
                "moves_low": low,
                "moves_high": high,
                "moves_p": p[best],
                "moves_towards": results[best].between[0],
            }
        )
    return pd.DataFrame(found)


def pushing_p(p_family: float, p_random: float, n_directions: int) -> float:
    """The larger of two p values that both must be small, times the number of directions, at most 1."""
    return float(np.minimum(1.0, n_directions * np.maximum(p_family, p_random)))


COLLECTS = Texts(
    what="Mean cosine of the head's update at the word with the images of the words that it is linked to, less that with the images of the others of its group.",
    unit="number",
    rule="Yes: the interval lies above zero, with p below 5%. No: the interval ends at or below zero. Unclear: otherwise.",
    p_over="all heads",
)


def collects(result: CollectResult) -> pd.DataFrame:
    """Whether each head's update moves a word along the images of the words that it is linked to.

    `yes` if the interval of the difference between own and other words lies above zero and p over all heads is below 5%; `no` if the
    interval lies at or below zero; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `moves`; `moves_effect`, the difference of cosines; and `moves_own` and `moves_others`, of
        which it is the difference.
    """
    t = result.table
    said = [
        YES if low > 0 and p < LEVEL else NO if high <= 0 else UNCLEAR
        for low, high, p in zip(t["low"], t["high"], t["p_family"], strict=True)
    ]
    return pd.DataFrame(
        {
            "layer": t["layer"],
            "head": t["head"],
            "moves": said,
            "moves_effect": t["effect"],
            "moves_low": t["low"],
            "moves_high": t["high"],
            "moves_p": t["p_family"],
            "moves_own": t["own"],
            "moves_others": t["others"],
        }
    )


def texts_of(kind: str, heads: pd.DataFrame) -> Texts:
    """What a kind of evidence of a frame says; two kinds can be asked in two ways."""
    if kind == "looks":
        return LOOKS_ALONG if "looks_relation" in heads else LOOKS
    if kind == "moves":
        return COLLECTS if "moves_own" in heads else MOVES
    return {"carries": CARRIES, "matters": MATTERS}[kind]


def side_by_side(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What is known of each head in one row; kinds that were not asked are left out.

    Returns:
        Columns `name` (`L2H8`), `layer`, `head`, and those of the frames.
    """
    merged = reduce(lambda a, b: a.merge(b, on=["layer", "head"], how="outer"), frames)
    names = [f"L{la}H{h}" for la, h in zip(merged["layer"], merged["head"], strict=True)]
    merged.insert(0, "name", names)
    return merged


def where(heads: pd.DataFrame, **asked: str) -> list[str]:
    """Names of the heads of which all that is asked is so, as `where(heads, looks='yes', matters='no')`."""
    chosen: Bool[ndarray, " head"] = np.ones(len(heads), dtype=bool)
    for kind, said in asked.items():
        chosen &= (heads[kind] == said).to_numpy() if kind in heads else False
    return [str(name) for name in heads["name"].to_numpy()[chosen]]
