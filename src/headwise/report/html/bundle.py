"""The page's scripts as one: modules that import each other become functions that run in order.

A page that loads nothing cannot load modules either. Each file becomes a function that returns what it exports, and each import takes
from what an earlier one returned; names of one file cannot meet those of another. Imports stand on one line each
(`import { a, b } from "./dom.js";`), exports in front of a function, class or constant. Comments that hold types are for whoever writes
the scripts, and are left out.
"""

import posixpath
import re
from functools import cache
from importlib.resources import files

IMPORT = re.compile(r'^import \{ ([^}]+) \} from "(\.\.?/[a-z_/]+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
TYPES = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
STATIC = "report/static"
STYLES = ("report", "heads", "attention", "print")  # later ones win


def read_static(name: str) -> str:
    """A file of the page's own."""
    return files("headwise").joinpath(STATIC, name).read_text(encoding="utf-8")


@cache
def bundle(entry: str = "main") -> str:
    """A module and all that it needs as one script; modules are named by their paths, `core/dom`.

    Raises:
        ValueError: Two modules need each other, or an import or export is written in another way than described above.
    """
    parts: dict[str, str] = {}
    _add(entry, parts, ())
    return '"use strict";\n' + "\n".join(parts.values())


def _add(name: str, parts: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules in a circle: {' -> '.join((*above, name))}")
    if name in parts:
        return
    source = TYPES.sub("", read_static(f"js/{name}.js"))
    for match in IMPORT.finditer(source):
        _add(_found(match[2], name), parts, (*above, name))
    exported = [match[1] for match in EXPORT.finditer(source)]
    body = IMPORT.sub(
        lambda match: f"const {{ {match[1]} }} = {_variable(_found(match[2], name))};", source
    )
    body = EXPORT.sub("", body)
    if stray := re.search(r"^(import|export)\b.*", body, re.MULTILINE):
        raise ValueError(f"{name}.js: cannot be bundled: {stray[0]}")
    returned = ", ".join(exported)
    parts[name] = f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {returned} }};\n}})();"


def _found(target: str, importer: str) -> str:
    """What `../core/dom` is, seen from `heads/grid`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), target))


def _variable(name: str) -> str:
    return f"module_{name.replace('/', '_')}"


def styles() -> str:
    """The style sheets as one."""
    return "\n".join(read_static(f"{name}.css") for name in STYLES)
