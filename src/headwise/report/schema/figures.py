"""Figures as data."""

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy import ndarray
from pydantic import Field, field_validator, model_validator

from headwise._formatting import Unit

from .packed import Frozen, Grid, Number, plain


class Heatmap(Frozen):
    """One number per layer and head.

    Attributes:
        title: What is shown.
        caption: How to read it.
        values: `[layer][head]`.
        low: Value at the pale end of the scale; what is lower is as pale.
        high: Value at the dark end of the scale.
        baseline: The number to beat, with its name.
        marked: (layer, head) cells to outline.
        unit: How a value is written: a `rate` or `difference` is a share of 1.
    """

    kind: Literal["heatmap"] = "heatmap"
    title: str
    caption: str
    values: Grid
    low: Number = 0.0
    high: Number = 1.0
    baseline: tuple[str, Number | None] | None = None
    marked: list[tuple[int, int]] = []
    unit: Unit = "rate"

    @model_validator(mode="after")
    def _fits(self) -> "Heatmap":
        if not self.values or not self.values[0]:
            raise ValueError("a map without a head")
        _check_marked(self.marked, len(self.values), len(self.values[0]))
        return self

    @classmethod
    def of_shares(cls, title: str, caption: str, values: ndarray, *, steps: int = 10) -> "Heatmap":
        """Shares of something, from zero to the largest, which is outlined; the scale ends at the next of so many steps of 1."""
        layer, head = np.unravel_index(int(np.nanargmax(values)), values.shape)
        high = max(0.1, float(np.ceil(steps * np.nanmax(values)) / steps))
        return cls(title=title, caption=caption, values=values, high=high, marked=[(int(layer), int(head))])  # pyright: ignore[reportArgumentType]  # fmt: skip


class Matrix(Frozen):
    """Differences for many questions and every head: rows of questions, columns of heads.

    Attributes:
        title: What is shown.
        caption: How to read it.
        rows: The questions, one name per row.
        columns: Names of the heads.
        breaks: Columns before which a new layer begins.
        values: `[row][column]`; shares of 1, shown as points.
        limit: Difference at which colours are strongest; 0 and less is pale.
        marked: (row, column) cells to outline.
        marks: What an outlined cell is.
    """

    kind: Literal["matrix"] = "matrix"
    title: str
    caption: str
    rows: list[str]
    columns: list[str]
    breaks: list[int] = []
    values: Grid
    limit: Annotated[Number, Field(gt=0)] = 0.5
    marked: list[tuple[int, int]] = []
    marks: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Matrix":
        shape = [len(row) for row in self.values]
        if shape != [len(self.columns)] * len(self.rows):
            raise ValueError(f"not one value for each of {len(self.rows)} rows and {len(self.columns)} columns")  # fmt: skip
        _check_marked(self.marked, len(self.rows), len(self.columns))
        if not all(0 <= column <= len(self.columns) for column in self.breaks):
            raise ValueError("a break where there is no column")
        return self


def _check_marked(marked: list[tuple[int, int]], n_rows: int, n_columns: int) -> None:
    if not all(0 <= row < n_rows and 0 <= column < n_columns for row, column in marked):
        raise ValueError("a cell is marked that is not there")


class Series(Frozen):
    """One line of a chart, with an interval where there is one."""

    name: str
    values: list[Number | None]
    low: list[Number | None] = []
    high: list[Number | None] = []
    is_baseline: bool = False

    @classmethod
    def of(
        cls, name: str, rows: pd.DataFrame, column: str, *, is_baseline: bool = False
    ) -> "Series":
        """A column of a table, with its interval from `<column>_low` to `<column>_high`."""
        values, low, high = (rows[name].tolist() for name in (column, f"{column}_low", f"{column}_high"))  # fmt: skip
        return cls(name=name, values=values, low=low, high=high, is_baseline=is_baseline)

    @field_validator("values", "low", "high", mode="before")
    @classmethod
    def _from_array(cls, values: object) -> object:
        return plain(np.asarray(values, dtype=float))


class Lines(Frozen):
    """Rates, or shares that may be below 0 or above 1, over layers or whatever lies along x."""

    kind: Literal["lines"] = "lines"
    title: str
    caption: str
    x_label: str
    x: list[Number]
    series: list[Series]

    @model_validator(mode="after")
    def _fits(self) -> "Lines":
        for own in self.series:
            if len(own.values) != len(self.x) or {len(own.low), len(own.high)} not in ({0}, {len(self.x)}):  # fmt: skip
                raise ValueError(f"{own.name}: not one value for each of {len(self.x)} points")
        return self


Figure = Annotated[Heatmap | Matrix | Lines, Field(discriminator="kind")]
