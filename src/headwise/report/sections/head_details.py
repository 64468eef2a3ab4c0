"""Further numbers of every head, as small tables on its card."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportReturnType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headwise._columns import Column
from headwise._formatting import Unit
from headwise.attention._comparison import DESCRIBED, SCOPES, Comparison, Scope, column
from headwise.attention._significance import of_scope
from headwise.attention.questions import DIRECTIONS
from headwise.attention.relations import RelationTestResult
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.evidence import joint_p
from headwise.interventions.ablation import AblationResult
from headwise.model.head import Head
from headwise.probing import ProbeResult
from headwise.report.schema import Detail, Packed

from ._relation_tables import WHICH

WAYS = {
    "zero": "by zero",
    "mean": "by the mean of reference tokens",
    "resample": "by a reference token in another sentence",
}
READ = {"z": "output z", "update": "update", "k": "key", "v": "value"}
NUMBERS = ("effect", "low", "high", "p")
NAME = Column("name", "Head")


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
    title: str, caption: str, unit: Unit, rows: Sequence[Row], shape: tuple[int, int]
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


def named(table: pd.DataFrame) -> pd.DataFrame:
    """A table of single heads with their names."""
    places = table[["layer", "head", "side"]].itertuples(index=False, name=None)
    return table.assign(name=[Head(*place).name for place in places])


def ways(result: AblationResult, shape: tuple[int, int], side: str = "", note: str = "") -> Detail:
    """The degradation by each way of ablation, by the first metric; `note` says more of where that was."""
    metric = result.metrics[0]
    clean = float(result.intact[metric].mean())
    t = result.table[(result.table["metric"] == metric) & (result.table["side"] == side)]
    rows: list[Row] = []
    for method in result.methods:
        own = t[t["method"] == method]
        shares = {"effect": own["share"], "low": own["share_low"], "high": own["share_high"]}
        rows.append(Row(WAYS[method], own[["layer", "head"]].assign(**shares, p=own["p_fwer"])))
    caption = f"Share of the {metric} that is lost ({result.says[metric]}; clean {clean:.2g}). p over all heads and ways.{note}"
    return detail("Ways of ablating it", caption, "rate", rows, shape)


def directions_asked(result: RelationTestResult, shape: tuple[int, int]) -> Detail:
    """Effects in every direction of the first relation: over each baseline, and on all pairs, non-adjacent ones and those with a distractor."""
    rows: list[Row] = []
    t = result.table[result.table["relation"] == result.relations[0].text]
    for direction in DIRECTIONS:
        own = t[t["direction"] == direction]
        for scope in SCOPES:
            counted = own[(own["scope"] == scope) & (own["pairs"] > 0)]
            for comparison, over in OVER.items():
                if len(counted) and (comparison, scope) in DESCRIBED:
                    name = f"{direction}, {WHICH[scope]}, over {over}"
                    rows.append(Row(name, _effects(own, comparison, scope)))
    caption = (
        "Hit rate less that of the best model-free baseline, which is chosen on other groups. Chance: uniform attention and permuted links; tags: baselines that read parts of speech, too. p over all heads and "
        "directions, combined over splits."
    )
    return detail("Attention in each direction", caption, "difference", rows, shape)


OVER: dict[Comparison, str] = {"chance": "chance", "plain": "plain text", "tags": "tags"}


def relations_asked(
    result: RelationTestResult, asked: Sequence[tuple[str, str]], shape: tuple[int, int]
) -> Detail:
    """Effects along relations, each in one direction; the smaller of all and of non-adjacent pairs, with its own interval and p."""
    rows: list[Row] = []
    for relation, direction in asked:
        t = result.table
        own = t[(t["relation"] == relation) & (t["direction"] == direction)]
        whole, apart = (_effects(own, "plain", scope) for scope in SCOPES[:2])
        is_smaller = (apart["effect"] < whole["effect"]).to_numpy(bool)
        smaller = pd.concat([apart[is_smaller], whole[~is_smaller]])
        name = relation if ":" in relation or "->" in relation else f"{relation}: {direction}"
        rows.append(Row(name, smaller))
    caption = (
        "Hit rate less that of the best model-free baseline of plain text, which is chosen on other groups: the smaller of the effects on all and on non-adjacent pairs. Each relation in the direction in which its "
        "best head is best. p over everything tested, combined over splits."
    )
    return detail("Every relation", caption, "difference", rows, shape)


def pushed_along(results: Sequence[DirectionTestResult]) -> Detail:
    """Shares of the distance along every direction."""
    rows: list[Row] = []
    for result in results:
        own = result.table[result.table["kind"] == "head"]
        ends = [
            own[name].to_numpy(float) / (result.total or np.nan)
            for name in ("effect_low", "effect_high")
        ]
        rows.append(
            Row(
                f"{result.between[0]} from {result.between[1]}",
                own[["layer", "head"]].assign(
                    effect=own["share"],
                    low=np.minimum(*ends),
                    high=np.maximum(*ends),
                    p=joint_p(own, len(results)),
                ),
            )
        )
    caption = (
        "Share of the distance between the classes along the direction that the head's update adds. p over all heads (and MLPs): the largest of those against shuffled labels, against random directions, and of "
        f"the excess over uniform attention, times {len(results)}, the number of directions."
    )
    return detail("Along each direction", caption, "rate", rows, results[0].shape)


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
        scores = {"effect": "balanced_accuracy", "low": "balanced_accuracy_low", "high": "balanced_accuracy_high", "p": "p_reading_fwer"}  # fmt: skip
        told = {name: for_each[column] for name, column in scores.items()}
        heads = for_each["head"].astype(int) * shared_by + member
        rows.append(Row(what, for_each[["layer"]].assign(head=heads, **told)))
    caption = "Balanced accuracy on unseen sentences, at the word. p is of reading it at all, against shuffled labels, over everything probed."
    return detail("What is read from it", caption, "rate", rows, shape)


def collected(found: Mapping[str, OVAlignmentTestResult], shape: tuple[int, int]) -> Detail:
    """Differences of cosines, at one word or several: before and after what the controls have is taken off."""
    rows: list[Row] = []
    for at, result in found.items():
        t = result.table
        rows.append(Row(at, t[["layer", "head"]].assign(effect=t["difference"])))
        rows.append(Row(f"{at}, beyond controls", t[["layer", "head"]].assign(**_interval(t))))
    caption = (
        "Cosine of the head's update with the images of the words that this one is linked to, less that with the images of others; and what of this is left beyond uniform attention, the attention "
        "of the other heads of the layer, and their values: the smallest of the three. p over all heads and the three."
    )
    return detail("What it collects", caption, "number", rows, shape)


def _interval(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {"effect": table["effect"], "low": table["effect_low"], "high": table["effect_high"], "p": table["p_fwer"]}  # fmt: skip


def _effects(own: pd.DataFrame, comparison: Comparison, scope: Scope) -> pd.DataFrame:
    rows = of_scope(own, scope)
    names = [column(n, comparison) for n in ("effect", "effect_low", "effect_high", "p_fwer")]
    numbers = {number: rows[name] for number, name in zip(NUMBERS, names, strict=True)}
    return rows[["layer", "head"]].assign(**numbers).reset_index(drop=True)
