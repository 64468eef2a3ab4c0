"""The table of a relation test: effects with intervals, p values over everything tested, controls and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats as distributions

from headwise.stats import (
    Block,
    Clusters,
    Estimates,
    Tests,
    combine,
    max_t,
    mean_of,
    p_against,
)
from headwise.stats.deciding import (
    LEVEL,
    MIN_CASES,
    MIN_CLUSTERS,
    Thresholds,
    decide,
    smallest_found,
    smallest_of,
)

from ._columns import BY_SCOPE, RELATIONS, versus
from ._comparison import COMPARISONS, DESCRIBED, SCOPES, TESTED, Comparison, Evidence, Scope
from .controls import Controls

Verdict = Literal["supported", "not supported", "inconclusive"]
NEEDED: tuple[tuple[Comparison, Scope], ...] = tuple(
    (c, s) for c, s in TESTED if c != "tags"
)  # of these, all for "supported"


@dataclass(frozen=True, eq=False)
class Outcome:
    """One comparison in one scope, over all cases.

    Attributes:
        columns: Of the table.
        passes: Whether each row is above its baseline in each split: large enough, and p below 5%.
        is_yes: Whether it passes over all splits, and exceeds the controls.
        is_small: Whether an effect of interest is excluded.
    """

    columns: dict[str, Any]
    passes: Bool[ndarray, "split row"]
    is_yes: Bool[ndarray, " row"]
    is_small: Bool[ndarray, " row"]


def table(
    evidence: Sequence[Evidence], controls: Controls, *, seed: int, n_flips: int
) -> pd.DataFrame:
    """One row per case, layer, head and scope, with error rates kept over all of them.

    Args:
        evidence: Every case that was tested.
        controls: Results of models with random weights.
        seed: Fixes flips.
        n_flips: Sign flips for p values.
    """
    outcomes: dict[tuple[Comparison, Scope], Outcome] = {
        (comparison, scope): _ask(evidence, controls, comparison, scope, seed, n_flips)
        for comparison, scope in DESCRIBED
    }
    labels = _labels(evidence)
    has_mass = labels["mass_excess_low"].to_numpy() > 0
    needed = [outcomes[key] for key in NEEDED]
    is_yes = np.all([found.is_yes for found in needed], axis=0) & has_mass
    # A "no" is about attending there more than chance does; to be no better than a text baseline is no evidence against a head.
    is_no = outcomes["chance", "all"].is_small & outcomes["chance", "non_adjacent"].is_small
    labels = labels.assign(
        share=np.all([found.passes for found in needed], axis=0).mean(axis=0),
        verdict=np.where(is_yes, "supported", np.where(is_no, "not supported", "inconclusive")),
    )
    frames = [labels.assign(scope=scope, **_columns(outcomes, scope)) for scope in SCOPES]
    # The scopes of a head stand together.
    order = np.arange(len(SCOPES) * len(labels)).reshape(len(SCOPES), -1).T.ravel()
    return pd.concat(frames, ignore_index=True).iloc[order].reset_index(drop=True)[list(RELATIONS)]


def _columns(outcomes: Mapping[tuple[Comparison, Scope], Outcome], scope: Scope) -> dict[str, Any]:
    """What was asked in one scope; a comparison that was not is empty."""
    found = {
        versus(name, comparison): values
        for comparison in COMPARISONS
        if (comparison, scope) in outcomes
        for name, values in outcomes[comparison, scope].columns.items()
    }
    nothing = {name: "" if c.unit == "text" else np.nan for name, c in BY_SCOPE.items()}
    return nothing | found


def of_scope(rows: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    """The rows of one scope; those of another are of the same heads in the same order."""
    return rows.loc[rows["scope"] == scope]


def _ask(
    evidence: Sequence[Evidence],
    controls: Controls,
    comparison: Comparison,
    scope: Scope,
    seed: int,
    n_flips: int,
) -> Outcome:
    kept = [e.clusters.where(e.scopes[scope]) for e in evidence]
    gains = [e.gains(comparison, scope) for e in evidence]
    means = [g.mean(axis=0) for g in gains]
    # Rows of the table are case by case and head by head; what belongs to a case is repeated for each of its heads.
    n_heads = len(evidence[0].hits)
    n_items = np.repeat([len(clusters) for clusters in kept], n_heads)
    n_clusters = np.repeat([c.n if len(c) else 0 for c in kept], n_heads)
    estimates = [_mean_difference(m, c) for m, c in zip(means, kept, strict=True)]
    effect, low, high, se = (
        np.concatenate([np.broadcast_to(getattr(e, name), n_heads) for e in estimates])
        for name in ("value", "low", "high", "se")
    )
    df = np.repeat([e.df for e in estimates], n_heads)
    names = [name for e in evidence for name in e.baseline_names(comparison, scope)]
    rate = np.concatenate([_mean(e.hits[:, e.scopes[scope]]) for e in evidence])
    columns: dict[str, Any] = {
        "baseline": np.where(n_items > 0, names, ""),
        # The baseline differs from split to split; this is the mean of those that the splits chose.
        "baseline_hit_rate": rate - effect,
        "effect": effect,
        "effect_low": low,
        "effect_high": high,
    }
    if comparison == "plain":
        columns |= {"pairs": n_items, "clusters": n_clusters, "hit_rate": rate}
    nothing = np.zeros(len(effect), dtype=bool)
    if (comparison, scope) not in TESTED:
        return Outcome(columns, nothing[None], nothing, nothing)
    # Twice the median of p over splits is below 5% where that of the typical split is below 2.5%.
    blocks = [Block(v, c) for v, c in zip(means, kept, strict=True)]
    whole = max_t(blocks, seed=seed, n_flips=n_flips, level=LEVEL / 2)
    p = _by_split(gains, kept, whole)
    # Splits share their data, so their p are dependent: twice the median is valid whatever the dependence (Rueschendorf 1982; Meinshausen, Meier and Buehlmann 2009).
    p_fwer = combine(p)
    effects = np.concatenate([_mean(g) for g in gains], axis=1)
    by = Thresholds(smallest=smallest_of("looks"))
    passes = (effects >= by.smallest) & (p < LEVEL)
    found = [controls.compare(i, e, comparison, scope) for i, e in enumerate(evidence)]
    t = np.concatenate([own for own, _, _ in found])
    control_t = np.repeat([largest for _, largest, _ in found], n_heads)
    control = np.repeat([effect for _, _, effect in found], n_heads)
    columns |= {
        "p": whole.p,
        "p_fwer": p_fwer,
        "q_fdr": whole.q_fdr,
        "t": t,
        "control": control,
        "control_t": control_t,
        "detectable": smallest_found(
            se=se,
            bars=whole.bars,
            control_t=control_t,
            df=df,
            cases=n_items,
            clusters=n_clusters,
            most=1 - columns["baseline_hit_rate"],
            by=by,
        ),
    }
    # Where a baseline leaves no room for an effect of interest, none can be excluded.
    is_small = _is_small(means, kept, whole) & (1 - columns["baseline_hit_rate"] >= 2 * by.smallest)
    said = decide(
        effect=effect,
        p_fwer=p_fwer,
        t=t,
        control_t=control_t,
        is_small=is_small,
        cases=n_items,
        clusters=n_clusters,
        by=by,
    )
    return Outcome(columns, passes, np.array(said) == "yes", np.array(said) == "no")


def _by_split(
    gains: Sequence[Float[ndarray, "split head _"]],
    kept: Sequence[Clusters],
    whole: Tests,
) -> Float[ndarray, "split test"]:
    """Family-wise p of every split.

    The family is that of the means over splits, whose largest under flips is distributed as that of any
    one split. Rows that are far from it are spared the trouble: half of the flips were larger, and twice
    the median over splits is near 1.
    """
    n_splits, n_heads = gains[0].shape[:2]
    p = np.broadcast_to(whole.p_fwer, (n_splits, len(whole.p))).copy()
    for i, (own, clusters) in enumerate(zip(gains, kept, strict=True)):
        rows = np.arange(i * n_heads, (i + 1) * n_heads)
        near = np.flatnonzero(whole.p_fwer[rows] < FAR)
        # Where all splits chose the same baseline they are one test.
        if not len(near) or (own == own[:1]).all():
            continue
        values = own[:, near].reshape(n_splits * len(near), own.shape[2])
        p[:, rows[near]] = p_against(Block(values, clusters), whole).reshape(n_splits, len(near))
    return p


FAR = 0.5


def _is_small(
    means: Sequence[Float[ndarray, "head _"]], kept: Sequence[Clusters], whole: Tests
) -> ndarray:
    """Whether the effect lies below the smallest one of interest, simultaneously over everything tested.

    The claim is that a head does not attend there more than chance; to attend there less is no
    evidence against it, so one bound is enough. Its interval is that of bounded values, which has width
    where all cases are alike, at the level of the family's critical value.
    """
    found: list[ndarray] = []
    n_heads = len(means[0])
    for i, (values, clusters) in enumerate(zip(means, kept, strict=True)):
        critical = whole.criticals[i * n_heads : (i + 1) * n_heads]
        if not np.isfinite(critical).all():
            found.append(np.zeros(n_heads, dtype=bool))
            continue
        df = mean_of(values[:1], clusters, "difference").df
        # The family's critical value as a level, so that this other interval covers all tests at once, too.
        level = min(MOST_LEVEL, float(1 - 2 * distributions.t.sf(critical.max(), df)))
        found.append(mean_of(values, clusters, "difference", level).high < smallest_of("looks"))
    return np.concatenate(found)


MOST_LEVEL = 1 - 1e-9  # beyond it quantiles are infinite


def _mean_difference(values: Float[ndarray, "head _"], clusters: Clusters) -> Estimates:
    if values.shape[1]:
        return mean_of(values, clusters, "difference")
    nothing = np.full(len(values), np.nan)
    return Estimates(nothing, nothing, nothing, nothing, float("nan"), 0)


def _mean(
    values: Float[ndarray, "*rest item"] | Bool[ndarray, "*rest item"],
) -> Float[ndarray, "*rest"]:
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _labels(evidence: Sequence[Evidence]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for e in evidence:
        n_layers, n_heads, n = e.count.found.shape
        layers, heads = np.divmod(np.arange(n_layers * n_heads), n_heads)
        mass = e.count.mass.reshape(e.count.n_heads, n).astype(np.float64)
        above = _mean_difference(mass - e.uniform.mass[0], e.clusters)
        norm = e.count.norm_found
        frames.append(
            pd.DataFrame(
                {
                    "relation": e.case.relation.text,
                    "layer": layers,
                    "head": heads,
                    "direction": e.case.direction,
                    "sentences": len(np.unique(e.case.questions.sentence)),
                    "mass": _mean(mass),
                    "uniform_mass": float(_mean(e.uniform.mass[0])[0]),
                    "mass_excess_low": above.low,
                    "sink": _mean(e.count.sink.reshape(e.count.n_heads, n)),
                    "whole_hit_rate": _mean(e.hits & e.count.outweighs.reshape(e.count.n_heads, n)),
                    "norm_hit_rate": np.nan if norm is None else _mean(e.right(norm)),
                    "uniform": float(_mean(e.right(e.uniform.found))[0]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def worst(rows: pd.DataFrame) -> pd.Series:
    """The smaller of the effects against plain baselines, on all pairs or on non-adjacent ones; with the index of the rows of all pairs."""
    effects = [of_scope(rows, scope)["effect"].to_numpy(float) for scope in SCOPES[:2]]
    return pd.Series(np.fmin(*effects), of_scope(rows, "all").index).fillna(-np.inf)


def smallest_supported(rows: pd.DataFrame) -> pd.Series:
    """The smallest effect that would be supported in 80% of such data: on all pairs and on non-adjacent ones; NaN where none would, however large; with the index of the rows of all pairs."""
    found = [of_scope(rows, scope)["detectable"].to_numpy(float) for scope in SCOPES[:2]]
    return pd.Series(np.maximum(*found), of_scope(rows, "all").index)


def too_little(evidence: Sequence[Evidence]) -> list[str]:
    """What cannot be tested because there are too few cases, and why, in sentences."""
    few: list[str] = []
    alike: list[str] = []
    for e in evidence:
        text = e.case.relation.text
        name = text if ":" in text or "->" in text else f"{text} ({e.case.direction})"
        if e.case.impossible and not len(e.case.questions):
            continue
        for which, scope in zip(("", " non-adjacent"), SCOPES[:2], strict=True):
            clusters = e.clusters.where(e.scopes[scope])
            n, n_clusters = len(clusters), clusters.n if len(clusters) else 0
            if n < MIN_CASES:
                few.append(f"{name}, {n}{which}")
                break
            if n_clusters < MIN_CLUSTERS:
                alike.append(f"{name}, {n}{which} from {n_clusters}")
                break
    lines: list[str] = []
    if few:
        lines.append(
            f"Fewer than {MIN_CASES} cases, so no p value, and nothing that could be supported: {'; '.join(few)}."
        )
    if alike:
        lines.append(
            f"Cases from fewer than {MIN_CLUSTERS} groups of sentences or deciding words, which cannot show how these differ, so no p value: "
            f"{'; '.join(alike)}."
        )
    return lines
