"""Which heads does a behaviour need?

Question: in minimal pairs, where one word decides what comes next, which heads must a model have to go
on rightly, and where in the model does the difference between the two sentences pass?

Method: every head is ablated, one at a time, by zero, by the mean of reference tokens and by one of them. The heads that cost
at least 5% of the metric in every way on one half of the groups, more surely than any head of models that cannot need it, are taken as a set; on
the other half the set is ablated as a whole, in every way, beside 200 random sets of as many heads from the same layers, and kept
as the only one. Then activations are exchanged between the two sentences of each pair: the stream by layer and position, and each
head's output, in both directions. Last, each head's effect is taken apart into what it does by itself and what the rest of the model makes of it.

    uv run analyses/matters.py --model burrow
    headwise run matters --model gpt2 --data my_pairs.toml

Caveats: a head that can be spared may still do something that others do as well; what is found for these
sentences holds for sentences like them.
"""

import random
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

import headwise
from headwise import evidence
from headwise._formatting import MINUS, Verdict, percent
from headwise.cli import discovery
from headwise.data import transforms
from headwise.evidence.rules import LEVEL, MIN_CASES, MIN_CLUSTERS, SMALLEST
from headwise.interventions.head_sets import HeadSetResult
from headwise.interventions.patching import PatchResult
from headwise.interventions.prompts import that_fit
from headwise.report import sections
from headwise.report.schema import Column, Detail, Heatmap, Lines, Report, Section, Series, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.ablation import detectable
from headwise.report.sections.examples import examples_shown
from headwise.stats import is_within

SUITE = "gender_pairs"
BURROW_PAIRS = "gender"
HALF = " On the half of the groups on which heads are found."
MOST = 8  # heads of a set
PATCHED = {
    "noising": "from the corrupted sentence, in the clean one",
    "denoising": "from the clean sentence, in the corrupted one",
}

SETS = [
    Column(name="metric", title="Metric"),
    Column(name="method", title="Ablated by"),
    Column(name="heads", title="Heads", kind="integer"),
    Column(name="cost", title="Degradation", kind="number"),
    Column(name="cost_low", title="from", kind="number"),
    Column(name="cost_high", title="to", kind="number"),
    Column(name="share", title="Share", kind="rate", note="Of the clean metric"),
    Column(name="sum_of_parts", title="Sum of parts", kind="number", note="Of its heads ablated one by one"),
    Column(name="random", title="Random sets", kind="number", note="Mean degradation of as many heads, on fewer sentences"),
    Column(name="random_max", title="largest", kind="number"),
    Column(name="random_sets", title="of", kind="integer", note="Random sets"),
    Column(name="p_random", title="p (random)", kind="number", note="Rank of the set among random sets, on the same sentences"),
    Column(name="unrelated", title="Elsewhere", kind="number", note="Degradation in sentences of another question"),
    Column(name="restored", title="Kept alone", kind="rate", note="1 less the degradation of ablating all others over that of ablating every head"),
    Column(name="restored_random", title="random", kind="rate", note="The same of random sets"),
]  # fmt: skip
PATCHES = [
    Column(name="place", title="Head"),
    Column(name="mode", title="Direction"),
    Column(name="effect", title="Effect", kind="number"),
    Column(name="effect_low", title="from", kind="number"),
    Column(name="effect_high", title="to", kind="number"),
    Column(name="p_fwer", title="p", kind="number"),
    Column(name="share", title="Share", kind="rate", note="Of the difference between clean and corrupted sentences"),
]  # fmt: skip
DIRECT = [
    Column(name="place", title="Head"),
    Column(name="total", title="Total effect", kind="number", note="Degradation when it is ablated"),
    Column(name="direct", title="Direct effect", kind="number", note="The same with all later attention, MLPs and norms held as they were"),
    Column(name="direct_through_mlps", title="through MLPs", kind="number", note="The same with later attention and norms held, and MLPs run"),
    Column(name="self_repair", title="Self-repair", kind="number", note="Direct effect minus total effect"),
    Column(name="self_repair_low", title="from", kind="number"),
    Column(name="self_repair_high", title="to", kind="number"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Cuts and patches every head of a model on minimal pairs."""
    n_all, suite = len(suite.pairs), that_fit(model, suite)
    finding, testing = _halves(suite, seed)
    cut = headwise.ablate(model, finding, seed=seed)
    chosen = list(cut.significant()["name"].unique())[:MOST]
    found = None
    if chosen:
        found = headwise.ablate_set(
            model,
            testing,
            chosen,
            n_null=19 if smoke else 200,
            n_null_kept=2 if smoke else 20,
            unrelated=discovery.other_pairs(model, suite.name, smoke=smoke),
            seed=seed,
        )
    metric = cut.metrics[0]
    stream = headwise.patch(model, suite, "residual", metrics=[metric], seed=seed)
    heads = headwise.patch(model, suite, "z", metrics=[metric], seed=seed)
    estimated = headwise.attribution_patch(model, suite, "z", metrics=metric, seed=seed)
    alone = headwise.direct_effects(model, suite, metrics=[metric], heads=chosen or None, seed=seed)
    needed = evidence.matters(cut, side=head_cards.side_shown(model))
    verdict = _verdict(found, needed)
    linked = transforms.cues(suite)
    return Report(
        analysis="matters",
        model=model.name,
        question=suite.question,
        verdict=verdict,
        answer=_answer(model.name, verdict, chosen, found, cut, needed),
        controls=evidence.controls_line(needed),
        sections=[
            Section(
                title="Results",
                figures=[
                    _stream_lines(stream),
                    *(_head_maps(heads) if len(model.stacks) == 1 else []),
                ],
                tables=[
                    *([_set_table(found)] if found else []),
                    _patch_table(heads),
                    _direct_table(alone.table, metric),
                ],
                findings=[
                    *_not_found(model, cut, found, heads, estimated),
                    *(
                        [f"{n_all - len(suite.pairs)} pairs do not fit into the context."]
                        if n_all > len(suite.pairs)
                        else []
                    ),
                ],
                method=_method(suite),
                references=[
                    "Michel, Levy and Neubig 2019, Are sixteen heads really better than one?",
                    "Li and Janson 2024, Optimal ablation for interpretability.",
                    "Vig et al. 2020, Investigating gender bias in language models using causal mediation analysis.",
                    "Heimersheim and Nanda 2024, How to use and interpret activation patching.",
                    "McGrath, Rahtz, Kramár, Mikulik and Legg 2023, The Hydra effect.",
                ],
            ),
            sections.ablation(cut, HALF),
        ],
        heads=head_cards.heads_section(model, needed, _details(model, cut, heads)),
        attention=examples_shown(
            model,
            linked,
            [("cue", "governor->dependent")] if linked.relations else [],
            heads_first=head_cards.first(needed),
            seed=seed,
        ),
    )


def _details(
    model: headwise.Model, cut: headwise.AblationResult, patched: PatchResult
) -> list[Detail]:
    side = head_cards.side_shown(model)
    shape = head_cards.shape_shown(model)
    gap = patched.gap[patched.metrics[0]]
    rows = [
        head_details.Row(name, own.assign(effect=own["share"], low=own["effect_low"] / gap, high=own["effect_high"] / gap, p=own["p_fwer"]))
        for direction, name in PATCHED.items()
        for own in [patched.table[(patched.table["mode"] == direction) & (patched.table["side"] == side)]]
    ]  # fmt: skip
    told = "Share of the difference between the two sentences that moves when this head alone is patched. p over all heads and both directions."
    return [
        head_details.ways(cut, shape, side, HALF),
        head_details.detail("Patched", told, "rate", rows, shape),
    ]


def _halves(suite: headwise.Suite, seed: int) -> tuple[headwise.Suite, headwise.Suite]:
    """Pairs of half of the groups, and of the others."""
    groups = list(dict.fromkeys(pair.group for pair in suite.pairs))
    if not groups:
        raise headwise.HeadwiseError(
            f"This analysis needs minimal pairs, and {suite.name!r} has none. Name a suite with pairs = [...], such as "
            "gender_pairs, mole_pairs or adjective_pairs; docs/suites.md says how to write one."
        )
    if len(groups) < 2:
        raise headwise.HeadwiseError(
            f"The pairs of {suite.name!r} come from {len(groups)} group(s); heads are found on one half of the groups and "
            "tested on the other, so there must be two at least, and ten or more to say anything."
        )
    random.Random(seed).shuffle(groups)
    first = set(groups[: len(groups) // 2])
    parts = [[p for p in suite.pairs if (p.group in first) == inside] for inside in (True, False)]
    finding, testing = (
        replace(
            suite,
            pairs=tuple(part),
            sentences=tuple(s for p in part for s in (p.clean, p.corrupted)),
        )
        for part in parts
    )
    return finding, testing


def _verdict(found: HeadSetResult | None, needed: pd.DataFrame) -> Verdict:
    """Of the set, in every way of ablation; where there is none, of all heads together."""
    if found is None:
        return "not supported" if (needed["matters"] == "no").all() else "inconclusive"
    metric = found.ablation.metrics[0]
    rows = found.table[found.table["metric"] == metric]
    clusters = found.ablation.clusters
    enough = len(clusters) >= MIN_CASES and clusters.n >= MIN_CLUSTERS
    is_yes = (rows["share"] >= SMALLEST) & (rows["p_cost"] < LEVEL) & (rows["p_random"] <= LEVEL)
    if enough and found.ablation.can(metric) and is_yes.all():
        return "supported"
    share, se = (rows[name].to_numpy(float) for name in ("share", "share_se"))
    # One set, and every way must agree: nothing to correct for.
    critical = float(stats.t.ppf(1 - LEVEL, max(1, clusters.n - 1)))
    is_small = is_within(share, se, critical, SMALLEST)
    return "not supported" if enough and is_small.all() else "inconclusive"


def _answer(
    model: str,
    verdict: Verdict,
    chosen: list[str],
    found: HeadSetResult | None,
    cut: headwise.AblationResult,
    needed: pd.DataFrame,
) -> str:
    metric = cut.metrics[0]
    if found is None:
        return _none_found(model, verdict, cut, needed)
    rows = found.table[found.table["metric"] == metric]
    weakest = rows.loc[rows["share"].idxmin()] if rows["share"].notna().any() else rows.iloc[0]
    names = ", ".join(chosen)
    one = len(chosen) == 1
    opening = {
        "supported": f"{model} needs {names} for this",
        "not supported": f"{names} of {model}, found on half of the groups, {'costs' if one else 'cost'} less than {percent(SMALLEST)} of the metric on the other",
        "inconclusive": f"Whether {model} needs {names} for this is inconclusive",
    }[verdict]
    return (
        f"{opening}: ablated {'' if one else 'together '}on groups by which {'it was' if one else 'they were'} not found, "
        f"{'it costs' if one else 'they cost'} at least {percent(weakest['share'])} of the {metric} [{percent(weakest['share_low'])}, {percent(weakest['share_high'])}] (the least "
        f"of {len(rows)} ways, by {weakest['method']}), {int(weakest['random_sets'])} random {'heads' if one else 'sets of as many heads'} of {found.random_from} "
        f"{_share_of(weakest, 'random')} on average and {_share_of(weakest, 'random_max')} at most; kept alone, {'it restores' if one else 'they restore'} "
        f"{percent(rows['restored'].min())} to {percent(rows['restored'].max())} of what all heads give, random ones {percent(rows['restored_random'].min())} to "
        f"{percent(rows['restored_random'].max())}."
    )


def _share_of(row: pd.Series, name: str) -> str:
    """A cost in the metric as a share of the clean metric."""
    return percent(float(row[name] * row["share"] / row["cost"]) if row["cost"] else 0.0)


def _none_found(
    model: str, verdict: Verdict, cut: headwise.AblationResult, needed: pd.DataFrame
) -> str:
    if np.isnan(cut.clean_value()[1]):
        return (
            f"Which heads {model} needs for this is inconclusive: half of the groups are {cut.clusters.n} cluster{'' if cut.clusters.n == 1 else 's'}, too few for an interval of its {cut.metrics[0]}. "
            "Add groups of minimal pairs."
        )
    if not cut.can():
        return (
            f"{model} is not shown to do this at all: on half of the groups its {cut.metrics[0]} is not above zero by its interval, so there is nothing to lose, and which "
            "heads it needs is inconclusive."
        )
    if verdict == "not supported":
        return f"{model} needs no single head for this: on half of the groups ablating any of its {len(needed)} heads changes less than {percent(SMALLEST)} of the {cut.metrics[0]}, in every way."
    n_no = int((needed["matters"] == "no").sum())
    return (
        f"No head of {model} was found to matter on half of the groups: of {len(needed)} heads {n_no} change less than {percent(SMALLEST)} of the {cut.metrics[0]}, and for the others "
        f"it is inconclusive. The work is shared among many, or each does less than could be found. {detectable(cut)}"
    )


def _stream_lines(result: PatchResult) -> Lines:
    """Share of the difference that the stream holds, by position and layer, in the direction that asks what suffices."""
    table = result.table[result.table["mode"] == "denoising"]
    gap = result.gap[result.metrics[0]]
    names = pd.Series(
        [f"{r.side} {r.position}".strip() for r in table.itertuples()], index=table.index
    )
    return Lines(
        title="Where the difference is, layer by layer",
        caption="Percent of the difference between the two sentences that is mended when the stream before a block, at one kind of position, "
        "is put in from the clean sentence, with 95% intervals. It begins at the word that was swapped and ends where the answer is read.",
        x_label="layer of the residual stream",
        x=sorted(table["layer"].unique()),
        series=[
            Series(
                name=str(name),
                values=rows["share"],
                low=rows["effect_low"] / gap,
                high=rows["effect_high"] / gap,
                is_baseline=bool(rows["share"].abs().max() < 0.05),
            )
            for name, rows in table.groupby(names, sort=False)
        ],
    )


def _head_maps(result: PatchResult) -> list[Heatmap]:
    maps: list[Heatmap] = []
    says = {"noising": "necessary: its output from the corrupted sentence, in the clean one", "denoising": "sufficient: its output from the clean sentence, in the corrupted one"}  # fmt: skip
    for direction, what in says.items():
        rows = result.table[result.table["mode"] == direction]
        values = rows.pivot(index="layer", columns="head", values="share").to_numpy(dtype=float)
        best = np.unravel_index(int(np.nanargmax(values)), values.shape)
        maps.append(
            Heatmap(
                title=f"Each head, {what.split(':')[0]}",
                caption=f"Percent of the difference between the two sentences that moves when one head is patched ({what}). Outlined: the largest.",
                values=values,
                low=0.0,
                high=max(0.1, float(np.ceil(10 * np.nanmax(values)) / 10)),
                marked=[(int(best[0]), int(best[1]))],
            )
        )
    return maps


def _set_table(found: HeadSetResult) -> Table:
    names = ", ".join(head.name for head in found.heads)
    return Table.of(
        "set",
        "The set as a whole, on the half by which it was not found",
        found.table,
        SETS,
        caption=f"{names}. Random sets: as many heads of {found.random_from}, which may be some of these. "
        + (
            f"Elsewhere: minimal pairs of another question, {found.unrelated.suite}."
            if found.unrelated
            else ""
        ),
    )


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    names = [f"{r.side}{'.' if r.side else ''}L{r.layer}H{r.head}" for r in table.itertuples()]
    return table.assign(place=names)


def _patch_table(result: PatchResult) -> Table:
    return Table.of(
        "patches",
        "Every head, patched",
        _placed(result.table),
        PATCHES,
        caption="Noising: the head's output from the corrupted sentence is put into the clean one. Denoising: the other way round.",
        folded=True,
    )


def _direct_table(table: pd.DataFrame, metric: str) -> Table:
    return Table.of(
        "direct",
        "Direct effect, and self-repair",
        _placed(table),
        DIRECT,
        caption=f"Degradation in {metric} when a head is ablated by the mean of reference tokens (total effect); the same with all later attention, MLPs and scales of layer norms held as "
        "they were (direct effect: what it writes reaches the output by itself), and with later MLPs run. Self-repair is direct minus total effect: what later components make up for, or, below zero, what they "
        "pass on beyond what the head writes itself.",
        folded=len(table) > 12,
    )


def _not_found(
    model: headwise.Model,
    cut: headwise.AblationResult,
    found: HeadSetResult | None,
    heads: PatchResult,
    estimated: headwise.AttributionResult,
) -> list[str]:
    lines: list[str] = []
    if found is not None:
        row = found.table[(found.table["metric"] == cut.metrics[0]) & (found.table["method"] == "mean")].iloc[0]  # fmt: skip
        finding = "as these data go, no more and no less"
        if row["excess_low"] > 0:
            finding = "together more, so some make up for others that are ablated alone"
        elif row["excess_high"] < 0:
            finding = "together less, so they are needed for the same"
        lines.append(
            f"By the mean, the set costs {row['cost']:.2g}, its heads one by one {row['sum_of_parts']:.2g} in sum: {finding} (difference "
            f"{row['excess']:.2g} [{row['excess_low']:.2g}, {row['excess_high']:.2g}]).".replace("-", MINUS)
        )  # fmt: skip
    if heads.left_out:
        lines.append(
            f"{heads.left_out} pairs were not patched: their sentences are not of the same tokens for {model.name}."
        )
    lines.append(
        "A gradient, which needs two passes for all heads, ranks what patching them does with a correlation of "
        f"{estimated.rank_top:.2f} among the largest and {estimated.rank_sample:.2f} in a random sample (Spearman, noising).".replace(
            "-", MINUS
        )
    )
    gap = heads.gap[heads.metrics[0]]
    lines.append(
        f"All shares are of {gap:.2f}, the mean difference between clean and corrupted sentences."
    )
    return lines


def _method(suite: headwise.Suite) -> list[str]:
    return [
        *([suite.about] if suite.about else []),
        f"Heads are found on one half of the groups: those that matter by the rule above, at most {MOST}. The other half decides. Verdict: 'supported' if there, in every way of "
        f"ablation, the set costs at least {percent(SMALLEST)} of the clean metric, with p below 5% (sign flips of clusters), and no more than 5% of random sets cost as much; 'not supported' if in every way "
        f"the cost lies within plus or minus {percent(SMALLEST)} (two one-sided tests), or if every single head does; otherwise 'inconclusive'. Random sets may hold heads of the set, as the question is whether this choice is "
        "better than one by lot; they are ablated on fewer sentences, the set beside them on the same ones.",
        "Patching: sentences of a pair are aligned token by token, and what a place is in one is put into the other. Positions are named by the part they "
        "play: the label of a marked word, changed for one that is swapped, end where the answer is read, special for tokens of no word, other for all else.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
