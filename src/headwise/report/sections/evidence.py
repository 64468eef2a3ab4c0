"""Each head's evidence as a table, a map of costs and plain sentences."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from headwise import evidence
from headwise._columns import Column, Columns
from headwise._formatting import MINUS, percent
from headwise.interventions.ablation import AblationResult
from headwise.report.schema import Heatmap, Table

SAYS = {
    "looks": "looks (attention): it attends to the expected word more often than chance and than every model-free baseline",
    "carries": "carries (probing): the fact can be read from its output better than from the best baseline without this head",
    "matters": "matters (ablation): ablating it degrades the behaviour by every method",
    "moves": "moves (direct contribution): its update moves the word towards what it means there",
}
PUSH = Column(
    "moves_effect",
    "Contribution",
    "rate",
    "Share of the distance between the classes along the direction that it adds",
)
COSINE = Column(
    "moves_effect",
    "Cosine",
    "number",
    "Of its update with the images of the word's own cues, above that with those of others",
)
COLUMNS = {
    "verdict": Columns(Column("verdict", "Verdict", "text", "By the kinds of evidence together")),
    "looks": Columns(
        Column("looks", "Looks"),
        Column("looks_relation", "Along"),
        Column("looks_effect", "Effect", "difference", "Hit rate above that of the best model-free baseline, points"),
        Column("looks_share", "Splits", "rate", "Share of random splits in which the head passes"),
    ),
    "carries": Columns(
        Column("carries", "Carries"),
        Column("carries_accuracy", "Read from it", "rate", "Balanced accuracy from its output z"),
        Column("carries_effect", "Gain", "difference", "Balanced accuracy above that of the best baseline, points"),
    ),
    "matters": Columns(
        Column("matters", "Matters"),
        Column("matters_negative", "Negative", "text", "Whether ablating it helps, by every method"),
        Column("matters_disagree", "Methods disagree", "text", "Whether methods of ablation lead to different verdicts"),
        Column("matters_effect", "Degradation", "rate", "Share of the clean metric that is lost when it is ablated, mean over methods"),
    ),
    "moves": Columns(Column("moves", "Moves"), Column("moves_towards", "towards"), PUSH),
    "missing": Columns(Column("missing", "Missing", "text", "Kinds of evidence that were not asked or cannot tell")),
}  # fmt: skip
RULE = (
    "Supported, if it looks and matters and no other kind says no; attends without mattering, if it looks and does not matter; matters without attending, if it "
    "matters and does not look; refuted, if it does neither and no other kind says yes; else inconclusive. A yes exceeds every head of every control; a no is an "
    "equivalence test against the smallest effect of interest."
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
        Columns(Column("name", "Head"), _columns(heads)),
        caption=f"{'; '.join(SAYS[kind] for kind in asked)}. No: the effect lies within "
        f"±{percent(evidence.SMALLEST)} (points, or share), simultaneously over heads. Inconclusive: these data cannot tell. Verdict: {RULE}",
        folded=len(heads) > 40,
    )


def _columns(heads: pd.DataFrame) -> Columns:
    """What there is of every kind: what is said, the effect, its interval and p."""
    found: list[Columns] = []
    for kind, columns in COLUMNS.items():
        found.append(columns)
        if f"{kind}_effect" in heads:
            found += [Columns(COSINE)] if kind == "moves" and "moves_own" in heads else []
            texts = evidence.rule_of(kind, heads)
            found.append(Columns(
                Column(f"{kind}_low", "from", texts.unit, "Lower end of the 95% interval"),
                Column(f"{kind}_high", "to", texts.unit, "Upper end of the 95% interval"),
                Column(f"{kind}_p", "p", "number", f"Corrected over {texts.p_over}"),
                Column(f"{kind}_control", "Controls", texts.unit, "Largest effect of any head of a control: random weights, uniform attention, permuted links or labels"),
                Column(f"{kind}_detectable", "Detectable", texts.unit, "Smallest effect that these data would show with 80% power"),
            ))  # fmt: skip
    told = Columns(*found)
    return told.pick(*(name for name in told if name in heads))


def cost_map(result: AblationResult, what: str, method: str = "mean", side: str = "") -> Heatmap:
    """The degradation when each head is ablated, as a share of the clean metric, or in its unit where there is nothing to lose."""
    metric = result.metrics[0]
    clean = float(result.intact[metric].mean())
    can = result.can(metric)
    costs = result.grid("cost", method=method, metric=metric, side=side) / (clean if can else 1.0)
    worst = np.unravel_index(int(np.nanargmax(costs)), costs.shape)
    of = f"{side} " if side else ""
    shown = f"Percent of the {metric} that is lost" if can else f"Loss of {metric}, which is not shown to be above zero in the clean model,"  # fmt: skip
    return Heatmap(
        title=f"Degradation when each {of}head is ablated",
        caption=f"{shown} ({result.says[metric]}; clean {clean:.2g}) when the head's output is replaced by a mean of reference tokens ({_over(result)}), {what}. "
        "Outlined: the largest.",
        values=cast(Any, costs),
        low=0.0,
        high=max(0.1, float(np.ceil(10 * np.nanmax(costs)) / 10)) if can else max(1e-9, float(np.nanmax(costs))),
        marked=[(int(worst[0]), int(worst[1]))],
        unit="rate" if can else "number",
    )  # fmt: skip


def sentences(heads: pd.DataFrame) -> list[str]:
    """What else is known of heads, and of which it is inconclusive."""
    lines: list[str] = []
    if {"looks", "matters"} <= set(heads):
        if inconclusive := evidence.where(heads, looks="yes", matters="inconclusive"):
            lines.append(
                f"Heads that look, and of which it is inconclusive whether they matter: {_listed(inconclusive)}."
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
    if "matters_negative" in heads:
        negative = evidence.where(heads, matters_negative="yes")
        lines.append(
            f"Negative heads, without which the model does better by at least {percent(evidence.SMALLEST)} of the metric in every way of ablation: {_listed(negative)}."
        )
        lines.append(detectable(heads))
    if "matters_disagree" in heads:
        torn = evidence.where(heads, matters_disagree="yes")
        lines += disagreement(len(torn), len(heads))
    return lines


def disagreement(n_torn: int, n_heads: int) -> list[str]:
    """Of how many heads the ways of ablation say different things; nothing where they agree."""
    if not n_torn:
        return []
    return [
        f"For {n_torn} of {n_heads} heads the ways of ablation lead to different verdicts, so none of them alone should be believed there."
    ]


def detectable(heads: pd.DataFrame) -> str:
    """The smallest degradation that could have been found, in a sentence."""
    smallest = heads["matters_detectable"].to_numpy(float)
    if not np.isfinite(smallest).any():
        return "What degradation could have been found cannot be said: the clean metric is not shown to be above zero, or there are too few groups."
    return (
        f"A head would have been found to matter with 80% power if ablating it cost {percent(float(np.nanmedian(smallest)))} of the clean metric (median over heads; at "
        f"most {percent(float(np.nanmax(smallest)))})."
    )


def controls(result: AblationResult) -> str:
    """What the same ablation finds in models that cannot need the heads, in a sentence."""
    metric, found = result.metrics[0], result.controls
    if found is None:
        return "No control was run, as there are too few sentences or groups for a head to be said to matter."
    if found.why_not:
        return f"No control could be run, so no head is said to matter: {found.why_not}"
    if metric not in found.t:
        return (
            f"No control was run, as {metric} is not of other models; so no head is said to matter."
        )
    _, t = found.largest(metric)
    return (
        f"Controls ({', '.join(found.names)}; {found.cases} sentences, ablated by {' and '.join(found.methods)}): the largest t of a head's degradation is {_number(t)}, multiplied by "
        f"{found.scale:.2f} for the number of sentences; a head that matters has a larger one."
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)


def _over(result: AblationResult) -> str:
    """What reference tokens are, most frequent first."""
    shares = sorted(result.taken_over.items(), key=lambda item: -item[1])
    return ", ".join(f"{percent(share)} {name}" for name, share in shares if share)


def method(result: AblationResult, n_pairs: int) -> list[str]:
    """How heads were ablated."""
    names = " and ".join(f"{name} ({result.says[name]})" for name in result.metrics)
    metric, (clean, low, high) = result.metrics[0], result.clean_value()
    interval = f"[{_number(low)}, {_number(high)}]"
    nothing = ""
    if np.isnan(low):
        interval, nothing = "(too few groups for an interval)", " Whether heads matter is therefore inconclusive."  # fmt: skip
    elif not result.can():
        nothing = " This is not above zero, so nothing can be lost, and whether heads matter is inconclusive."  # fmt: skip
    crossed = " and, crossed with it, by the words that differ in a pair" if len(result.clusters.factors) > 1 else ""  # fmt: skip
    return [
        f"Matters: each head is ablated before the output matrix, in the clean sentences of {n_pairs} minimal pairs: by zero, by the mean of reference tokens in other "
        f"sentences, and by one of these tokens (resample). Reference tokens are: {_over(result)}. Measured: {names}. In the clean model {metric} is "
        f"{_number(clean)} {interval}.{nothing} Sentences are clustered by group{crossed} ({result.clusters.n} clusters). p: signs of "
        f"whole clusters are flipped, and each head and way is compared with the largest of all. {evidence.MATTERS.text} Other heads may make up for one that is ablated.",
        controls(result),
    ]  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return (
        ", ".join(names)
        if len(names) <= 12
        else f"{', '.join(names[:12])} and {len(names) - 12} more"
    )
