"""Cutting every head: one sweep against one run with a hook per head.

    uv run benchmarks/ablation.py                     # GPT-2 small shape, random weights, 8 sentences of 32 tokens
    uv run benchmarks/ablation.py --plot build/cost.png
    uv run benchmarks/ablation.py --device cuda --shape llama

The usual way is TransformerLens: for every head `run_with_hooks` with a function that sets the head's `hook_z` to zero, and
the logits of the last position. Both give, for every head and sentence, how much less likely the right word is than the wrong
one; they must agree. Prints the ratio of times of one run, once more with the model's own kernels (what is due to doing less and
what to `headwise.activations._onednn`), the memory that ours adds, and how its time grows with layers and heads.
"""

import copy
import resource
import statistics
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

import headwise
from headwise import Sentence, Suite
from headwise.activations import _onednn
from headwise.data.suite import Pair


def make(n_layers, n_heads, shape="gpt2"):
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    if shape == "llama":  # Llama 3.2 1B
        config = LlamaConfig(
            num_hidden_layers=16, hidden_size=2048, num_attention_heads=32, num_key_value_heads=8, head_dim=64,
            intermediate_size=8192, vocab_size=128256, tie_word_embeddings=True,
        )  # fmt: skip
        config.architectures = ["LlamaForCausalLM"]
        return LlamaForCausalLM(config).eval()
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
    result = headwise.ablate(model, suite, metrics=["logit difference"], method=["zero"])
    seconds = time.perf_counter() - start
    degradation = result.degradations["logit difference"][0]
    return seconds, result.clean_values["logit difference"] - degradation


def usual(bridge, tokens, right, wrong):
    """A loop over heads, as tutorials write it."""
    config = bridge.cfg
    found = []
    start = time.perf_counter()
    with torch.no_grad():
        for layer in range(config.n_layers):
            for head in range(config.n_heads):

                def ablated(z, hook, head=head):
                    z = z.clone()
                    z[:, :, head] = 0
                    return z

                name = f"blocks.{layer}.attn.hook_z"
                logits = bridge.run_with_hooks(tokens, fwd_hooks=[(name, ablated)])[:, -1]
                found.append((logits[:, right] - logits[:, wrong]).numpy())
    return time.perf_counter() - start, np.array(found)


def peak():
    """Most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(
    rounds: Annotated[int, typer.Option(help="How often each runs.")] = 3,
    n: Annotated[int, typer.Option(help="Sentences.")] = 8,
    n_tokens: Annotated[int, typer.Option(help="Tokens of each.")] = 32,
    shape: Annotated[str, typer.Option(help="gpt2 or llama (1B).")] = "gpt2",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    plot: Annotated[Path | None, typer.Option(help="Where to draw how time grows.")] = None,
) -> None:
    """Times both and prints the ratio."""
    from transformer_lens.model_bridge import TransformerBridge

    console = Console(highlight=False, soft_wrap=True)
    tokenizer = headwise.load("burrow", device="cpu").tokenizer
    suite = sentences(n, n_tokens)
    hf = make(12, 12, shape).to(device)
    name = {"gpt2": "gpt2", "llama": "meta-llama/Llama-3.2-1B"}[shape]
    bridge = TransformerBridge.boot_transformers(
        name, hf_model=copy.deepcopy(hf), tokenizer=tokenizer
    )
    model = headwise.load(hf, tokenizer=tokenizer, verify=False)
    tokens = torch.tensor(tokenizer([pair.clean.text for pair in suite.pairs])["input_ids"]).to(
        device
    )
    assert tokens.shape == (n, n_tokens), tokens.shape
    right, wrong = (tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in ("he", "she"))
    before = peak()
    ours(model, suite)
    added = peak() - before
    times = {"ours": [], "own kernels": [], "usual": []}
    for _ in range(rounds):
        seconds, a = ours(model, suite)
        times["ours"].append(seconds)
        fast, _onednn.fast = _onednn.fast, lambda _: nullcontext()
        times["own kernels"].append(ours(model, suite)[0])
        _onednn.fast = fast
        seconds, b = usual(bridge, tokens, right, wrong)
        times["usual"].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    n_cut = model.n_layers * model.n_heads
    console.print(
        f"{shape}, {n_cut} heads, {n} x {n_tokens} tokens: ours {medians['ours']:.2f} s, run_with_hooks {medians['usual']:.2f} s, "
        f"{medians['usual'] / medians['ours']:.1f}x ({medians['usual'] / medians['own kernels']:.1f}x with the model's own kernels); "
        f"largest difference {np.abs(a - b).max():.1e}; memory added {added:.0f} MiB"
    )
    if device == "cpu" and shape == "gpt2":
        growth = [grown(tokenizer, suite, *size) for size in SIZES]
        for (n_layers, n_heads), (seconds, memory) in zip(SIZES, growth, strict=True):
            console.print(
                f"  {n_layers:2} layers x {n_heads:2} heads (width {64 * n_heads}): {seconds:6.2f} s, "
                f"{1000 * seconds / (n_layers * n_heads):6.1f} ms a head, {memory:.0f} MiB of weights"
            )
        if plot is not None:
            draw(growth, plot)


SIZES = ((3, 12), (6, 12), (12, 12), (12, 6), (12, 3))


def grown(tokenizer, suite, n_layers, n_heads):
    """Seconds of a smaller model, the better of two, and the size of its weights."""
    small = headwise.load(make(n_layers, n_heads), tokenizer=tokenizer, verify=False)
    weights = sum(p.numel() * p.element_size() for p in small.hf.parameters()) / 2**20
    return min(ours(small, suite)[0] for _ in range(2)), weights


def draw(growth, path):
    """Time against layers (12 heads) and against heads (12 layers)."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3), layout="constrained", sharey=True)
    for axis, rows, what in ((axes[0], (0, 1, 2), 0), (axes[1], (4, 3, 2), 1)):
        axis.plot([SIZES[i][what] for i in rows], [growth[i][0] for i in rows], marker="o")
        axis.set_xlabel(("layers, of 12 heads", "heads a layer, 12 layers")[what])
    axes[0].set_ylabel("seconds for all heads")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    typer.run(main)
