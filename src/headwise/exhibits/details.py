"""Further numbers of every head, as small tables on its card."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportReturnType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..ablation import AblationResult
from ..comparison import SCOPES
from ..directions.collecting import CollectResult
from ..directions.pushes import DirectionResult
from ..evidence import pushing_p
from ..probing import ProbeResult
from ..questions import DIRECTIONS
from ..relations import RelationResult
from ..results import Detail, Kind, Packed
from .asked import WHICH

WAYS = {
    "zero": "cut to zero",
    "mean": "replaced by its mean",
    "resample": "taken from another sentence",
}
READ = {"z": "output z", "update": "update", "k": "key", "v": "value"}
NUMBERS = ("effect", "low", "high", "p")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the small tables: of every head that has it, a number with its interval and p.

    Attributes:
        name: Name of the row.
        table: Columns `layer`, `head`, `effect`, and where there are such `low`, `high`, `p`.
    """

    name: str
    table: pd.DataFrame


def detail(
    title: str, caption: str, unit: Kind, rows: Sequence[Row], shape: tuple[int, int]
) -> Detail:
    """Packs rows for heads of a model of `shape` layers and heads."""
    arrays = {name: np.full((*shape, len(rows)), np.nan) for name in NUMBERS}
    for i, row in enumerate(rows):
        places = row.table["layer"].to_numpy(int), row.table["head"].to_numpy(int)
        for name in NUMBERS:
            if name in row.table:
                arrays[name][(*places, i)] = row.table[name].to_numpy(float)
    packed = {name: Packed.of(values) for name, values in arrays.items()}
    return Detail(
        title=title, caption=caption, rows=[row.name for row in rows], unit=unit, **packed
    )


def ways(result: AblationResult, shape: tuple[int, int], side: str = "", note: str = "") -> Detail:
    """What each way of cutting costs, by the first metric; `note` says more of where that was."""
    metric = result.metrics[0]
    intact = float(result.intact[metric].mean())
    whole = intact if intact > 0 else np.nan
    t = result.table[(result.table["metric"] == metric) & (result.table["side"] == side)]
    rows: list[Row] = []
    for how in result.hows:
        own = t[t["how"] == how]
        shares = {"effect": own["cost"] / whole, "low": own["low"] / whole, "high": own["high"] / whole}  # fmt: skip
        rows.append(Row(WAYS[how], own[["layer", "head"]].assign(**shares, p=own["p_family"])))
    caption = f"Share of the {metric} that is lost ({result.says[metric]}; intact {intact:.2f}). p over all heads and ways.{note}"
    return detail("Ways of cutting it", caption, "rate", rows, shape)


def directions_asked(result: RelationResult, shape: tuple[int, int]) -> Detail:
    """Effects in every direction of the first relation, on all pairs and where rules are not enough."""
    rows: list[Row] = []
    t = result.table[result.table["relation"] == result.relations[0].text]
    for direction in DIRECTIONS:
        for scope in SCOPES:
            own = t[t["direction"] == direction]
            suffix = "" if scope == "all" else f"_{scope}"
            if len(own) and (own[f"pairs{suffix}"] > 0).any():
                rows.append(Row(f"{direction}, {WHICH[scope]}", _effects(own, suffix)))
    caption = "Hit rate over that of the best rule that knows no model, on held-out groups. p over all heads and directions."
    return detail("Who looks at whom", caption, "difference", rows, shape)


def relations_asked(
    result: RelationResult, asked: Sequence[tuple[str, str]], shape: tuple[int, int]
) -> Detail:
    """Effects along relations, each in one direction; the smaller of all pairs and apart, with its own interval and p."""
    rows: list[Row] = []
    for relation, direction in asked:
        t = result.table
        own = t[(t["relation"] == relation) & (t["direction"] == direction)]
        whole, apart = _effects(own, ""), _effects(own, "_apart")
        is_smaller = (apart["effect"] < whole["effect"]).to_numpy(bool)
        smaller = pd.concat([apart[is_smaller], whole[~is_smaller]])
        name = relation if ":" in relation or "->" in relation else f"{relation}: {direction}"
        rows.append(Row(name, smaller))
    caption = (
        "Hit rate over that of the best rule that knows no model, on held-out groups: the smaller of the effects on all pairs and on those with words between. Each relation in the direction in which its "
        "best head is best. p over everything asked."
    )
    return detail("Every relation", caption, "difference", rows, shape)


def pushed_along(results: Sequence[DirectionResult], shape: tuple[int, int]) -> Detail:
    """Shares of the distance along every direction."""
    rows: list[Row] = []
    for result in results:
        own = result.table[result.table["kind"] == "head"]
        ends = [own[name].to_numpy(float) / result.total for name in ("low", "high")]
        both = zip(own["p_family"], own["p_random"], strict=True)
        rows.append(
            Row(
                f"{result.between[0]} from {result.between[1]}",
                own[["layer", "head"]].assign(
                    effect=own["share"],
                    low=np.minimum(*ends),
                    high=np.maximum(*ends),
                    p=[pushing_p(a, b, len(results)) for a, b in both],
                ),
            )
        )
    caption = (
        "Share of the distance between the classes along the direction that the head's update adds. p: the larger of that over all heads and MLPs, labels shuffled, and that against random directions, "
        f"times {len(results)}, the number of directions."
    )
    return detail("Along each direction", caption, "rate", rows, shape)


def read_from(result: ProbeResult, classifier: str, shape: tuple[int, int]) -> Detail:
    """How well the label is read from what the head finds by, gives and writes; keys and values that heads share stand with each."""
    t = result.table[result.table["classifier"] == classifier]
    rows: list[Row] = []
    for site, what in READ.items():
        own = t[t["site"] == site]
        if own.empty:
            continue
        shared_by = shape[1] // (1 + int(own["head"].max()))
        for_each = own.loc[own.index.repeat(shared_by)]
        member = np.tile(np.arange(shared_by), len(own))
        scores = {"effect": "balanced_accuracy", "low": "balanced_low", "high": "balanced_high", "p": "p_family"}  # fmt: skip
        told = {name: for_each[column] for name, column in scores.items()}
        heads = for_each["head"].astype(int) * shared_by + member
        rows.append(Row(what, for_each[["layer"]].assign(head=heads, **told)))
    caption = "Balanced accuracy on unseen sentences, at the word. p against shuffled labels, over everything probed."
    return detail("What is read from it", caption, "rate", rows, shape)


def collected(found: Mapping[str, CollectResult], shape: tuple[int, int]) -> Detail:
    """Differences of cosines, at one word or several."""
    rows = [Row(at, result.table[["layer", "head"]].assign(**_interval(result.table))) for at, result in found.items()]  # fmt: skip
    caption = "Cosine of the head's update with the images of the words that this one is linked to, less that with the images of others. p over all heads."
    return detail("What it collects", caption, "number", rows, shape)


def _interval(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {"effect": table["effect"], "low": table["low"], "high": table["high"], "p": table["p_family"]}  # fmt: skip


def _effects(own: pd.DataFrame, suffix: str) -> pd.DataFrame:
    names = ("effect", "effect_low", "effect_high", "p_family")
    found = own[["layer", "head", *(f"{name}{suffix}" for name in names)]]
    return found.set_axis(["layer", "head", *NUMBERS], axis=1)
