"""Suites and analyses by name: in the current folder, the checkout or the installed package."""

from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from headwise.errors import HeadwiseError

Kind = Literal["analyses", "probes"]
PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """The project's own folder where the package runs from a checkout."""
    root = PACKAGE.parent.parent
    return root if (root / "analyses").is_dir() and (root / "pyproject.toml").is_file() else None


def folders(kind: Kind) -> list[Path]:
    """Folders that may hold analyses or suites, nearest first."""
    root = checkout()
    try:
        here = [Path.cwd() / kind]
    except OSError:  # the current folder was deleted
        here = []
    places = [*here, *([root / kind] if root else []), PACKAGE / "_data" / kind]
    return [place for place in dict.fromkeys(places) if place.is_dir()]


def names(kind: Kind) -> dict[str, Path]:
    """Every analysis or suite that can be named, with the file that it stands for."""
    suffix = {"analyses": ".py", "probes": ".toml"}[kind]
    found: dict[str, Path] = {}
    for folder in folders(kind):
        for path in sorted(folder.glob(f"*{suffix}")):
            if not path.name.startswith("_"):
                found.setdefault(path.stem, path)
    return found


def find_suite(name: str) -> Path:
    """Path of a suite that an analysis names.

    Raises:
        HeadwiseError: There is none of that name.
    """
    return find("probes", name)


def find(kind: Kind, name: str) -> Path:
    """Path of an analysis or a suite by its name.

    Raises:
        HeadwiseError: There is none of that name.
    """
    known = names(kind)
    if name in known:
        return known[name]
    what = {"analyses": "analysis", "probes": "suite"}[kind]
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise HeadwiseError(
        f"There is no {what} called {name!r}; known here: {', '.join(known) or 'none'}.{hint}"
    )
