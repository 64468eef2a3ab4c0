"""Pages and files: a report becomes one offline HTML file, `results.json` and CSV tables."""

from . import sections
from .files import Place, check_writable, render_again, write_index, write_report
from .html.render import render_index, render_report

__all__ = [
    "Place",
    "check_writable",
    "render_again",
    "render_index",
    "render_report",
    "sections",
    "write_index",
    "write_report",
]
