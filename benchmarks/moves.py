"""Pushes of every head along a direction, beside the usual way, and how well steering turns burrow's mind.

    uv run benchmarks/moves.py

The usual way keeps what every head writes at every token (`z W_O`, d_model numbers each), picks the word and takes the
dot product with the direction. Ours keeps what heads give at the words that are asked, with all norms, MLPs and embeddings, so that
the parts sum to the stream; it is timed without tests and traces, which the usual way has not. Steering: directions between senses of *mole*
are fitted on known combinations of words and added in held-out ones.
"""

import itertools
import time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import headwise
from headwise import hooks, words
from headwise.directions.at_words import Words
from headwise.directions.decomposition import recorder_of
from headwise.directions.parts import take_apart
from headwise.directions.steering import pooled
from headwise.examples import Examples

console = Console(width=140)


def usual(model: headwise.Model, suite: headwise.Suite, reader: torch.Tensor) -> np.ndarray:
    """Updates of all heads at all tokens, then the word."""
    examples = Examples.of(model, suite, "sense", 0)
    found = np.zeros((model.n_layers * model.n_heads, len(suite)))
    for batch in words.batches(model, examples.alignments):
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
    asked = Words.of_examples(Examples.of(model, suite, "sense", 0))
    recorder = recorder_of(model)
    found, worst = np.zeros((0, 0)), 0.0
    for taken in take_apart(recorder, asked):
        pushes = (taken.parts @ reader).numpy()
        found = found if found.size else np.zeros((len(pushes), len(asked)))
        found[:, taken.words] = pushes
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
    from headwise.directions.parts import components

    recorder = recorder_of(model)
    return components(recorder.wiring, recorder.layer)


def steering(n: int, n_random: int) -> None:
    """Prints dose and response over all pairs of senses."""
    model = headwise.load("burrow", device="cpu")
    fitting = headwise.burrow_pairs("mole", n, seed=1, held_out=False)
    testing = headwise.burrow_pairs("mole", n, seed=2, held_out=True)
    elsewhere = headwise.burrow_pairs("adjectives", 20, seed=3, held_out=False)
    results = []
    for ahead, behind in itertools.combinations(fitting.labels, 2):
        direction = headwise.Direction.of_classes(
            model, fitting, ahead, behind, layer=model.n_layers
        )
        try:
            results.append(
                headwise.steer(model, testing, direction, unrelated=elsewhere, n_random=n_random)
            )
        except headwise.HeadwiseError:  # no held-out pairs of these two senses
            continue
    table = Table(box=None)
    rows = pooled(results)
    for name in rows.columns:
        table.add_column(name, justify="right")
    for row in rows.itertuples(index=False):
        table.add_row(*(f"{value:.3g}" for value in row))
    console.print(table)


def main(
    n: Annotated[int, typer.Option(help="Sentences that are timed.")] = 1000,
    pairs: Annotated[int, typer.Option(help="Minimal pairs that are steered.")] = 200,
    n_random: Annotated[int, typer.Option(help="Random directions.")] = 10,
) -> None:
    """Prints the time, then dose and response."""
    speed(n)
    steering(pairs, n_random)


if __name__ == "__main__":
    typer.run(main)
