"""Heads against rules: effects with intervals, and p values that know how much was tried.

For every case (a relation in one direction) the best rule without a model is chosen on one part of
the data, three times: for all pairs, for those with words between (`apart`) and for those with a
distractor, a wrong word of the right part of speech that is as near. A head's own positional
profile, where it looks on average whatever the words, is a rule of its own and takes the place of the
common one where it was better. The effect of a head is how much more often than its rule it hits, on
the other part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from . import baselines
from .baselines import MAX_OFFSET
from .corpus import Corpus
from .hits import Case, Count
from .questions import Questions
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
    corpus: Corpus,
    group: Int[ndarray, " question"],
    fitted: Bool[ndarray, " question"],
    reported: Bool[ndarray, " question"],
) -> Evidence:
    """Chooses the best rules for a case.

    Args:
        case: The questions.
        count: What the heads did.
        corpus: Words and their parts of speech.
        group: Cluster of each question.
        fitted: Questions to choose on.
        reported: Questions to report on.
    """
    questions = case.questions
    scopes: dict[Scope, Bool[ndarray, " question"]] = {
        "all": np.ones(len(questions), dtype=bool),
        "apart": questions.nearest > 1,
        "distractor": baselines.has_distractor(questions, corpus),
    }
    sets = baselines.answer_classes(questions.where(fitted), corpus)
    names, places = zip(*baselines.rules(questions, corpus, sets), strict=True)
    every_rule = baselines.is_right(questions, np.stack(places))
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
        by_profile=_by_profile(questions, count.profile),
    )


def _by_profile(
    questions: Questions, profile: Float[ndarray, "layer head offset"]
) -> Bool[ndarray, "layer head question"]:
    """Whether the visible distance at which a head looks most on average is the right one."""
    # What is visible within reach is a range of distances, of which few occur: each is looked up once.
    reach = (-MAX_OFFSET, MAX_OFFSET + 1)
    low, high = (np.clip(x - questions.looker, *reach) for x in (questions.first, questions.end))
    ranges, which = np.unique(np.stack([low, high]), axis=1, return_inverse=True)
    offsets = np.arange(*reach)
    best = np.zeros((*profile.shape[:2], ranges.shape[1]), dtype=int)
    for i, (first, end) in enumerate(ranges.T):
        visible = (offsets >= first) & (offsets < end) & (offsets != 0)
        best[..., i] = offsets[np.where(visible, profile, -1.0).argmax(axis=-1)]
    return baselines.is_right(questions, questions.looker + best[..., which.ravel()])


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
    columns: dict[str, ndarray] = {}
    n_heads = evidence[0].count.mass.size
    sums = np.empty((len(evidence) * n_heads, n_groups), dtype=np.float32)
    for scope in SCOPES:
        for i, e in enumerate(evidence):
            sums[i * n_heads : (i + 1) * n_heads] = _gains(e, scope, n_groups)
        counts = np.stack([_counts(e, scope, n_groups) for e in evidence])
        total, n_clusters = counts.sum(axis=1), (counts > 0).sum(axis=1)
        may_infer = np.repeat((total >= MIN_PAIRS) & (n_clusters >= MIN_CLUSTERS), n_heads)
        flips = sign_flip(sums, seed=seed, n_flips=n_flips)
        low, high = bootstrap_ratios(sums, counts, seed=seed, n_resamples=n_resamples)
        per_head = np.repeat(total, n_heads)
        found = {
            "pairs": per_head.astype(int),
            "clusters": np.repeat(n_clusters, n_heads),
            "hit_rate": _rates(e.count.hits[..., e.within(scope, "reported")] for e in evidence),
            "baseline_hit_rate": _rates(
                e.by_baseline(scope)[..., e.within(scope, "reported")] for e in evidence
            ),
            "baseline": np.concatenate(
                [
                    np.where(e.uses_profile(scope).ravel(), "own positions", e.rules[scope])
                    for e in evidence
                ]
            ),
            "effect": np.divide(
                sums.sum(axis=1), per_head, out=np.full(len(sums), np.nan), where=per_head > 0
            ),
            "effect_low": low,
            "effect_high": high,
            "p": np.where(may_infer, flips.p, np.nan),
            "p_family": np.where(may_infer, flips.p_family, np.nan),
            "q": np.where(may_infer, flips.q, np.nan),
        }
        suffix = "" if scope == "all" else f"_{scope}"
        columns |= {f"{name}{suffix}": values for name, values in found.items()}
    frame = pd.concat([_labels(evidence), pd.DataFrame(columns)], axis=1)
    judged = ["p_family", "p_family_apart", "effect_high", "effect_high_apart"]
    frame["verdict"] = [verdict(*row) for row in frame[judged].itertuples(index=False)]
    return frame


def _gains(e: Evidence, scope: Scope, n_groups: int) -> Float[ndarray, "row cluster"]:
    """For each head and cluster, how many more hits than its rule."""
    reported = e.within(scope, "reported")
    gains = e.count.hits[..., reported].astype(np.int8) - e.by_baseline(scope)[..., reported]
    flat = gains.reshape(gains.shape[0] * gains.shape[1], gains.shape[2]).astype(np.float32)
    return sum_by_cluster(flat, e.group[reported], n_groups)


def _counts(e: Evidence, scope: Scope, n_groups: int) -> Float[ndarray, " cluster"]:
    """Reported questions in each cluster."""
    return np.bincount(e.group[e.within(scope, "reported")], minlength=n_groups).astype(np.float32)


def _labels(evidence: Sequence[Evidence]) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    for e in evidence:
        n_layers, n_heads = e.count.mass.shape
        layers, heads = np.divmod(np.arange(n_layers * n_heads), n_heads)
        questions = e.case.questions.where(e.reported)
        frames.append(
            pd.DataFrame(
                {
                    "relation": e.case.relation.text,
                    "layer": layers,
                    "head": heads,
                    "direction": e.case.direction,
                    "sentences": len(np.unique(questions.sentence)),
                    "mass": e.count.mass.ravel(),
                    "norm_hit_rate": _rates([e.count.norm_hits[..., e.reported]])
                    if e.count.norm_hits is not None
                    else np.nan,
                    "sink": e.count.sink.ravel(),
                    "uniform": baselines.uniform(questions),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _rates(values: Iterable[Bool[ndarray, "layer head _"]]) -> Float[ndarray, " row"]:
    """Mean over the questions of each case, for every head; NaN where there are none."""
    return np.concatenate(
        [
            x.mean(axis=-1).ravel() if x.shape[-1] else np.full(x.shape[0] * x.shape[1], np.nan)
            for x in values
        ]
    )


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
