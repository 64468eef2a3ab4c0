"""An atlas of heads: where each looks, whatever the words mean.

For orientation before a hypothesis is made, not as evidence for one. On ordinary sentences, per
head and averaged over every token that sees at least two: how spread its attention is, how far it
looks, how much goes to the previous, the next and the same token, to the first token and to special
tokens, and the most that any single token gets. On random tokens written twice: how much goes from
the second occurrence to the first (duplicate), and to the token after it (induction).

One forward pass, and one over the random tokens; no pattern outlives its batch.

Reference: Clark, Khandelwal, Levy and Manning 2019; Olsson et al. 2022, In-context learning and
induction heads; Xiao, Tian, Chen, Han and Lewis 2024, Efficient streaming language models with
attention sinks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from . import words
from .errors import HeadwiseError
from .models import Model
from .progress import track
from .streaming import align_whole, batch_size, stream
from .suites import Sentence, Suite

SINK = 0.3
N_RANDOM, N_SEQUENCES = 24, 32

SHARES = ("previous", "next", "same", "first", "special")
MEASURES = ("entropy", "distance", *SHARES, "sink")


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where every head looks.

    Attributes:
        model: Name of the model.
        suite: What was read.
        n_tokens: Tokens that looked.
        sink_share: Share of heads that give one token more than 0.3 of their attention on average.
        seed: Seed of the random tokens.
        table: One row per `layer` and `head`: `entropy` (nats; 0 is one token), `distance` (tokens, mean of
            the absolute), `previous`, `next`, `same`, `first`, `special` (mean attention, 0 to 1), `sink`
            (the most that one token of a sentence gets, averaged over those that look), `duplicate` and
            `induction` (mean attention on repeated random tokens).
    """

    model: str
    suite: str
    n_tokens: int
    sink_share: float
    seed: int
    table: pd.DataFrame


def atlas(model: Model, sentences: Suite | Sequence[str | Sentence], seed: int = 0) -> Atlas:
    """Measures where every head of a model looks.

    Args:
        model: The model.
        sentences: A suite, or sentences; longer ones than the context are cut.
        seed: Fixes the random tokens.

    Raises:
        HeadwiseError: No sentence has two tokens.
    """
    alignments = align_whole(model, sentences, truncate=True)
    shape = (model.n_layers, model.n_heads)
    sums = {name: torch.zeros(shape, dtype=torch.float64) for name in MEASURES}
    n_tokens, n_sentences = 0, 0
    seen = stream(model, words.batches(model, alignments), ["pattern"])
    for batch, captured in track(seen, len(alignments), "reading heads", batch_size):
        special = (batch.pieces.sum(1) == 0) & (batch.mask > 0)
        looks = _lookers(batch.mask, model.is_causal)
        n_tokens += int(looks.sum())
        n_sentences += int(looks.any(1).sum())
        for layer in range(model.n_layers):
            pattern = captured["pattern", layer].float()
            for name, values in _measure(pattern, looks, special, batch.mask).items():
                sums[name][layer] += values.double().cpu()
        del batch, captured
    if not n_tokens:
        raise HeadwiseError("No sentence has two tokens, so nobody can look at another.")
    columns = {
        name: (sums[name] / (n_sentences if name == "sink" else n_tokens)) for name in MEASURES
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
        n_tokens=n_tokens,
        sink_share=float((columns["sink"] > SINK).double().mean()),
        seed=seed,
        table=table,
    )


def _lookers(mask: Int[Tensor, "batch pos"], is_causal: bool) -> Bool[Tensor, "batch pos"]:
    """Tokens that see at least one other."""
    if is_causal:
        return (mask > 0) & (mask.cumsum(1) > 1)
    return (mask > 0) & (mask.sum(1, keepdim=True) > 1)


def _measure(
    pattern: Float[Tensor, "batch head query key"],
    looks: Bool[Tensor, "batch query"],
    special: Bool[Tensor, "batch key"],
    mask: Int[Tensor, "batch key"],
) -> dict[str, Float[Tensor, " head"]]:
    """Sums over all tokens that look (over sentences, for the sink)."""
    pattern = pattern * looks[:, None, :, None]
    n = pattern.shape[-1]
    position = torch.arange(n, device=pattern.device)
    distance = (position[:, None] - position).abs()
    first = mask.argmax(1)
    at_first = (position == first[:, None])[:, None, None].expand_as(pattern)
    # What a key gets is averaged over those that look at it from elsewhere.
    received = pattern.masked_fill(distance == 0, 0).sum(2)
    lookers = (looks[:, :, None] & (pattern.sum(1) > 0) & (distance > 0)).sum(1)
    sink = torch.where(lookers[:, None] > 1, received / lookers.clamp(min=1)[:, None], 0.0)
    diagonal = {"previous": -1, "next": 1, "same": 0}
    return {
        "entropy": torch.special.entr(pattern).sum((0, 2, 3)),
        "distance": (pattern * distance).sum((0, 2, 3)),
        **{
            name: pattern.diagonal(offset=offset, dim1=-2, dim2=-1).sum((0, 2))
            for name, offset in diagonal.items()
        },
        "first": (pattern * at_first).sum((0, 2, 3)),
        "special": (pattern * special[:, None, None]).sum((0, 2, 3)),
        "sink": sink.amax(-1).sum(0),
    }


def _repeated(model: Model, seed: int) -> dict[str, Float[Tensor, "layer head"]]:
    """Attention from the second occurrence of random tokens to the first, and to what came after it."""
    n = min(N_RANDOM, (model.n_context - 2) // 2)
    tokens, start = _random_tokens(model, n, seed)
    found = {
        name: torch.zeros(model.n_layers, model.n_heads, dtype=torch.float64)
        for name in ("duplicate", "induction")
    }
    second = torch.arange(start + n, start + 2 * n - 1)
    pieces = torch.zeros(len(tokens), 1, tokens.shape[1])
    batch = words.Batch(tuple(range(len(tokens))), tokens, torch.ones_like(tokens), pieces)
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
