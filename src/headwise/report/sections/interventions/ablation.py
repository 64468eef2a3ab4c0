"""The degradation when single heads are ablated, as a section."""

import numpy as np

from headwise import evidence
from headwise._formatting import MINUS, percent
from headwise.evidence import YES
from headwise.interventions.ablation import AblationResult
from headwise.report.schema import Heatmap, Section, Table

from ..heads.evidence import listed
from ..heads.head_details import ways

COLUMNS = AblationResult.columns.pick(
    "name", "method", "metric", "degradation", "degradation_low", "degradation_high", "share", "p_fwer", "p_helps", "changed"
)  # fmt: skip


def ablation(result: AblationResult, note: str = "") -> Section:
    """Which single heads the model needs.

    Args:
        result: Of single heads, on minimal pairs.
        note: What the sentences were, such as ` On one half of the groups.`
    """
    sides = list(dict.fromkeys(head.side for (head,) in result.head_sets.values()))
    return Section(
        title="Ablation of single heads",
        figures=[_map(result, side, note) for side in sides],
        tables=[
            Table.of(
                "ablations", "Every head, by every method of ablation", result.table, COLUMNS, folded=True,
                caption="; ".join(f"{name}: {says}" for name, says in result.says.items()) + f".{note}",
            )
        ],
        findings=_findings(result),
        method=[_method(result, note), evidence.MATTERS.text, _controls(result)],
        references=[
            "Michel, Levy and Neubig 2019, Are sixteen heads really better than one?",
            "Li and Janson 2024, Optimal ablation for interpretability.",
        ],
        details=[ways(result, sides[0], note)],
    )  # fmt: skip


def _map(result: AblationResult, side: str, note: str) -> Heatmap:
    """Degradation as a share of the clean metric, or in its unit where nothing of that can be lost."""
    metric, can = result.metrics[0], result.can()
    clean = float(result.clean_values[metric].mean())
    method = "mean" if "mean" in result.methods else result.methods[0]
    values = result.grid("degradation", method=method, metric=metric, side=side) / (
        clean if can else 1.0
    )
    what = (
        f"Percent of the {metric} lost"
        if can
        else f"Loss of {metric}, which is not above zero in the clean model by its interval,"
    )
    found = Heatmap.of_shares(
        f"Degradation when each {side} head is ablated".replace("  ", " "),
        f"{what} ({result.says[metric]}; clean {clean:.2g}) under {method} ablation.{note} Outlined: the largest.",
        values,
    )
    in_its_unit = {"unit": "number", "high": max(1e-9, float(np.nanmax(values)))}
    return found if can else found.model_copy(update=in_its_unit)


def _findings(result: AblationResult) -> list[str]:
    heads = evidence.judged(result)
    negative = [str(name) for name in heads.loc[heads["matters_negative"] == YES].index]
    lines = [
        f"Negative heads, whose ablation improves the metric by at least {percent(evidence.MATTERS.smallest)} by every method: {listed(negative)}.",
        detectable(result),
    ]
    if disagree := int((heads["matters_disagree"] == YES).sum()):
        lines.append(f"For {disagree} of {len(heads)} heads the methods of ablation lead to different verdicts; none of them alone is reliable there.")  # fmt: skip
    if result.n_split:
        lines.append(f"{result.n_split} continuations have several tokens, whose log probabilities are summed.")  # fmt: skip
    return lines


def detectable(result: AblationResult) -> str:
    """The smallest degradation of a single head that could have been found, in a sentence."""
    smallest = evidence.judged(result)["matters_detectable"].to_numpy(float)
    if not np.isfinite(smallest).any():
        return "No smallest detectable degradation is defined: the clean metric is not above zero by its interval, or there are too few groups."  # fmt: skip
    return (
        f"A degradation of {percent(float(np.nanmedian(smallest)))} of the clean metric (median over heads; at most {percent(float(np.nanmax(smallest)))}) would have been "
        "found with 80% power."
    )


def _method(result: AblationResult, note: str) -> str:
    """How heads were ablated."""
    metric, (clean, low, high) = result.metrics[0], result.clean_value()
    interval = f"{_number(clean)} [{_number(low)}, {_number(high)}]."
    if np.isnan(low):
        interval = f"{_number(clean)}, with too few groups for an interval, so whether heads matter is inconclusive."
    elif not result.can():
        interval += " This is not above zero, so nothing can be lost, and whether heads matter is inconclusive."
    names = " and ".join(f"{name} ({result.says[name]})" for name in result.metrics)
    matched = sorted(result.taken_over.items(), key=lambda item: -item[1])
    crossed = (
        " and, crossed with it, by the words that differ in a pair"
        if len(result.clusters.factors) > 1
        else ""
    )
    return (
        f"Ablation: each head's output z was replaced in the clean sentences of {len(result.clusters)} minimal pairs by zero, by the mean over reference tokens of other sentences, and by "
        f"the z of one of these tokens (resample).{note} Reference tokens were matched by {', '.join(f'{name} ({percent(share)})' for name, share in matched if share)}. Metrics: {names}. The "
        f"{metric} of the clean model is {interval} Sentences are clustered by group{crossed} ({result.clusters.n} clusters). p is from a sign-flip test over clusters, over the largest of all "
        "heads and methods. Other heads can compensate for an ablated one, so a head that does not matter is not thereby idle."
    )  # fmt: skip


def _controls(result: AblationResult) -> str:
    """What the same ablation finds in models that cannot need the heads."""
    metric, found = result.metrics[0], result.controls
    if found is None:
        return (
            "No control was run, as there are too few sentences or groups for any head to be a yes."
        )
    if found.why_not:
        return f"No control could be run, so no head is a yes: {found.why_not}"
    if metric not in found.t:
        return (
            f"No control was run, as {metric} is not defined for other models; so no head is a yes."
        )
    return (
        f"Controls: {', '.join(found.names)}, each with {found.cases} sentences, ablated by {' and '.join(found.methods)}. The largest t of any of their heads is "
        f"{_number(found.largest(metric)[1])}, after multiplication by {found.scale:.2f} for the smaller number of sentences."
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)
