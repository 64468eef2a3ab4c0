"""Queries, keys, values and patterns of every head: ours, TransformerLens's, and the bare forward pass.

    uv run benchmarks/capture.py                       # GPT-2 small shape, random weights, this machine
    uv run benchmarks/capture.py --device cuda --shape llama-1b --dtype bfloat16

All contenders run in turn within each round, so that a busy machine hits them alike; the figure is the
median over rounds, and the ratio is to the bare Hugging Face forward with eager attention and without
output head, which computes the same patterns and keeps nothing. Bytes are those that stay held.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

SITES = ("q", "k", "v", "pattern")
BATCHES = {"16x64": (16, 64), "4x512": (4, 512)}


def shape_of(name: str) -> Any:
    """A configuration by name."""
    from transformers import GPT2Config, LlamaConfig

    if name == "gpt2":
        return GPT2Config(), "GPT2LMHeadModel"
    if name == "llama-1b":
        return LlamaConfig(
            hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
            num_key_value_heads=8, vocab_size=32000, max_position_embeddings=2048,
        ), "LlamaForCausalLM"  # fmt: skip
    raise typer.BadParameter(f"unknown shape {name!r}; expected gpt2 or llama-1b")


def storage_bytes(tensors: Any) -> int:
    """Bytes of all tensors, each storage counted once."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def nominal_bytes(tensors: Any) -> int:
    """Bytes of all tensors, each entry counted."""
    return sum(t.nbytes for t in tensors)


def main(
    device: Annotated[str, typer.Option(help="Where to run.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    shape: Annotated[str, typer.Option(help="gpt2 or llama-1b.")] = "gpt2",
    rounds: Annotated[int, typer.Option(help="How often everything runs.")] = 9,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path(
        "benchmarks/capture.json"
    ),
) -> None:
    """Times one capture after another and prints what they took and hold."""
    import copy

    import transformers
    from tokenizers import Tokenizer, models
    from transformer_lens.model_bridge import TransformerBridge

    import headwise
    from headwise.activations import hooks

    torch.manual_seed(0)
    config, architecture = shape_of(shape)
    config.architectures = [architecture]
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), eos_token="<end>", pad_token="<end>"
    )
    hf = getattr(transformers, architecture)(config).eval().to(device, getattr(torch, dtype))
    bare = copy.deepcopy(hf)
    bare.set_attn_implementation("eager")
    bridge = TransformerBridge.boot_transformers(
        shape, hf_model=copy.deepcopy(bare), tokenizer=tokenizer, device=device
    )
    model = headwise.load(hf, tokenizer=tokenizer)
    names = tuple(f"attn.hook_{site}" for site in SITES)
    results: dict[str, Any] = {}
    console = Console()
    for batch, (n_rows, n_tokens) in BATCHES.items():
        tokens = torch.randint(0, config.vocab_size, (n_rows, n_tokens), device=device)
        mask = torch.ones_like(tokens)

        def ours(tokens: Any = tokens, mask: Any = mask) -> Any:
            with (
                hooks.capture(model, SITES) as seen,
                model.engine.stopping("z", ("", model.n_layers - 1)),
            ):
                model.forward(tokens, mask)
            return list(seen.values())

        def forward(tokens: Any = tokens, mask: Any = mask) -> Any:
            bare.base_model(input_ids=tokens, attention_mask=mask, use_cache=False)
            return []

        def full(tokens: Any = tokens) -> Any:
            return list(bridge.run_with_cache(tokens)[1].values())

        def filtered(tokens: Any = tokens) -> Any:
            return list(
                bridge.run_with_cache(tokens, names_filter=lambda name: name.endswith(names))[
                    1
                ].values()
            )

        contenders = {
            "bare forward, eager, no output head": forward,
            "headwise": ours,
            "TransformerLens, names_filter": filtered,
            "TransformerLens, full cache": full,
        }
        asked = n_rows * n_tokens * model.n_layers * (
            model.n_heads * model.d_head
            + 2 * model.n_key_value_heads * model.d_head
            + model.n_heads * n_tokens
        ) * model.dtype.itemsize  # fmt: skip
        results[batch] = measure(contenders, rounds, device, tokens.numel(), asked)
        console.print(table_of(f"{shape}, {batch} tokens, {dtype}, {device}", results[batch]))
    out.write_text(json.dumps(results, indent=1) + "\n")


def measure(
    contenders: dict[str, Callable[[], Any]], rounds: int, device: str, n_tokens: int, asked: int
) -> list[dict[str, Any]]:
    """Median seconds of each contender, and the bytes it holds, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    held: dict[str, tuple[int, int]] = {}
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for name, contender in contenders.items():
                synchronize(device)
                start = time.perf_counter()
                tensors = contender()
                synchronize(device)
                if turn:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
                held[name] = (storage_bytes(tensors), nominal_bytes(tensors))
                del tensors
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    base, ours = list(medians.values())[:2]
    return [
        {
            "name": name,
            "seconds": value,
            "ratio_to_bare": value / base,
            "ratio_to_ours": value / ours,
            "tokens_per_second": n_tokens / value,
            "bytes_held": held[name][0],
            "bytes_nominal": held[name][1],
            "bytes_asked_for": asked,
        }
        for name, value in medians.items()
    ]


def synchronize(device: str) -> None:
    """Waits for a GPU to finish."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def table_of(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows for people."""
    table = Table(title=title, title_justify="left")
    for heading in (
        "",
        "seconds",
        "x bare",
        "x ours",
        "tokens/s",
        "MB held",
        "MB nominal",
        "held / asked",
    ):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['seconds']:.3f}",
            f"{row['ratio_to_bare']:.2f}",
            f"{row['ratio_to_ours']:.2f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['bytes_held'] / 1e6:.1f}",
            f"{row['bytes_nominal'] / 1e6:.1f}",
            f"{row['bytes_held'] / row['bytes_asked_for']:.2f}",
        )
    return table


if __name__ == "__main__":
    typer.run(main)
