"""Heads against rules: effects with intervals, and p values that know how much was tried.

For every case (a relation in one direction) the best rule without a model is chosen on one part of
the data, three times: for all pairs, for those with words between (`apart`) and for those with a
distractor, a wrong word of the right part of speech that is as near. A head's own positional
profile, where it looks on average whatever the words, is a rule of its own and takes the place of the
common one where it was better. The effect of a head is how much more often than its rule it hits, on
the other part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from . import baselines
from .baselines import MAX_OFFSET, Question
from .hits import N_OFFSETS, Case, Count
from .stats import MIN_CLUSTERS, bootstrap_ratios, sign_flip, sum_by_cluster

Scope = Literal["all", "apart", "distractor"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Verdict = Literal["supported", "not supported", "inconclusive"]

MIN_PAIRS = 20
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Evidence:
    """One case with everything that is counted and compared in it.

    Attributes:
        case: The questions.
        count: What the heads did.
        group: Cluster of each question, an index shared by all cases.
        fitted: Questions that choices are made on.
        reported: Questions that figures are of.
        scopes: Which questions belong to each scope.
        rules: Per scope, the best rule that knows no model: its name.
        by_rule: Per scope, whether that rule is right.
        by_profile: Whether each head's own positional profile is right.
    """

    case: Case
    count: Count
    group: Int[ndarray, " question"]
    fitted: Bool[ndarray, " question"]
    reported: Bool[ndarray, " question"]
    scopes: dict[Scope, Bool[ndarray, " question"]]
    rules: dict[Scope, str]
    by_rule: dict[Scope, Bool[ndarray, " question"]]
    by_profile: Bool[ndarray, "layer head question"]

    def within(
        self, scope: Scope, part: Literal["fitted", "reported"]
    ) -> Bool[ndarray, " question"]:
        """Questions of one scope and part."""
        return self.scopes[scope] & (self.fitted if part == "fitted" else self.reported)

    def uses_profile(self, scope: Scope) -> Bool[ndarray, "layer head"]:
        """Heads whose own profile was a better rule than the best common one, where rules are chosen."""
        fitted = self.within(scope, "fitted")
        if not fitted.any():
            return np.zeros(self.by_profile.shape[:2], dtype=bool)
        return self.by_profile[..., fitted].mean(-1) > self.by_rule[scope][fitted].mean()

    def by_baseline(self, scope: Scope) -> Bool[ndarray, "layer head question"]:
        """Whether the best rule is right, for each head its own or the common one."""
        return np.where(self.uses_profile(scope)[..., None], self.by_profile, self.by_rule[scope])


def weigh(
    case: Case,
    count: Count,
    classes: Sequence[Sequence[str]],
    group: Int[ndarray, " question"],
    fitted: Bool[ndarray, " question"],
    reported: Bool[ndarray, " question"],
) -> Evidence:
    """Chooses the best rules for a case.

    Args:
        case: The questions.
        count: What the heads did.
        classes: Part of speech of every word of every sentence.
        group: Cluster of each question.
        fitted: Questions to choose on.
        reported: Questions to report on.
    """
    targets = _padded(case.questions)
    nearest = np.array(
        [min(abs(t - q.looker) for t in q.targets) for q in case.questions], dtype=int
    )
    scopes: dict[Scope, Bool[ndarray, " question"]] = {
        "all": np.ones(len(case.questions), dtype=bool),
        "apart": nearest > 1,
        "distractor": baselines.has_distractor(case.questions, classes),
    }
    sets = baselines.answer_classes(
        [q for q, chosen in zip(case.questions, fitted, strict=True) if chosen], classes
    )
    names: list[str] = []
    right: list[Bool[ndarray, " _"]] = []
    for name, places in baselines.rules(case.questions, classes, sets):
        names.append(name)
        right.append((places[:, None] == targets).any(axis=1))
    every_rule = np.array(right)
    rules: dict[Scope, str] = {}
    by_rule: dict[Scope, Bool[ndarray, " question"]] = {}
    for scope, inside in scopes.items():
        best = int(every_rule[:, inside & fitted].sum(axis=1).argmax())
        rules[scope], by_rule[scope] = names[best], every_rule[best]
    return Evidence(
        case=case,
        count=count,
        group=group,
        fitted=fitted,
        reported=reported,
        scopes=scopes,
        rules=rules,
        by_rule=by_rule,
        by_profile=_by_profile(case.questions, count.profile, targets),
    )


def _padded(questions: Sequence[Question]) -> Int[ndarray, "question target"]:
    """Right words of each question; -2, which no rule gives, fills the rest."""
    width = max((len(q.targets) for q in questions), default=1)
    rows = [[*q.targets, *[-2] * (width - len(q.targets))] for q in questions]
    return np.array(rows, dtype=int).reshape(-1, width)


def _by_profile(
    questions: Sequence[Question],
    profile: Float[ndarray, "layer head offset"],
    targets: Int[ndarray, "question target"],
) -> Bool[ndarray, "layer head question"]:
    """Whether the visible distance at which a head looks most on average is the right one."""
    if not questions:
        return np.zeros((*profile.shape[:2], 0), dtype=bool)
    offsets = np.arange(N_OFFSETS) - MAX_OFFSET
    lookers = np.array([q.looker for q in questions], dtype=int)
    places = lookers[:, None] + offsets
    first = np.array([q.first for q in questions], dtype=int)[:, None]
    end = np.array([q.end for q in questions], dtype=int)[:, None]
    visible = (places >= first) & (places < end) & (offsets != 0)
    # Few patterns of visibility occur: each is looked up once.
    patterns, which = np.unique(visible, axis=0, return_inverse=True)
    best = np.stack(
        [np.where(pattern, profile, -1.0).argmax(axis=-1) for pattern in patterns], axis=-1
    )[..., which.ravel()]
    return ((lookers + best - MAX_OFFSET)[..., None] == targets).any(axis=-1)


def table(
    evidence: Sequence[Evidence], *, seed: int, n_flips: int, n_resamples: int = 2000
) -> pd.DataFrame:
    """One row per case, layer and head, with error rates kept over all of them.

    Args:
        evidence: Every case that was asked.
        seed: Fixes flips and resamples.
        n_flips: Sign flips for p values.
        n_resamples: Resamples for intervals.
    """
    n_groups = max((int(e.group.max()) + 1 for e in evidence if len(e.group)), default=0)
    columns: dict[str, list[ndarray]] = {}
    for scope in SCOPES:
        sums = [_gains(e, scope, n_groups) for e in evidence]
        counts = [
            sum_by_cluster(
                np.ones((1, int(e.within(scope, "reported").sum()))),
                e.group[e.within(scope, "reported")],
                n_groups,
            )[0]
            for e in evidence
        ]
        flips = sign_flip(np.concatenate(sums), seed=seed, n_flips=n_flips)
        p, p_family, q = (np.split(x, len(evidence)) for x in (flips.p, flips.p_family, flips.q))
        for i, e in enumerate(evidence):
            low, high = bootstrap_ratios(sums[i], counts[i], seed=seed, n_resamples=n_resamples)
            total = counts[i].sum()
            n_clusters = int((counts[i] > 0).sum())
            may_infer = total >= MIN_PAIRS and n_clusters >= MIN_CLUSTERS
            reported = e.within(scope, "reported")
            found = {
                "pairs": np.full(len(low), int(total)),
                "clusters": np.full(len(low), n_clusters),
                "hit_rate": _rate(e.count.hits[..., reported]),
                "baseline_hit_rate": _rate(e.by_baseline(scope)[..., reported]),
                "baseline": np.where(
                    e.uses_profile(scope).ravel(), "own positions", e.rules[scope]
                ),
                "effect": sums[i].sum(axis=1) / total if total else np.full(len(low), np.nan),
                "effect_low": low,
                "effect_high": high,
                "p": p[i] if may_infer else np.full(len(low), np.nan),
                "p_family": p_family[i] if may_infer else np.full(len(low), np.nan),
                "q": q[i] if may_infer else np.full(len(low), np.nan),
            }
            suffix = "" if scope == "all" else f"_{scope}"
            for name, values in found.items():
                columns.setdefault(f"{name}{suffix}", []).append(values)
    frame = pd.DataFrame({name: np.concatenate(parts) for name, parts in columns.items()})
    frame = pd.concat([_labels(evidence), frame], axis=1)
    judged = ["p_family", "p_family_apart", "effect_high", "effect_high_apart"]
    frame["verdict"] = [verdict(*row) for row in frame[judged].itertuples(index=False)]
    return frame


def _gains(e: Evidence, scope: Scope, n_groups: int) -> Float[ndarray, "row cluster"]:
    """For each head and cluster, how many more hits than its rule."""
    reported = e.within(scope, "reported")
    gains = e.count.hits[..., reported].astype(np.int8) - e.by_baseline(scope)[..., reported]
    flat = gains.reshape(gains.shape[0] * gains.shape[1], gains.shape[2]).astype(float)
    return sum_by_cluster(flat, e.group[reported], n_groups)


def _labels(evidence: Sequence[Evidence]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for e in evidence:
        n_layers, n_heads = e.count.mass.shape
        layers, heads = np.divmod(np.arange(n_layers * n_heads), n_heads)
        questions = [q for q, kept in zip(e.case.questions, e.reported, strict=True) if kept]
        frames.append(
            pd.DataFrame(
                {
                    "relation": e.case.relation.text,
                    "layer": layers,
                    "head": heads,
                    "direction": e.case.direction,
                    "sentences": len({q.sentence for q in questions}),
                    "mass": e.count.mass.ravel(),
                    "norm_hit_rate": _rate(e.count.norm_hits[..., e.reported])
                    if e.count.norm_hits is not None
                    else np.nan,
                    "sink": e.count.sink.ravel(),
                    "uniform": baselines.uniform(questions),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _rate(values: Bool[ndarray, "layer head question"]) -> Float[ndarray, " row"]:
    """Mean over questions of every head; NaN where there are none."""
    if values.shape[-1] == 0:
        return np.full(values.shape[0] * values.shape[1], np.nan)
    return values.mean(axis=-1).ravel()


def verdict(
    p_family: float, p_family_apart: float, effect_high: float, effect_high_apart: float
) -> Verdict:
    """What may be said of one head in one case.

    Supported: its effect is above zero on all pairs and on those with words between, both at 5% over
    everything that was asked. Not supported: on one of the two its interval lies at or below zero, and
    on the other nothing is found. Inconclusive: otherwise, so where a head beats its rule with words
    between and a rule beats it on all pairs; and always with fewer than 20 pairs or five groups.
    """
    if np.isnan(p_family):
        return "inconclusive"
    found, found_apart = p_family < LEVEL, p_family_apart < LEVEL
    if found and found_apart:
        return "supported"
    if (effect_high <= 0 and not found_apart) or (effect_high_apart <= 0 and not found):
        return "not supported"
    return "inconclusive"
