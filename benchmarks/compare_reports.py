"""Are the numbers of a set of reports still there?

    uv run benchmarks/compare_reports.py reports-before reports-after

Every series of numbers in `results.json` of the first folder (a column of a table, a line or a map of a figure, a measure of the heads) is looked for among those of the
second, whatever it is called and wherever it stands now: equal to a millionth, in the same order. So tables may be renamed, moved and joined. Prints, for each report that
both folders have, how many are found again and which are not, and whether the verdict is the same; exits with 1 if anything is missing.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

TEXTS = {"provenance", "question", "answer", "controls", "method", "references", "caption", "title", "findings", "not_found"}  # fmt: skip
CLOSE = 1e-6

Series = list[Any] | str  # packed arrays are text


def series_of(part: Any, path: str = "") -> Iterator[tuple[str, Series]]:
    """Every series of a report with its place."""
    if isinstance(part, dict):
        columns = part.get("columns")
        if "rows" in part and columns and isinstance(columns[0], dict):
            for i, column in enumerate(columns):
                yield f"{part['name']}.{column['name']}", [row[i] for row in part["rows"]]
            return
        for key, value in part.items():
            if key not in TEXTS:
                yield from series_of(value, f"{path}.{key}")
    elif isinstance(part, list):
        if part and all(value is None or isinstance(value, int | float) for value in part):
            yield path, part
            return
        for value in part:
            yield from series_of(value, path)
    elif isinstance(part, str) and len(part) > 100 and " " not in part:
        yield path, part


def is_number(series: Series) -> bool:
    """Whether it holds any number."""
    return isinstance(series, str) or any(isinstance(value, int | float) for value in series)


def is_same(a: Series, b: Series) -> bool:
    """Whether two series of one length are equal, missing values included."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return all(x == y or _is_close(x, y) for x, y in zip(a, b, strict=True))


def _is_close(x: Any, y: Any) -> bool:
    if not (isinstance(x, int | float) and isinstance(y, int | float)):
        return False
    return abs(x - y) <= CLOSE * max(1, abs(x), abs(y)) or (math.isnan(x) and math.isnan(y))


def main(
    before: Annotated[Path, typer.Argument(help="A folder of reports.")],
    after: Annotated[Path, typer.Argument(help="Another.")],
    most: Annotated[int, typer.Option(help="Names that are printed of each report.")] = 40,
) -> None:
    """Prints which numbers of the first reports are not in the second."""
    common = sorted(p.parent.name for p in before.glob("*/results.json") if (after / p.parent.name / "results.json").exists())  # fmt: skip
    is_whole = bool(common)
    for name in common:
        a, b = (json.loads((f / name / "results.json").read_text(encoding="utf-8")) for f in (before, after))  # fmt: skip
        now = defaultdict[int, list[Series]](list)
        for _, series in series_of(b):
            now[len(series)].append(series)
        wanted = [(path, series) for path, series in series_of(a) if is_number(series)]
        lost = [path for path, own in wanted if not any(is_same(own, x) for x in now[len(own)])]
        verdicts = {a["verdict"], b["verdict"]}
        is_whole &= not lost and len(verdicts) == 1
        print(f"{name}: {len(wanted) - len(lost)} of {len(wanted)} series are there; verdict {' -> '.join(dict.fromkeys((a['verdict'], b['verdict'])))}")  # fmt: skip
        for path in lost[:most]:
            print(f"  not there: {path.removeprefix('.')}")
    if not is_whole:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
