"""Which heads does a behaviour need?

Question: in minimal pairs, where one word decides which continuation is correct, which heads does a model need, and where is the difference?

Method: on one half of the groups every head is ablated, one at a time, by zero, by the mean over reference tokens and by one of them. The heads that matter
there by every method, beyond those of models that cannot need them, are a set, which on the other half is ablated as a whole, beside random sets of as many
heads, and kept alone. Activations are then patched between the two sentences of each pair: the residual stream by layer and position, and each head's output.
Last, the effect of each head is divided into its direct effect and what later components compensate for.

    uv run analyses/matters.py --model burrow
    headwise run matters --model gpt2 --data my_pairs.toml

Caveats: a head that is not needed may still do something that others do as well; what is found holds for sentences like these.
"""

import numpy as np
import pandas as pd

import headwise
from headwise import evidence
from headwise.cli import other_pairs
from headwise.data import LAST, transforms
from headwise.interventions import HeadSetResult, that_fit
from headwise.report import sections
from headwise.report.schema import Section, Verdict, percent

SUITE = "gender_pairs"
BURROW_PAIRS = "gender"
MOST = 8  # heads of a set
N_SETS, N_KEPT = 200, 20  # random sets that are ablated, and that are kept alone
OPENINGS: dict[Verdict, str] = {
    "supported": "{model} needs {heads} for this",
    "not supported": "{model} does not need {heads} for this",
    "inconclusive": "Whether {model} needs {heads} for this is inconclusive",
}
UNKNOWN = "Which heads {model} needs for this is inconclusive: half of the groups give too few clusters ({n}) for an interval of its {metric}. Add groups of minimal pairs."
UNABLE = "Which heads {model} needs for this is inconclusive: on half of the groups its {metric} is not above zero by its interval, so nothing can be lost."
NO_HEAD = "{model} needs no single head for this: on half of the groups the ablation of each of its {n_heads} heads changes its {metric} by less than {smallest}, by every method."
NONE_FOUND = (
    "No head of {model} was found to matter on half of the groups: {n_no} of {n_heads} heads change its {metric} by less than {smallest}, and for the others the evidence is inconclusive. The behaviour is shared among many heads, "
    "or the effect of each is smaller than could be found. {detectable}"
)  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> headwise.Report:
    """Ablates and patches every head of a model on minimal pairs."""
    n_given, suite = len(suite.pairs), that_fit(model, suite)
    finding, testing = transforms.halves(suite, seed)
    single = headwise.ablate(model, finding, seed=seed)
    chosen = list(single.significant()["name"].unique())[:MOST]
    together = None
    if chosen:
        elsewhere = other_pairs(model, suite.name, smoke=smoke)
        n_sets, n_kept = (19, 2) if smoke else (N_SETS, N_KEPT)
        together = headwise.ablate_set(
            model, testing, chosen, n_null=n_sets, n_null_kept=n_kept, unrelated=elsewhere, seed=seed
        )  # fmt: skip
    metric, patched = single.metrics[0], suite.sample_groups(4, 1) if smoke else suite
    direct = headwise.direct_effects(
        model, patched, metrics=metric, heads=chosen or None, seed=seed
    )
    needed = evidence.matters(single)
    verdict = evidence.set_verdict(together) if together else evidence.verdict_over(needed["matters"])  # fmt: skip
    cues = transforms.cues(suite)
    too_long = f" {n_given - len(suite.pairs)} pairs exceed the context and were left out." if n_given > len(suite.pairs) else ""  # fmt: skip
    return sections.compose(
        model,
        analysis="matters",
        question=suite.question,
        verdict=verdict,
        answer=_set_answer(together, verdict) if together else _answer(single, needed),
        controls=evidence.controls_line(needed),
        sections=[
            sections.ablation(single, f" On the half of the groups on which heads are selected.{too_long}"),
            sections.head_set(together),
            _patched(model, patched, metric, seed),
            sections.direct_effects(direct),
        ],
        suite=suite,
        heads=needed,
        shown=cues,
        relations=[("cue", "governor->dependent")] if cues.relations else [],
        seed=seed,
    )  # fmt: skip


def _patched(model: headwise.Model, suite: headwise.Suite, metric: str, seed: int) -> Section:
    """The stream and every head patched, exactly and by attribution; words that do not correspond are left out."""
    options = {"metrics": metric, "align": "marks" if LAST in suite.labels else "words", "seed": seed}  # fmt: skip
    try:
        stream, heads = (headwise.patch(model, suite, site, **options) for site in ("residual", "z"))  # fmt: skip
        return sections.patching(stream, heads, headwise.attribution_patch(model, suite, "z", **options))  # fmt: skip
    except headwise.HeadwiseError as error:
        return sections.untested("Activation patching", error)


def _set_answer(found: HeadSetResult, verdict: Verdict) -> str:
    """The set, by the method with the smallest degradation."""
    metric = found.ablation.metrics[0]
    rows = found.table[found.table["metric"] == metric]
    least = rows.loc[rows["share"].idxmin()] if rows["share"].notna().any() else rows.iloc[0]
    of_clean = least["share"] / least["degradation"] if least["degradation"] else 0.0
    random, largest = (percent(float(least[name] * of_clean)) for name in ("random", "random_max"))
    restored, by_chance = (
        f"{percent(rows[name].min())} to {percent(rows[name].max())}"
        for name in ("restored", "restored_random")
    )
    return (
        f"{OPENINGS[verdict].format(model=found.model, heads=', '.join(head.name for head in found.heads))}: on groups by which this set was not selected, its ablation degrades the {metric} by at least {percent(least['share'])} "
        f"[{percent(least['share_low'])}, {percent(least['share_high'])}] ({least['method']} ablation, the smallest of {len(rows)} methods), and that of {int(least['random_sets'])} random sets of as many heads of {found.random_from} by {random} on "
        f"average and {largest} at most. Kept alone, the set restores {restored} of what all heads contribute, and random sets {by_chance}."
    )  # fmt: skip


def _answer(single: headwise.AblationResult, needed: pd.DataFrame) -> str:
    """Where no head was found to matter."""
    n_no = int((needed["matters"] == evidence.NO).sum())
    text = NO_HEAD if n_no == len(needed) else NONE_FOUND
    if not single.can():
        text = UNKNOWN if np.isnan(single.clean_value()[1]) else UNABLE
    return text.format(
        model=single.model, metric=single.metrics[0], n=single.clusters.n, n_no=n_no, n_heads=len(needed),
        smallest=percent(evidence.SMALLEST), detectable=sections.detectable(single),
    )  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
