"""Minimal pairs as rows: a CSV file, or JSON Lines, with the columns clean, corrupted, right, wrong and group.

    clean,corrupted,right,wrong,group
    The king sat as,The queen sat as,he,she,royal

`right`, `wrong` and `group` may be left out; without a group every pair is its own. In JSON Lines a sentence may be a list of words. Lines of BLiMP are known by their keys.
"""

import csv
import json
from pathlib import Path
from typing import Any, cast

from headwise._files import read_lines, read_text
from headwise._formatting import brief
from headwise.data.suite import Suite
from headwise.errors import BadSuite

from . import blimp
from ._matching import pair_of, suite_of

COLUMNS = ("clean", "corrupted", "right", "wrong", "group")
Row = dict[str, Any]


def read(path: Path) -> Suite:
    """Reads `.csv`, `.tsv` or `.jsonl`.

    Raises:
        BadSuite: A line that is no JSON object, an unknown column or key, a sentence that is missing, or a pair that does not fit together; the line is named.
    """
    rows = _json_lines(path) if path.suffix == ".jsonl" else _table(path)
    if not rows:
        raise BadSuite(f"{path}: no rows.")
    if blimp.is_blimp(rows):
        return blimp.read(path, rows)
    pairs: dict[tuple[str, str], Any] = {}
    groups: dict[str, str] = {}
    for number, row in rows:
        where = f"{path.name}:{number}"
        if unknown := [str(key) for key in row if key not in COLUMNS]:
            raise BadSuite(f"{path}:{number}: an unknown column {brief(unknown[0])}; known are {', '.join(COLUMNS)}.")  # fmt: skip
        clean, corrupted = (_sentence(row.get(key), key, f"{path}:{number}") for key in COLUMNS[:2])
        right, wrong, group = (_text(row.get(key), key, f"{path}:{number}") for key in COLUMNS[2:])
        pair = pair_of(where, clean, corrupted, right, wrong, group or where)
        key = (pair.clean.text, pair.corrupted.text)
        if key in pairs:
            raise BadSuite(f"{path}:{number}: the pair of {brief(pair.clean.text)} stands twice. Delete one.")  # fmt: skip
        for sentence in (pair.clean, pair.corrupted):
            text = " ".join(sentence.words).casefold()
            if groups.setdefault(text, pair.group) != pair.group:
                raise BadSuite(f"{path}:{number}: the sentence {brief(sentence.text)} stands in another group, too ({brief(groups[text])}), and could be fitted and scored at once. Give both rows one group.")  # fmt: skip
        pairs[key] = pair
    return suite_of(path, path.stem, list(pairs.values()))


def _json_lines(path: Path) -> list[tuple[int, Row]]:
    rows: list[tuple[int, Row]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise BadSuite(f"{path}:{number}: not JSON ({str(error)[:80]}).") from error
        if not isinstance(row, dict):
            raise BadSuite(f"{path}:{number}: expected an object, such as {{\"clean\": ..., \"corrupted\": ...}}; got {brief(line)}.")  # fmt: skip
        rows.append((number, cast(Row, row)))
    return rows


def _once(items: list[tuple[str, Any]]) -> Row:
    """An object whose keys differ."""
    made = dict(items)
    if len(made) < len(items):
        raise ValueError("a key is given twice")
    return made


def _table(path: Path) -> list[tuple[int, Row]]:
    lines = read_text(path).split("\n")
    reader = csv.DictReader(
        (f"{line}\n" for line in lines), delimiter="\t" if path.suffix == ".tsv" else ",", strict=True
    )  # fmt: skip
    rows: list[tuple[int, Row]] = []
    try:
        lacking = [name for name in COLUMNS[:2] if name not in (reader.fieldnames or ())]
        names = list(reader.fieldnames or ())
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadSuite(f"{path}:1: two columns are named {brief(twice[0])}.")
        if lacking:
            raise BadSuite(f"{path}:1: no column {lacking[0]!r}; the first line names columns, as {','.join(COLUMNS)}.")  # fmt: skip
        for row in reader:
            if not any(isinstance(cell, str) and cell.strip() for cell in row.values()):
                continue
            if None in row or None in row.values():
                raise BadSuite(f"{path}:{reader.line_num}: {'more' if None in row else 'fewer'} cells than columns.")  # fmt: skip
            rows.append((reader.line_num, dict(row)))
    except csv.Error as error:
        raise BadSuite(f"{path}:{reader.line_num}: not CSV ({error}).") from error
    return rows


def _sentence(given: object, key: str, where: str) -> str | list[str]:
    if isinstance(given, list) and all(isinstance(word, str) for word in cast(list[object], given)):
        return cast(list[str], given)
    return _text(given, key, where, needed=True)


def _text(given: object, key: str, where: str, *, needed: bool = False) -> str:
    if given is None and not needed:
        return ""
    if not isinstance(given, str) or (needed and not given.strip()):
        raise BadSuite(f"{where}: {key} is {brief(repr(given)) if given is not None else 'missing'}; expected a text.")  # fmt: skip
    return given if needed else given.strip()
