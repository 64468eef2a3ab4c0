"""Results with nothing in them but what a test is about."""

from dataclasses import dataclass


def made(kind, **values):
    """A result with nothing in it but what a test is about."""
    found = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found


@dataclass(frozen=True)
class Named:
    name: str
