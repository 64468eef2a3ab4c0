"""Results: one line, a table, grids, rows, what is significant, saving and viewing, for every test alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from . import _saved_results as saved
from ._columns import Columns
from ._formatting import head_name
from ._saved_results import Contents
from ._validate import as_path, one_of
from .errors import HeadwiseError, UnknownName

if TYPE_CHECKING:
    from .report.notebook import View

ROWS = 8  # of a table that a notebook shows
LONGEST = 200  # characters of a line
SHOWN = 4  # names in a line
PLACES = ("side", "layer", "head")


class Viewable:
    """What can show itself."""

    def view(self, *, height: int = 720) -> "View":
        """This result in a notebook, see `headwise.show`."""
        # The only way up in the package: whoever asks for a view wants the page.
        from .report.notebook import show

        return show(self, height=height)


class Result(Viewable):
    """What a test found; subclasses are frozen dataclasses with a `model`, mostly a `suite`, and a `table`.

    Attributes:
        table: What was found: one row per thing tested.
        columns: What each column of it is.
        further: Names of further tables, and what their columns are.
    """

    table: pd.DataFrame
    columns: ClassVar[Columns]
    further: ClassVar[Mapping[str, Columns]] = MappingProxyType({})

    @property
    def kind(self) -> str:
        """Name of its class, kept when it is saved."""
        return type(self).__name__

    def __repr__(self) -> str:
        parts = ", ".join(filter(None, (_text(self, "model"), _text(self, "suite"))))
        line = f"{self.kind}({parts}: {self._summary()})"
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 4]}...)"

    def _repr_html_(self) -> str:
        titles = {c.name: c.title for c in self.columns.values()}
        # Titles such as "from" may stand twice, so they are set and not mapped.
        shown = self.table.head(ROWS).set_axis([titles.get(str(c), str(c)) for c in self.table], axis=1)  # fmt: skip
        rows = shown.to_html(index=False, na_rep="", float_format=lambda x: f"{x:.3g}")
        return f"<p>{escape(repr(self))}; <code>.view()</code> shows it whole</p>{rows}"

    def _summary(self) -> str:
        """What was found, in a few words."""
        return f"{len(self.table):,} rows"

    def _found(self, verb: str) -> str:
        """How many are significant, and the first of them, as `3 needed: L3H7, L2H1, L3H0`."""
        names = list(dict.fromkeys(_names(self.significant())))
        more = ", ..." if len(names) > SHOWN else ""
        return f"{len(names)} {verb}: {', '.join(names[:SHOWN])}{more}" if names else f"none {verb}"

    def grid(self, column: str, **where: object) -> Float[ndarray, "layer head"]:
        """A column of the table as layers x heads.

        Args:
            column: Which; numbers, or yes and no as 1 and 0.
            where: Values that select one row per head, as `method="mean"`.

        Returns:
            NaN where a head was not tested.

        Raises:
            UnknownName: No such column, or a value that it does not have.
            HeadwiseError: The table has no rows of single heads, several rows are left for a head, or the column holds text.
        """
        one_of(column, list(self.table), "column")
        values = self.table[column]
        if not pd.api.types.is_numeric_dtype(values):
            raise HeadwiseError(f"The column {column!r} holds text, of which there is no grid; row(...) gives it.")  # fmt: skip
        heads, rows = self._of_heads({}), self._of_heads(where)
        several = rows.duplicated(["layer", "head"], keep=False)
        if several.any():
            raise self._ambiguous(rows.loc[several], "a head", where)
        if "side" in rows and len(rows):
            heads = heads.loc[heads["side"] == rows["side"].iloc[0]]
        shape = (_count(heads["layer"].tolist()), _count(heads["head"].tolist()))
        found = np.full(shape, np.nan)
        at = rows["layer"].to_numpy(int), rows["head"].to_numpy(int)
        found[at] = rows[column].to_numpy(float, na_value=np.nan)
        return found

    def row(self, **where: object) -> pd.Series:
        """The one row of the table with given values, as `row(name="L3H7", method="mean")`.

        Raises:
            UnknownName: No such column, or a value that it does not have.
            HeadwiseError: No row has them all, or several have.
        """
        rows = self._where(where)
        if len(rows) > 1:
            raise self._ambiguous(rows, "this request", where)
        if rows.empty:
            raise HeadwiseError(f"No row of {self!r} has {_told(where)}.")
        return rows.iloc[0]

    def significant(self) -> pd.DataFrame:
        """The rows that pass the family-wise test of this result and exceed its controls, strongest first.

        Raises:
            HeadwiseError: It has no test of its own.
        """
        raise HeadwiseError(self._untested())

    def _untested(self) -> str:
        """Why there is no test, and what to do."""
        return f"A {self.kind} has no test of its own: read its numbers and their intervals in `table`."

    def save(self, folder: str | Path) -> Path:
        """Writes a folder from which `Result.load` brings back the tables and all that this class offers.

        Args:
            folder: A new one, or that of an earlier result, which is replaced. It holds tables as CSV, arrays as safetensors, and `result.json`,
                which says what they are.

        Raises:
            HeadwiseError: It cannot be written, or holds something else.
        """
        return saved.write(as_path(folder), self._contents())

    @classmethod
    def load(cls, folder: str | Path) -> "SavedResult":
        """Reads what `save` wrote: what was found, not all from which it was found.

        Args:
            folder: As given to `save`.

        Raises:
            HeadwiseError: Nothing is there, it is something else (or another kind of result than this class), or it is damaged.
        """
        contents = saved.read(as_path(folder))
        if cls not in (Result, SavedResult) and contents.kind != cls.__name__:
            raise HeadwiseError(f"{str(folder)!r} holds a {contents.kind}, not a {cls.__name__}; headwise.Result.load reads any.")  # fmt: skip
        return SavedResult(contents)

    def _contents(self) -> Contents:
        passed, why_none = self._passed()
        own = [f.name for f in fields(self)] if is_dataclass(self) else []
        return Contents(
            kind=self.kind,
            model=_text(self, "model"),
            suite=_text(self, "suite"),
            summary=self._summary(),
            significant=passed,
            why_none=why_none,
            columns=self.columns,
            table=self.table.reset_index(drop=True),
            further={name: getattr(self, name).reset_index(drop=True) for name in self.further},
            arrays={k: x for name in own for k, x in saved.numbers_in(getattr(self, name), name).items()},
        )  # fmt: skip

    def _passed(self) -> tuple[list[int] | None, str]:
        """Numbers of the significant rows, or why there are none to tell."""
        try:
            rows = self.significant()
        except HeadwiseError as error:
            return None, str(error)
        return self.table.index.get_indexer(rows.index).tolist(), ""

    def _where(self, where: Mapping[str, object]) -> pd.DataFrame:
        """Rows that have some values."""
        rows = self.table
        for name, value in where.items():
            values = self.table[one_of(name, list(self.table), "column")]
            if not np.any((values == value).fillna(False).to_numpy(bool)):
                known = values.dropna().unique().tolist()
                raise UnknownName(f"No row has {name}={value!r}; known are {_some(known)}.")
            rows = rows.loc[(rows[name] == value).fillna(False).to_numpy(bool)]
        return rows

    def _of_heads(self, where: Mapping[str, object]) -> pd.DataFrame:
        if not {"layer", "head"} <= set(self.table):
            raise HeadwiseError(f"The table of {self!r} has no rows of single heads; its columns are {', '.join(self.table)}.")  # fmt: skip
        return self._where(where).dropna(subset=["layer", "head"])

    def _ambiguous(self, rows: pd.DataFrame, of: str, where: Mapping[str, object]) -> HeadwiseError:
        """What several rows can be told apart by."""
        apart = [
            f"{name}= ({_some(values)})"
            for name in rows
            if str(name) not in where and not pd.api.types.is_float_dtype(rows[name])
            and len(values := rows[name].dropna().unique().tolist()) > 1
        ]  # fmt: skip
        return HeadwiseError(f"Several rows are left for {of}: say which, by {'; '.join(apart)}.")


@dataclass(frozen=True, eq=False, repr=False)
class SavedResult(Result):
    """A result read from its folder: `table`, `grid`, `row`, `significant` and `view` are those of the one that was saved.

    Attributes:
        contents: All that was kept: further tables (`contents.further`) and arrays (`contents.arrays`), too.
    """

    contents: Contents

    @property
    def kind(self) -> str:
        """Class of the result that was saved."""
        return self.contents.kind

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.contents.model

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.contents.suite

    @property
    def table(self) -> pd.DataFrame:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What was found."""
        return self.contents.table

    @property
    def columns(self) -> Columns:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What each column of it is."""
        return self.contents.columns

    def significant(self) -> pd.DataFrame:
        """As of the result that was saved."""
        if self.contents.significant is None:
            raise HeadwiseError(self.contents.why_none)
        return self.table.iloc[self.contents.significant]

    def _summary(self) -> str:
        return self.contents.summary

    def _contents(self) -> Contents:
        return self.contents


def _names(rows: pd.DataFrame) -> list[str]:
    """How rows are named in a line."""
    if "name" in rows:
        return rows["name"].astype(str).tolist()
    if not {"layer", "head"} <= set(rows):
        return [str(label) for label in rows.iloc[:, 0]]
    places = zip(rows["layer"], rows["head"], strict=True)
    return [f"layer {a}" if pd.isna(b) else head_name(int(a), int(b)) for a, b in places]


def _text(result: object, name: str) -> str:
    found = getattr(result, name, "")
    return found if isinstance(found, str) else ""


def _count(numbers: Sequence[int]) -> int:
    return 1 + max(numbers, default=-1)


def _told(where: Mapping[str, object]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in where.items())


def _some(values: Iterable[object], most: int = 8) -> str:
    told = [repr(value) for value in values]
    return ", ".join(told[:most]) + (", ..." if len(told) > most else "")
