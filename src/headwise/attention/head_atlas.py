"""An atlas of heads: what each attends to, whatever the words mean.

For orientation before a hypothesis is made, not as evidence for one. On ordinary sentences, per
head and averaged over every token that sees at least two: the entropy and the mean distance of its attention, how much goes to the previous, the next
and the same token, to the first token and to special
tokens, and the most that any single token gets. On random tokens written twice: how much goes from
the second occurrence to the first (duplicate), and to the token after it (induction).

One forward pass, and one over the random tokens; no pattern outlives its rows.

Reference: Clark, Khandelwal, Levy and Manning 2019; Olsson et al. 2022, In-context learning and
induction heads; Xiao, Tian, Chen, Han and Lewis 2024, Efficient streaming language models with
attention sinks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise.activations import alignment
from headwise.activations.streaming import align_whole, stream, watch, watched
from headwise.data.suite import AnySentence, Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from ._columns import ATLAS

SINK = 0.3
N_RANDOM, N_SEQUENCES = 24, 32

SHARES = ("previous", "next", "same", "first", "special")
MEASURES = ("entropy", "distance", *SHARES, "sink")


@dataclass(frozen=True, eq=False, repr=False)
class Atlas(Result):
    """What every head attends to.

    Attributes:
        model: Name of the model.
        suite: What was read.
        n_tokens: Query tokens.
        sink_share: Share of heads that give one token more than 0.3 of their attention on average.
        seed: Seed of the random tokens.
        table: One row per `layer` and `head`; see `columns`.
    """

    model: str
    suite: str
    n_tokens: int
    sink_share: float
    seed: int
    table: pd.DataFrame
    columns: ClassVar[Columns] = ATLAS

    def _summary(self) -> str:
        return f"{len(self.table)} heads on {self.n_tokens:,} tokens"

    def _untested(self) -> str:
        return "An atlas is for orientation and tests nothing: test a hypothesis, as with headwise.relation_test."


def atlas(model: Model, sentences: Suite | Sequence[AnySentence], seed: int = 0) -> Atlas:
    """Measures what every head of a model attends to.

    Args:
        model: The model.
        sentences: A suite, or sentences; longer ones than the context are truncated.
        seed: Fixes the random tokens.

    Raises:
        HeadwiseError: No sentence has two tokens.
    """
    alignments = align_whole(model, sentences, truncate=True)
    looks = _Looks(model)
    for _ in track(
        watch(model, alignment.batches(model, alignments), looks),
        len(alignments),
        "reading heads",
        watched,
    ):
        pass
    if not looks.n_tokens:
        raise HeadwiseError("No sentence has two tokens, so no token can attend to another one.")
    shape = (model.n_layers, model.n_heads)
    columns = {
        name: looks.sums[name] / (looks.n_sentences if name == "sink" else looks.n_tokens)
        for name in MEASURES
    }
    columns |= _repeated(model, seed)
    layers = torch.arange(shape[0]).repeat_interleave(shape[1])
    table = pd.DataFrame(
        {
            "layer": layers.numpy(),
            "head": torch.arange(shape[1]).repeat(shape[0]).numpy(),
            **{name: values.flatten().numpy() for name, values in columns.items()},
        }
    )
    return Atlas(
        model=model.name,
        suite=sentences.name if isinstance(sentences, Suite) else "sentences",
        n_tokens=looks.n_tokens,
        sink_share=float((columns["sink"] > SINK).double().mean()),
        seed=seed,
        table=table,
    )


class _Looks:
    """Accumulates what heads attend to. A `streaming.Watcher`."""

    def __init__(self, model: Model):
        self.model = model
        self.n_tokens, self.n_sentences = 0, 0
        self.sums = self._nothing()
        self._batch: alignment.Batch | None = None

    def _nothing(self) -> dict[str, Float[Tensor, "layer head"]]:
        size = (self.model.n_layers, self.model.n_heads)
        return {name: torch.zeros(size, dtype=torch.float64) for name in MEASURES}

    def begin(self, batch: alignment.Batch) -> None:
        """Finds the query tokens and the special tokens."""
        self._batch, self._found = batch, self._nothing()
        self._special = ((batch.pieces.sum(1) == 0) & (batch.mask > 0)).float()
        self._looks = _lookers(batch.mask, self.model.is_causal)

    def values(self, layer: int, values: Float[Tensor, "batch pos kv_head d_head"]) -> None:
        """Values are not used."""

    def rows(self, layer: int, pattern: Float[Tensor, "batch head row key"], start: int) -> None:
        """Adds the attention of some tokens."""
        assert self._batch is not None
        stop = start + pattern.shape[2]
        own = self._looks[:, start:stop]
        measured, received, queries = measure(
            pattern.float(), own, start, self._special, self._batch.mask
        )
        for name, values in measured.items():
            self._found[name][layer] += values.double().cpu()
        # What a key gets is averaged over those that look at it from elsewhere.
        self._received, self._lookers = (
            (received, queries)
            if start == 0
            else (self._received + received, self._lookers + queries)
        )
        if stop == self._batch.tokens.shape[1]:
            n = self._lookers[:, None]
            sink = torch.where(n > 1, self._received / n.clamp(min=1), 0.0)
            self._found["sink"][layer] = sink.amax(-1).sum(0).double().cpu()

    def end(self) -> None:
        """Keeps what a batch added up to."""
        self.n_tokens += int(self._looks.sum())
        self.n_sentences += int(self._looks.any(1).sum())
        for name, values in self._found.items():
            self.sums[name] += values


def _lookers(mask: Int[Tensor, "batch pos"], is_causal: bool) -> Bool[Tensor, "batch pos"]:
    """Tokens that see at least one other."""
    if is_causal:
        return (mask > 0) & (mask.cumsum(1) > 1)
    return (mask > 0) & (mask.sum(1, keepdim=True) > 1)


def measure(
    pattern: Float[Tensor, "batch head row key"],
    looks: Bool[Tensor, "batch row"],
    start: int,
    special: Float[Tensor, "batch key"],
    mask: Int[Tensor, "batch key"],
) -> tuple[
    dict[str, Float[Tensor, " head"]], Float[Tensor, "batch head key"], Int[Tensor, "batch key"]
]:
    """Attention of some tokens, from position `start` on.

    Returns:
        Sums over query tokens; what each key receives from other tokens, and from how many.
    """
    pattern = pattern * looks[:, None, :, None]
    n_rows, n_keys = pattern.shape[2:]
    key = torch.arange(n_keys, device=pattern.device)
    distance = (key[start : start + n_rows, None] - key).abs()
    at_first = (key == mask.argmax(1)[:, None]).float()
    is_elsewhere = distance > 0
    queries = (looks[:, :, None] & (pattern.sum(1) > 0) & is_elsewhere).sum(1)
    diagonal = {"previous": -1, "next": 1, "same": 0}
    sums = {
        "entropy": torch.special.entr(pattern).sum((0, 2, 3)),
        "distance": (pattern * distance).sum((0, 2, 3)),
        **{
            name: pattern.diagonal(offset=start + offset, dim1=-2, dim2=-1).sum((0, 2))
            for name, offset in diagonal.items()
        },
        "first": torch.einsum("bhqk,bk->h", pattern, at_first),
        "special": torch.einsum("bhqk,bk->h", pattern, special),
    }
    return sums, (pattern * is_elsewhere).sum(2), queries


def _repeated(model: Model, seed: int) -> dict[str, Float[Tensor, "layer head"]]:
    """Attention from the second occurrence of random tokens to the first, and to what came after it."""
    n = min(N_RANDOM, (model.n_context - 2) // 2)
    tokens, start = _random_tokens(model, n, seed)
    found = {
        name: torch.zeros(model.n_layers, model.n_heads, dtype=torch.float64)
        for name in ("duplicate", "induction")
    }
    second = torch.arange(start + n, start + 2 * n - 1)
    pieces = torch.zeros(len(tokens), 1, tokens.shape[1], dtype=torch.float32)
    batch = alignment.Batch(tuple(range(len(tokens))), tokens, torch.ones_like(tokens), pieces)
    for _, captured in stream(model, [batch], ["pattern"]):
        for layer in range(model.n_layers):
            pattern = captured["pattern", layer].double().cpu()
            found["duplicate"][layer] = pattern[:, :, second, second - n].mean((0, 2))
            found["induction"][layer] = pattern[:, :, second, second - n + 1].mean((0, 2))
    return found


def _random_tokens(model: Model, n: int, seed: int) -> tuple[Int[Tensor, "batch pos"], int]:
    """Rows of random tokens written twice, between the tokens that begin and end every text."""
    generator = torch.Generator().manual_seed(seed)
    tokenizer = model.tokenizer
    special: set[int] = set(getattr(tokenizer, "all_special_ids", ()))
    size = int(model.hf.get_input_embeddings().num_embeddings)
    usable = torch.tensor([token for token in range(size) if token not in special])
    # Each row has n different tokens, so that nothing but the repetition tells what comes.
    rows = [
        usable[torch.randperm(len(usable), generator=generator)[:n]] for _ in range(N_SEQUENCES)
    ]
    once = torch.stack(rows)
    before: list[int] = []
    after: list[int] = []
    if tokenizer is not None:
        ids: list[int] = tokenizer("a")["input_ids"]  # pyright: ignore[reportAssignmentType]
        if ids and ids[0] in special:
            before = ids[:1]
        if len(ids) > 1 and ids[-1] in special:
            after = ids[-1:]
    edges = [
        torch.tensor(edge, dtype=torch.long).expand(N_SEQUENCES, -1) for edge in (before, after)
    ]
    return torch.cat([edges[0], once, once, edges[1]], dim=1), len(before)
