"""Each head's evidence as a table, a map of costs and plain sentences."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from .. import evidence
from ..ablation import AblationResult
from ..results import Column, Heatmap, Table, percent

SAYS = {
    "looks": "looks: it attends to the right word more reliably than any rule that knows no model",
    "carries": "carries: what it hands over lets the fact be read better than from a bag of words",
    "matters": "matters: cutting it costs something in every way of cutting",
    "moves": "moves: what it adds pushes the word towards what it means there",
}
PUSH = Column(
    name="moves_effect",
    title="Push",
    kind="rate",
    note="Share of the distance between the classes along the direction that it adds",
)
COSINE = Column(
    name="moves_effect",
    title="Cosine",
    kind="number",
    note="Of its update with the images of the word's own cues, above that with those of others",
)
COLUMNS = {
    "verdict": [Column(name="verdict", title="Verdict", note="By the kinds of evidence together")],
    "looks": [
        Column(name="looks", title="Looks"),
        Column(name="looks_relation", title="Along"),
        Column(name="looks_effect", title="Over the rule", kind="difference", note="Hit rate above that of the best rule, points"),
    ],
    "carries": [
        Column(name="carries", title="Carries"),
        Column(name="carries_accuracy", title="Read from it", kind="rate", note="Balanced accuracy from its output z"),
        Column(name="carries_effect", title="Over the bag", kind="difference", note="Balanced accuracy above that of a bag of words, points"),
    ],
    "matters": [
        Column(name="matters", title="Matters"),
        Column(name="matters_disagree", title="Ways disagree", note="Whether ways of cutting lead to different verdicts"),
        Column(name="matters_effect", title="Cost", kind="rate", note="Share of the metric that is lost when it is cut, mean over the ways of cutting"),
    ],
    "moves": [
        Column(name="moves", title="Moves"),
        Column(name="moves_towards", title="towards"),
        PUSH,
    ],
    "missing": [Column(name="missing", title="Missing", note="Kinds of evidence that were not asked or cannot tell")],
}  # fmt: skip
RULE = (
    "Supported, if it looks and matters and no other kind denies it; attends without mattering, if it looks and does not matter; matters without attending, if it "
    "matters and does not look; refuted, if it does neither; else inconclusive."
)
UNCUT = "Which heads the model needs was not asked, as there are no minimal pairs of this question: pass some with --pairs."


def heads_table(heads: pd.DataFrame) -> Table:
    """Every head with what is known of it, those that matter most first."""
    by = "matters_effect" if "matters_effect" in heads else "layer"
    asked = [kind for kind in evidence.KINDS if kind in heads]
    return Table.of(
        "evidence",
        f"Every head: {', '.join(asked)}",
        heads.sort_values(by, ascending=by == "layer", kind="stable"),
        [Column(name="name", title="Head"), *_columns(heads)],
        caption=f"{'; '.join(SAYS[kind] for kind in asked)}. No: an interval shows that it does not, or for 'matters' that it costs "
        f"less than {percent(evidence.LITTLE)} of the metric. Unclear: these data cannot tell. Verdict: {RULE}",
        folded=len(heads) > 40,
    )


def _columns(heads: pd.DataFrame) -> list[Column]:
    """What there is of every kind: what is said, the effect, its interval and p."""
    found: list[Column] = []
    for kind, columns in COLUMNS.items():
        found += [column for column in columns if column.name in heads]
        if f"{kind}_effect" in heads:
            if kind == "moves" and "moves_own" in heads:
                found[-1] = COSINE
            texts = evidence.texts_of(kind, heads)
            found += [
                Column(name=f"{kind}_low", title="from", kind=texts.unit, note="Lower end of the 95% interval"),
                Column(name=f"{kind}_high", title="to", kind=texts.unit, note="Upper end of the 95% interval"),
                Column(name=f"{kind}_p", title="p", kind="number", note=f"Corrected over {texts.p_over}"),
            ]  # fmt: skip
    return found


def cost_map(result: AblationResult, what: str, how: str = "mean", side: str = "") -> Heatmap:
    """What it costs to cut each head, as a share of the intact metric."""
    metric = result.metrics[0]
    intact = float(result.intact[metric].mean())
    costs = result.grid(how, side=side) / intact
    worst = np.unravel_index(int(np.nanargmax(costs)), costs.shape)
    of = f"{side} " if side else ""
    return Heatmap(
        title=f"What it costs to cut each {of}head",
        caption=f"Percent of the {metric} that is lost ({result.says[metric]}; intact {intact:.2f}) when the head's output is replaced by "
        f"its mean, {what}. Outlined: the most costly.",
        values=cast(Any, costs),
        low=0.0,
        high=max(0.1, float(np.ceil(10 * np.nanmax(costs)) / 10)),
        marked=[(int(worst[0]), int(worst[1]))],
    )


def sentences(heads: pd.DataFrame) -> list[str]:
    """What else is known of heads, and of which it is unclear."""
    lines: list[str] = []
    if {"looks", "matters"} <= set(heads):
        if unclear := evidence.where(heads, looks="yes", matters="unclear"):
            lines.append(
                f"Heads that look, and of which it is unclear whether they matter: {_listed(unclear)}."
            )
        blind = evidence.where(heads, looks="no", matters="yes")
        lines.append(f"Heads that matter and do not look: {_listed(blind)}.")
    if {"carries", "matters"} <= set(heads):
        idle = evidence.where(heads, carries="yes", matters="no")
        lines.append(f"Heads that carry and do not matter: {_listed(idle)}.")
    if {"moves", "matters"} <= set(heads):
        lines.append(
            f"Heads that matter and do not move it along the directions asked: {_listed(evidence.where(heads, matters='yes', moves='no'))}; that move it and "
            f"do not matter: {_listed(evidence.where(heads, moves='yes', matters='no'))}."
        )
    if "matters_disagree" in heads:
        torn = evidence.where(heads, matters_disagree="yes")
        lines.append(
            f"Of {len(torn)} of {len(heads)} heads the ways of cutting lead to different verdicts, so none of them alone "
            "should be believed there."
        )
    return lines


def method(result: AblationResult, n_pairs: int) -> list[str]:
    """How heads were cut."""
    names = " and ".join(f"{name} ({result.says[name]})" for name in result.metrics)
    shares = ", ".join(
        f"{percent(share)} {name}" for name, share in result.taken_over.items() if share
    )
    return [
        f"Matters: each head is cut before the output matrix, in the clean sentences of {n_pairs} minimal pairs: by zero, by its mean, and "
        f"by what it was in another sentence (resample). Tokens stand for each other by: {shares}. Measured: {names}. p: signs of whole "
        f"groups are flipped, and each head and way is compared with the largest of all. Yes: the cost is above zero by an interval and with p below "
        f"5% in every way; no: in every way the interval ends below {percent(evidence.LITTLE)} of the metric. Other heads may make up for one that is cut.",
    ]


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return (
        ", ".join(names)
        if len(names) <= 12
        else f"{', '.join(names[:12])} and {len(names) - 12} more"
    )
