"""Four kinds of evidence on each head: looks (attention), carries (probing), matters (ablation), moves (direct contribution).

Each kind is `yes`, `no` or `inconclusive` for every head by a rule of its own, stated at the function and in the report. `<kind>_effect` is the
effect, `<kind>_low` and `<kind>_high` its 95% interval, and `<kind>_p` its p, corrected as the rule uses it. A missing value means that the head was
not tested.
"""

from .carries import carries, carries_by_layer, verdict
from .looks import looks, looks_along
from .matters import SET_RULE, judged, matters, set_verdict
from .moves import collects, joint_p, moves, whole_moves
from .rules import (
    CARRIES,
    COLLECTS,
    INCONCLUSIVE,
    KINDS,
    LEVEL,
    LOOKS,
    LOOKS_ALONG,
    MATTERS,
    MIN_CASES,
    MIN_CLUSTERS,
    MOVES,
    N_DRAWS,
    N_RANDOM,
    N_RANDOM_PROBED,
    N_SPLITS,
    NO,
    SMALLEST,
    YES,
    Rule,
    verdict_over,
    verdict_over_all,
)
from .together import controls_line, rule_of, side_by_side, where
from .verdicts import VERDICT_RULE, judge_all, summary

__all__ = [
    "CARRIES",
    "COLLECTS",
    "INCONCLUSIVE",
    "KINDS",
    "LEVEL",
    "LOOKS",
    "LOOKS_ALONG",
    "MATTERS",
    "MIN_CASES",
    "MIN_CLUSTERS",
    "MOVES",
    "NO",
    "N_DRAWS",
    "N_RANDOM",
    "N_RANDOM_PROBED",
    "N_SPLITS",
    "SET_RULE",
    "SMALLEST",
    "VERDICT_RULE",
    "YES",
    "Rule",
    "carries",
    "carries_by_layer",
    "collects",
    "controls_line",
    "joint_p",
    "judge_all",
    "judged",
    "looks",
    "looks_along",
    "matters",
    "moves",
    "rule_of",
    "set_verdict",
    "side_by_side",
    "summary",
    "verdict",
    "verdict_over",
    "verdict_over_all",
    "where",
    "whole_moves",
]
