"""Memory of one long document: patterns read row by row against patterns held whole.

    uv run benchmarks/documents.py

A GPT-2 of six layers x twelve heads with random weights reads one document of so many tokens, each in a
process of its own. Ours counts what every head attends to; the usual way asks the model for all attentions. Prints
peak memory above that of the loaded model, and time.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

import headwise
from headwise import Sentence, Suite
from headwise.attention.relations import Plan, count_heads
from headwise.data.suite import Link

LENGTHS = (512, 1024, 2048, 4096)


def make(n_context):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    tokenizer = headwise.load("burrow", device="cpu").tokenizer
    config = GPT2Config(
        n_embd=384, n_layer=6, n_head=12, n_positions=n_context, vocab_size=len(tokenizer)
    )  # fmt: skip
    return headwise.load(GPT2LMHeadModel(config).eval(), tokenizer=tokenizer, device="cpu")


def document(n_words):
    """Words that are one token each, every one linked to the one two places before it."""
    words = ("the",) * n_words
    links = tuple(Link(i, i - 2, "r") for i in range(2, n_words))
    return Suite("document", "?", (Sentence(words, (True,) * n_words, "g", links=links),))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(way, n):
    model = make(n)
    suite = document(n - 2)
    rest = peak()
    start = time.perf_counter()
    if way == "ours":
        count_heads(Plan.of(model, suite, "r"))
    else:
        model.hf.set_attn_implementation("eager")
        tokens = torch.tensor([model.tokenizer(suite.sentences[0].text)["input_ids"]])
        with torch.no_grad():
            attentions = model.hf(tokens, output_attentions=True).attentions
        np.stack([pattern[0].numpy().argmax(-1) for pattern in attentions])
    print(json.dumps({"MB": peak() - rest, "seconds": time.perf_counter() - start}))


def main(
    way: Annotated[str, typer.Argument(hidden=True)] = "",
    n: Annotated[int, typer.Argument(hidden=True)] = 0,
) -> None:
    """Measures both ways at several lengths."""
    if way:
        alone(way, n)
        return
    console = Console(highlight=False)
    for length in LENGTHS:
        found = {}
        for way in ("ours", "usual"):
            command = [sys.executable, __file__, way, str(length)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way] = json.loads(done.stdout.splitlines()[-1])
        console.print(
            f"{length:5,} tokens: ours {found['ours']['MB']:6.0f} MB, {found['ours']['seconds']:5.1f} s; all attentions "
            f"{found['usual']['MB']:6.0f} MB, {found['usual']['seconds']:5.1f} s"
        )


if __name__ == "__main__":
    typer.run(main)
