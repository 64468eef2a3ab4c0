"""Does averaging over draws of folds make a yes of nothing? Vectors that hold no label, read as probes read them.

    uv run benchmarks/validity_folds.py

Twelve heads, 72 places of controls and the baseline are all noise that groups share. Printed, for one draw of folds and for ten: in how many sets the family-wise p alone
is below 5%, and in how many the whole rule gives a yes (a gain of 5 points, p, and a t above that of every control). Examples of one set share what was fitted, so p
by itself is too small; the controls, which share it too, are what decides.
"""

from typing import Annotated

import numpy as np
import typer
from scipy.stats import binomtest

from headwise import stats
from headwise.evidence import LEVEL, SMALLEST
from headwise.stats import Clusters, balanced_mean

HEADS, CONTROLS, GROUPS, EACH, WIDTH, FOLDS = 12, 72, 40, 5, 8, 5


def noise(rng: np.random.Generator) -> np.ndarray:
    """Vectors of every place, alike within groups."""
    n = HEADS + CONTROLS + 1
    shared = np.repeat(rng.normal(size=(n, GROUPS, WIDTH)), EACH, axis=1)
    return shared + rng.normal(size=shared.shape)


def read(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Whether each unseen example is nearer to the mean of its own label, for every place."""
    right = np.zeros(x.shape[:2])
    for k in range(FOLDS):
        fitted, scored = fold != k, fold == k
        first, second = (
            x[:, fitted & (y == label)].mean(axis=1, keepdims=True) for label in (0, 1)
        )
        side = ((x[:, scored] - (first + second) / 2) * (second - first)).sum(-1) > 0
        right[:, scored] = side == y[scored]
    return right


def found(seed: int, draws: int) -> tuple[bool, bool]:
    """Whether p alone, and whether the rule, finds any head."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(GROUPS) % 2)
    groups, y, x = np.repeat(np.arange(GROUPS), EACH), np.repeat(labels, EACH), noise(rng)
    total = np.zeros(x.shape[:2])
    for _ in range(draws):
        of_group = np.zeros(GROUPS, dtype=int)
        for label in (0, 1):
            of_group[rng.permutation(np.flatnonzero(labels == label))] = np.arange(GROUPS // 2) % FOLDS  # fmt: skip
        total += read(x, y, np.repeat(of_group, EACH))
    gain = (total[:-1] - total[-1]) / draws
    own, control = (stats.max_t([stats.Block(part, Clusters.of(groups), y)], seed=seed) for part in (gain[:HEADS], gain[HEADS:]))  # fmt: skip
    is_small_p = own.p_fwer < LEVEL
    is_yes = is_small_p & (balanced_mean(gain[:HEADS], y) >= SMALLEST) & (own.t > control.t.max())
    return bool(is_small_p.any()), bool(is_yes.any())


def main(runs: Annotated[int, typer.Option(help="Sets of vectors.")] = 120) -> None:
    """Prints both shares with exact 95% intervals."""
    for draws in (1, 10):
        outcomes = np.array([found(seed, draws) for seed in range(runs)]).sum(axis=0)
        for what, k in zip(("p alone", "the rule"), outcomes, strict=True):
            exact = binomtest(int(k), runs).proportion_ci()
            print(f"{draws} draws of folds, {what}: {k} of {runs} [{100 * exact.low:.0f}, {100 * exact.high:.0f}%]", flush=True)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
