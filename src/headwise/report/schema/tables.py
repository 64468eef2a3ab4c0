"""Tables as data."""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from headwise._columns import Columns
from headwise._formatting import Unit

from .packed import Frozen

Cell = str | int | float | None


class Column(Frozen):
    """One column of a table.

    Attributes:
        name: Name in the CSV file.
        title: Heading on the page.
        kind: How it is written: `rate` and `difference` are shares of 1 shown as percent and points.
        note: What it is, shown on demand.
    """

    name: str
    title: str
    kind: Unit = "text"
    note: str = ""


class Table(Frozen):
    """Rows of a finding.

    Attributes:
        name: File name of its CSV, without ending.
        title: Heading on the page.
        caption: How to read it.
        columns: In order.
        rows: One list per row, in the order of the columns.
        folded: Whether the page shows it only when opened.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    title: str
    caption: str = ""
    columns: list[Column]
    rows: list[list[Cell]]
    folded: bool = False

    @model_validator(mode="after")
    def _a_cell_for_each_column(self) -> "Table":
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {i} of the table {self.name!r} has {len(row)} cells for {len(self.columns)} columns"
                )
        return self

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        frame: pd.DataFrame,
        columns: Columns | Sequence[Column],
        *,
        caption: str = "",
        folded: bool = False,
    ) -> "Table":
        """Takes the named columns of a data frame.

        Args:
            name: File name of its CSV, without ending.
            title: Heading on the page.
            frame: Holds the columns, and maybe others.
            columns: Those that are shown, as `CircuitResult.columns.pick("layer", "head", "norm")`.
            caption: How to read it.
            folded: Whether the page shows it only when opened.
        """
        shown = shown_as(columns) if isinstance(columns, Columns) else list(columns)
        picked = frame[[column.name for column in shown]]
        rows = [[_cell(value) for value in row] for row in picked.itertuples(index=False)]
        return cls(
            name=name,
            title=title,
            caption=caption,
            columns=shown,
            rows=rows,
            folded=folded,
        )

    def to_frame(self) -> pd.DataFrame:
        """The rows as a data frame."""
        return pd.DataFrame(self.rows, columns=[column.name for column in self.columns])


def shown_as(columns: Columns) -> list[Column]:
    """Columns as a report holds them."""
    return [
        Column(name=c.name, title=c.title, kind=c.unit, note=c.meaning) for c in columns.values()
    ]


def _cell(value: object) -> Cell:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isinf(value):  # which JSON cannot hold, and an empty cell would hide
            return "infinite" if value > 0 else "\N{MINUS SIGN}infinite"
        return None if math.isnan(value) else value
    return value if isinstance(value, str | int) else str(value)
