"""Results of probes that are simulated: as right as asked for."""

import numpy as np
import pandas as pd

from headwise.probing import ProbeResult
from headwise.probing._table import table_of
from headwise.probing._text_baselines import BEST_BASELINE
from headwise.stats import Clusters

BEST = (BEST_BASELINE, "chosen")


def predictions(rng, truth, groups, accuracy):
    """As right as asked for, more so in some groups than in others."""
    p = np.clip(rng.beta(12 * accuracy, 12 * (1 - accuracy), groups.max() + 1), 0, 1)[groups]
    wrong = (truth + rng.integers(1, 4, len(truth))) % 4
    return np.where(rng.random(len(truth)) < p, truth, wrong)[None]


def simulated(seed, accuracies, baseline=0.6, n_groups=41, per_group=5, control_t=0.0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), per_group)
    truth = rng.permutation(np.arange(n_groups) % 4)[groups]
    said = {BEST: predictions(rng, truth, groups, baseline)}
    for i, accuracy in enumerate(accuracies):
        said[("z", i // 12, i % 12), "logistic"] = predictions(rng, truth, groups, accuracy)
    controls = pd.DataFrame(
        {"site": ["z"], "classifier": ["logistic"], "gain": [0.0], "t": [control_t]}
    )
    clusters = Clusters.of(groups)
    table = table_of(said, truth, groups, clusters, {}, {}, controls, seed)
    result = object.__new__(ProbeResult)
    parts = {"table": table, "truth": truth, "groups": groups, "clusters": clusters}
    for name, value in {**parts, "predictions": said, "seed": seed, "controls": controls}.items():
        object.__setattr__(result, name, value)
    return result
