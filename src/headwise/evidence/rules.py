"""The kinds of evidence and their texts in a report; the rule for yes and no is in `headwise.stats.deciding`."""

from collections.abc import Iterable
from dataclasses import dataclass

from headwise._formatting import Unit, Verdict
from headwise.stats.deciding import (
    INCONCLUSIVE,
    LEVEL,
    MIN_CASES,
    MIN_CLUSTERS,
    N_RANDOM,
    N_RANDOM_PROBED,
    N_SPLITS,
    NO,
    SMALLEST,
    YES,
    decide,
)

KINDS = ("looks", "carries", "matters", "moves")


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of a kind of evidence in a report.

    Attributes:
        what: What the effect is.
        unit: How it is written.
        rule: When it is a yes, and when a no.
        p_over: What p is corrected over.
    """

    what: str
    unit: Unit
    rule: str
    p_over: str


def verdict_over(answers: Iterable[str]) -> Verdict:
    """Verdict over many heads: supported if one is a yes, not supported if every one is a no, else inconclusive."""
    found = set(answers)
    if YES in found:
        return "supported"
    return "not supported" if found == {NO} else "inconclusive"


__all__ = [
    "INCONCLUSIVE",
    "KINDS",
    "LEVEL",
    "MIN_CASES",
    "MIN_CLUSTERS",
    "NO",
    "N_RANDOM",
    "N_RANDOM_PROBED",
    "N_SPLITS",
    "SMALLEST",
    "YES",
    "Texts",
    "decide",
    "verdict_over",
]
