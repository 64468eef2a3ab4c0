"""Numbers and names in sentences, and text as it can be written."""

import math
from collections.abc import Iterable
from typing import Literal

MINUS = "\N{MINUS SIGN}"
Unit = Literal[
    "text", "integer", "rate", "difference", "offset", "number"
]  # how a number is written
Verdict = Literal["supported", "not supported", "inconclusive", "description"]


# Starts of a cell that a spreadsheet may run, and the mark against it.
RUN = ("=", "+", "-", "@", "\t", "\r", "'")


def encodable(text: str) -> str:
    r"""Text that UTF-8 can hold: bytes of a path that are no characters are written as `\xe9`, and those that are (in another locale) as these."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cell(text: str) -> str:
    """Text in a table's file, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{text}" if text.startswith(RUN) else text


def of_cell(text: str) -> str:
    """The text that `cell` wrote."""
    return text[1:] if text.startswith("'") and text[1:].startswith(RUN) else text


def brief(text: object, most: int = 60) -> str:
    """A text of the user's in a message: in quotes, with its beginning only if it is long."""
    shown = str(text)
    return repr(shown) if len(shown) <= most else f"{shown[:most]!r}..."


def listing(names: Iterable[str], most: int = 12) -> str:
    """Names in a message: the first of them, each briefly, and how many there are besides."""
    known = list(names)
    shown = [name if len(name) <= 40 else f"{name[:40]}..." for name in known[:most]]
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return (", ".join(shown) or "none") + more


def head_name(layer: int, head: int) -> str:
    """How a head is written, e.g. `L2H8`."""
    return f"L{layer}H{head}"


def percent(rate: float) -> str:
    """A rate for a sentence, e.g. `79%`."""
    return "n/a" if math.isnan(rate) else f"{100 * rate:z.0f}%".replace("-", MINUS)


def signed(offset: int) -> str:
    """A number of words to the right, e.g. `+1`, with a real minus sign to the left."""
    return f"{offset:+d}".replace("-", MINUS)


def points(value: float, low: float, high: float) -> str:
    """A difference of rates and its interval for a sentence, e.g. `+4.7 points [+2.4, +7.1]`."""
    interval = (
        "too few groups for an interval"
        if math.isnan(low)
        else f"{100 * low:+z.1f}, {100 * high:+z.1f}"
    )
    return f"{100 * value:+z.1f} points [{interval}]".replace("-", MINUS)


def could_be_found(detectable: float, what: str = "effect") -> str:
    """What data like these would have shown with 80% power; NaN where no effect is large enough."""
    if math.isnan(detectable):
        return f"no {what}, however large, would have been found in 80% of samples like this"
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what} of {100 * detectable:.0f} points would have been found in 80% of samples like this"
