"""Columns of tables: name, title, unit and meaning of each, declared once for documentation, pages and files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from ._formatting import Unit
from ._validate import one_of


class Changes(TypedDict, total=False):
    """What a table may change of a column that it shows."""

    name: str
    title: str
    unit: Unit
    meaning: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its name in data frames and files.
        title: Its heading on a page.
        unit: How its numbers are written: `rate` and `difference` are shares of 1, shown as percent and points.
        meaning: What it is, for a tooltip.
    """

    name: str
    title: str
    unit: Unit = "text"
    meaning: str = ""

    def but(self, **changes: Unpack[Changes]) -> "Column":
        """The same column with changes, as `columns["effect"].but(title="Step")`."""
        return replace(self, **changes)


class Columns(Mapping[str, Column]):
    """Columns by name, in order."""

    def __init__(self, *columns: "Column | Columns") -> None:
        """Columns, and those of other such collections; of two of one name the last counts."""
        self._columns: dict[str, Column] = {}
        for given in columns:
            for column in given.values() if isinstance(given, Columns) else [given]:
                self._columns[column.name] = column

    def __getitem__(self, name: str) -> Column:
        return self._columns[one_of(name, self._columns, "column")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __repr__(self) -> str:
        return f"Columns({', '.join(self)})"

    def pick(self, *names: str | Column) -> "Columns":
        """Some columns in the order in which they are named.

        Args:
            names: Names; or columns for what a table shows besides, or shows with changes (see `Column.but`).

        Raises:
            UnknownName: A name that is not among them; the message has the nearest.
        """
        return Columns(*(self[name] if isinstance(name, str) else name for name in names))


def interval(of: str, unit: Unit = "number", over: str = "clusters") -> Columns:
    """`<of>_low` and `<of>_high`, the ends of a 95% interval over clusters, groups or whatever varies."""
    return Columns(
        Column(f"{of}_low", "from", unit, f"Lower end of its 95% interval over {over}"),
        Column(f"{of}_high", "to", unit, f"Upper end of its 95% interval over {over}"),
    )


def columns_of_heads(*, side: bool = False) -> Columns:
    """`side`, `layer` and `head`, as in most tables."""
    first = [Column("side", "Side", "text", "`encoder`, `decoder` or `cross`; empty in a model of one stack")]  # fmt: skip
    return Columns(
        *(first if side else []),
        Column("layer", "Layer", "integer", "Counted from 0"),
        Column("head", "Head", "integer", "Counted from 0 in its layer"),
    )
