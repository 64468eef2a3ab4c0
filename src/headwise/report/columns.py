"""The reference of columns: the meaning of every number in every result's table, as a page of the documentation.

    python -m headwise.report.columns docs/results.md

writes the page; a test sees to it that the one in `docs/` is up to date.
"""

import sys
from pathlib import Path

from headwise import attention, directions, interventions, probing, weights
from headwise._columns import Columns
from headwise._result import Result, SavedResult
from headwise.interventions import steering

PACKAGES = (attention, probing, weights, directions, interventions, steering)
UNITS = {
    "rate": "share of 1 (percent on a page)",
    "difference": "difference of shares (points on a page)",
}
START = """# What the numbers of each result are

Every test returns a result with a `table`, one row per thing tested. `result.grid("effect")` gives a column as [layer, head],
`result.row(name="L3H7")` the one row of a head, `result.significant()` the rows that pass the test of that result over the whole family,
`result.save(folder)` and `headwise.Result.load(folder)` keep it, and `result.view()` shows it. `result.columns` holds what follows, from
which this page is made.
"""


def results() -> list[type[Result]]:
    """Every class of results, by package."""
    public = [getattr(package, name) for package in PACKAGES for name in package.__all__]
    return [c for c in public if isinstance(c, type) and issubclass(c, Result) and c is not SavedResult]  # fmt: skip


def reference() -> str:
    """The page, the same for the same columns."""
    parts = [START]
    for kind in results():
        parts.append(f"## {kind.__name__}\n\n{_first(kind)}\n\n{_rows(kind.columns)}")
        parts += [f"`{name}`:\n\n{_rows(columns)}" for name, columns in kind.further.items()]
    return "\n".join(parts)


def _first(kind: type[Result]) -> str:
    return (kind.__doc__ or "").split("\n")[0]


def _rows(columns: Columns) -> str:
    lines = ["| column | on a page | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{c.name}` | {c.title} | {UNITS.get(c.unit, c.unit)} | {c.meaning} |" for c in columns.values()]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
