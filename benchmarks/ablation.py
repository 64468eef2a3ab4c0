"""Cutting every head: one sweep against one run with a hook per head.

    uv run benchmarks/ablation.py                     # GPT-2 small shape, random weights, 8 sentences of 32 tokens

The usual way is TransformerLens: for every head `run_with_hooks` with a function that sets the head's `hook_z` to zero, and
the logits of the last position. Both give, for every head and sentence, how much less likely the right word is than the wrong
one; they must agree. Prints the ratio of times of one run, and how ours grows with layers and heads, per head.
"""

import statistics
import time
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

import headwise
from headwise import Sentence, Suite
from headwise.suites import Pair


def make(n_layers, n_heads):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(n_layer=n_layers, n_head=n_heads, n_embd=64 * n_heads)
    config.architectures = ["GPT2LMHeadModel"]
    return GPT2LMHeadModel(config).eval()


def sentences(n, n_tokens):
    """Words that are one token each."""
    words = ("the", "was", "that", "in", "and", "on", "of", "it", "to", "a")
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(n):
        chosen = tuple(rng.choice(words, n_tokens - 1))
        other = (*chosen[:-1], "that")
        clean, corrupted = (Sentence(w, (True,) * len(w), str(i)) for w in (chosen, other))
        pairs.append(Pair(clean, corrupted, "he", "she"))
    everything = tuple(s for p in pairs for s in (p.clean, p.corrupted))
    return Suite("benchmark", "?", everything, pairs=tuple(pairs))


def ours(model, suite):
    start = time.perf_counter()
    result = headwise.ablate(model, suite, metrics=["logit difference"], how=["zero"])
    seconds = time.perf_counter() - start
    cost = result.costs["logit difference"][0]
    return seconds, result.intact["logit difference"] - cost


def usual(bridge, tokens, right, wrong):
    """A loop over heads, as tutorials write it."""
    config = bridge.cfg
    found = []
    start = time.perf_counter()
    with torch.no_grad():
        for layer in range(config.n_layers):
            for head in range(config.n_heads):

                def cut(z, hook, head=head):
                    z = z.clone()
                    z[:, :, head] = 0
                    return z

                name = f"blocks.{layer}.attn.hook_z"
                logits = bridge.run_with_hooks(tokens, fwd_hooks=[(name, cut)])[:, -1]
                found.append((logits[:, right] - logits[:, wrong]).numpy())
    return time.perf_counter() - start, np.array(found)


def main(
    rounds: Annotated[int, typer.Option(help="How often both run.")] = 3,
    n: Annotated[int, typer.Option(help="Sentences.")] = 8,
    n_tokens: Annotated[int, typer.Option(help="Tokens of each.")] = 32,
) -> None:
    """Times both and prints the ratio."""
    import copy

    from transformer_lens.model_bridge import TransformerBridge

    console = Console(highlight=False)
    tokenizer = headwise.load("burrow", device="cpu").tokenizer
    suite = sentences(n, n_tokens)
    hf = make(12, 12)
    bridge = TransformerBridge.boot_transformers(
        "gpt2", hf_model=copy.deepcopy(hf), tokenizer=tokenizer
    )
    model = headwise.load(hf, tokenizer=tokenizer, verify=False)
    texts = [pair.clean.text for pair in suite.pairs]
    tokens = torch.tensor(tokenizer(texts)["input_ids"])
    assert tokens.shape == (n, n_tokens), tokens.shape
    right, wrong = (tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in ("he", "she"))
    times = {"ours": [], "usual": []}
    for _ in range(rounds):
        seconds, a = ours(model, suite)
        times["ours"].append(seconds)
        seconds, b = usual(bridge, tokens, right, wrong)
        times["usual"].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    console.print(
        f"GPT-2 small shape, 144 heads, {n} x {n_tokens} tokens: ours {medians['ours']:.2f} s, run_with_hooks "
        f"{medians['usual']:.2f} s, {medians['usual'] / medians['ours']:.1f}x; largest difference {np.abs(a - b).max():.1e}"
    )
    for n_layers, n_heads in ((3, 12), (6, 12), (12, 12), (12, 6), (12, 3)):
        small = headwise.load(make(n_layers, n_heads), tokenizer=tokenizer, verify=False)
        seconds = min(ours(small, suite)[0] for _ in range(2))
        console.print(
            f"  {n_layers:2} layers x {n_heads:2} heads (width {64 * n_heads}): {seconds:6.2f} s, "
            f"{1000 * seconds / (n_layers * n_heads):6.1f} ms a head"
        )


if __name__ == "__main__":
    typer.run(main)
