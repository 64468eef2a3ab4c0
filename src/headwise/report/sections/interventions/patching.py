"""Activation patching in minimal pairs, by layer and position and by head, as a section."""

import pandas as pd

from headwise._formatting import MINUS
from headwise.interventions.attribution import AttributionResult
from headwise.interventions.patching import PatchResult
from headwise.report.schema import Detail, Heatmap, Lines, Section, Series, Table

from ..heads.head_cards import NAME, named
from ..heads.head_details import Row, detail

COLUMNS = PatchResult.columns.pick(
    NAME, "mode", "effect", "effect_low", "effect_high", "p_fwer", "share"
)
MODES = {
    "noising": ("necessary", "from the corrupted sentence, in the clean one"),
    "denoising": ("sufficient", "from the clean sentence, in the corrupted one"),
}
SMALL = 0.05  # of the difference; a position whose share never reaches it is drawn pale


def patching(stream: PatchResult, heads: PatchResult, estimated: AttributionResult) -> Section:
    """Where the difference between the sentences of a pair is, and which heads carry it, by one metric.

    Args:
        stream: Patches of `residual`, by layer and position.
        heads: Patches of `z`, by head.
        estimated: Attribution patching of the same heads.
    """
    gap = heads.gap[heads.metrics[0]]
    correlations = (
        f"Attribution patching, which needs two passes for all heads, ranks them as patching does with a Spearman correlation of {estimated.rank_top:.2f} among the largest effects and {estimated.rank_sample:.2f} "
        f"in a random sample ({estimated.mode})."
    ).replace("-", MINUS)
    left_out = f"{heads.left_out} pairs were not patched, as their tokens could not be aligned."
    return Section(
        title="Activation patching",
        figures=[_lines(stream), *(_map(heads, mode, side) for side in heads.table["side"].unique() for mode in MODES)],
        tables=[
            Table.of(
                "patches", "Every head, patched", named(heads.table), COLUMNS, folded=True,
                caption="; ".join(f"{mode}: the output of the head {where}" for mode, (_, where) in MODES.items()) + ".",
            )
        ],
        findings=[*([left_out] if heads.left_out else []), correlations, f"Shares are of {gap:.2f}, the mean difference between clean and corrupted sentences."],
        method=[
            "Activation patching: the sentences of a pair are aligned token by token, and an activation of one sentence is replaced by that of the other. Noising tests whether an activation is necessary, denoising whether it is "
            "sufficient. Positions are named by their role: the label of a marked word; changed, for a swapped word; end, where the metric is read; special, for tokens of no word; other, for all else.",
        ],
        references=[
            "Vig et al. 2020, Investigating gender bias in language models using causal mediation analysis.",
            "Heimersheim and Nanda 2024, How to use and interpret activation patching.",
            "Nanda 2023, Attribution patching: activation patching at industrial scale.",
        ],
        details=[_detail(heads)],
    )  # fmt: skip


def _lines(result: PatchResult) -> Lines:
    """Share of the difference that the stream is sufficient for, by layer and position."""
    table = _in_shares(result)
    table = table[table["mode"] == "denoising"]
    roles = (table["side"] + " " + table["position"]).str.strip()
    return Lines(
        title="The difference in the residual stream, layer by layer",
        caption="Percent of the difference between the two sentences that is restored when the residual stream before a block, at positions of one role, is patched from the clean into the corrupted sentence, with 95% "
        "intervals. It begins at the swapped word and ends where the metric is read.",
        x_label="layer of the residual stream",
        x=sorted(table["layer"].unique()),
        series=[
            Series.of(str(name), rows, "share", is_baseline=bool(rows["share"].abs().max() < SMALL))
            for name, rows in table.groupby(roles, sort=False)
        ],
    )  # fmt: skip


def _map(result: PatchResult, mode: str, side: str) -> Heatmap:
    what, where = MODES[mode]
    return Heatmap.of_shares(
        f"Each {side} head, {what}".replace("  ", " "),
        f"Percent of the difference between the two sentences that moves when the output of one head is patched {where} ({mode}). Outlined: the largest.",
        result.grid("share", mode=mode, side=side),
    )


def _detail(result: PatchResult) -> Detail:
    t = _in_shares(result)
    t = t[t["side"] == t["side"].iloc[0]]
    columns = ("share", "share_low", "share_high", "p_fwer")
    rows = [Row(where, t[t["mode"] == mode], columns) for mode, (_, where) in MODES.items()]
    caption = "Share of the difference between the two sentences that moves when this head alone is patched. p over all heads, in each direction."  # fmt: skip
    return detail("Patched", caption, "rate", rows)


def _in_shares(result: PatchResult) -> pd.DataFrame:
    """The table with the interval of its shares: that of the effects, divided by the whole difference."""
    ends = result.table[["effect_low", "effect_high"]] / result.gap[result.metrics[0]]
    return result.table.assign(share_low=ends["effect_low"], share_high=ends["effect_high"])
