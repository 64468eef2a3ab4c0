"""HTML from a report and nothing else; rendering the same report twice gives the same bytes.

Everything that comes from data passes Jinja's autoescape. The page holds no script and its
content security policy lets nothing in from outside.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..results import MINUS, Cell, Column, Heatmap, Kind, Lines, Matrix, Report
from .figures import draw_lines

MISSING = "\N{EN DASH}"


def render_report(report: Report) -> str:
    """The page of one report."""
    return _environment().get_template("report.html.j2").render(report=report)


def render_index(reports: Sequence[Report]) -> str:
    """The page that lists reports, questions down and models across."""
    analyses = sorted({report.analysis for report in reports})
    models = sorted({report.model for report in reports})
    cells = {(report.analysis, report.model): report for report in reports}
    return (
        _environment()
        .get_template("index.html.j2")
        .render(analyses=analyses, models=models, cells=cells)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("headwise", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("headwise").joinpath("report/static/report.css").read_text(encoding="utf-8")
    names: dict[str, Any] = environment.globals
    names["style"] = Markup(style)
    filters: dict[str, Any] = environment.filters
    filters |= {
        "cell": _cell,
        "strength": _strength,
        "percent": _percent,
        "size": _size,
        "in_points": _in_points,
        "span": _span,
        "chart": _chart,
        "align": _align,
    }
    return environment


def _chart(chart: Lines) -> Markup:
    return Markup(draw_lines(chart))


def _percent(value: float | None) -> str:
    return MISSING if value is None else str(round(100 * value)).replace("-", MINUS)


def _strength(value: float | None, heatmap: Heatmap) -> float:
    """Where a value lies between the pale (0) and the dark (1) end of a scale."""
    if value is None:
        return 0.0
    width = heatmap.high - heatmap.low
    return round(min(1.0, max(0.0, (value - heatmap.low) / width if width else 0.0)), 3)


def _size(value: float | None, limit: float) -> float:
    """Where a difference lies between 0 or less (pale) and the limit (strong)."""
    return 0.0 if value is None else round(min(1.0, max(0.0, value) / limit), 2)


def _in_points(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:+.0f}".replace("-", MINUS)


def _span(matrix: Matrix, first: int) -> int:
    """Columns from one break to the next."""
    ends = [end for end in (*matrix.breaks, len(matrix.columns)) if end > first]
    return min(ends) - first


def _align(kind: Kind) -> str:
    return "text" if kind == "text" else "number"


def _cell(value: Cell, column: Column) -> str:
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    text = {
        "text": "{}",
        "integer": "{:,.0f}",
        "rate": "{:.1%}",
        "difference": "{:+.1f}",
        "offset": "{:+d}",
        "number": "{:.4g}",
    }[column.kind].format(100 * value if column.kind == "difference" else value)
    return text.replace("-", MINUS)
