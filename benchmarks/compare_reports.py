"""Are two sets of reports the same in every number?

    uv run benchmarks/compare_reports.py reports-before reports-after

Compares `results.json` of every report that both folders have: each number, each packed array and each cell of a table, but not texts, provenance or the order of
columns. Tables are matched by name, figures and the small tables of heads by content. Names may have been changed (`--renamed how=method`). Prints what differs and what is
only in the second folder, and exits with 1 if anything differs; what was added is no difference.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

TEXTS = {"question", "answer", "controls", "method", "references", "provenance", "title", "caption", "note", "rule", "what", "about",
         "p_over", "unit", "subtitle", "text", "kind"}  # fmt: skip
BY_CONTENT = (".figures", ".heads.details")
ADDED = "only after"


def differences(a: Any, b: Any, path: str, renamed: dict[str, str]) -> Iterator[str]:
    """Where two pieces of a report are not the same."""
    if isinstance(a, dict) and isinstance(b, dict):
        a = {_now(key, b, renamed): value for key, value in a.items() if key not in TEXTS}
        b = {key: value for key, value in b.items() if key not in TEXTS}
        for key in sorted({*a, *b}):
            if key not in a or key not in b:
                yield f"{path}.{key}: {ADDED if key in b else 'only before'}"
            else:
                yield from differences(a[key], b[key], f"{path}.{key}", renamed)
    elif isinstance(a, list) and isinstance(b, list):
        names = [
            {x["name"]: x for x in own if isinstance(x, dict) and "name" in x} for own in (a, b)
        ]
        names[0] = {_now(key, names[1], renamed): x for key, x in names[0].items()}
        if (
            a
            and b
            and all(len(found) == len(own) for found, own in zip(names, (a, b), strict=True))
        ):
            for key in sorted({*names[0], *names[1]}, key=str):
                if key not in names[0] or key not in names[1]:
                    yield f"{path}[{key}]: {ADDED if key in names[1] else 'only before'}"
                else:
                    yield from differences(names[0][key], names[1][key], f"{path}[{key}]", renamed)
        elif path in BY_CONTENT:
            left = list(b)
            for i, one in enumerate(a):
                same = next((x for x in left if not any(differences(one, x, path, renamed))), None)
                if same is None:
                    yield f"{path}[{i}] ({one['title']}): only before"
                else:
                    left.remove(same)
            yield from (f"{path} ({one['title']}): {ADDED}" for one in left)
        elif len(a) != len(b):
            yield f"{path}: {len(a)} and {len(b)} items"
        else:
            for i, (one, other) in enumerate(zip(a, b, strict=True)):
                yield from differences(one, other, f"{path}[{i}]", renamed)
    elif isinstance(a, str) and isinstance(b, str) and " " in a:
        return  # a sentence
    elif a != b and (not isinstance(a, str) or renamed.get(a) != b):
        yield f"{path}: {str(a)[:40]} and {str(b)[:40]}"


def _now(name: str, known: Any, renamed: dict[str, str]) -> str:
    """What a name is in the second folder."""
    return name if name in known else renamed.get(name, name)


def flat(path: Path) -> dict[str, Any]:
    """A report, of any version of the schema, with the figures and tables of all its sections together."""
    data = json.loads(path.read_text(encoding="utf-8"))
    parts = data.get("sections") or [data]
    merged = {name: [x for part in parts for x in part[name]] for name in ("figures", "tables")}
    return {
        key: data.get(key) for key in ("analysis", "model", "verdict", "heads", "attention")
    } | merged


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
        changed = [line for line in found if not line.endswith(ADDED)]
        differ += bool(changed)
        print(f"{name}: {f'{len(changed)} differences' if changed else 'the same'}")
        for line in [*changed[:most], *(line for line in found if line.endswith(ADDED))]:
            print(f"  {line}")
    if differ or not common:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
