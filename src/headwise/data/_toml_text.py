"""A TOML file as text: its values, read with every failure as one error, and the lines on which its strings stand."""

import re
import tomllib
from pathlib import Path

from headwise.errors import BadSuite

MOST_NESTED = 50  # keys of one name, such as a.b.c; tomllib takes time that grows with their square
STRINGS = re.compile(
    r"""\"{3}(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|'{3}(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*""",
    re.DOTALL,
)
NESTED = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MOST_NESTED}}}""")


def values_of(path: Path, written: str) -> dict[str, object]:
    """What a TOML file holds.

    Raises:
        BadSuite: It is not TOML, is nested too deeply or holds a number that is too long.
    """
    nested = NESTED.search(STRINGS.sub('""', written))
    try:
        if nested is None:
            return tomllib.loads(written)
    except ValueError as error:  # also of numbers with too many digits
        problem = str(error)
        shown = problem if len(problem) <= 200 else f"{problem[:100]} ... {problem[-60:]}"
        raise BadSuite(f"{path}: not valid TOML: {shown.rstrip('.')}.") from error
    except RecursionError as error:
        raise BadSuite(
            f"{path}: not a suite: its arrays or tables are nested too deeply. See docs/suites.md."
        ) from error
    raise BadSuite(
        f"{path}: not a suite: a key has more than {MOST_NESTED} parts. See docs/suites.md."
    )


def lines_of_strings(written: str) -> dict[str, int]:
    """The 1-based line on which each string of a valid file begins, the first time; strings with escapes are under their escaped form."""
    lines: dict[str, int] = {}
    line, passed = 1, 0
    for match in STRINGS.finditer(written):
        found = match[0]
        if found[0] == "#":
            continue
        line += written.count("\n", passed, match.start())
        passed = match.start()
        n_quotes = 3 if len(found) >= 6 and found[:3] in ('"""', "'''") else 1
        inside = found[n_quotes:-n_quotes]
        lines.setdefault(inside.removeprefix("\n") if n_quotes == 3 else inside, line)
    return lines
