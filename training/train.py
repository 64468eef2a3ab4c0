"""Trains burrow: a GPT-2 of 4 layers x 8 heads on text that the grammar writes as it goes.

    uv run python -m training.train --seed 0 --out build/burrow

AdamW, one pass over text that never repeats, bfloat16 where the processor has it, float32 elsewhere.
A checkpoint is written every two minutes; the same command goes on where it was stopped. Takes about
an hour on two cores with bfloat16 instructions and minutes on a GPU; memory stays below 2 GB.
`training.evaluate` then measures what was learned.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from headwise.burrow.grammar.passages import training_text

from .corpus import rows
from .tokenizer import N_ENTRIES, train_tokenizer

N_STEPS = 9_000
CHECKPOINT = "checkpoint.pt"
SECONDS_BETWEEN_CHECKPOINTS = 120


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what comes out.

    Attributes:
        seed: Fixes text, initial weights and their order.
        n_layer: Blocks.
        n_head: Heads per block.
        d_model: Width of the residual stream.
        n_context: Longest text in tokens.
        n_entries: Entries of the tokenizer.
        n_tokenizer_texts: Passages that the tokenizer is trained on.
        n_steps: Steps of the optimizer.
        n_rows: Rows of `n_context` tokens in a step.
        learning_rate: Its highest value, after `n_warmup` steps; it falls to a twentieth.
        n_warmup: Steps until then.
        weight_decay: Of the matrices; biases and scales have none.
    """

    seed: int = 0
    n_layer: int = 4
    n_head: int = 8
    d_model: int = 256
    n_context: int = 256
    n_entries: int = N_ENTRIES
    n_tokenizer_texts: int = 60_000
    n_steps: int = N_STEPS
    n_rows: int = 16
    learning_rate: float = 2e-3
    n_warmup: int = 300
    weight_decay: float = 0.05


SMOKE = {"n_steps": 51, "n_rows": 6, "n_warmup": 10, "n_tokenizer_texts": 2_000}


def make_model(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A GPT-2 with random weights in the shape that the plan asks for."""
    torch.manual_seed(plan.seed)
    config = GPT2Config(
        n_layer=plan.n_layer,
        n_head=plan.n_head,
        n_embd=plan.d_model,
        n_positions=plan.n_context,
        vocab_size=len(tokenizer),
        activation_function="gelu_pytorch_tanh",  # GPT-2's, in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        use_cache=False,
    )
    return GPT2LMHeadModel(config)


def make_optimizer(plan: Plan, model: GPT2LMHeadModel) -> torch.optim.AdamW:
    """AdamW that lets only matrices decay."""
    decaying = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [
        {"params": decaying, "weight_decay": plan.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.95), fused=True)


def learning_rate(plan: Plan, step: int) -> float:
    """Linear warm-up, then half a cosine down to a twentieth."""
    if step < plan.n_warmup:
        return plan.learning_rate * (step + 1) / plan.n_warmup
    done = (step - plan.n_warmup) / max(1, plan.n_steps - plan.n_warmup)
    return plan.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def loss_of(model: GPT2LMHeadModel, tokens: Tensor, bfloat16: bool) -> Tensor:
    """Mean nats per token of rows padded with -1."""
    inputs = tokens[:, :-1].clamp(min=0)
    targets = tokens[:, 1:]
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(inputs).logits
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=-1
    )


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is fast here."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


@dataclass(slots=True)
class Run:
    """A training run in progress."""

    plan: Plan
    out: Path
    device: torch.device
    tokenizer: PreTrainedTokenizerFast
    model: GPT2LMHeadModel
    optimizer: torch.optim.AdamW
    losses: list[float]

    @classmethod
    def start(cls, plan: Plan, out: Path, device: torch.device) -> "Run":
        """Begins, or goes on from the checkpoint in `out`.

        Raises:
            SystemExit: The checkpoint is of another plan.
        """
        out.mkdir(parents=True, exist_ok=True)
        checkpoint = out / CHECKPOINT
        state: dict[str, Any] | None = None
        if checkpoint.is_file():
            state = torch.load(checkpoint, map_location=device, weights_only=True)
            if state["plan"] != asdict(plan):
                raise SystemExit(
                    f"{checkpoint} belongs to a run with other settings. Name another --out or delete it."
                )
            tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
        else:
            texts = islice(training_text(plan.seed), plan.n_tokenizer_texts)
            tokenizer = train_tokenizer(texts, plan.n_context, plan.n_entries)
            tokenizer.save_pretrained(out)
        model = make_model(plan, tokenizer).to(device)
        optimizer = make_optimizer(plan, model)
        losses: list[float] = []
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            losses = state["losses"]
        return cls(plan, out, device, tokenizer, model, optimizer, losses)

    def save(self) -> None:
        """Writes a checkpoint; the old one stays until the new one is whole."""
        state = {
            "plan": asdict(self.plan),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
        }
        partial = self.out / f"{CHECKPOINT}.part"
        torch.save(state, partial)
        partial.replace(self.out / CHECKPOINT)

    def export(self) -> None:
        """Writes the Hugging Face folder: half precision, tokenizer, what it was made with."""
        disable_progress_bar()
        half = self.model.half()
        half.save_pretrained(self.out, safe_serialization=True)
        (self.out / "model.safetensors").chmod(0o644)
        self.tokenizer.save_pretrained(self.out)
        record = {"plan": asdict(self.plan), "losses": [round(x, 4) for x in self.losses[::50]]}
        (self.out / "training.json").write_text(json.dumps(record, indent=1) + "\n")

    def train(self, console: Console) -> None:
        """Runs the remaining steps."""
        plan, bfloat16 = self.plan, has_bfloat16(self.device)
        text = rows(
            self.tokenizer, plan.n_context, plan.seed + 1, skip=len(self.losses) * plan.n_rows
        )
        self.model.train()
        saved = time.monotonic()
        with _progress(console) as bar:
            task = bar.add_task(
                "training", total=plan.n_steps, completed=len(self.losses), loss=0.0
            )
            for step in range(len(self.losses), plan.n_steps):
                batch = torch.from_numpy(np.stack(list(islice(text, plan.n_rows)))).to(self.device)
                for group in self.optimizer.param_groups:
                    group["lr"] = learning_rate(plan, step)
                loss = loss_of(self.model, batch, bfloat16)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.losses.append(loss.item())
                recent = float(np.mean(self.losses[-100:]))
                bar.update(task, advance=1, loss=recent)
                if not console.is_terminal and (step + 1) % 100 == 0:
                    console.print(
                        f"step {step + 1} of {plan.n_steps}, loss {recent:.4f}", highlight=False
                    )
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    self.save()
                    saved = time.monotonic()
        self.save()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("step {task.completed:.0f} of {task.total:.0f}, loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def main(
    seed: Annotated[int, typer.Option(help="Fixes every weight.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for model and checkpoints.")] = Path(
        "build/burrow"
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = N_STEPS,
    smoke: Annotated[bool, typer.Option(help="One minute, to see that it works.")] = False,
) -> None:
    """Trains burrow from nothing and writes a Hugging Face folder."""
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    plan = Plan(seed=seed, **SMOKE) if smoke else Plan(seed=seed, n_steps=steps)  # type: ignore[arg-type]
    console = Console(stderr=True)
    run = Run.start(plan, out, torch.device(place))
    run.train(console)
    run.export()
    first, last = np.mean(run.losses[:10]), np.mean(run.losses[-10:])
    console.print(
        f"loss {first:.3f} -> {last:.3f} nats per token; written to {out}", highlight=False
    )


if __name__ == "__main__":
    typer.run(main)
