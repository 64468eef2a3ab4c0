"""Relations of a treebank, every head: one fold against the usual loop.

    uv run benchmarks/relations.py --data en_ewt-ud-dev.conllu

The usual way is one sentence at a time with `output_attentions=True`, patterns of words made in numpy
and hits counted there. Both count every relation of the treebank in three directions, and their hit
rates must agree. Prints the ratio of times, the peak memory of ours in a process of its own, and how its
time grows with the number of sentences. Times on a shared machine mean little; the ratio is of one run.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

import headwise
from headwise.attention.controls import Controls
from headwise.attention.questions import DIRECTIONS
from headwise.attention.relations import Plan, count_heads, judge
from headwise.data.suite import Suite

console = Console(highlight=False)


def ours(model, suite):
    """Seconds of the whole test, of these in counting, and all hit rates."""
    start = time.perf_counter()
    plan = Plan.of(model, suite, "every")
    begun = time.perf_counter()
    counts = count_heads(plan, norms=False)
    counting = time.perf_counter() - begun
    result = judge(plan, counts, Controls((), ()), n_splits=1)
    seconds = time.perf_counter() - start
    rates = {
        (relation.text, direction): result.grid(
            "hit_rate", relation=relation.text, direction=direction, scope="all"
        )
        for relation in result.relations
        for direction in DIRECTIONS
    }
    return seconds, counting, rates


def usual(model, suite):
    """What a notebook does."""
    from transformers import AutoModel, AutoTokenizer

    folder = headwise.model.registry.find("minilm").folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    hf = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    start = time.perf_counter()
    shape = (model.n_layers, model.n_heads)
    hits, totals = {}, {}
    for sentence in suite.sentences:
        by_relation = {}
        for link in sentence.links:
            by_relation.setdefault(link.relation, []).append((link.dependent, link.governor))
        if not by_relation:
            continue
        encoded = tokenizer(
            list(sentence.words), is_split_into_words=True, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            attentions = hf(**encoded, output_attentions=True).attentions
        pattern = torch.stack(attentions)[:, 0].numpy()
        words = encoded.word_ids()
        n = len(sentence.words)
        pieces = np.zeros((n, len(words)), dtype=np.float32)
        for position, word in enumerate(words):
            if word is not None:
                pieces[word, position] = 1
        to_words = pattern @ pieces.T
        seen = pieces @ to_words / np.maximum(pieces.sum(1), 1)[:, None]
        seen[:, :, range(n), range(n)] = 0
        for relation, pairs in by_relation.items():
            _count(relation, sorted(set(pairs)), seen, hits, totals, shape)
    seconds = time.perf_counter() - start
    return seconds, {key: hits[key] / totals[key] for key in hits}


def _count(relation, pairs, seen, hits, totals, shape):
    best, from_column = seen.argmax(-1), seen.argmax(-2)
    governors = {}
    for dependent, governor in pairs:
        governors.setdefault(governor, []).append(dependent)
    questions = {
        "dependent->governor": [(best, d, [g]) for d, g in pairs],
        "governor->dependent": [(best, g, ds) for g, ds in governors.items()],
        "column": [(from_column, d, [g]) for d, g in pairs],
    }
    for direction, asked in questions.items():
        key = (relation, direction)
        hits.setdefault(key, np.zeros(shape))
        totals[key] = totals.get(key, 0) + len(asked)
        for found, looker, targets in asked:
            hits[key] += np.isin(found[:, :, looker], targets)


def of_size(suite, n):
    """A suite of `n` sentences: the same ones again and again, in groups of their own."""
    from dataclasses import replace

    repeated = (
        replace(s, group=f"{i // len(suite)}: {s.group}")
        for i in range(n)
        for s in (suite.sentences[i % len(suite)],)
    )
    return Suite(f"{n} sentences", "?", tuple(repeated))


def main(
    data: Annotated[Path, typer.Option(help="A CoNLL-U treebank.")],
    part: Annotated[str, typer.Argument(hidden=True)] = "",
    n: Annotated[int, typer.Argument(hidden=True)] = 0,
) -> None:
    """Times both ways and measures memory."""
    suite = headwise.read_suite(data)
    model = headwise.load("minilm", device="cpu")
    if part == "alone":
        seconds, _, _ = ours(model, of_size(suite, n))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_MB": peak}))
        return
    ours(model, of_size(suite, 200))  # warm up
    seconds, counting, ours_rates = ours(model, suite)
    usual_seconds, usual_rates = usual(model, suite)
    worst = max(np.abs(ours_rates[key] - usual_rates[key]).max() for key in usual_rates)
    console.print(
        f"{len(suite):,} sentences, {len(suite.relations)} relations, 3 directions, {model!r}"
    )
    console.print(
        f"hit rates: usual {usual_seconds:.1f} s, ours {counting:.1f} s: {usual_seconds / counting:.1f}x faster"
    )
    console.print(
        f"hit rates, rules, intervals and p values, which the usual way has not: ours {seconds:.1f} s, "
        f"{usual_seconds / seconds:.1f}x faster"
    )
    console.print(f"largest difference of any hit rate: {worst:.1e}")
    for size in (500, 2001, 6000, 12000):
        command = [sys.executable, __file__, "--data", str(data), "alone", str(size)]
        found = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
        console.print(
            f"{size:6,} sentences: {found['seconds']:.1f} s, {1000 * found['seconds'] / size:.2f} ms each, peak "
            f"{found['peak_MB']:.0f} MB"
        )


if __name__ == "__main__":
    typer.run(main)
