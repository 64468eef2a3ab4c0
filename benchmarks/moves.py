"""Pushes of every head along a direction, beside the usual way, and how well steering turns burrow's mind.

    uv run benchmarks/moves.py

The usual way keeps what every head writes at every token (`z W_O`, d_model numbers each), picks the word and takes the
dot product with the direction. Ours keeps what heads give at the words that are asked, with all norms, MLPs and embeddings, so that
the parts sum to the stream; it is timed without tests and traces, which the usual way has not. Steering: directions between senses of *mole*
are fitted without the words that decide in the sentences in which they are added. False positives and power: `validity_moves.py`.
"""

import time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats

import headwise
from headwise.activations import alignment, hooks
from headwise.directions import nulls
from headwise.directions._stream.take_apart import take_apart
from headwise.directions._stream.word_positions import Words
from headwise.directions.decomposition import recorder_of
from headwise.interventions.steering.doses import pooled, reported
from headwise.interventions.steering.one_vs_rest import steer_between, towards_each
from headwise.probing.labelled_words import Examples

console = Console(width=140)


def usual(model: headwise.Model, suite: headwise.Suite, reader: torch.Tensor) -> np.ndarray:
    """Updates of all heads at all tokens, then the word."""
    examples = Examples.of(model, suite, "mark", 0)
    found = np.zeros((model.n_layers * model.n_heads, len(suite)))
    for batch in alignment.batches(model, examples.alignments):
        with hooks.capture(model, ["z"]) as seen:
            model.forward(batch.tokens, batch.mask)
        for layer in range(model.n_layers):
            updates = torch.einsum(
                "bphd,hdm->bphm", seen["z", layer], model.attention("", layer).W_O
            )
            for k, i in enumerate(batch.indices):
                own = batch.pieces[k, examples.positions[i]].bool()
                found[layer * model.n_heads : (layer + 1) * model.n_heads, i] = (
                    updates[k, own].mean(0) @ reader
                ).numpy()
    return found


def ours(
    model: headwise.Model, suite: headwise.Suite, reader: torch.Tensor
) -> tuple[np.ndarray, float]:
    """Every part at the word, and the error of their sum."""
    asked = Words.of_examples(Examples.of(model, suite, "mark", 0))
    recorder = recorder_of(model)
    found, worst = np.zeros((0, 0)), 0.0
    for taken in take_apart(recorder, asked):
        contributions = (taken.parts @ reader).numpy()
        found = found if found.size else np.zeros((len(contributions), len(asked)))
        found[:, taken.words] = contributions
        error = (taken.parts.sum(0) - taken.total).abs().max() / taken.total.abs().max()
        worst = max(worst, float(error))
    return found, worst


def speed(n: int) -> None:
    """Times both in turn and prints the ratio."""
    model = headwise.load("burrow", device="cpu")
    suite = headwise.burrow_sentences("mole", n)
    torch.manual_seed(0)
    reader = torch.nn.functional.normalize(torch.randn(model.d_model), dim=0)
    times: dict[str, list[float]] = {"usual": [], "ours": []}
    with torch.inference_mode():
        for _ in range(5):
            start = time.perf_counter()
            by_hand = usual(model, suite, reader)
            times["usual"].append(time.perf_counter() - start)
            start = time.perf_counter()
            found, error = ours(model, suite, reader)
            times["ours"].append(time.perf_counter() - start)
    names = [c.kind == "head" for c in _components(model)]
    difference = float(np.abs(found[np.array(names)] - by_hand).max() / np.abs(by_hand).max())
    usual_s, ours_s = (min(times[name]) for name in ("usual", "ours"))
    console.print(
        f"{len(suite)} sentences, {model.n_layers * model.n_heads} heads: usual {usual_s:.2f} s, ours {ours_s:.2f} s, ratio {usual_s / ours_s:.1f}; "
        f"largest relative difference {difference:.1e}; the parts sum to the stream with error {error:.1e}"
    )


def _components(model: headwise.Model) -> tuple:
    from headwise.directions._stream.components import components

    recorder = recorder_of(model)
    return components(recorder.wiring, recorder.layer)


def pushing(n: int) -> None:
    """Prints who pushes mole towards each sense, on words that were not fitted."""
    model = headwise.load("burrow", device="cpu")
    fitting, testing = headwise.burrow_sentences("mole", 2 * n), headwise.burrow_pairs("mole", n, seed=1, held_out=True)  # fmt: skip
    for found in towards_each(model, fitting, testing):
        keys = found.sources[found.sources["source"] == "key words"].set_index("name")["share"]
        for name in found.significant()["name"][:3]:
            row = found.row(name=name)
            console.print(
                f"{found.between[0]}: {name} adds {row['share']:.1%} of the distance ({row['effect']:.1f} [{row['effect_low']:.1f}, {row['effect_high']:.1f}]), p over all {row['p_fwer']:.4f}, "
                f"{keys[name]:.0%} of it read from key words"
            )


def false_positives(n: int) -> None:
    """Prints in how many of some draws any of 30 correlated parts is found, though labels mean nothing."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 2)
    counts = {"within groups": 0, "among groups": 0}
    for seed in range(n):
        mixed = rng.permuted(np.tile([0, 1], (30, 1)), axis=1).ravel()
        pure = rng.permutation(np.arange(30) % 2)[groups]
        for name, codes in zip(counts, (mixed, pure), strict=True):
            common = 2 * rng.standard_normal((12, 30))[:, groups] + rng.standard_normal((12, 60))
            values = rng.standard_normal((30, 12)) @ common + rng.standard_normal((30, 60))
            p = nulls.against_shuffled(values, codes, groups, seed=seed, n_permutations=400)
            counts[name] += bool(p.p_fwer.min() < 0.05)
    low, high = stats.binom.ppf([0.005, 0.995], n, 0.05)
    console.print(
        f"any of 30 parts found by shuffled labels in {n} draws: {counts}; 99% interval of 5%: {low:.0f} to {high:.0f}"
    )


def steering(n: int, n_null: int) -> None:
    """Prints dose and response over all pairs of senses."""
    model = headwise.load("burrow", device="cpu")
    fitting, testing = headwise.burrow_sentences("mole", 2 * n), headwise.burrow_pairs("mole", n, seed=2, held_out=True)  # fmt: skip
    elsewhere = headwise.burrow_pairs("adjectives", 20, seed=3, held_out=True)
    results = steer_between(model, fitting, testing, elsewhere=elsewhere, n_null=n_null)
    table = Table(box=None)
    rows = pooled(results)
    for name in rows.columns:
        table.add_column(name, justify="right")
    for row in rows.itertuples(index=False):
        table.add_row(*(f"{value:.3g}" for value in row))
    console.print(table)
    console.print(f"layer {results[0].direction.layer}; {reported(results)}")


def main(
    n: Annotated[int, typer.Option(help="Sentences that are timed.")] = 1000,
    pairs: Annotated[int, typer.Option(help="Minimal pairs that are steered.")] = 200,
    n_null: Annotated[int, typer.Option(help="Random directions.")] = 10,
) -> None:
    """Prints the time, who contributions, false positives, then dose and response."""
    speed(n)
    pushing(pairs)
    false_positives(1000)
    steering(pairs, n_null)


if __name__ == "__main__":
    typer.run(main)
