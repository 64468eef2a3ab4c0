"""Reports as data: what an analysis returns, `results.json` holds and the page is drawn from.

The schema is versioned. Missing numbers are `null` in the file and None here.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import HeadwiseError

SCHEMA_VERSION = 1
MINUS = "\N{MINUS SIGN}"

Verdict = Literal["supported", "not supported", "inconclusive", "description"]
Kind = Literal["text", "integer", "rate", "difference", "offset", "number"]
Cell = str | int | float | None


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Heatmap(_Frozen):
    """One number per layer and head.

    Attributes:
        title: What is shown.
        caption: How to read it.
        values: `[layer][head]`; rates from 0 to 1.
        low: Value at the pale end of the scale.
        high: Value at the dark end of the scale.
        baseline: The number to beat, with its name.
        marked: (layer, head) cells to outline.
    """

    kind: Literal["heatmap"] = "heatmap"
    title: str
    caption: str
    values: list[list[float | None]]
    low: float = 0.0
    high: float = 1.0
    baseline: tuple[str, float | None] | None = None
    marked: list[tuple[int, int]] = []

    @field_validator("values", mode="before")
    @classmethod
    def _from_array(cls, values: object) -> object:
        return _plain(values) if isinstance(values, ndarray) else values


class Matrix(_Frozen):
    """Differences for many questions and every head: rows of questions, columns of heads.

    Attributes:
        title: What is shown.
        caption: How to read it.
        rows: What is asked, one name per row.
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
    values: list[list[float | None]]
    limit: Annotated[float, Field(gt=0)] = 0.5
    marked: list[tuple[int, int]] = []
    marks: str = ""

    @field_validator("values", mode="before")
    @classmethod
    def _from_array(cls, values: object) -> object:
        return _plain(values) if isinstance(values, ndarray) else values


class Series(_Frozen):
    """One line of a chart, with an interval where there is one."""

    name: str
    values: list[float | None]
    low: list[float | None] = []
    high: list[float | None] = []
    is_baseline: bool = False

    @field_validator("values", "low", "high", mode="before")
    @classmethod
    def _from_array(cls, values: object) -> object:
        return _plain(np.asarray(values, dtype=float))


class Lines(_Frozen):
    """Rates, or shares that may be below 0 or above 1, over layers or whatever lies along x."""

    kind: Literal["lines"] = "lines"
    title: str
    caption: str
    x_label: str
    x: list[float]
    series: list[Series]


class Column(_Frozen):
    """One column of a table.

    Attributes:
        name: Name in the CSV file.
        title: Heading on the page.
        kind: How it is written: `rate` and `difference` are shares of 1 shown as percent and points.
        note: What it is, for someone who asks.
    """

    name: str
    title: str
    kind: Kind = "text"
    note: str = ""


class Table(_Frozen):
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

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        *,
        caption: str = "",
        folded: bool = False,
    ) -> "Table":
        """Takes the named columns of a data frame."""
        picked = frame[[column.name for column in columns]]
        rows = [[_cell(value) for value in row] for row in picked.itertuples(index=False)]
        return cls(
            name=name,
            title=title,
            caption=caption,
            columns=list(columns),
            rows=rows,
            folded=folded,
        )

    def to_frame(self) -> pd.DataFrame:
        """The rows as a data frame."""
        return pd.DataFrame(self.rows, columns=[column.name for column in self.columns])


class Source(_Frozen):
    """Where a model or a data set came from."""

    name: str
    path: str = ""
    sha256: str = ""
    license: str = ""
    note: str = ""


class Provenance(_Frozen):
    """Everything needed to obtain the same figures again."""

    created: str
    seconds: float
    command: str
    seed: int
    smoke: bool
    device: str
    dtype: str
    platform: str
    versions: dict[str, str]
    commit: str
    dirty: bool | None
    model: Source
    data: Source


class Report(_Frozen):
    """The answer to one question about one model.

    Attributes:
        analysis: Name of the analysis.
        model: Name of the model.
        question: The question, in plain words.
        verdict: What the evidence amounts to, by the rule stated in `method`.
        answer: One sentence with its numbers; never stronger than the verdict.
        figures: In order of importance.
        tables: In order of importance.
        not_found: What was looked for and is not there, and what was not looked for.
        method: Paragraphs in plain words.
        references: Papers that the method comes from.
        provenance: Filled in by the runner.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    analysis: str
    model: str
    question: str
    verdict: Verdict
    answer: str
    figures: list[Annotated[Heatmap | Matrix | Lines, Field(discriminator="kind")]]
    tables: list[Table]
    not_found: list[str]
    method: list[str]
    references: list[str]
    provenance: Provenance | None = None

    @property
    def slug(self) -> str:
        """Name of the report's folder."""
        safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in self.model)
        return f"{self.analysis}-{safe}"


def load_report(path: Path) -> Report:
    """Reads `results.json`.

    Raises:
        HeadwiseError: Not a report, cut short, or of another schema version.
    """
    try:
        data: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise HeadwiseError(f"{path}: cannot be read as a report: {error}.") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise HeadwiseError(
            f"{path}: a report of schema version {version!r}, expected {SCHEMA_VERSION}. Run the analysis again."
        )
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise HeadwiseError(
            f"{path}: not a complete report: {'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from error


def head_name(layer: int, head: int) -> str:
    """How a head is written, e.g. `L2H8`."""
    return f"L{layer}H{head}"


def percent(rate: float) -> str:
    """A rate for a sentence, e.g. `79%`."""
    return "n/a" if math.isnan(rate) else f"{100 * rate:.0f}%"


def signed(offset: int) -> str:
    """A number of words to the right, e.g. `+1`, with a real minus sign to the left."""
    return f"{offset:+d}".replace("-", MINUS)


def points(value: float, low: float, high: float) -> str:
    """A difference of rates and its interval for a sentence, e.g. `+4.7 points [+2.4, +7.1]`."""
    interval = (
        "too few groups for an interval"
        if math.isnan(low)
        else f"{100 * low:+.1f}, {100 * high:+.1f}"
    )
    return f"{100 * value:+.1f} points [{interval}]".replace("-", MINUS)


def verdict_of(intervals: Sequence[tuple[float, float]]) -> Verdict:
    """What several differences amount to together.

    Supported if every interval lies above 0, not supported if one lies at or below it, and
    otherwise - or where an interval is missing - inconclusive.
    """
    if any(high <= 0 for _, high in intervals):
        return "not supported"
    return "supported" if all(low > 0 for low, _ in intervals) else "inconclusive"


def _plain(values: ndarray) -> object:
    """Nested lists with None for NaN."""
    if values.ndim > 1:
        return [_plain(row) for row in values]
    return [None if math.isnan(value) else float(value) for value in values]


def _cell(value: object) -> Cell:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if isinstance(value, str | int) else str(value)
