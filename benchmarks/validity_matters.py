"""Is the evidence that heads matter to be believed? False positives of models that need no head, and the power to find one.

    uv run benchmarks/validity_matters.py --quick
    uv run benchmarks/validity_matters.py                # 30 random models of burrow's shape, 15 of minilm's; about an hour on two cores

1. Models with random weights, of burrow's and minilm's shape, through all that `headwise run` does for *matters*, controls included: in how many is any head
   said to matter, or to be negative. Also without the condition that the clean metric be above zero, which a random model fails in any case.
2. burrow and minilm with uniform attention.
3. Power: degradations planted in the costs that were measured for a head that does nothing in burrow, by number of groups: how often they are a yes, and
   the `detectable` that a report would print, the smallest degradation found in 80%.

Shares are printed with exact 95% binomial intervals.
"""

from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from jaxtyping import Float
from numpy import ndarray
from rich.console import Console
from rich.table import Table
from scipy import stats

import headwise
from headwise import evidence
from headwise.data.shipped import find_suite
from headwise.interventions.ablation import METHODS, Ablation, AblationResult
from headwise.interventions.controls import AblationControls, uniform_attention
from headwise.interventions.metrics import Reading
from headwise.interventions.prompts import that_fit
from headwise.model import loading

SUITES = {"burrow": ("mole", "adjectives"), "minilm": ("mole_pairs", "adjective_pairs")}
PER_GROUP = 4  # sentences
PLANTED = (0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)


def main(
    quick: Annotated[bool, typer.Option(help="Few models and pairs, for CI.")] = False,
    only: Annotated[str, typer.Option(help="random, uniform or power; all by default.")] = "",
    models: Annotated[str, typer.Option(help="burrow, minilm, or both by default.")] = "",
) -> None:
    """Prints a table for each question."""
    torch.set_num_threads(1 if quick else torch.get_num_threads())
    console = Console(width=140)
    for name in [models] if models else list(SUITES):
        model = headwise.load(name, device="cpu", verify=False)
        if only in ("", "random"):
            n = (4 if quick else 30) if name == "burrow" else (1 if quick else 15)
            console.print(false_positives(model, n, quick))
        if only in ("", "uniform"):
            console.print(under_uniform_attention(model, quick))
    if only in ("", "power"):
        console.print(power(quick))


def suite_of(name: str, what: str, n: int, seed: int) -> headwise.Suite:
    """Minimal pairs as `headwise run` asks them; of minilm's suites so many."""
    if name == "burrow":
        return headwise.burrow_pairs(what, n, seed=seed, held_out=False)
    suite = headwise.read_suite(find_suite(what))
    return replace(suite, pairs=suite.pairs[:: max(1, len(suite.pairs) // n)])


def interval(k: int, n: int) -> str:
    """A share with its exact 95% binomial interval."""
    ends = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    return f"{k} of {n} [{ends.low:.0%}, {ends.high:.0%}]"


def false_positives(model: headwise.Model, n_models: int, quick: bool) -> Table:
    """Any head that matters, or is negative, in models with random weights."""
    table = Table("suite", "pairs", "clean metric above zero", "any head matters", "any negative head", "without the first condition", title=f"{model.name}'s shape, random weights")  # fmt: skip
    for what in SUITES[model.name]:
        n_pairs = 40 if quick else {"burrow": 200, "minilm": 120}[model.name]
        counts = np.zeros(4, dtype=int)
        for seed in range(n_models):
            pairs = that_fit(model, suite_of(model.name, what, n_pairs, seed))
            ablated = headwise.ablate(loading.random_like(model, 1000 + seed), pairs, seed=seed)
            counts += (ablated.can(), *_found(evidence.judged(ablated)), _found(evidence.judged(able(ablated)))[0])  # fmt: skip
        table.add_row(what, str(len(pairs.pairs)), *(interval(int(k), n_models) for k in counts))
    return table


def able(ablated: AblationResult) -> AblationResult:
    """As if the clean metric were above zero, as large as its largest values: what p and controls alone would let pass."""
    metric = ablated.metrics[0]
    scale = float(np.abs(ablated.degradations[metric]).mean())
    t = ablated.table.copy()
    rows = t["metric"] == metric
    t.loc[rows, "share"], t.loc[rows, "share_se"] = (t.loc[rows, name] / scale for name in ("degradation", "se"))  # fmt: skip
    return replace(ablated, table=t, clean=ablated.clean.assign(value=scale, low=scale, high=scale))


def _found(told: Any) -> tuple[bool, bool]:
    return bool((told["matters"] == "yes").any()), bool((told["matters_negative"] == "yes").any())


def under_uniform_attention(model: headwise.Model, quick: bool) -> Table:
    """What the unmodified analysis says of the model when every head attends alike to all words."""
    table = Table("suite", "clean", "low", "high", "heads that matter", title=f"{model.name} with uniform attention")  # fmt: skip
    for what in SUITES[model.name]:
        n_pairs = 40 if quick else 120
        pairs = that_fit(model, suite_of(model.name, what, n_pairs, 0))
        with ExitStack() as stack:
            stack.enter_context(uniform_attention(model))
            ablated = headwise.ablate(model, pairs)
        clean = ablated.clean.iloc[0]
        table.add_row(what, *(f"{clean[c]:.3g}" for c in ("value", "value_low", "value_high")), ", ".join(ablated.significant()["name"].unique()) or "none")  # fmt: skip
    return table


def power(quick: bool) -> Table:
    """How often a planted degradation is a yes, by number of groups, beside the `detectable` of a head that costs nothing."""
    model = headwise.load("burrow", device="cpu", verify=False)
    pairs = headwise.burrow_pairs("adjectives", 60 if quick else 200, seed=0, held_out=False)
    ablated = headwise.ablate(model, pairs, metrics=["logit difference"], n_null=0 if quick else 2)
    metric = ablated.metrics[0]
    quiet = min(ablated.head_sets, key=lambda name: abs(ablated.table.loc[ablated.table["name"] == name, "share"]).max())  # fmt: skip
    n_draws = 60 if quick else 400
    names = [f"{share:.1%}" for share in PLANTED]
    table = Table("groups", *names, "found in 80%", "detectable", title=f"Planted degradations: yes in so many of {n_draws} draws (base: {quiet}; varies among groups by half of its mean)")  # fmt: skip
    rng = np.random.default_rng(0)
    for n_groups in (10, 20, 40) if quick else (10, 20, 40, 80, 160):
        found, told = np.zeros(len(PLANTED)), [list[float]() for _ in PLANTED]
        for k, share in enumerate(PLANTED):
            for _ in range(n_draws):
                row = planted(ablated, metric, quiet, share, n_groups, rng)
                found[k] += (row["matters"] == "yes") / n_draws
                told[k].append(float(row["matters_detectable"]))
        curve = float(np.interp(0.8, np.maximum.accumulate(found), PLANTED)) if found.max() >= 0.8 else np.inf  # fmt: skip
        # What a report prints where the degradation is the one that would be found in 80%.
        at = int(np.argmin(np.abs(np.array(PLANTED) - curve))) if np.isfinite(curve) else len(PLANTED) - 1  # fmt: skip
        table.add_row(str(n_groups), *(f"{x:.0%}" for x in found), f"{curve:.1%}", f"{np.median(told[at]):.1%}")  # fmt: skip
    return table


def planted(
    ablated: AblationResult,
    metric: str,
    quiet: str,
    share: float,
    n_groups: int,
    rng: np.random.Generator,
) -> Any:
    """What is said of one head that costs a share of every sentence's metric, more in some groups than in others, in groups of sentences drawn anew."""
    rows = rng.choice(len(ablated.clusters), n_groups * PER_GROUP)
    of = np.repeat(np.arange(n_groups), PER_GROUP)
    clean = ablated.clean_values[metric][rows]
    degradations = ablated.degradations[metric][..., rows].copy()
    strength = share * (1 + 0.5 * rng.normal(size=n_groups))[of]
    degradations[:, list(ablated.head_sets).index(quiet)] += strength * clean.mean() * (1 + rng.normal(size=len(rows)))  # fmt: skip
    return evidence.judged(rebuilt(ablated, metric, clean, degradations, of)).loc[quiet]


def rebuilt(
    ablated: AblationResult,
    metric: str,
    clean: Float[ndarray, " sentence"],
    degradations: Float[ndarray, "method head_set sentence"],
    groups: ndarray,
) -> AblationResult:
    """The result that these costs would have given."""
    from headwise.stats import Clusters

    class Drawn:  # what `Ablation._result` asks of prompts
        clusters = Clusters.of(groups)
        n_split = 0

    asked = object.__new__(Ablation)
    values = np.concatenate([clean[None], clean - degradations.reshape(-1, len(groups))])
    reading = Reading(metric, lambda seen: torch.empty(0), "", flips=True)
    named = cast(Any, type("Named", (), {"name": ""}))
    for name, value in {
        "model": named, "suite": named, "prompts": Drawn, "readings": [reading], "methods": METHODS, "positions": "", "pools": (), "seed": 0,
    }.items():  # fmt: skip
        object.__setattr__(asked, name, value)
    controls = ablated.controls or AblationControls(
        (), 0, 1.0, (), {}, {metric: np.zeros((1, 1, 1))}
    )
    if not controls.degradations:
        controls = replace(controls, degradations={metric: np.zeros((1, 1, 1))})
    return asked._result(ablated.head_sets, [values], controls)


if __name__ == "__main__":
    typer.run(main)
