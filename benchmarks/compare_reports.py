"""Are two sets of reports the same in every number?

    uv run benchmarks/compare_reports.py reports-before reports-after

Compares `results.json` of every report that both folders have: each number, each packed array and each cell of a table, but not texts, provenance or the order of
columns and figures. Columns may have been renamed (`--renamed how=method`). Prints what differs, and exits with 1 if anything does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

TEXTS = {"question", "answer", "controls", "method", "references", "provenance", "title", "caption", "note", "rule", "what", "about",
         "p_over", "unit", "subtitle", "text", "kind"}  # fmt: skip


def differences(a: Any, b: Any, path: str, renamed: dict[str, str]) -> Iterator[str]:
    """Where two pieces of a report are not the same."""
    if isinstance(a, dict) and isinstance(b, dict):
        a = {renamed.get(key, key): value for key, value in a.items() if key not in TEXTS}
        b = {key: value for key, value in b.items() if key not in TEXTS}
        for key in sorted({*a, *b}):
            if key not in a or key not in b:
                yield f"{path}.{key}: only {'after' if key in b else 'before'}"
            else:
                yield from differences(a[key], b[key], f"{path}.{key}", renamed)
    elif isinstance(a, list) and isinstance(b, list):
        names = [{renamed.get(x.get("name"), x.get("name")): x for x in own if isinstance(x, dict) and "name" in x} for own in (a, b)]  # fmt: skip
        if (
            a
            and b
            and all(len(found) == len(own) for found, own in zip(names, (a, b), strict=True))
        ):
            for key in sorted({*names[0], *names[1]}, key=str):
                if key not in names[0] or key not in names[1]:
                    yield f"{path}[{key}]: only {'after' if key in names[1] else 'before'}"
                else:
                    yield from differences(names[0][key], names[1][key], f"{path}[{key}]", renamed)
        elif len(a) != len(b):
            yield f"{path}: {len(a)} and {len(b)} items"
        else:
            for i, (one, other) in enumerate(zip(a, b, strict=True)):
                yield from differences(one, other, f"{path}[{i}]", renamed)
    elif isinstance(a, str) and isinstance(b, str) and " " in a:
        return  # a sentence
    elif renamed.get(a, a) != b if isinstance(a, str) else a != b:
        yield f"{path}: {str(a)[:40]} and {str(b)[:40]}"


def flat(path: Path) -> dict[str, Any]:
    """Figures, tables, evidence and attention of a report, of any schema version; figures in the order of their numbers."""
    data = json.loads(path.read_text(encoding="utf-8"))
    parts = data.get("sections") or [data]
    figures = [figure for part in parts for figure in part["figures"]]
    tables = [table for part in parts for table in part["tables"]]
    kept = {key: data.get(key) for key in ("analysis", "model", "verdict", "heads", "attention")}
    return kept | {"figures": sorted(figures, key=_numbers), "tables": tables}


def _numbers(figure: dict[str, Any]) -> str:
    return json.dumps([figure["kind"], figure.get("values"), figure.get("series")])


def main(
    before: Annotated[Path, typer.Argument(help="A folder of reports.")],
    after: Annotated[Path, typer.Argument(help="Another.")],
    renamed: Annotated[list[str] | None, typer.Option(help="old=new names of columns.")] = None,
    most: Annotated[int, typer.Option(help="Differences that are printed of each report.")] = 10,
) -> None:
    """Prints what differs between reports of the same names."""
    names = dict(pair.split("=") for pair in renamed or [])
    common = sorted(p.parent.name for p in before.glob("*/results.json") if (after / p.parent.name / "results.json").exists())  # fmt: skip
    differ = 0
    for name in common:
        a, b = (flat(folder / name / "results.json") for folder in (before, after))
        found = list(differences(a, b, "", names))
        differ += bool(found)
        print(f"{name}: {f'{len(found)} differences' if found else 'the same'}")
        for line in found[:most]:
            print(f"  {line}")
    if differ or not common:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
