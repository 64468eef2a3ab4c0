"""Results in a notebook: the components of a report's page, offline.

A view is a page of its own in a frame that may run its own script and nothing else, so that nothing of it meets the notebook's styles and
names. Nothing is loaded, and showing it again gives the same.
"""

from html import escape
from pathlib import Path

from headwise._files import write_text
from headwise._validate import as_path

from .html.render import render_report
from .schema import Report
from .sections.single_result import report_of

HEIGHT = 720  # pixels; the frame scrolls


class View:
    """A page, in a notebook or as a file.

    Attributes:
        html: The page, whole.
        height: Height of the frame in a notebook, in pixels.
    """

    def __init__(self, report: Report, *, whole: bool = False, height: int = HEIGHT) -> None:
        self.html = render_report(report, bare=not whole)
        self.height = height
        self._what = f"{report.analysis} of {report.model}"

    def __repr__(self) -> str:
        return f"View({self._what}, {len(self.html) / 1e6:.1f} MB; a notebook shows it, .save(path) writes it)"

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self._what)}" srcdoc="{escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
            '<p style="font-size: small; opacity: 0.7">Nothing above? Then this place takes frames or scripts away: '
            '<code>.save("page.html")</code> writes the page.</p>'
        )

    def save(self, path: str | Path) -> Path:
        """Writes the page, which needs no other file.

        Raises:
            HeadwiseError: It cannot be written.
        """
        return write_text(as_path(path), self.html)


def show(result: object, *, height: int = HEIGHT) -> View:
    """A result as a view: grids of heads, cards, pictures and tables as in a report.

    Args:
        result: What a test returned, or a `Report`.
        height: Height of the frame in a notebook, in pixels.

    Raises:
        HeadwiseError: It is nothing that can be shown.
    """
    return View(report_of(result), whole=isinstance(result, Report), height=height)
