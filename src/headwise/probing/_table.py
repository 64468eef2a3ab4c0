"""The scores of every place, as one table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from headwise.stats import Clusters, balanced_mean, balanced_of, label_permutation, mean_of

from ._text_baselines import BEST_BASELINE, SITES_WITHOUT_MODEL
from .gains import Place, family

GAINS = ("gain", "gain_low", "gain_high", "gain_se", "t", "p_fwer", "q_fdr", "critical", "detectable")  # fmt: skip


def table_of(
    predictions: Mapping[Place, Int[ndarray, "_ example"]],
    truth: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    clusters: Clusters,
    selective: Mapping[Place, tuple[float, float]],
    bits: Mapping[Place, float],
    controls: pd.DataFrame,
    seed: int,
) -> pd.DataFrame:
    """Scores of every place, in the order they were fitted; `predictions` hold the best baseline, too.

    What is right is the mean over the draws of folds of a place; its gain is over the baseline in the same draws.

    Returns:
        `site`, `layer`, `head`, `classifier`; `cases`, the examples that were scored, and `clusters`, how many they are from; then

        - `balanced_accuracy` (mean recall over classes) and `accuracy`, 0 to 1, with 95% intervals over clusters (`balanced_accuracy_low`, ...);
        - `gain`, the balanced accuracy above that of the best baseline, paired by example, -1 to 1, with its interval (`gain_low`, `gain_high`)
          and standard error (`gain_se`, with `t` beside it); `p_fwer` and `q_fdr` over all places of the same site and
          classifier; `critical`, what t must exceed; `detectable`, the smallest gain that would be a yes with a power of 80%;
        - `control` and `control_t`, the largest gain and t of any place of any control at that site; NaN where none was run;
        - `p_reading`, `p_reading_fwer` and `q_reading_fdr`, of decoding the label at all, against permuted labels
        (`stats.label_permutation`), in the first draw: most labels can be decoded somewhere, so this describes and decides nothing;
        - `control_accuracy`, of the same classifier on the control task, and `selectivity`, the accuracy less that, both where the control
          can be known (see `selectivity`); NaN where no control task was possible;
        - `codelength`, the online code length of all labels in bits (see `codelength`).

        Baselines have neither gains nor p.
    """
    places = list(predictions)
    correct = np.stack([(predictions[place] == truth).mean(axis=0) for place in places])
    balanced = balanced_of(correct, truth, clusters, bound="rate")
    plain = mean_of(correct, clusters, bound="rate")
    sites = np.array([site for (site, _, _), _ in places])
    classifiers = np.array([classifier for _, classifier in places])
    is_probe = ~np.isin(sites, SITES_WITHOUT_MODEL)
    reading = np.full((3, len(places)), np.nan)
    if is_probe.any():
        probed = np.stack([predictions[place][0] for place, kept in zip(places, is_probe, strict=True) if kept])  # fmt: skip
        found = label_permutation(probed, truth, groups, seed=seed)
        reading[:, is_probe] = found.p, found.p_fwer, found.q
    of_control = np.array([selective.get(place, (np.nan, np.nan)) for place in places])
    table = pd.DataFrame(
        {
            "site": sites,
            "layer": [key[1] for key, _ in places],
            "head": pd.array([key[2] for key, _ in places], dtype="Int64"),
            "classifier": classifiers,
            "cases": len(truth),
            "clusters": clusters.n,
            "balanced_accuracy": balanced_mean(correct, truth),
            "balanced_accuracy_low": balanced.low,
            "balanced_accuracy_high": balanced.high,
            "accuracy": correct.mean(axis=1),
            "accuracy_low": plain.low,
            "accuracy_high": plain.high,
            **dict.fromkeys(GAINS, np.nan),
            "control": np.nan,
            "control_t": np.nan,
            "p_reading": reading[0],
            "p_reading_fwer": reading[1],
            "q_reading_fdr": reading[2],
            "control_accuracy": of_control[:, 1],
            "selectivity": of_control[:, 0] - of_control[:, 1],
            "codelength": [bits.get(place, np.nan) for place in places],
        }
    )
    of_baseline = predictions[next(place for place in places if place[0] == BEST_BASELINE)] == truth
    for site, classifier in dict.fromkeys(zip(sites[is_probe], classifiers[is_probe], strict=True)):
        own = np.flatnonzero((sites == site) & (classifiers == classifier))
        beside = controls[(controls["site"] == site) & (controls["classifier"] == classifier)]
        control_t = (
            float(np.max(np.asarray(beside["t"], dtype=float))) if len(beside) else float("nan")
        )
        if len(beside):
            table.loc[own, ["control", "control_t"]] = beside["gain"].max(), control_t
        baseline = of_baseline[: len(predictions[places[own[0]]])].mean(axis=0)
        gained = family(correct[own], baseline, truth, clusters, control_t, seed)
        table.loc[own, list(GAINS)] = gained[list(GAINS)].to_numpy()
    return table
