"""Further numbers of every head, as small tables on its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headwise._formatting import Unit
from headwise.attention._columns import versus
from headwise.attention._comparison import DESCRIBED, SCOPES, Comparison
from headwise.attention._significance import of_scope
from headwise.attention.questions import DIRECTIONS
from headwise.attention.relations import RelationTestResult
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.evidence import joint_p
from headwise.interventions.ablation import AblationResult
from headwise.probing import ProbeResult
from headwise.report.schema import Detail, Packed

from .._relation_tables import WHICH
from .head_cards import grid, shape_of

WAYS = {
    "zero": "by zero",
    "mean": "by the mean of reference tokens",
    "resample": "by a reference token in another sentence",
}
READ = {"z": "output z", "update": "update", "k": "key", "v": "value"}
NUMBERS = ("effect", "low", "high", "p")
TESTED = ("effect", "effect_low", "effect_high", "p_fwer")
OVER: dict[Comparison, str] = {"chance": "chance", "plain": "plain text", "tags": "tags"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the small tables: of every head that has it, a number with its interval and p.

    Attributes:
        name: Name of the row.
        table: Columns `layer` and `head`, and numbers.
        columns: Its columns with the effect, the ends of its interval and p, or the first of these; what it has not is left empty.
    """

    name: str
    table: pd.DataFrame
    columns: Sequence[str] = TESTED


def detail(
    title: str,
    caption: str,
    unit: Unit,
    rows: Sequence[Row],
    shape: tuple[int, int] | None = None,
) -> Detail:
    """Packs rows for heads of a model of `shape` layers and heads, by default as many as the first row has."""
    shape = shape or (shape_of(rows[0].table) if rows else (0, 0))
    arrays = {name: np.full((*shape, len(rows)), np.nan) for name in NUMBERS}
    for i, row in enumerate(rows):
        for number, name in zip(NUMBERS, row.columns, strict=False):
            arrays[number][..., i] = grid(row.table, name, shape)
    packed = {name: Packed.of(values) for name, values in arrays.items()}
    return Detail(title=title, caption=caption, rows=[r.name for r in rows], unit=unit, **packed)


def ways(result: AblationResult, side: str = "", note: str = "") -> Detail:
    """The degradation by each way of ablation, by the first metric; `note` says more of where that was."""
    metric = result.metrics[0]
    clean = float(result.clean_values[metric].mean())
    t = result.table[(result.table["metric"] == metric) & (result.table["side"] == side)]
    columns = ("share", "share_low", "share_high", "p_fwer")
    rows = [Row(WAYS[method], t[t["method"] == method], columns) for method in result.methods]
    caption = f"Share of the {metric} that is lost ({result.says[metric]}; clean {clean:.2g}). p over all heads and ways.{note}"
    return detail("Ways of ablating it", caption, "rate", rows)


def directions_asked(result: RelationTestResult) -> Detail:
    """Effects in every direction of the first relation: over each baseline, and on all pairs, non-adjacent ones and those with a distractor."""
    t = result.table[(result.table["relation"] == result.relations[0].text)]
    rows = [
        Row(f"{direction}, {WHICH[scope]}, over {over}", own, [versus(n, comparison) for n in TESTED])
        for direction in DIRECTIONS
        for scope in SCOPES
        for own in [t[(t["direction"] == direction) & (t["scope"] == scope)]]
        for comparison, over in OVER.items()
        if (own["pairs"] > 0).any() and (comparison, scope) in DESCRIBED
    ]  # fmt: skip
    caption = (
        "Hit rate less that of the best model-free baseline, which is chosen on other groups. Chance: uniform attention and permuted links; tags: baselines that read parts of speech, too. p over all heads and "
        "directions, combined over splits."
    )
    return detail("Attention in each direction", caption, "difference", rows)


def relations_asked(result: RelationTestResult, asked: Sequence[tuple[str, str]]) -> Detail:
    """Effects along relations, each in one direction; the smaller of all and of non-adjacent pairs, with its own interval and p."""
    t = result.table
    rows: list[Row] = []
    for relation, direction in asked:
        own = t[(t["relation"] == relation) & (t["direction"] == direction)]
        whole, apart = (of_scope(own, scope).reset_index(drop=True) for scope in SCOPES[:2])
        name = relation if ":" in relation or "->" in relation else f"{relation}: {direction}"
        rows.append(Row(name, apart.where(apart["effect"] < whole["effect"], whole)))
    caption = (
        "Hit rate less that of the best model-free baseline of plain text, which is chosen on other groups: the smaller of the effects on all and on non-adjacent pairs. Each relation in the direction in which its "
        "best head is best. p over everything tested, combined over splits."
    )
    return detail("Every relation", caption, "difference", rows)


def contributions_along(results: Sequence[DirectionTestResult]) -> Detail:
    """Shares of the distance along every direction."""
    rows: list[Row] = []
    for result in results:
        own = result.table[result.table["kind"] == "head"]
        ends = np.sort(own[["effect_low", "effect_high"]].to_numpy(float) / (result.total or np.nan))  # fmt: skip
        shares = own.assign(low=ends[:, 0], high=ends[:, 1], p=joint_p(own, len(results)))
        name = " from ".join(result.between)
        rows.append(Row(name, shares, ("share", "low", "high", "p")))
    caption = (
        "Share of the distance between the classes along the direction that the head's update adds. p over all heads (and MLPs): the largest of those against shuffled labels, against random directions, and of "
        f"the excess over uniform attention, times {len(results)}, the number of directions."
    )
    return detail("Along each direction", caption, "rate", rows, results[0].shape)


def read_from(result: ProbeResult, classifier: str, shape: tuple[int, int]) -> Detail:
    """How well the label is read from what the head finds by, gives and writes; keys and values that heads share stand with each."""
    t = result.table[result.table["classifier"] == classifier]
    columns = ("balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high", "p_reading_fwer")  # fmt: skip
    rows: list[Row] = []
    for site, what in READ.items():
        own = t[t["site"] == site]
        if own.empty:
            continue
        shared_by = shape[1] // (1 + int(own["head"].max()))
        for_each = own.loc[own.index.repeat(shared_by)]
        member = np.tile(np.arange(shared_by), len(own))
        heads = for_each["head"].astype(int) * shared_by + member
        rows.append(Row(what, for_each.assign(head=heads), columns))
    caption = "Balanced accuracy on unseen sentences, at the word. p is of reading it at all, against shuffled labels, over everything probed."
    return detail("What is read from it", caption, "rate", rows, shape)


def collected(found: Mapping[str, OVAlignmentTestResult]) -> Detail:
    """Differences of cosines, at one word or several: before and after what the controls have is taken off."""
    rows: list[Row] = []
    for at, result in found.items():
        rows += [Row(at, result.table, ["difference"]), Row(f"{at}, beyond controls", result.table)]
    caption = (
        "Cosine of the head's update with the OV images of the words that this one is linked to, less that with the OV images of others; and what of this is left beyond uniform attention, the attention "
        "of the other heads of the layer, and their values: the smallest of the three. p over all heads and the three."
    )
    return detail("What it collects", caption, "number", rows)
