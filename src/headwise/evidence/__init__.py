"""Looks, carries, matters, moves: what is known of each head, side by side.

Each kind says `yes`, `no` or `inconclusive` of every head by a rule of its own, stated at the function and, for readers of a report, in the
texts above it. Beside it stand `<kind>_effect`, its 95% interval `<kind>_low` and `<kind>_high`, and `<kind>_p`, corrected as the
rule uses it. A head that looks and does not matter is a finding; a head of which nothing is said was not asked.
"""

from .carries import CARRIES, carries, carries_by_layer, verdict
from .looks import LOOKS, LOOKS_ALONG, looks, looks_along
from .matters import MATTERS, judged, matters
from .moves import COLLECTS, MOVES, collects, joint_p, moves, whole_moves
from .rules import INCONCLUSIVE, KINDS, NO, SMALLEST, YES, Texts, decide, verdict_over
from .together import controls_line, side_by_side, texts_of, where

__all__ = [
    "CARRIES",
    "COLLECTS",
    "INCONCLUSIVE",
    "KINDS",
    "LOOKS",
    "LOOKS_ALONG",
    "MATTERS",
    "MOVES",
    "NO",
    "SMALLEST",
    "YES",
    "Texts",
    "carries",
    "carries_by_layer",
    "collects",
    "controls_line",
    "decide",
    "joint_p",
    "judged",
    "looks",
    "looks_along",
    "matters",
    "moves",
    "side_by_side",
    "texts_of",
    "verdict",
    "verdict_over",
    "where",
    "whole_moves",
]
