"""Payload of the page's scripts: the contract between Python and JavaScript.

Everything that a picture or a sorted table needs, and nothing that the template has written already. Numbers travel as packed arrays.
The scripts may read just these fields: a test in a browser compares what they read with the schema of `Page`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from headwise._formatting import Unit
from headwise.report.schema import (
    Attention,
    Cell,
    Column,
    Frozen,
    Heads,
    Heatmap,
    Matrix,
    Packed,
    Report,
    Table,
)

TITLES = {
    "looks": "Looks",
    "carries": "Carries",
    "matters": "Matters",
    "moves": "Moves",
}
EMPTY = -1  # code of a missing text


class Panel(Frozen):
    """One number for every head, drawn as a grid.

    Attributes:
        title: What is shown.
        caption: How to read it.
        unit: How a value is written.
        values: `[layer, head]`.
        low: Value at the pale end of the scale.
        high: Value at the dark end of the scale.
        baseline: Name of the number to beat; empty for none.
        baseline_value: That number.
        marked: Heads to outline, counting from layer 0 on.
        answers: One letter per head (`results.Measure`); empty without evidence.
    """

    title: str
    caption: str
    unit: Unit
    values: Packed
    low: float
    high: float
    baseline: str
    baseline_value: float | None
    marked: list[int]
    answers: str


class PageMatrix(Frozen):
    """Rows of questions, columns of heads; see `results.Matrix`.

    Attributes:
        title: What is shown.
        rows: The questions.
        columns: Names of heads.
        breaks: Columns before which a new layer begins.
        values: `[row, column]`.
        limit: Value at the dark end of the scale.
        marked: Cells to outline, counting along rows.
        marks: What an outlined cell is.
    """

    title: str
    rows: list[str]
    columns: list[str]
    breaks: list[int]
    values: Packed
    limit: float
    marked: list[int]
    marks: str


class PageColumn(Frozen):
    """A column of a table: numbers, or texts and for each row which of them.

    Attributes:
        name: Name in the CSV file.
        title: Heading.
        kind: How values are written.
        note: What it is, shown on demand.
        numbers: One per row; None in a column of texts.
        texts: The different texts.
        codes: Which text stands in each row, -1 for none; None in a column of numbers.
    """

    name: str
    title: str
    kind: Unit
    note: str
    numbers: Packed | None
    texts: list[str]
    codes: Packed | None


class PageTable(Frozen):
    """A table that can be sorted and filtered."""

    name: str
    n_rows: int
    columns: list[PageColumn]


class Page(Frozen):
    """All that the scripts of one page read.

    Attributes:
        slug: Name of the report, for the names of files that are saved.
        n_layers: Layers of the grids; 0 for a page without heads.
        n_heads: Heads of each layer.
        panels: Grids of heads: first one for each kind of evidence in `heads.measures`, then figures.
        matrices: Questions by heads.
        heads: Contents of the cards.
        tables: In the order of the page.
        attention: Example sentences.
    """

    slug: str
    n_layers: int
    n_heads: int
    panels: list[Panel]
    matrices: list[PageMatrix]
    heads: Heads | None
    tables: list[PageTable]
    attention: Attention | None


def page_of(report: Report) -> Page:
    """The part of a report that scripts need."""
    panels = [*_evidence(report.heads), *_maps(report.figures)]
    shape = _shape(report, panels)
    return Page(
        slug=report.slug,
        n_layers=shape[0],
        n_heads=shape[1],
        panels=panels,
        matrices=[_matrix(figure) for figure in report.figures if isinstance(figure, Matrix)],
        heads=report.heads,
        tables=[_table(table) for table in report.tables],
        attention=report.attention,
    )


def _shape(report: Report, panels: Sequence[Panel]) -> tuple[int, int]:
    """Layers and heads of the model, from the parts of the report."""
    if report.heads:
        return report.heads.n_layers, report.heads.n_heads
    if report.attention:
        return report.attention.n_layers, report.attention.n_heads
    shapes = [(p.values.shape[0], p.values.shape[1]) for p in panels]
    return max(shapes, default=(0, 0), key=lambda shape: (shapes.count(shape), shape))


def _evidence(heads: Heads | None) -> Iterator[Panel]:
    for measure in heads.measures if heads else ():
        values = measure.effect.array().astype(float)
        yield Panel(
            title=TITLES[measure.kind],
            caption=measure.what,
            unit=measure.unit,
            values=measure.effect,
            low=0.0,
            high=nice_above(_largest(values), measure.unit),
            baseline="",
            baseline_value=None,
            marked=[],
            answers=measure.answers,
        )


def _maps(figures: Sequence[object]) -> Iterator[Panel]:
    for figure in figures:
        if isinstance(figure, Heatmap):
            n_heads = len(figure.values[0]) if figure.values else 0
            name, value = figure.baseline or ("", None)
            yield Panel(
                title=figure.title,
                caption=figure.caption,
                unit=figure.unit,
                values=Packed.of(np.array(figure.values, dtype=float).reshape(-1, n_heads)),
                low=figure.low,
                high=figure.high,
                baseline=name,
                baseline_value=value,
                marked=[layer * n_heads + head for layer, head in figure.marked],
                answers="",
            )


def _matrix(figure: Matrix) -> PageMatrix:
    n = len(figure.columns)
    return PageMatrix(
        title=figure.title,
        rows=figure.rows,
        columns=figure.columns,
        breaks=figure.breaks,
        values=Packed.of(np.array(figure.values, dtype=float).reshape(len(figure.rows), n)),
        limit=figure.limit,
        marked=[row * n + column for row, column in figure.marked],
        marks=figure.marks,
    )


def nice_above(value: float, unit: Unit = "rate") -> float:
    """The end of a scale: the next of 1, 2, 5 times a power of ten, or all of it for a share that comes near."""
    if not value > 0:
        return 1.0 if unit == "number" else 0.1
    power = 10.0 ** np.floor(np.log10(value))
    steps = [step * power for step in (1, 2, 5, 10)]
    return float(min(step for step in steps if step >= value * (1 - 1e-9)))


def _largest(values: Float[ndarray, "layer head"]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0


def _table(table: Table) -> PageTable:
    return PageTable(
        name=table.name,
        n_rows=len(table.rows),
        columns=[
            _column(column, [row[i] for row in table.rows])
            for i, column in enumerate(table.columns)
        ],
    )


def _column(column: Column, cells: Sequence[Cell]) -> PageColumn:
    is_text = column.kind == "text" or any(isinstance(cell, str) for cell in cells)
    texts: dict[str, int] = {}
    if is_text:
        codes = [EMPTY if c is None else texts.setdefault(str(c), len(texts)) for c in cells]
        numbers, packed = None, Packed.of(codes, "i4")
    else:
        numbers, packed = Packed.of(np.array(cells, dtype=float), "f8"), None
    return PageColumn(
        name=column.name,
        title=column.title,
        kind=column.kind,
        note=column.note,
        numbers=numbers,
        texts=list(texts),
        codes=packed,
    )
