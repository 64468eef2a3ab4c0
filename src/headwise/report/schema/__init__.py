"""Reports as data: what an analysis returns, `results.json` holds and the page is drawn from."""

from headwise._formatting import MINUS, Verdict, could_be_found, head_name, percent, points, signed

from .attention import Attention, Example, Linked, Marked, Telling, Text
from .figures import Figure, Heatmap, Lines, Matrix, Series
from .head_cards import ANSWERS, VERDICTS, Detail, Heads, Measure, Writes, Written
from .packed import Frozen, Packed
from .report import SCHEMA_VERSION, Provenance, Report, Source, load_report, slug_of
from .section import Section
from .tables import Cell, Column, Table

__all__ = [
    "ANSWERS",
    "MINUS",
    "SCHEMA_VERSION",
    "VERDICTS",
    "Attention",
    "Cell",
    "Column",
    "Detail",
    "Example",
    "Figure",
    "Frozen",
    "Heads",
    "Heatmap",
    "Lines",
    "Linked",
    "Marked",
    "Matrix",
    "Measure",
    "Packed",
    "Provenance",
    "Report",
    "Section",
    "Series",
    "Source",
    "Table",
    "Telling",
    "Text",
    "Verdict",
    "Writes",
    "Written",
    "could_be_found",
    "head_name",
    "load_report",
    "percent",
    "points",
    "signed",
    "slug_of",
]
