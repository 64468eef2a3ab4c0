"""A single result as a small report: its grids of heads, cards and tables, without an analysis around it.

Results that speak of heads by a kind of evidence are shown as that kind; all others as their table, and as one map of heads for each
column that holds one number per head.
"""

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from headwise import evidence
from headwise._columns import Column, Columns
from headwise._formatting import Unit
from headwise.attention.relations import RelationTestResult
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.lens import LogitLensResult
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.errors import HeadwiseError
from headwise.interventions.ablation import AblationResult
from headwise.probing import ProbeResult
from headwise.report.schema import Figure, Heads, Heatmap, Report, Section, Table

from .directions import along_directions
from .directions.logit_lens import logit_lens
from .heads import head_details
from .heads.head_cards import grid, section, shape_of
from .probing import figures as probe_figures

MAPS = 6  # columns that are shown as maps; all are in the table


@singledispatch
def report_of(result: Any) -> Report:
    """A result as a report.

    Raises:
        HeadwiseError: It is nothing that can be shown.
    """
    if isinstance(result, Report):
        return result
    if not (hasattr(result, "model") and hasattr(result, "table")):
        raise HeadwiseError(
            f"A {type(result).__name__} cannot be shown: expected a result of a test, or a report. Of a capture, which holds no words, show the "
            "sentences themselves: headwise.show_attention(model, sentences)."
        )
    return _report(result, figures=list(_maps(result.table)))


@report_of.register
def _(result: RelationTestResult) -> Report:
    details = [head_details.directions_asked(result)]
    return _report(
        result,
        heads=section(evidence.looks_along(result), details),
        answer=f"{len(result.significant())} combinations of head, relation and direction are supported.",
    )


@report_of.register
def _(result: ProbeResult) -> Report:
    has_layers = "residual" in set(result.table["site"])
    figures = probe_figures(result, "label") if has_layers else list(_maps(result.table))
    return _report(result, figures=figures)


@report_of.register
def _(result: LogitLensResult) -> Report:
    return _report(result, frame=result.stream, tables=logit_lens(result).tables)


@report_of.register
def _(result: AblationResult) -> Report:
    singles = [head for head, *more in result.head_sets.values() if not more]
    if len(singles) < len(result.head_sets) or len({head.side for head in singles}) > 1:
        return _report(result)
    side = singles[0].side
    heads = section(evidence.matters(result, side=side), [head_details.ways(result, side)])
    return _report(result, heads=heads.model_copy(update={"side": side}))


@report_of.register
def _(result: DirectionTestResult) -> Report:
    details = [head_details.contributions_along([result])]
    heads = section(evidence.moves([result]), details, result.shape)
    return _report(result, heads=heads, figures=[along_directions.trajectories([result])])


@report_of.register
def _(result: OVAlignmentTestResult) -> Report:
    details = [head_details.collected({"word": result})]
    return _report(result, heads=section(evidence.collects(result), details))


def _report(
    result: Any,
    *,
    frame: pd.DataFrame | None = None,
    heads: Heads | None = None,
    figures: Sequence[Figure] = (),
    tables: Sequence[Table] = (),
    answer: str = "",
) -> Report:
    """What is known of a result, and its table, or another frame, whole."""
    name = str(getattr(result, "kind", type(result).__name__))
    every_number = _table(result, result.table if frame is None else frame)
    return Report(
        analysis=name,
        model=result.model,
        question=f"{name} of {result.model}",
        verdict="description",
        answer=answer,
        sections=[Section(title="Numbers", figures=list(figures), tables=[*tables, every_number])],
        heads=heads,
    )


def _table(result: Any, frame: pd.DataFrame) -> Table:
    """Every column, as the result documents it, or by its name where it does not."""
    known: Columns = getattr(result, "columns", Columns())
    tables = [known, *getattr(result, "further", {}).values()]
    told = next((c for c in tables if set(c) >= set(frame)), known)
    plain = (Column(str(n), str(n).replace("_", " "), _kind(frame[n])) for n in frame)
    columns = Columns(*(told.get(c.name, c) for c in plain))
    return Table.of("table", "Every number", frame.rename(columns=str), columns)


def _kind(values: pd.Series) -> Unit:
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return "text"
    return "integer" if pd.api.types.is_integer_dtype(values) else "number"


def _maps(frame: pd.DataFrame) -> Iterator[Heatmap]:
    """A grid for each column with one number per head."""
    if not {"layer", "head"} <= set(frame):
        return
    frame = frame.dropna(subset=["layer", "head"])
    if frame.empty or frame.duplicated(["layer", "head"]).any():
        return
    shape = shape_of(frame)
    columns = [c for c in frame if c not in ("layer", "head") and _kind(frame[c]) == "number"]
    for column in columns[:MAPS]:
        values = grid(frame, str(column), shape)
        if np.isfinite(values).any():
            yield Heatmap(
                title=str(column).replace("_", " "),
                caption="",
                values=values,
                low=float(np.nanmin(values)),
                high=float(np.nanmax(values)),
                unit="number",
            )
