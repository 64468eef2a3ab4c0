"""Activation patching in minimal pairs, by layer and position and by head, as a section."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false

import numpy as np

from headwise._formatting import MINUS
from headwise.interventions.attribution import AttributionResult
from headwise.interventions.patching import PatchResult
from headwise.report.schema import Detail, Heatmap, Lines, Section, Series, Table

from .head_details import NAME, Row, detail, named

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
    table = result.table[result.table["mode"] == "denoising"]
    gap = result.gap[result.metrics[0]]
    roles = (table["side"] + " " + table["position"]).str.strip()
    return Lines(
        title="The difference in the residual stream, layer by layer",
        caption="Percent of the difference between the two sentences that is restored when the residual stream before a block, at positions of one role, is patched from the clean into the corrupted sentence, with 95% "
        "intervals. It begins at the swapped word and ends where the metric is read.",
        x_label="layer of the residual stream",
        x=sorted(table["layer"].unique()),
        series=[
            Series(
                name=str(name), values=rows["share"], low=rows["effect_low"] / gap, high=rows["effect_high"] / gap,
                is_baseline=bool(rows["share"].abs().max() < SMALL),
            )
            for name, rows in table.groupby(roles, sort=False)
        ],
    )  # fmt: skip


def _map(result: PatchResult, mode: str, side: str) -> Heatmap:
    values = result.grid("share", mode=mode, side=side)
    best = np.unravel_index(int(np.nanargmax(values)), values.shape)
    what, where = MODES[mode]
    return Heatmap(
        title=f"Each {side} head, {what}".replace("  ", " "),
        caption=f"Percent of the difference between the two sentences that moves when the output of one head is patched {where} ({mode}). Outlined: the largest.",
        values=values,
        low=0.0,
        high=max(0.1, float(np.ceil(10 * np.nanmax(values)) / 10)),
        marked=[(int(best[0]), int(best[1]))],
    )  # fmt: skip


def _detail(result: PatchResult) -> Detail:
    gap, side = result.gap[result.metrics[0]], result.table["side"].iloc[0]
    table = result.table[result.table["side"] == side]
    rows = [
        Row(where, own.assign(effect=own["share"], low=own["effect_low"] / gap, high=own["effect_high"] / gap, p=own["p_fwer"]))
        for mode, (_, where) in MODES.items()
        for own in [table[table["mode"] == mode]]
    ]  # fmt: skip
    caption = "Share of the difference between the two sentences that moves when this head alone is patched. p over all heads, in each direction."  # fmt: skip
    return detail("Patched", caption, "rate", rows, result.grid("share", mode="noising", side=side).shape)  # fmt: skip
