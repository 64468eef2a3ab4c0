"""Spectra of both circuits of every head: as factors against dense matrices.

    uv run benchmarks/circuits.py                     # GPT-2 small shape, random weights, 144 heads

`headwise.read_circuits` gives singular values, effective ranks and copying of all heads, first by themselves, then with its
40 random models; each in a process of its own that has loaded the model, with the peak of its memory above what it held then. The
dense way multiplies a circuit out and takes the SVD and the eigenvalues of a d_model x d_model matrix; it is timed on a few
heads, in turns with ours on the same heads, both on one thread as `read_circuits` is. On a small model both must give the same.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import Annotated

import numpy as np
import psutil
import torch
import typer
from rich.console import Console

import headwise
from headwise.model.loading import hold
from headwise.weights.circuits import CIRCUITS, factored
from headwise.weights.low_rank import Factored, one_thread


def make(n_layers, n_heads, d_model):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(n_layer=n_layers, n_head=n_heads, n_embd=d_model)
    return hold(GPT2LMHeadModel(config).eval())


@contextmanager
def watched():
    """Samples resident memory every few milliseconds while the body runs; the list's first is the peak."""
    process, done = psutil.Process(), threading.Event()
    peak = [process.memory_info().rss]

    def watch():
        while not done.wait(0.003):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def whole(n_null):
    """Every head once, from loaded model to table."""
    model = make(12, 12, 768)
    model.forward(torch.arange(4)[None])  # what running at all takes is not ours
    rest = psutil.Process().memory_info().rss
    with watched() as peak:
        start = time.perf_counter()
        result = headwise.read_circuits(model, n_null=n_null)
        seconds = time.perf_counter() - start
    print(json.dumps({"rows": len(result.table), "seconds": seconds, "bytes": peak[0] - rest}))


def ours(matrix):
    return matrix.singular_values, matrix.copying


def dense(matrix):
    """The usual way, on the matrix multiplied out."""
    product = matrix.left @ matrix.right
    eigenvalues = torch.linalg.eigvals(product)
    copying = eigenvalues.real.sum(-1) / eigenvalues.abs().sum(-1)
    return torch.linalg.svdvals(product)[..., : matrix.left.shape[-1]], copying


def timed(function, matrix):
    fresh = Factored(matrix.left.clone(), matrix.right.clone())  # factors remember what was asked
    start = time.perf_counter()
    function(fresh)
    return time.perf_counter() - start


def difference(model):
    """The largest difference between the two ways over a model, of singular values relative to the first."""
    most = 0.0
    for layer in range(model.n_layers):
        for circuit in CIRCUITS:
            matrix = factored(model, circuit, layer)
            (values, copying), (by_hand, share) = ours(matrix), dense(matrix)
            apart = (values - by_hand).abs().max() / by_hand.max()
            most = max(most, float(apart), float((copying - share).abs().max()))
    return most


def main(
    rounds: Annotated[int, typer.Option(help="How often both are timed on the same heads.")] = 3,
    heads: Annotated[int, typer.Option(help="Heads that are multiplied out.")] = 2,
    part: Annotated[str, typer.Argument(hidden=True)] = "",
) -> None:
    """Measures a whole model, and a few heads both ways."""
    if part:
        whole(int(part))
        return
    console = Console(highlight=False)
    console.print(f"{torch.get_num_threads()} threads")
    for n_null, what in ((0, "alone"), (40, "beside 40 random models")):
        command = [sys.executable, __file__, str(n_null)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        console.print(
            f"GPT-2 small shape, {found['rows']} circuits {what}: {found['seconds']:.1f} s (target under 20), "
            f"{found['bytes'] / 1e6:.0f} MB above rest (target under 300)"
        )
    layer = factored(make(1, 12, 768), "OV", 0)
    matrix = Factored(layer.left[:heads], layer.right[:heads])
    with one_thread():
        timed(ours, matrix)
        times = [(timed(ours, matrix), timed(dense, matrix)) for _ in range(rounds)]
        most = difference(make(2, 4, 64))
    fast, slow = (statistics.median(column) for column in np.array(times).T)
    console.print(
        f"singular values and copying of {heads} heads: {1000 * fast:.1f} ms as factors, {1000 * slow:.0f} ms dense, "
        f"{slow / fast:.0f}x"
    )
    console.print(f"largest difference on a small model: {most:.1e} (target below 1e-4)")


if __name__ == "__main__":
    typer.run(main)
