"""Is "moves" believable? What never-trained models, uniform attention and neighbours' attention come to, and what can be found.

    uv run benchmarks/validity_moves.py --quick
    uv run benchmarks/validity_moves.py

Prints, each with its exact binomial interval: how often a head is said to move words in `mole`, or to collect adjectives in `creature`, in models of
burrow's and of minilm's shape with random weights, in the trained models with uniform attention, and with each head's attention given to a neighbour;
how often any of 72 random steps is found along a direction; and how often a head that adds some share of the distance is found, by number of
groups, beside the smallest share that is called detectable.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from scipy.stats import binomtest

import headwise
from headwise import evidence
from headwise.activations import hooks
from headwise.data import transforms
from headwise.directions import nulls
from headwise.directions._along import table_of
from headwise.directions._measuring import Measured, Sample
from headwise.directions._stream.components import Component
from headwise.directions.contributions import DirectionTestResult, alike
from headwise.directions.controls import Control
from headwise.directions.direction import Direction
from headwise.directions.ov_alignment import ov_alignment_test
from headwise.interventions.steering.one_vs_rest import towards_each
from headwise.model.loading import random_like
from headwise.stats import Clusters

CONSOLE = Console(highlight=False, width=170)
SHAPES = ("burrow", "minilm")
FIRST_SEED = 10_000  # none of those from which controls are drawn
Edit = Callable[[torch.Tensor, hooks.Site], torch.Tensor]


def share(n: int, of: int) -> str:
    """A share with its 95% interval."""
    low, high = binomtest(n, of).proportion_ci(0.95, "exact") if of else (0.0, 1.0)
    return f"{n}/{of} [{100 * low:.0f}%, {100 * high:.0f}%]"


def neighbours(by: int) -> Edit:
    """Each head attends as another one of its layer."""
    return lambda pattern, site: pattern.roll(by, dims=1)


def null_models(shape: str, n_models: int) -> Iterator[tuple[str, headwise.Model, Edit | None]]:
    """Models in which no head does anything of its own, by kind."""
    trained = headwise.load(shape, device="cpu")
    for seed in range(n_models):
        yield "random weights", random_like(trained, FIRST_SEED + seed), None
    yield "uniform attention", trained, alike
    for by in range(1, 1 + min(n_models, trained.n_heads - 1)):
        yield "neighbours' attention", trained, neighbours(by)


def mole(model: headwise.Model, shape: str, n: int, n_null: int, seed: int) -> list[str]:
    """What is said of each head."""
    if shape == "burrow":
        fitted, asked = headwise.burrow_sentences("mole", n, seed=seed), headwise.burrow_pairs("mole", n // 2, seed=seed, held_out=True)  # fmt: skip
    else:
        fitted, asked = (
            headwise.read_suite("probes/mole.toml"),
            headwise.read_suite("probes/mole_pairs.toml"),
        )
    found = towards_each(model, fitted, asked, seed, n_null=n_null)
    return evidence.moves(found)["moves"].tolist()


def creature(model: headwise.Model, shape: str, n: int, n_null: int, seed: int) -> list[str]:
    """What is said of each head."""
    if shape == "burrow":
        suite, relation = (
            transforms.cues(headwise.burrow_pairs("adjectives", n // 2, seed=seed, held_out=True)),
            "cue",
        )
    else:
        suite, relation = headwise.read_suite("probes/creature.toml"), "amod"
    found = ov_alignment_test(model, suite, relation, seed=seed, n_null=n_null)
    return evidence.collects(found)["moves"].tolist()


def nothing_is_found(n_models: int, n: int, n_null: int) -> None:
    """False positives, model by model and head by head. With neighbours' attention words are still moved, so of that `creature` alone is asked."""
    for shape in SHAPES:
        for name, ask in (("mole", mole), ("creature", creature)):
            models: dict[str, list[bool]] = {}
            heads: dict[str, list[bool]] = {}
            for seed, (kind, model, edit) in enumerate(null_models(shape, n_models)):
                if name == "mole" and kind.startswith("neighbours"):
                    continue
                if edit is None:
                    said = ask(model, shape, n, n_null, seed)
                else:
                    with hooks.edit(model, "pattern", edit):
                        said = ask(model, shape, n, n_null, seed)
                models.setdefault(kind, []).append("yes" in said)
                heads.setdefault(kind, []).extend(s == "yes" for s in said)
            for kind, found in models.items():
                CONSOLE.print(
                    f"{name}, {shape}, {kind}: a head is a yes in {share(sum(found), len(found))} of models, {share(sum(heads[kind]), len(heads[kind]))} of heads"
                )


def random_steps(n: int) -> None:
    """72 heads whose steps are drawn at random, along a direction drawn as the random ones are."""
    model = headwise.load("burrow", device="cpu", verify=False)
    rng, family, alone = np.random.default_rng(0), 0, 0
    scale = np.geomspace(0.1, 3, model.d_model)
    for seed in range(n):
        x = rng.standard_normal((80, model.d_model)) * scale
        way = Direction.of(model, rng.standard_normal(80) @ x, positive="a", negative="b", layer=1)
        readers = nulls.random_readers(way, x, np.arange(80) % 2, 1000, seed)
        steps = rng.standard_normal((72, model.d_model)) * scale
        p = nulls.against_random(way.contribution(steps), steps, readers)
        family += bool(p.p_fwer.min() < 0.05)
        alone += bool(p.p.min() < 0.05)
    CONSOLE.print(
        f"72 random steps: one or more found over the family in {share(family, n)}, head by head in {share(alone, n)}"
    )


def _simulated(rng: np.random.Generator, n_groups: int, effect: float) -> DirectionTestResult:
    """32 heads, of which the first adds a share of the distance; four words of each group, of both classes, that vary by group, too."""
    d, n_words = 16, 4 * n_groups
    groups, codes = np.repeat(np.arange(n_groups), 4), np.tile([0, 0, 1, 1], n_groups)
    names = (*(Component("head", 0, h) for h in range(32)), Component("biases"))
    slopes = rng.normal(0, 0.1, (33, n_groups))[:, groups] * (2 * codes - 1)
    contributions = slopes / 2 + rng.normal(0, 0.1, (33, n_words))
    contributions[0] += effect * codes
    contributions[-1] = codes - contributions[:-1].sum(axis=0)  # the distance is one
    reader = np.eye(d)[0]
    way = Direction(
        "none", "", "", "", "drawn", "a", "b", 1, False, "plain", (), (), (), reader, reader
    )
    step = rng.normal(0, 1e-3, (33, d))
    step[:, 0] = contributions[:, codes == 1].mean(axis=1) - contributions[:, codes == 0].mean(
        axis=1
    )
    examples: Any = SimpleNamespace(groups=groups, missing=0)
    asked = Sample(examples, ("a", "b"), codes, (way,), np.zeros(n_words, int), Clusters.of(groups))
    measured = Measured(
        contributions, np.zeros_like(contributions), step, contributions.sum(axis=0)
    )
    readers = np.pad(rng.standard_normal((300, d - 1)), ((0, 0), (1, 0))) / np.sqrt(d)
    control = Control(10, 3.0, 0.0, 3.0)
    table, critical = table_of(names, asked, measured, readers, control, 400, 1, 0)
    return DirectionTestResult(
        model="none", suite="none", direction=way, between=("a", "b"), n_words=(n_words // 2,) * 2, missing=0, components=names, shape=(1, 32), contributions=contributions,
        codes=codes, groups=groups, total=1.0, whole={}, error=0.0, cases=n_words, clusters=n_groups, critical=critical, control=control,
        n_folds=1, left_out=0, table=table, trajectory=table, sources=table, words=table,
    )  # fmt: skip


def power(n: int) -> None:
    """How often a head is found, by groups and by share, beside what is called detectable."""
    shares = np.array([0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3])
    for n_groups in (10, 20, 40, 80):
        found, told = np.zeros(len(shares)), []
        for k, effect in enumerate(shares):
            for seed in range(n):
                said = evidence.moves([_simulated(np.random.default_rng([seed, k, n_groups]), n_groups, effect)])  # fmt: skip
                found[k] += said["moves"].iloc[0] == "yes"
                told.append(said["moves_detectable"].iloc[0])
        rates = found / n
        at_80 = float(np.interp(0.8, rates, shares)) if rates.max() >= 0.8 else float("nan")
        CONSOLE.print(
            f"{n_groups} groups: found in {', '.join(f'{100 * r:.0f}% at {100 * s:.0f}%' for r, s in zip(rates, shares, strict=True))}; 80% power at a share of {100 * at_80:.1f}%, "
            f"called detectable {100 * np.median(told):.1f}%"
        )


def main(
    quick: Annotated[bool, typer.Option(help="A few models and draws.")] = False,
    models: Annotated[int, typer.Option(help="Random-weight models of each shape.")] = 30,
    only: Annotated[str, typer.Option(help="steps, power or models; all by default.")] = "",
) -> None:
    """Prints false positives, then power."""
    torch.set_num_threads(1)
    n_models, n_draws = (2, 20) if quick else (models, 200)
    if only in ("", "steps"):
        random_steps(50 if quick else 400)
    if only in ("", "power"):
        power(n_draws)
    if only in ("", "models"):
        nothing_is_found(n_models, 160 if quick else 400, 2 if quick else 10)


if __name__ == "__main__":
    typer.run(main)
