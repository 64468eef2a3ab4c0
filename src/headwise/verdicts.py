"""What the kinds of evidence amount to, for one head: a verdict by stated rules.

A head that does X should look at the right word, carry the fact, matter to what the model does, and move the word. No kind is
evidence for another: attention is not use, what can be read is not used, what can be spared may still be done. So the
verdict comes from all that were asked, in the order of the table, and says what is missing.

| looks | matters | carries, moves | verdict |
|---|---|---|---|
| yes | yes | neither says no | supported |
| yes | no | any | attends without mattering |
| no | yes | any | matters without attending |
| no | no | any | refuted |
| otherwise | | | inconclusive |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from .evidence import KINDS, NO, UNCLEAR, YES

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
        missing: Kinds of evidence that were not asked, or cannot tell: `moves (not asked)`, `matters (unclear)`.
    """

    verdict: HeadVerdict
    missing: tuple[str, ...]


def judge(said: Mapping[str, str]) -> Judged:
    """The verdict on one head.

    Args:
        said: `yes`, `no` or `unclear` by kind of evidence (`looks`, `carries`, `matters`, `moves`); a kind that was not asked is
            left out.
    """
    looks, matters = said.get("looks", ""), said.get("matters", "")
    denied = NO in (said.get("carries"), said.get("moves"))
    missing = tuple(
        f"{kind} ({UNCLEAR if kind in said else 'not asked'})"
        for kind in KINDS
        if said.get(kind) not in (YES, NO)
    )
    verdict: HeadVerdict = "inconclusive"
    if (looks, matters) == (YES, YES) and not denied:
        verdict = "supported"
    elif (looks, matters) == (YES, NO):
        verdict = "attends without mattering"
    elif (looks, matters) == (NO, YES):
        verdict = "matters without attending"
    elif (looks, matters) == (NO, NO):
        verdict = "refuted"
    return Judged(verdict, missing)


def judge_all(heads: pd.DataFrame) -> pd.DataFrame:
    """The heads of `evidence.side_by_side` with their `verdict`, and what is `missing` for a firmer one, in words."""
    asked = [kind for kind in KINDS if kind in heads]
    found = [
        judge({kind: str(value) for kind, value in zip(asked, row, strict=True)})
        for row in heads[asked].itertuples(index=False, name=None)
    ]
    return heads.assign(
        verdict=[judged.verdict for judged in found],
        missing=[", ".join(judged.missing) for judged in found],
    )
