"""Direct effects of heads and self-repair, as a section."""

from headwise.interventions.direct_effects import DirectEffectResult
from headwise.report.schema import Section, Table

from ..heads.head_cards import NAME, named

COLUMNS = DirectEffectResult.columns.pick(
    NAME, "total", "direct", "direct_through_mlps", "self_repair", "self_repair_low", "self_repair_high"
)  # fmt: skip


def direct_effects(result: DirectEffectResult) -> Section:
    """What each head does by itself, and what later components make of its ablation, by the first metric."""
    metric = result.table["metric"].iloc[0]
    table = named(result.table[result.table["metric"] == metric])
    return Section(
        title="Direct effects and self-repair",
        tables=[
            Table.of(
                "direct", "Direct effect and self-repair of each head", table, COLUMNS, folded=len(table) > 12,
                caption=f"Degradation of the {metric} under {result.method} ablation.",
            )
        ],
        method=[
            "Total effect: the degradation when a head is ablated and later components respond. Direct effect: the same with all later attention, MLPs and norm scales held at their clean values, so that only what "
            "the head itself writes reaches the output. Through MLPs: the same with later MLPs recomputed. Self-repair is direct minus total effect: the part that later components compensate for, or, below zero, the part "
            "that they add to what the head writes.",
        ],
        references=[
            "McGrath, Rahtz, Kramár, Mikulik and Legg 2023, The Hydra effect.",
            "Rushing and Nanda 2024, Explorations of self-repair in language models.",
        ],
    )  # fmt: skip
