"""Arguments: one value where several are taken, and names that have to be known."""

import operator
import os
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, SupportsIndex, TypeVar, cast

from .errors import HeadwiseError, UnknownName

T = TypeVar("T")
OneOrMore = T | Sequence[T]  # one value is taken where several are


MOST = 2**32 - 1  # as a seed


def as_number(given: object) -> int:
    """A whole number of whatever type, such as those of NumPy's `argsort`.

    Raises:
        TypeError: It is none; `True` is not 1 here.
    """
    if isinstance(given, bool):
        raise TypeError("a truth value is no number")
    return operator.index(cast(SupportsIndex, given))


def check_counts(*, least: int = 0, **given: object) -> None:
    """Refuses arguments that are no numbers of something: seeds, draws, models; where one is the least, None stands for a default.

    Raises:
        HeadwiseError: One is no whole number, or smaller than the least or larger than a seed may be.
    """
    for name, value in given.items():
        if value is None and least:
            continue
        try:
            is_fine = least <= as_number(value) <= MOST
        except TypeError:
            is_fine = False
        if not is_fine:
            raise HeadwiseError(
                f"{name}={value!r}: expected a whole number from {least} to {MOST}."
            )


def as_path(given: object) -> Path:
    """A path that a system could have.

    Raises:
        HeadwiseError: It is none: not a text, empty, with a NUL, or too long a name.
    """
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(cast(str, given)):
        raise HeadwiseError(f"Expected the path of a file or a folder; got {given!r}.")
    try:
        path = Path(cast(str, given))
        if "\0" in str(path):
            raise ValueError("it holds a NUL")
        path.exists()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise HeadwiseError(f"Cannot use the path {str(given)[:80]!r}: {why}.") from error
    return path


def as_tuple(given: T | Iterable[T]) -> tuple[T, ...]:
    """Several values, or one as a tuple of one; a string is one value."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return (cast(Any, given),)
    return tuple(cast(Iterable[T], given))


def one_of(given: str, known: Collection[str], what: str) -> str:
    """A name that has to be one of some.

    Raises:
        UnknownName: It is not; the message names those that are known and the nearest.
    """
    if given in known:
        return given
    close = get_close_matches(given, known, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise UnknownName(f"Unknown {what} {given!r}; known are {', '.join(known)}.{hint}")


def all_of(given: str | Iterable[str], known: Collection[str], what: str) -> tuple[str, ...]:
    """One name or several, each of which has to be known.

    Raises:
        UnknownName: One of them is not.
        HeadwiseError: None was given.
    """
    names = as_tuple(given)
    if not names:
        raise HeadwiseError(f"No {what} was named; known are {', '.join(known)}.")
    return tuple(one_of(name, known, what) for name in names)


def in_range(given: int | Iterable[int], n: int, what: str, of: str) -> tuple[int, ...]:
    """One number or several, each from 0 to below `n`.

    Raises:
        UnknownName: One is out of range, or no whole number.
    """
    try:
        numbers = tuple(map(as_number, as_tuple(given)))
    except TypeError as error:
        raise UnknownName(f"A {what} is a whole number from 0 to {n - 1}; got {given!r}.") from error  # fmt: skip
    outside: Sequence[int] = [number for number in numbers if not 0 <= number < n]
    if outside:
        raise UnknownName(f"{of} has no {what} {outside[0]}; expected 0 to {n - 1}.")
    return numbers
