"""Do intervals and tests keep what they promise? Coverage, error rates over a family, and the smallest effect that is found.

    uv run benchmarks/validity_stats.py            # about two minutes on one core
    uv run benchmarks/validity_stats.py --quick    # seconds, coarse

Data are made up, with nothing of a model in them. Coverage: hits in clusters (beta-binomial) of equal and of very unequal sizes. Error rates:
normal effects with something in common; effects that vary by words, by groups or by both, zero on average, where words cross groups as in
minimal pairs of 20 blocks of words in 61 groups; and losses that are rarer and larger than gains. The smallest effect: the mean of `detectable`
over data sets without an effect, beside the effect that is really found in 80%.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from headwise.stats import Block, Clusters, detectable, max_t, mean_of

RATES = (0.5, 0.9, 0.95, 0.99)
ALIKE = (0.0, 0.1, 0.3)  # correlation of two hits of one cluster
SIZES = {"5 each": (5,), "10 each": (10,), "1 to 11": (1, 2, 3, 5, 8, 11)}
LOSSES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential loss": lambda rng, shape: 1 - rng.exponential(size=shape),
    "lognormal loss": lambda rng, shape: np.exp(0.5) - rng.lognormal(size=shape),
    "1 in 10 loses 9": lambda rng, shape: np.where(rng.random(shape) < 0.9, 1.0, -9.0),
    "hits less hits": lambda rng, shape: (
        rng.binomial(5, 0.2, shape) - rng.binomial(5, 0.2, shape)
    ).astype(float),
}


def table(title, *columns):
    made = Table(title=title, title_justify="left", box=None)
    for column in columns:
        made.add_column(column, justify="right")
    return made


def share(found, n):
    """A share in percent with its 95% binomial interval."""
    ends = binomtest(int(found), n).proportion_ci(method="wilson")
    return f"{100 * found / n:.1f} [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


def hits(rng, n_sets, sizes, rate, alike):
    chance = np.full((n_sets, len(sizes)), rate)
    if alike:
        scale = (1 - alike) / alike
        chance = rng.beta(rate * scale, (1 - rate) * scale, chance.shape)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    return (rng.random((n_sets, len(cluster))) < chance[:, cluster]).astype(float), cluster


def coverage(console, rng, n_sets):
    made = table(
        f"Coverage of 95% intervals of a rate, in %, of {n_sets} data sets each (binomial interval at 95%: +-{196 * np.sqrt(0.0475 / n_sets):.1f})",
        "items", "clusters", "correlation", *(f"rate {rate}" for rate in RATES), "loss-free share at .99",
    )  # fmt: skip
    inside, low, n_cells = 0, [], 0
    for name, cycle in SIZES.items():
        for n_clusters in (10, 20, 40):
            for alike in ALIKE:
                row = []
                for rate in RATES:
                    values, cluster = hits(rng, n_sets, np.resize(cycle, n_clusters), rate, alike)
                    found = mean_of(values, Clusters.of(cluster), "rate")
                    row.append(float(((found.low <= rate) & (rate <= found.high)).mean()))
                inside += sum(0.93 <= x <= 0.97 for x in row)
                low += [x for x in row if x < 0.93]
                n_cells += len(row)
                told = (f"{100 * x:.1f}{'' if 0.93 <= x <= 0.97 else '*'}" for x in row)
                never = f"{100 * (values.min(axis=1) == 1).mean():.0f}"
                made.add_row(name, str(n_clusters), str(alike), *told, never)
    console.print(made)
    lowest = f"{100 * min(low):.1f}" if low else "none"
    console.print(
        f"* outside 93 to 97: {n_cells - inside} of {n_cells} cells, {len(low)} of them below 93 (lowest {lowest})\n"
    )


def pairs_of_blocks(rng, n_blocks=20, n_groups=61, n_items=6):
    pairs = [(a, b) for a in range(n_blocks // 2) for b in range(n_blocks // 2, n_blocks)]
    chosen = rng.permutation(len(pairs))[:n_groups]
    items = [(g, pairs[pair][i % 2]) for g, pair in enumerate(chosen) for i in range(n_items)]
    return np.array(items).T


def errors_of_crossed(console, rng, n_sets, n_flips):
    made = table(
        f"Families with something found at 5% where nothing is, in %, of {n_sets} (words cross groups)",
        "effects vary by", "tests", "clustered by groups", "by both",
    )  # fmt: skip
    for varies in ("words", "groups", "both"):
        for n_tests in (1, 96):
            found = {"groups": 0, "both": 0}
            for seed in range(n_sets):
                group, word = pairs_of_blocks(rng)
                values = 0.5 * rng.normal(size=(n_tests, len(group)))
                if varies != "groups":
                    values += rng.normal(size=(n_tests, 20))[:, word]
                if varies != "words":
                    values += rng.normal(size=(n_tests, 61))[:, group]
                for name, factors in (("groups", (group,)), ("both", (group, word))):
                    block = Block(values, Clusters.of(*factors))
                    tests = max_t([block], seed=seed, n_flips=n_flips)
                    found[name] += tests.p_fwer.min() < 0.05
            made.add_row(varies, str(n_tests), *(share(x, n_sets) for x in found.values()))
    console.print(made, "")


def errors_of_skewed(console, rng, n_sets, n_flips):
    made = table(
        f"One test at 5% where the mean is 0, errors in %, of {10 * n_sets}; and families of 96 with an error, of {n_sets // 2}",
        "clusters", *(f"{name}{what}" for name in LOSSES for what in ("", ", 96") if not what or name in ("normal", "exponential loss", "hits less hits")),
    )  # fmt: skip
    for n_clusters in (10, 20, 40):
        clusters, row = Clusters.of(np.arange(n_clusters)), []
        for name, draw in LOSSES.items():
            block = Block(draw(rng, (10 * n_sets, n_clusters)), clusters)
            tests = max_t([block], seed=0, n_flips=n_flips, min_items=10)
            row.append(share((tests.p <= 0.05).sum(), 10 * n_sets))
            if name in ("normal", "exponential loss", "hits less hits"):
                false = 0
                for seed in range(n_sets // 2):
                    block = Block(draw(rng, (96, n_clusters)), clusters)
                    tests = max_t([block], seed=seed, n_flips=n_flips, min_items=10)
                    false += tests.p_fwer.min() < 0.05
                row.append(share(false, n_sets // 2))
        made.add_row(str(n_clusters), *row)
    console.print(made, "")


def planted(rng, kind, n_tests, n_clusters, effect, per=4):
    """Tests without effect but for the first: normal values in clusters, or differences of hits."""
    n = n_clusters * per
    if kind == "normal":
        common = 0.5 * rng.normal(size=(n_tests, n_clusters))
        values = np.repeat(common, per, axis=1) + rng.normal(size=(n_tests, n))
        values[0] += effect
        return values
    chance = np.full((n_tests, 1), 0.15)
    chance[0] += effect / 2
    lost = np.maximum(0.3 - chance, 0)
    drawn = rng.random((n_tests, n))
    return (drawn < chance).astype(float) - (drawn > 1 - lost)


def smallest(console, rng, n_sets, n_flips, cells):
    made = table(
        f"Smallest effect found in 80% (p over the family below 5%), of {n_sets} data sets at every effect tried",
        "values", "clusters", "tests", "stated", "simulated", "stated/simulated",
    )  # fmt: skip
    for kind in ("normal", "hits"):
        bound = None if kind == "normal" else "difference"
        for n_clusters, n_tests in cells:
            clusters = Clusters.of(np.repeat(np.arange(n_clusters), 4))
            stated = []
            for seed in range(20):
                values = planted(rng, kind, n_tests, n_clusters, 0.0)
                estimate = mean_of(values, clusters, bound)
                tests = max_t([Block(values, clusters)], seed=seed, n_flips=n_flips)
                stated.append(detectable(estimate.se, tests.bars, estimate.df).mean())
            said = float(np.mean(stated))
            low, high = said / 2, said * 2
            for _ in range(6):
                middle = (low + high) / 2
                found = 0
                for seed in range(n_sets):
                    values = planted(rng, kind, n_tests, n_clusters, middle)
                    tests = max_t([Block(values, clusters)], seed=seed, n_flips=n_flips)
                    found += tests.p_fwer[0] < 0.05
                low, high = (low, middle) if found >= 0.8 * n_sets else (middle, high)
            made.add_row(
                kind, str(n_clusters), str(n_tests), f"{said:.3f}", f"{middle:.3f}", f"{said / middle:.2f}"
            )  # fmt: skip
    console.print(made)


def main(
    quick: Annotated[bool, typer.Option(help="Fewer data sets: seconds, wider intervals.")] = False,
) -> None:
    """Prints what is covered, what is found where nothing is, and what is found where something is."""
    console, rng = Console(width=180, highlight=False), np.random.default_rng(0)
    n_flips = 300 if quick else 600
    coverage(console, rng, 500 if quick else 4000)
    errors_of_crossed(console, rng, 40 if quick else 300, n_flips)
    errors_of_skewed(console, rng, 40 if quick else 400, n_flips)
    cells = [(20, 32)] if quick else [(10, 1), (10, 32), (20, 1), (20, 32), (40, 1), (40, 32)]
    smallest(console, rng, 40 if quick else 150, n_flips, cells)


if __name__ == "__main__":
    typer.run(main)
