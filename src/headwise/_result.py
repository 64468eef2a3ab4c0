"""What every result can do: say in a line what it is, show its table, and be viewed as a page."""

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from .report.notebook import View

ROWS = 8  # of a table that a notebook shows


class Viewable:
    """What can show itself."""

    def view(self, *, height: int = 720) -> "View":
        """This result in a notebook, see `headwise.show`."""
        # The only way up in the package: whoever asks for a view wants the page.
        from .report.notebook import show

        return show(self, height=height)


class Result(Viewable):
    """What a test found; subclasses are frozen dataclasses with a `model`, a `suite` and mostly a `table`."""

    def __repr__(self) -> str:
        asked = [str(name) for name in (getattr(self, part, None) for part in ("model", "suite")) if isinstance(name, str)]  # fmt: skip
        table: object = getattr(self, "table", None)
        size = f": {len(table):,} rows" if isinstance(table, pd.DataFrame) else ""
        return f"{type(self).__name__}({', '.join(asked)}{size})"

    def _repr_html_(self) -> str:
        from html import escape

        table: object = getattr(self, "table", None)
        shown = table.head(ROWS).to_html(index=False) if isinstance(table, pd.DataFrame) else ""
        return f"<p>{escape(repr(self))}; <code>.view()</code> shows it whole</p>{shown}"
