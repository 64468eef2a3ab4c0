"""Charts that matplotlib draws, as SVG that takes its colours from the page's style sheet."""

import io
import re
import warnings
from typing import Any

from headwise._formatting import MINUS
from headwise.report.schema import Lines

# Stand-ins that no chart would use by itself; the page replaces them by its own colours.
INK, MUTED, ACCENT, GRID = "#010203", "#040506", "#070809", "#0a0b0c"
VARIABLES = {INK: "--ink", MUTED: "--muted", ACCENT: "--accent", GRID: "--rule"}
LONGEST = 40  # characters of a label
DASHES = ["-", (0, (5, 2)), (0, (1, 2)), (0, (5, 2, 1, 2))]
SAMPLES = [
    "\N{EM DASH}",
    "- -",
    "\N{MIDDLE DOT}\N{MIDDLE DOT}\N{MIDDLE DOT}",
    "-\N{MIDDLE DOT}-",
]  # how each looks in a label


def draw_lines(chart: Lines) -> str:
    """A line chart of rates over layers as an `<svg>` element, the same for the same data."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "headwise",
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "axes.edgecolor": GRID,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Text stays text, in the reader's fonts: what matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(5.6, 3.3), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        _plot(axes, chart)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(buffer.getvalue(), chart.title)


def _plot(axes: Any, chart: Lines) -> None:
    styles = list(zip(DASHES, SAMPLES, strict=True))
    dashes = {True: iter(styles * 9), False: iter(styles * 9)}
    ends: list[tuple[float, str, str]] = []
    for series in chart.series:
        colour = MUTED if series.is_baseline else ACCENT
        values = [float("nan") if value is None else 100 * value for value in series.values]
        style, sample = next(dashes[series.is_baseline])
        axes.plot(
            chart.x,
            values,
            color=colour,
            linestyle=style,
            linewidth=1.1 if series.is_baseline else 2,
            marker=None if series.is_baseline else "o",
            markersize=3.5,
        )
        if series.low and series.high:
            low, high = (
                [float("nan") if value is None else 100 * value for value in ends]
                for ends in (series.low, series.high)
            )
            axes.fill_between(chart.x, low, high, color=colour, alpha=0.13, linewidth=0)
        ends.append((values[-1], f"{sample} {_short(series.name)}", colour))
    low, high = _range(chart)
    for height, name, colour in _spread(ends, 0.07 * (high - low), high):
        axes.annotate(
            name,
            (chart.x[-1], height),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
            parse_math=False,
        )
    axes.set_xlabel(_short(chart.x_label), parse_math=False)
    ticks = chart.x if len(chart.x) <= 16 else chart.x[:: len(chart.x) // 12]
    axes.set_xticks(ticks, [f"{x:g}".replace("-", MINUS) for x in ticks])
    axes.set_ylim(low - 0.02 * (high - low) * (low < 0), high + 0.02 * (high - low))
    if (low, high) == (0, 100):
        axes.set_yticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
    else:
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}%".replace("-", MINUS))
        axes.axhline(0, color=GRID, linewidth=1.2)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)


def _short(name: str) -> str:
    """A label that leaves room for the chart; what no font can draw is left out."""
    name = "".join(character for character in name if character.isprintable())
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _range(chart: Lines) -> tuple[float, float]:
    """What the vertical axis covers, in percent: 0 to 100, and more if something lies outside."""
    values = [v for series in chart.series for v in series.values if v is not None]
    ends = [v for s in chart.series for v in (*s.low, *s.high) if v is not None]
    low, high = min([0.0, *values]), max([1.0, *values])
    # An interval may widen the axis, yet not so far that the lines become flat.
    low = min([low, *(max(v, low - 0.25) for v in ends)])
    high = max([high, *(min(v, high + 0.25) for v in ends)])
    return 100 * low, 100 * high


def _spread(
    ends: list[tuple[float, str, str]], gap: float, top: float
) -> list[tuple[float, str, str]]:
    """Separates labels at the right edge so that none covers another."""
    placed: list[tuple[float, str, str]] = []
    floor = min((height for height, _, _ in ends), default=0.0) - gap
    for height, name, colour in sorted(ends):
        floor = max(height, floor + gap)
        placed.append((floor, name, colour))
    over = max(0.0, placed[-1][0] - top) if placed else 0.0
    return [(height - over, name, colour) for height, name, colour in placed]


def _for_page(svg: str, title: str) -> str:
    """Removes the XML preamble, fixed size and fixed colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font: \1px var(--sans)", svg)
    for stand_in, variable in VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return svg.replace("<svg", '<svg role="img" aria-hidden="true"', 1)
