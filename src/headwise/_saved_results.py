"""Saved results: tables as CSV with typed columns in a JSON header, arrays as safetensors; nothing that could run."""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray
from pydantic import BaseModel, ValidationError

from ._atomic import replacing
from ._columns import Column, Columns
from ._files import check_format, hash_files
from ._formatting import cell, of_cell
from .errors import HeadwiseError

FORMAT = "headwise result 2"
HEADER, ARRAYS = "result.json", "arrays.safetensors"
AGAIN = "Run the test again and save its result, or name a folder that `save` wrote."


@dataclass(frozen=True, eq=False)
class Contents:
    """What is kept of a result.

    Attributes:
        kind: Its class.
        model: Name of the model.
        suite: Name of the suite; empty if there is none.
        summary: What was found, in a line.
        significant: Rows of the table that pass the test; None where there is none, and
        why_none: why.
        columns: Of its table.
        table: What was found.
        further: Further tables, by name.
        arrays: Numbers by name.
    """

    kind: str
    model: str
    suite: str
    summary: str
    significant: list[int] | None
    why_none: str
    columns: Columns
    table: pd.DataFrame
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    arrays: Mapping[str, ndarray] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables, the main one first."""
        return {"table": self.table, **self.further}


class _Typed(BaseModel):
    """A column of a file: its type, and of text the rows that have none."""

    name: str
    dtype: str
    missing: list[int] = []


class _Header(BaseModel):
    format: str
    kind: str
    model: str
    suite: str
    summary: str
    significant: list[int] | None
    why_none: str
    columns: list[Column]
    tables: dict[str, list[_Typed]]
    sha256: str = ""


def write(folder: Path, contents: Contents) -> Path:
    """Writes a folder; one that is there is replaced if it holds a result, and only once the new one is whole.

    Raises:
        HeadwiseError: It holds something else, or cannot be written.
    """
    if folder.exists() and not _is_ours(folder):
        raise HeadwiseError(
            f"{str(folder)!r} holds something that is no saved result and would be replaced. Name another folder."
        )
    with replacing(folder) as fresh:
        typed = {name: _write_table(fresh / f"{name}.csv", t) for name, t in contents.tables.items()}  # fmt: skip
        _write_arrays(fresh / ARRAYS, contents.arrays)
        header = _Header(
            format=FORMAT,
            kind=contents.kind,
            model=contents.model,
            suite=contents.suite,
            summary=contents.summary,
            significant=contents.significant,
            why_none=contents.why_none,
            columns=list(contents.columns.values()),
            tables=typed,
        )
        stamped = header.model_copy(update={"sha256": _hash(fresh, header)})
        (fresh / HEADER).write_text(stamped.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return folder


def read(folder: Path) -> Contents:
    """Reads what `write` wrote.

    Raises:
        HeadwiseError: Nothing is there, it is something else, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not folder.is_dir():
        raise HeadwiseError(f"There is no saved result {str(folder)!r}. {AGAIN}")
    if not _is_ours(folder):
        if (found := _format(folder)) is not None:
            check_format(folder, "result saved by Headwise", found, FORMAT)
        raise HeadwiseError(f"{str(folder)!r} holds no result that Headwise saved. {AGAIN}")
    try:
        text = (folder / HEADER).read_text(encoding="utf-8")
        header = _Header.model_validate_json(text)
        if not all(name.isidentifier() for name in header.tables) or "table" not in header.tables:
            raise ValueError("names of tables are not those of tables")
        if _hash(folder, header) != header.sha256:
            raise ValueError("its files are not those that were saved")
        tables = {name: _read_table(folder / f"{name}.csv", t) for name, t in header.tables.items()}
        return Contents(
            kind=header.kind,
            model=header.model,
            suite=header.suite,
            summary=header.summary,
            significant=header.significant,
            why_none=header.why_none,
            columns=Columns(*header.columns),
            table=tables.pop("table"),
            further=tables,
            arrays=load_file(folder / ARRAYS),
        )
    except ValidationError as error:
        raise HeadwiseError(f"{str(folder)!r}: a damaged result: {HEADER} is not what was saved. {AGAIN}") from error  # fmt: skip
    except (OSError, ValueError, TypeError, LookupError, RecursionError, SafetensorError) as error:
        raise HeadwiseError(f"{str(folder)!r}: a damaged result: {error}. {AGAIN}") from error


def _is_ours(folder: Path) -> bool:
    """Whether a folder says of itself that it holds a result."""
    return _format(folder) == FORMAT


def _format(folder: Path) -> object:
    """The format that a folder's header names; None without one."""
    try:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return header.get("format") if isinstance(header, dict) else None


def _hash(folder: Path, header: _Header) -> str:
    """Of the header but for the hash itself, and of every file it names."""
    files = [*(folder / f"{name}.csv" for name in header.tables), folder / ARRAYS]
    described = header.model_dump_json(exclude={"sha256"})
    return hashlib.sha256((described + hash_files(files)).encode()).hexdigest()


def _write_table(path: Path, table: pd.DataFrame) -> list[_Typed]:
    typed: list[_Typed] = []
    cells: list[list[str]] = []
    for name in table:
        values: pd.Series = table.loc[:, name]
        is_missing = values.isna().to_numpy()
        is_text = not pd.api.types.is_numeric_dtype(values)
        missing = np.flatnonzero(is_missing).tolist() if is_text else []
        typed.append(_Typed(name=str(name), dtype=_type_of(values), missing=missing))
        cells.append(["" if gone else cell(value) if is_text else str(value) for value, gone in zip(values.tolist(), is_missing, strict=True)])  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in typed])
        writer.writerows(zip(*cells, strict=True))
    return typed


def _type_of(values: pd.Series) -> str:
    """The type of a column: a number's, or that of text.

    Raises:
        HeadwiseError: It holds anything else, which text would not bring back.
    """
    if pd.api.types.is_numeric_dtype(values):
        return str(values.dtype)
    if not all(isinstance(value, str) for value in values.dropna()):
        raise HeadwiseError(
            f"The column {values.name!r} holds neither numbers nor text alone and cannot be saved."
        )
    return str(values.dtype)


PARSED: dict[str, Callable[[str], Any]] = {
    "f": lambda cell: float(cell) if cell else np.nan,
    "i": int,
    "u": int,
    "b": lambda cell: {"True": True, "False": False}[cell],
}


def _read_table(path: Path, typed: Sequence[_Typed]) -> pd.DataFrame:
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    if names != [column.name for column in typed]:
        raise ValueError(f"{path.name} has other columns than its header says")
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame({c.name: _parsed(c, own) for c, own in zip(typed, cells, strict=True)})


def _parsed(column: _Typed, cells: Sequence[str]) -> pd.Series:
    dtype: Any = pd.api.types.pandas_dtype(column.dtype)
    if not pd.api.types.is_numeric_dtype(dtype):
        values: list[Any] = [of_cell(text) for text in cells]
        for row in column.missing:
            values[row] = None
        return pd.Series(values, dtype=dtype)
    parse = PARSED[dtype.kind]
    if pd.api.types.is_extension_array_dtype(dtype):
        return pd.Series([parse(cell) if cell else pd.NA for cell in cells], dtype=dtype)
    return pd.Series([parse(cell) for cell in cells], dtype=dtype)


def _write_arrays(path: Path, arrays: Mapping[str, ndarray]) -> None:
    from safetensors.numpy import save_file

    # In C order: the file takes memory as it lies.
    save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, path)


def numbers_in(value: object, name: str) -> dict[str, ndarray]:
    """Arrays of numbers in a field of a result: one, or several by name."""
    if isinstance(value, ndarray) and value.dtype.kind in "fiub":
        return {name: value}
    if isinstance(value, Mapping):
        named: Mapping[Any, Any] = value
        keys = [key for key in named if isinstance(key, str)]
        return {k: x for key in keys for k, x in numbers_in(named[key], f"{name}/{key}").items()}
    return {}
