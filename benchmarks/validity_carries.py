"""Is "carries" believable? What untrained models, uniform attention and heads no better than a baseline come to, and what can be found.

    uv run benchmarks/validity_carries.py --quick
    uv run benchmarks/validity_carries.py

Prints, each with its exact binomial interval: how often anything is said to be carried by models of burrow's and of minilm's shape with random
weights, and with uniform attention, in the suites of `mole` and `adjective_noun`; how often 72 heads exactly as good as the
best baseline give a yes; how often a head that is better by some points is found, by number of groups, beside the smallest gain that is called
detectable; and the codelength of vectors that are the labels.
"""

import time
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from scipy.stats import binomtest

import headwise
from headwise import evidence
from headwise.activations import hooks
from headwise.cli import discovery
from headwise.model.loading import random_like
from headwise.probing._fits.codelength import codelength, orders_of
from headwise.probing._table import table_of
from headwise.probing._text_baselines import BEST_BASELINE
from headwise.probing.controls import uniform
from headwise.stats import Clusters

CONSOLE = Console(highlight=False, width=160)
SUITES = {
    ("burrow", "mole"): lambda model: headwise.burrow_sentences("mole", 400, seed=0),
    ("minilm", "mole"): lambda model: headwise.read_suite("probes/mole.toml"),
    ("burrow", "adjective_noun"): lambda model: discovery.bindings(model, smoke=False),
    ("minilm", "adjective_noun"): lambda model: discovery.bindings(model, smoke=False),
}
GROUPS = (12, 20, 41, 80)


def share(n: int, of: int) -> str:
    """A share with its 95% interval."""
    low, high = binomtest(n, of).proportion_ci(0.95, "exact") if of else (0.0, 1.0)
    return f"{n}/{of} [{100 * low:.0f}%, {100 * high:.0f}%]"


def untrained(n_models: int, n_null: int) -> None:
    """Never-trained models and uniform attention, as `headwise run` probes them."""
    for (name, of), make in SUITES.items():
        model, start = headwise.load(name, device="cpu"), time.process_time()
        suite = make(model)
        heads, layers = 0, 0
        for seed in range(n_models):
            # Far from the seeds of its own controls.
            result = _probed(random_like(model, 10_000 + seed), suite, n_null, seed)
            heads += _anything(evidence.carries(result, "logistic"))
            layers += _anything(evidence.carries_by_layer(result, "logistic"))
        with hooks.edit(model, "pattern", uniform):
            result = _probed(model, suite, n_null, 0)
        same = evidence.carries(result, "logistic")
        CONSOLE.print(
            f"{of}, random weights of {name}'s shape: a head carries in {share(heads, n_models)}, a layer in {share(layers, n_models)}; "
            f"uniform attention: {int((same['carries'] == 'yes').sum())} heads "
            f"({(time.process_time() - start) / (n_models + 1):.0f} s each)"
        )


def trained(n_null: int) -> None:
    """What the trained models come to, with what stands beside it."""
    for (name, of), make in SUITES.items():
        model = headwise.load(name, device="cpu")
        result = _probed(model, make(model), n_null, 0)
        said, layers = (
            f(result, "logistic") for f in (evidence.carries, evidence.carries_by_layer)
        )
        names = [f"L{r.layer}H{r.head}" for r in said.itertuples() if r.carries == "yes"]
        rates = result.table.set_index("site")["balanced_accuracy"]
        best = rates["best baseline"]
        CONSOLE.print(
            f"{of}, {name}: {result.baseline_sentence()} Heads {said['carries'].value_counts().to_dict()}: {', '.join(names) or 'none'}; layers "
            f"{', '.join(f'{r.layer} {r.carries} {100 * r.carries_effect:+.0f}' for r in layers.itertuples())}; best baseline {best:.3f}, "
            f"controls {said['carries_control'].iloc[0]:+.3f}, detectable {said['carries_detectable'].median():.3f}. {' '.join(result.warnings)}"
        )


def _probed(model: headwise.Model, suite: headwise.Suite, n_null: int, seed: int):
    return headwise.probe(
        model,
        suite,
        sites=("residual", "z"),
        classifiers=("logistic",),
        n_null=n_null,
        seed=seed,
    )


def _anything(said: pd.DataFrame) -> bool:
    return bool((said["carries"] == "yes").any())


def equal_heads(runs: int) -> None:
    """As many heads as minilm has, each exactly as good as the best baseline."""
    found = sum((_simulated(s, [0.6] * 72)["carries"] == "yes").any() for s in range(runs))
    CONSOLE.print(
        f"72 heads exactly as good as the best baseline: one or more carries in {share(int(found), runs)}"
    )


def power(runs: int) -> None:
    """One better head among 72, by number of groups of five."""
    for n_groups in GROUPS:
        detectable = np.median(
            [_simulated(s, [0.6] * 72, n_groups)["carries_detectable"].median() for s in range(3)]
        )
        for gain in sorted({0.05, 0.1, 0.2, 0.3, round(float(detectable), 2)}):
            if 0.6 + gain > 0.98:
                continue
            made = (_simulated(1000 + s, [0.6 + gain, *[0.6] * 71], n_groups) for s in range(runs))
            found = sum(frame["carries"].iloc[0] == "yes" for frame in made)
            CONSOLE.print(
                f"{n_groups} groups of 5, a head {100 * gain:.0f} points better: found in {share(int(found), runs)}; detectable with 80%: "
                f"{100 * detectable:.0f} points"
            )


def _simulated(seed: int, accuracies: list[float], n_groups: int = 41) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), 5)
    truth = rng.permutation(np.arange(n_groups) % 4)[groups]

    def said(rate: float) -> np.ndarray:
        p = rng.beta(12 * rate, 12 * (1 - rate), n_groups)[groups]
        wrong = (truth + rng.integers(1, 4, len(p))) % 4
        return np.where(rng.random(len(p)) < p, truth, wrong)[None]

    predictions = {(BEST_BASELINE, "chosen"): said(0.6)}
    predictions |= {(("z", i // 12, i % 12), "logistic"): said(rate) for i, rate in enumerate(accuracies)}  # fmt: skip
    controls = pd.DataFrame({"site": ["z"], "classifier": ["logistic"], "gain": [0.0], "t": [0.0]})
    result = object.__new__(headwise.ProbeResult)
    table = table_of(predictions, truth, groups, Clusters.of(groups), {}, {}, controls, seed)
    object.__setattr__(result, "table", table)
    return evidence.carries(result, "logistic")


def codelengths(seeds: int) -> None:
    """Vectors that are the labels, in 20 groups of 20 with one of four labels each."""
    groups = np.repeat(np.arange(20), 20)
    codes = (np.arange(20) % 4)[groups]
    bits: list[float] = []
    for seed in range(seeds):
        x = 5 * np.eye(4)[codes] + np.random.default_rng(seed).normal(0, 0.01, (400, 4))
        x = (x - x.mean(0)) / x.std(0)
        bits.append(codelength(x, codes, orders_of(codes, groups, seed), (0.01, 0.1, 1.0), 4))
    CONSOLE.print(
        f"codelength of vectors that are the labels: {min(bits):.0f} to {max(bits):.0f} bits, 800 without them"
    )


def main(
    quick: Annotated[bool, typer.Option(help="Few models and runs.")] = False,
    only: Annotated[str, typer.Option(help="untrained, trained, equal, power or codelength.")] = "",
) -> None:
    """Runs all parts, or one."""
    parts = {
        "codelength": lambda: codelengths(10),
        "equal": lambda: equal_heads(60 if quick else 400),
        "power": lambda: power(25 if quick else 200),
        "trained": lambda: trained(10),
        "untrained": lambda: untrained(2 if quick else 30, 3 if quick else 10),
    }
    for name, part in parts.items():
        if only in ("", name):
            part()


if __name__ == "__main__":
    typer.run(main)
