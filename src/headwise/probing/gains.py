"""Gains over the best baseline: whether a place predicts a label better, corrected for the number of places.

The baseline is chosen for each fold, on what that fold fits, so that the choice does not depend on what is scored. The gain is paired by
example: 1 where only the place is right, -1 where only the baseline is. All heads of a site (or all layers of the residual stream) are
one family: a sign-flip test over clusters compares each gain with the largest of all (`stats.max_t`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise import stats
from headwise.stats import Clusters, Estimates, balanced_mean, balanced_of
from headwise.stats.deciding import LEVEL, Thresholds, smallest_found, smallest_of

from ._vectors import Key

Place = tuple[Key, str]  # where, and by which classifier
N_HALVINGS = 20


@dataclass(frozen=True, eq=False)
class Best:
    """The best baseline of each fold.

    Attributes:
        places: Which it is, by fold.
        predicted: Its prediction for each scored example.
    """

    places: tuple[Place, ...]
    predicted: Int[ndarray, " example"]


def best_baseline(
    predictions: Mapping[Place, Int[ndarray, " example"]],
    inner: Mapping[Place, Float[ndarray, " fold"]],
    truth: Int[ndarray, " example"],
    fold: Int[ndarray, " example"],
) -> Best:
    """Chooses a baseline for each fold by its balanced accuracy on inner folds of what is fitted.

    Args:
        predictions: The prediction of each baseline for every scored example.
        inner: Its balanced accuracy on inner folds, by fold; NaN where a label is in one group only and there are none. The best on what is
            scored is then taken, which is harder to beat.
        truth: True labels.
        fold: Fold that scored each example.
    """
    places = list(predictions)
    scores = np.stack([inner[place] for place in places])
    said = np.stack([predictions[place] for place in places])
    chosen: list[Place] = []
    predicted = np.empty_like(truth)
    for f in range(scores.shape[1]):
        own = fold == f
        column = scores[:, f]
        if np.isnan(column).all():
            column = balanced_mean((said[:, own] == truth[own]).astype(float), truth[own])
        best = int(np.nanargmax(column))
        chosen.append(places[best])
        predicted[own] = said[best, own]
    return Best(tuple(chosen), predicted)


def family(
    correct: Float[ndarray, "test example"],
    baseline: Float[ndarray, " example"],
    truth: Int[ndarray, " example"],
    clusters: Clusters,
    control_t: float,
    seed: int,
) -> pd.DataFrame:
    """Gains of a family of places over the baseline.

    Returns:
        One row per place: `gain` in balanced accuracy, -1 to 1, its 95% interval `gain_low` and `gain_high`, `p_fwer` and `q_fdr` over the
        family, `t`, `critical`, how many standard errors about it hold all gains at once, and `detectable`, the smallest gain that
        would be a yes with a power of 80%, given `control_t`, the largest t of the controls.
    """
    gain = correct - baseline
    estimates = balanced_of(gain, truth, clusters, bound="difference")
    tested = stats.max_t([stats.Block(gain, clusters, truth)], seed=seed)
    return pd.DataFrame(
        {
            "gain": estimates.value,
            "gain_low": estimates.low,
            "gain_high": estimates.high,
            "gain_se": estimates.se,
            "t": tested.t,
            "p_fwer": tested.p_fwer,
            "q_fdr": tested.q_fdr,
            "critical": tested.criticals,
            "detectable": smallest_found(
                se=estimates.se,
                bars=tested.bars,
                control_t=control_t,
                df=estimates.df,
                cases=len(truth),
                clusters=clusters.n,
                most=1 - float(balanced_mean(baseline, truth)),
                by=Thresholds(smallest=smallest_of("carries")),
            ),
        }
    )


def plain_t(
    gain: Float[ndarray, "test example"], truth: Int[ndarray, " example"], clusters: Clusters
) -> tuple[Float[ndarray, " test"], Float[ndarray, " test"]]:
    """Gains and their t, as in `family`, without a test."""
    found = balanced_of(gain, truth, clusters)
    # Where nothing varies t is a large number, or none if there is no gain either.
    least = np.maximum(found.se, 1e-6 * np.abs(found.value))
    t = np.divide(found.value, least, out=np.zeros_like(found.value), where=least > 0)
    return found.value, np.where(np.isnan(least), np.nan, t)


def is_small(
    gain: Float[ndarray, " test"],
    se: Float[ndarray, " test"],
    critical: Float[ndarray, " test"],
    baseline: Float[ndarray, " test"],
    smallest: float,
) -> Bool[ndarray, " test"]:
    """Whether a gain of the smallest size of interest is ruled out, simultaneously over the family.

    One-sided, unlike effects that can be opposite: a place below the baseline carries nothing beyond it, by whatever margin. Where
    the baseline is so good that twice such a gain would be more than everything, that none was found is no evidence.
    """
    return np.asarray((gain + critical * se < smallest) & (1 - baseline >= 2 * smallest))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A balanced accuracy, or a difference of two, with its 95% interval over groups."""

    value: float
    low: float
    high: float

    @staticmethod
    def of(found: Estimates) -> "Estimate":
        """The only one of some estimates."""
        return Estimate(*(float(end) for end in (found.value, found.low, found.high)))


@dataclass(frozen=True, eq=False)
class Choice:
    """The best of several places, each example scored at the place chosen on the other half of the groups, over many halvings and draws of folds.

    `evidence.verdict` states the conclusion.

    Attributes:
        key: The place that was chosen most often.
        classifier: By what it is read.
        shares: How often each place was chosen, as a share; the most frequent first.
        accuracy: Balanced accuracy, with its interval.
        gain: What it is above the best baseline.
        gain_se: Standard error of the gain.
        p: One-sided p of the gain, combined over halvings.
        t: The gain in units of its standard error.
        critical: What t must exceed.
        control_t: The largest t of any place of any control; NaN without controls.
        detectable: Smallest gain that would be a yes with a power of 80%.
        passes: Share of halvings, each with the folds of one draw, in which p is below 5%.
        cases: Scored examples.
        clusters: Clusters of them.
    """

    key: Key
    classifier: str
    shares: dict[Key, float]
    accuracy: Estimate
    gain: Estimate
    gain_se: float
    p: float
    t: float
    critical: float
    control_t: float
    detectable: float
    passes: float
    cases: int
    clusters: int


def halvings(
    truth: Int[ndarray, " example"], groups: Int[ndarray, " example"], n: int, seed: int
) -> Bool[ndarray, "split example"]:
    """`n` halvings of the groups, with the groups of each label (its most frequent one) divided equally."""
    rng = np.random.default_rng(seed)
    names, group = np.unique(groups, return_inverse=True)
    group = group.ravel()
    counts = np.zeros((len(names), int(truth.max()) + 1))
    np.add.at(counts, (group, truth), 1)
    label = counts.argmax(axis=1)
    found = np.zeros((n, len(truth)), dtype=bool)
    for row in found:
        side = np.zeros(len(names), dtype=bool)
        turn = np.lexsort((rng.random(len(names)), label))
        # Taken in turns within labels, and from either end: halves differ by at most one group.
        side[turn[int(rng.integers(2)) :: 2]] = True
        row[:] = side[group]
    return found


def cross_fitted(
    correct: Float[ndarray, "place draw example"],
    truth: Int[ndarray, " example"],
    halves: Bool[ndarray, "split example"],
) -> tuple[Float[ndarray, "split example"], Int[ndarray, "split half"]]:
    """The scores on one half of the place chosen on the other, both ways; and the chosen places. Halvings take draws of folds in turn."""
    said = np.zeros(halves.shape)
    chosen = np.zeros((len(halves), 2), dtype=int)
    for i, half in enumerate(halves):
        own = correct[:, i % correct.shape[1]]
        for j, fitted in enumerate((half, ~half)):
            chosen[i, j] = int(balanced_mean(own[:, fitted], truth[fitted]).argmax())
            said[i, ~fitted] = own[chosen[i, j], ~fitted]
    return said, chosen


def choose(
    keys: Sequence[Key],
    classifier: str,
    correct: Float[ndarray, "place draw example"],
    baseline: Float[ndarray, "draw example"],
    truth: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    clusters: Clusters,
    control_t: float,
    seed: int,
) -> Choice:
    """Chooses a place on each half and scores it on the other, over `N_HALVINGS` halvings that take draws of folds in turn."""
    halves = halvings(truth, groups, N_HALVINGS, seed)
    said, chosen = cross_fitted(correct, truth, halves)
    beside = baseline[np.arange(N_HALVINGS) % len(baseline)]
    mean_gain = (said - beside).mean(axis=0)
    accuracy = balanced_of(said.mean(axis=0), truth, clusters, bound="rate")
    gain = balanced_of(mean_gain, truth, clusters, bound="difference")
    of_halving = stats.max_t([stats.Block(said - beside, clusters, truth)], seed=seed)
    # Twice the median of p over halvings is below 5% where that of the typical halving is below 2.5%.
    whole = stats.max_t([stats.Block(mean_gain[None], clusters, truth)], seed=seed, level=LEVEL / 2)
    names, counts = np.unique(chosen, return_counts=True)
    turn = [int(i) for i in np.argsort(-counts, kind="stable")]
    return Choice(
        key=keys[int(names[turn[0]])],
        classifier=classifier,
        shares={keys[int(names[i])]: float(counts[i] / chosen.size) for i in turn},
        accuracy=Estimate.of(accuracy),
        gain=Estimate.of(gain),
        gain_se=float(gain.se),
        p=float(stats.combine(of_halving.p[:, None])[0]),
        t=float(whole.t[0]),
        critical=whole.critical,
        control_t=control_t,
        detectable=float(
            smallest_found(
                se=gain.se,
                bars=whole.bars[0],
                control_t=control_t,
                df=gain.df,
                cases=len(truth),
                clusters=clusters.n,
                most=1 - float(balanced_mean(beside.mean(axis=0), truth)),
                by=Thresholds(smallest=smallest_of("carries")),
            )
        ),
        passes=float((of_halving.p < LEVEL).mean()),
        cases=len(truth),
        clusters=clusters.n,
    )
