"""The verdict on one head from all kinds of evidence, by stated rules.

A head that implements a hypothesis should attend to the expected word, carry the label, matter to the behaviour of the model, and move the word. No
kind is evidence for another: attention is not use, a label that can be decoded need not be used, and a head that can be ablated may be redundant. The
verdict therefore combines all kinds that were tested, in the order of the table, and names those that are missing.

| looks | matters | carries, moves | verdict |
|---|---|---|---|
| yes | yes | neither is no | supported |
| yes | no | any | attends without mattering |
| no | yes | any | matters without attending |
| no | no | neither is yes | refuted |
| otherwise | | | inconclusive |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from .rules import INCONCLUSIVE, KINDS, NO, YES

VERDICT_RULE = (
    "Supported: looks and matters are yes, and no other kind is no. Attends without mattering: looks is yes and matters no. Matters without attending: looks is no and matters yes. "
    "Refuted: both are no, and no other kind is yes. Inconclusive: otherwise. A yes exceeds every head of every control; a no is an equivalence test against the smallest effect of interest."
)  # fmt: skip
MOST_NAMED = 8  # heads in a sentence

HeadVerdict = Literal[
    "supported",
    "refuted",
    "attends without mattering",
    "matters without attending",
    "inconclusive",
]


@dataclass(frozen=True, slots=True)
class Judged:
    """A head's verdict.

    Attributes:
        verdict: By the table of the module.
        missing: Kinds of evidence that were not tested, or inconclusive: `moves (not tested)`, `matters (inconclusive)`.
    """

    verdict: HeadVerdict
    missing: tuple[str, ...]


def judge(answers: Mapping[str, str]) -> Judged:
    """The verdict on one head.

    Args:
        answers: `yes`, `no` or `inconclusive` by kind of evidence (`looks`, `carries`, `matters`, `moves`); a kind that was not tested is
            left out.
    """
    looks, matters = answers.get("looks", ""), answers.get("matters", "")
    others = (answers.get("carries"), answers.get("moves"))
    missing = tuple(
        f"{kind} ({INCONCLUSIVE if kind in answers else 'not tested'})"
        for kind in KINDS
        if answers.get(kind) not in (YES, NO)
    )
    verdict: HeadVerdict = "inconclusive"
    if (looks, matters) == (YES, YES) and NO not in others:
        verdict = "supported"
    elif (looks, matters) == (YES, NO):
        verdict = "attends without mattering"
    elif (looks, matters) == (NO, YES):
        verdict = "matters without attending"
    elif (looks, matters) == (NO, NO) and YES not in others:
        verdict = "refuted"
    return Judged(verdict, missing)


def judge_all(heads: pd.DataFrame) -> pd.DataFrame:
    """The heads of `evidence.side_by_side` with their `verdict`, and what is `missing` for a firmer one, in words."""
    tested = [kind for kind in KINDS if kind in heads]
    found = [
        judge({kind: str(value) for kind, value in zip(tested, row, strict=True)})
        for row in heads[tested].itertuples(index=False, name=None)
    ]
    return heads.assign(
        verdict=[judged.verdict for judged in found],
        missing=[", ".join(judged.missing) for judged in found],
    )


def summary(judged: pd.DataFrame) -> str:
    """The verdicts on all heads in a sentence or two; empty where one kind alone was tested.

    Derived from the verdicts alone, so that it cannot claim more than they do.

    Args:
        judged: What `judge_all` gives.
    """
    tested = [kind for kind in KINDS if kind in judged]
    if len(tested) < 2:
        return ""
    if never := [kind for kind in ("looks", "matters") if kind not in tested]:
        what = {"looks": "whether they attend to the expected word", "matters": "whether the model needs them"}  # fmt: skip
        return f"No verdict on single heads: {' and '.join(what[kind] for kind in never)} was not tested."
    of = {
        verdict: _names(judged, _is(judged, "verdict", verdict))
        for verdict in ("supported", "attends without mattering", "matters without attending", "refuted")
    }  # fmt: skip
    both = _is(judged, "looks", YES) & _is(judged, "matters", YES)
    denied = _names(judged, both & ~_is(judged, "verdict", "supported"))
    n, supported, refuted = len(judged), of["supported"], len(of["refuted"])
    answers = sum(map(len, of.values())) + len(denied)
    parts = [
        f"{_count(supported, 'attends', 'attend')} to the expected word and {'is' if len(supported) == 1 else 'are'} causally needed, and no test "
        f"contradicts this (supported): {_listed(supported)}"
        if supported
        else f"none passes every test ({', '.join(tested)})"
    ]
    if denied:
        by = " or ".join(kind for kind in ("carries", "moves") if kind in tested)
        parts.append(
            f"{_count(denied, 'attends and is needed', 'attend and are needed')}, but {by} says no: {_listed(denied)}"
        )
    vain, blind = of["attends without mattering"], of["matters without attending"]
    if vain:
        parts.append(f"{_count(vain, 'attends', 'attend')} without mattering: {_listed(vain)}")
    if blind:
        parts.append(f"{_count(blind, 'matters', 'matter')} without attending: {_listed(blind)}")
    if refuted:
        parts.append(f"{refuted} {'does' if refuted == 1 else 'do'} neither (refuted)")
    if n > answers:
        all_ = "all " if n - answers == n else ""
        parts.append(f"the evidence is inconclusive for {all_}{n - answers}")
    return f"Of {n} heads, {'; '.join(parts)}.{_missing(judged, tested)}"


def _missing(judged: pd.DataFrame, tested: Sequence[str]) -> str:
    """Kinds that were not tested on any head, and those that are inconclusive for supported ones."""
    lines: list[str] = []
    if never := [kind for kind in KINDS if kind not in tested]:
        lines.append(f" Not tested: {' and '.join(never)}.")
    is_supported = _is(judged, "verdict", "supported")
    for kind in tested:
        open_ = is_supported & ~_is(judged, kind, YES, NO)
        if open_.any():
            lines.append(f" Inconclusive for {_listed(_names(judged, open_))}: {kind}.")
    return "".join(lines)


def _is(judged: pd.DataFrame, column: str, *values: str) -> Bool[ndarray, " head"]:
    return np.asarray(judged[column].isin(list(values)), dtype=bool)


def _names(judged: pd.DataFrame, chosen: Bool[ndarray, " head"]) -> list[str]:
    return [str(name) for name in judged["name"].to_numpy()[chosen]]


def _count(names: Sequence[str], one: str, more: str) -> str:
    return f"{len(names)} {one if len(names) == 1 else more}"


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
