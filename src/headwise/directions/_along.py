"""The numbers of a direction test: effects of every component and of the whole stream, and positions of words layer by layer."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise.stats import Block, max_t, mean_of
from headwise.stats.deciding import LEVEL

from . import nulls
from ._measuring import ROUNDING, Measured, Sample, studentised
from ._stream.components import Component
from .controls import Control


def table_of(
    names: tuple[Component, ...],
    sample: Sample,
    measured: Measured,
    readers: Float[ndarray, "draw d_model"],
    control: Control,
    n_permutations: int,
    n_directions: int,
    seed: int,
) -> tuple[pd.DataFrame, float]:
    """The table of a result, and the critical t of its heads and MLPs.

    `bar` and `random_bar` are the thresholds of t and of the effect where p is multiplied by the number of directions.
    """
    codes, groups = sample.codes, sample.examples.groups
    contributions = sample.centred(measured.contributions)
    scale = float(np.abs(measured.contributions).max())
    found = sample.difference(measured.contributions)
    excess = sample.difference(measured.contributions - measured.even)
    tested = np.array([c.kind in ("head", "mlp") for c in names])
    heads = np.array([c.kind == "head" for c in names])
    columns = {
        name: np.full(len(names), np.nan)
        for name in ("p", "p_fwer", "q_fdr", "p_fwer_negative", "p_random", "p_random_fwer", "excess_p_fwer", "bar", "random_bar")
    }  # fmt: skip
    critical = float("nan")
    if tested.any():
        shuffled = nulls.against_shuffled(contributions[tested], codes, groups, seed=seed, n_permutations=n_permutations)  # fmt: skip
        other = nulls.against_shuffled(-contributions[tested], codes, groups, seed=seed, n_permutations=n_permutations)  # fmt: skip
        random = nulls.against_random(found.value[tested], measured.step[tested], readers)
        values = (
            shuffled.p,
            shuffled.p_fwer,
            shuffled.q,
            other.p_fwer,
            random.p,
            random.p_fwer,
        )
        for name, p in zip(columns, values, strict=False):
            columns[name][tested] = p
        block, level = _as_block(contributions[tested], sample), LEVEL / n_directions
        critical = max_t([block], seed=seed).critical
        columns["bar"][tested] = max_t([block], seed=seed, level=level).bars
        columns["random_bar"][tested] = nulls.bars_of_random(measured.step[tested], readers, level)
    if heads.any():
        beyond = sample.centred(measured.contributions - measured.even)[heads]
        beyond[np.abs(beyond).max(axis=1) <= ROUNDING * scale] = 0.0
        columns["excess_p_fwer"][heads] = nulls.against_shuffled(
            beyond, codes, groups, seed=seed, n_permutations=n_permutations
        ).p_fwer
    of_heads = {
        "uniform": found.value - excess.value,
        "excess": excess.value,
        "excess_low": excess.low,
        "excess_high": excess.high,
        "excess_se": excess.se,
        "excess_t": studentised(excess, scale),
        "control": np.full(len(names), control.share),
        "control_t": np.full(len(names), control.t),
    }
    table = pd.DataFrame(
        {
            "name": [c.name for c in names],
            "kind": [c.kind for c in names],
            "layer": pd.array([c.layer for c in names], dtype="Int64"),
            "head": pd.array([c.head for c in names], dtype="Int64"),
            "contribution_positive": contributions[:, codes == 1].mean(axis=1),
            "contribution_negative": contributions[:, codes == 0].mean(axis=1),
            "effect": found.value,
            "effect_low": found.low,
            "effect_high": found.high,
            "se": found.se,
            "df": np.full(len(names), found.df),
            "t": studentised(found, scale),
            "share": found.value / (found.value.sum() or np.nan),
            "cosine": sample.directions[0].cosine(measured.step),
            **columns,
            **{name: np.where(heads, values, np.nan) for name, values in of_heads.items()},
        }
    )
    return table, critical


def _as_block(values: Float[ndarray, "part word"], sample: Sample) -> Block:
    """Differences of classes as means that can be tested against zero: signed distances from the midpoint of the classes."""
    positive = sample.codes == 1
    middle = (values[:, positive].mean(axis=1) + values[:, ~positive].mean(axis=1)) / 2
    apart = values - middle[:, None]
    return Block(2 * np.where(positive, apart, -apart), sample.clusters, sample.codes)


def whole_of(
    sample: Sample,
    measured: Measured,
    even: Float[ndarray, "word d_model"],
    readers: Float[ndarray, "draw d_model"],
    control: Control,
    n_permutations: int,
    seed: int,
) -> dict[str, float]:
    """The whole stream, tested as its parts are."""
    lies = sample.centred(measured.lies)
    scale = float(np.abs(measured.lies).max())
    alike = (even * sample.readers).sum(axis=1)
    both = sample.difference(np.stack([measured.lies, measured.lies - alike]))
    t = studentised(both, scale)
    beyond = sample.centred(measured.lies - alike)
    if np.abs(beyond).max() <= ROUNDING * scale:
        beyond = np.zeros_like(beyond)
    shuffled = nulls.against_shuffled(
        np.stack([lies, beyond]), sample.codes, sample.examples.groups, seed=seed, n_permutations=n_permutations
    )  # fmt: skip
    step = measured.step.sum(axis=0)[None]
    ahead, behind = lies[sample.codes == 1], lies[sample.codes == 0]
    return {
        "effect": float(both.value[0]),
        "effect_low": float(both.low[0]),
        "effect_high": float(both.high[0]),
        "se": float(both.se[0]),
        "df": both.df,
        "t": float(t[0]),
        "cosine": float(sample.directions[0].cosine(step)[0]),
        "p": float(shuffled.p[0]),
        "p_random": float(nulls.against_random(both.value[:1], step, readers).p[0]),
        "separated": float(
            (ahead[:, None] > behind).mean() + (ahead[:, None] == behind).mean() / 2
        ),
        "uniform": float(both.value[0] - both.value[1]),
        "excess": float(both.value[1]),
        "excess_low": float(both.low[1]),
        "excess_high": float(both.high[1]),
        "excess_t": float(t[1]),
        "excess_p": float(shuffled.p[1]),
        "control_t": control.whole_t,
    }


def trajectory_of(streams: Float[ndarray, "layer word d_model"], sample: Sample) -> pd.DataFrame:
    """Positions of words along the direction at every layer, up to its own."""
    at = sample.centred(np.einsum("lwd,wd->lw", streams, sample.readers))
    rows: list[dict[str, object]] = []
    apart = sample.difference(at)
    for layer in range(len(at)):
        for code, label in ((1, sample.between[0]), (0, sample.between[1])):
            own = sample.codes == code
            found = mean_of(at[layer, own], sample.clusters.where(own))
            rows.append({"layer": layer, "label": label, "mean": float(found.value), "mean_low": float(found.low), "mean_high": float(found.high)})  # fmt: skip
        ends = {
            "mean": apart.value[layer],
            "mean_low": apart.low[layer],
            "mean_high": apart.high[layer],
        }
        rows.append({"layer": layer, "label": "difference", **ends})
    return pd.DataFrame(rows)
