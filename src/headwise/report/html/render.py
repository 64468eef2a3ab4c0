"""HTML from reports alone: the same report twice gives the same bytes.

Everything that comes from data passes Jinja's autoescape, or travels as JSON and is made text by the page's own script. The
content security policy lets in this one script, by its hash, and nothing from outside.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import count, repeat
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from headwise._formatting import MINUS, head_name
from headwise.report.schema import VERDICTS, Figure, Heatmap, Lines, Report, Section

from .bundle import bundle, styles
from .charts import draw_lines
from .payload import page_of

MISSING = "\N{EN DASH}"


def render_report(report: Report, *, bare: bool = False) -> str:
    """The page of one report.

    Args:
        report: The report.
        bare: Whether to leave out all prose, for a notebook's cell.
    """
    page = page_of(report)
    maps = _maps_of_heads(report)
    numbers = {id(table): i for i, table in enumerate(report.tables)}
    data = json.dumps(page.model_dump(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            page=page,
            bare=bare,
            data=_inert(data),
            maps=maps,
            sections=_parts(report, has_maps_above=bool(maps)),
            table_number=lambda table: numbers[id(table)],
        )
    )


def render_index(reports: Sequence[Report], damaged: Sequence[str] = ()) -> str:
    """The page that compares reports, questions down and models across, and names those that cannot be read."""
    analyses = sorted({report.analysis for report in reports})
    models = sorted({report.model for report in reports})
    cells = {(report.analysis, report.model): report for report in reports}
    return (
        _environment()
        .get_template("index.html.j2")
        .render(analyses=analyses, models=models, cells=cells, damaged=damaged)
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
    script = bundle()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    names: dict[str, Any] = environment.globals
    names |= {
        "style": Markup(styles()),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
    }
    filters: dict[str, Any] = environment.filters
    filters |= {"chart": _chart, "percent": _percent, "tally": tally, "looked_for": looked_for}
    return environment


def _inert(data: str) -> Markup:
    """JSON that no parser of HTML can take for anything else."""
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    return Markup(data)


def _numbered(report: Report) -> dict[int, int]:
    """By figure, the number by which the scripts know it."""
    panels = count(len(report.heads.measures) if report.heads else 0)
    numbers = {"heatmap": panels, "matrix": count(), "lines": repeat(-1)}
    return {id(figure): next(numbers[figure.kind]) for figure in report.figures}


def _maps_of_heads(report: Report) -> list[int]:
    """Numbers of the maps that stand for the evidence on every head, where no kind of evidence was tested."""
    if report.heads and report.heads.measures:
        return []
    numbers = _numbered(report)
    return [numbers[id(figure)] for figure in report.figures if isinstance(figure, Heatmap)]


def _parts(
    report: Report, *, has_maps_above: bool
) -> list[tuple[Section, list[tuple[Figure, int]]]]:
    """Sections, each with the figures that it shows itself."""
    numbers = _numbered(report)
    return [
        (s, [(f, numbers[id(f)]) for f in s.figures if not (has_maps_above and isinstance(f, Heatmap))])
        for s in report.sections
    ]  # fmt: skip


def tally(report: Report) -> list[tuple[str, int]]:
    """How many heads have which verdict."""
    letters = Counter(report.heads.verdicts if report.heads else "")
    return [(name, letters[letter]) for name, letter in VERDICTS.items() if letters[letter]]


def looked_for(report: Report, verdict: str, most: int = 6) -> str:
    """The heads of a verdict by name."""
    if report.heads is None:
        return ""
    n = report.heads.n_heads
    names = [
        head_name(i // n, i % n)
        for i, letter in enumerate(report.heads.verdicts)
        if letter == VERDICTS[verdict]
    ]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _chart(chart: Lines) -> Markup:
    return Markup(draw_lines(chart))


def _percent(value: float | None) -> str:
    if value is None:
        return MISSING
    text = f"{100 * value:.0f}"
    return text.lstrip("-") if not text.strip("-0") else text.replace("-", MINUS)
