"""Arguments: one value where several are taken, and names that have to be known."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from .errors import HeadwiseError, UnknownName

T = TypeVar("T")
OneOrMore = T | Sequence[T]  # one value is taken where several are


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
        UnknownName: One is out of range.
    """
    numbers = as_tuple(given)
    outside: Sequence[int] = [number for number in numbers if not 0 <= number < n]
    if outside:
        raise UnknownName(f"{of} has no {what} {outside[0]}; expected 0 to {n - 1}.")
    return numbers
