"""All kinds of evidence on each head, side by side, as a section."""

from collections.abc import Sequence

import pandas as pd

from headwise import evidence as kinds
from headwise._columns import Column, Columns
from headwise._formatting import percent
from headwise.evidence import INCONCLUSIVE, NO, YES
from headwise.report.schema import Section, Table

from .head_cards import NAME

MOST_NAMED = 12  # heads in a sentence
TESTED = {
    "looks": "Looks (attention): the head attends to the expected word more often than chance and than every model-free baseline.",
    "carries": "Carries (probing): the label can be decoded from its output better than from the best baseline without this head.",
    "matters": "Matters (ablation): its ablation degrades the metric by every method.",
    "moves": "Moves (direct contribution): its update moves the word towards the word's class.",
}  # fmt: skip
CONTRASTS = {
    "Heads that attend to the expected word, with inconclusive evidence on whether they matter": {"looks": YES, "matters": INCONCLUSIVE},
    "Heads that matter without attending to the expected word": {"looks": NO, "matters": YES},
    "Heads that carry the label without mattering": {"carries": YES, "matters": NO},
    "Heads that matter without moving the word along the tested directions": {"moves": NO, "matters": YES},
    "Heads that move the word without mattering": {"moves": YES, "matters": NO},
}  # fmt: skip
NOT_ABLATED = "Whether the model needs each head was not tested, as there are no minimal pairs of this question; pass some with --pairs."  # fmt: skip
COSINE = Column("moves_effect", "Cosine", "number", "Of its update with the OV images of the word's own deciding words, less that with those of others")  # fmt: skip
MISSING = Column("missing", "Missing", "text", "Kinds of evidence that were not tested or are inconclusive")  # fmt: skip
COLUMNS = {
    "looks": Columns(
        Column("looks_relation", "Along"),
        Column("looks_share", "Splits", "rate", "Share of random splits in which the head passes"),
        Column("looks_effect", "Effect", "difference", "Hit rate above that of the best model-free baseline, points"),
    ),
    "carries": Columns(
        Column("carries_accuracy", "Accuracy", "rate", "Balanced accuracy from its output z"),
        Column("carries_effect", "Gain", "difference", "Balanced accuracy above that of the best baseline, points"),
    ),
    "matters": Columns(
        Column("matters_negative", "Negative", "text", "Whether its ablation improves the metric, by every method"),
        Column("matters_disagree", "Methods disagree", "text", "Whether methods of ablation lead to different verdicts"),
        Column("matters_effect", "Degradation", "rate", "Share of the clean metric that is lost, mean over methods"),
    ),
    "moves": Columns(
        Column("moves_towards", "towards"),
        Column("moves_effect", "Contribution", "rate", "Share of the distance between the classes along the direction that it adds"),
    ),
}  # fmt: skip


def evidence(heads: pd.DataFrame) -> Section:
    """Every head with all kinds of evidence, and on which heads the kinds differ.

    Args:
        heads: What `evidence.judge_all` gives. With one kind alone there is no table, as the cards show it.
    """
    tested = [kind for kind in kinds.KINDS if kind in heads]
    contrasts = [
        f"{text}: {listed(kinds.where(heads, **said))}."
        for text, said in CONTRASTS.items()
        if set(said) <= set(heads)
    ]
    return Section(
        title="Evidence on each head",
        tables=[_table(heads, tested)] if len(tested) > 1 else [],
        findings=contrasts if "matters" in heads else [NOT_ABLATED],
        method=[*(TESTED[kind] for kind in tested), kinds.VERDICT_RULE] if len(tested) > 1 else [],
    )  # fmt: skip


def _table(heads: pd.DataFrame, tested: Sequence[str]) -> Table:
    """Those with the largest degradation first."""
    by = "matters_effect" if "matters_effect" in heads else "layer"
    columns = Columns(
        NAME,
        Column("verdict", "Verdict", "text", "By the kinds of evidence together"),
        *(_columns(kind, heads) for kind in tested),
        MISSING,
    )
    limits = sorted({kinds.rule_of(kind, heads).smallest for kind in tested})
    limit = " to ".join(f"±{percent(limit)}" for limit in dict.fromkeys((limits[0], limits[-1])))
    return Table.of(
        "evidence",
        f"Every head: {', '.join(tested)}",
        heads.sort_values(by, ascending=by == "layer", kind="stable"),
        columns.pick(*(name for name in columns if name in heads)),
        caption=f"No: the effect lies within {limit} (points, or share), simultaneously over heads. Inconclusive: neither yes nor no by the rule of this kind.",
        folded=len(heads) > 40,
    )  # fmt: skip


def _columns(kind: str, heads: pd.DataFrame) -> Columns:
    """One kind of evidence: yes or no, the effect, its interval and p."""
    rule = kinds.rule_of(kind, heads)
    return Columns(
        Column(kind, kind.capitalize()),
        COLUMNS[kind],
        *([COSINE] if kind == "moves" and "moves_own" in heads else []),
        Column(f"{kind}_low", "from", rule.unit, "Lower end of the 95% interval"),
        Column(f"{kind}_high", "to", rule.unit, "Upper end of the 95% interval"),
        Column(f"{kind}_p", "p", "number", f"Corrected over {rule.p_over}"),
        Column(f"{kind}_control", "Controls", rule.unit, "Largest effect of any head of a control: random weights, uniform attention, permuted links or labels"),
        Column(f"{kind}_detectable", "Detectable", rule.unit, "Smallest effect that is found with 80% power"),
    )  # fmt: skip


def listed(names: Sequence[str]) -> str:
    """Names of heads in a sentence, the first ones of many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}" or "none"
