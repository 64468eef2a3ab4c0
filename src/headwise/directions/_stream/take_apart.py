"""Runs sentences and gives the summands of the stream at some of their words."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.activations.alignment import Batch
from headwise.errors import HeadwiseError
from headwise.model.architecture import TOLERANCES
from headwise.model.model import Model

from .components import Recorder, Seen, components
from .word_positions import Words, batches_of

CHUNK = 2**26  # numbers: 256 MiB


@dataclass(frozen=True, eq=False)
class Taken:
    """Some words' parts.

    Attributes:
        words: Which words.
        parts: Summands, means over the pieces of each word.
        total: The stream itself.
        seen: What they are made of, by token.
        mean: Takes tokens to words.
        batch: The batch that they are of.
        rows: Row of the batch of each token.
        tokens: Position of each token.
    """

    words: Int[ndarray, " word"]
    parts: Float[Tensor, "component word d_model"]
    total: Float[Tensor, "word d_model"]
    seen: Seen
    mean: Float[Tensor, "word token"]
    batch: Batch
    rows: Int[Tensor, " token"]
    tokens: Int[Tensor, " token"]


def take_apart(
    recorder: Recorder, tested: Words, doing: str = "decomposing the stream"
) -> Iterator[Taken]:
    """Runs every sentence that has such words; gives their parts, some words at a time.

    Raises:
        HeadwiseError: Parts do not sum to the stream.
    """
    model, n = recorder.model, len(components(recorder.wiring, recorder.layer))
    for batch, in_batch, chosen in batches_of(model, tested, doing):
        pieces = batch.pieces[in_batch, tested.positions[chosen]]
        word, tokens = pieces.nonzero(as_tuple=True)
        rows = torch.from_numpy(in_batch).to(word.device)[word]
        seen = recorder.see(batch, rows, tokens)
        mean = torch.zeros((len(chosen), len(word)), device=word.device, dtype=torch.float32)
        mean[word, torch.arange(len(word), device=word.device)] = 1.0
        mean = mean / mean.sum(1, keepdim=True)
        # Words, not tokens, are kept whole; a word has few tokens.
        at_once = max(1, CHUNK // (n * model.d_model * max(1, int((mean > 0).sum(1).max()))))
        for start in range(0, len(chosen), at_once):
            own = slice(start, start + at_once)
            first, last = torch.searchsorted(word, torch.tensor([start, start + at_once], device=word.device)).tolist()  # fmt: skip
            part = seen.at(slice(first, last))
            means = mean[own, first:last]
            parts, total = torch.einsum("wt,ctm->cwm", means, part.parts()), means @ part.total
            _require_sum(model, parts, total)
            yield Taken(
                words=chosen[own],
                parts=parts,
                total=total,
                seen=part,
                mean=means,
                batch=batch,
                rows=rows[first:last],
                tokens=tokens[first:last],
            )


def _require_sum(
    model: Model,
    parts: Float[Tensor, "component word d_model"],
    total: Float[Tensor, "word d_model"],
) -> None:
    """The identity that all else rests on, on every word."""
    error = (parts.sum(0) - total).abs().max() / total.abs().max().clamp(min=1e-12)
    if not error <= 10 * TOLERANCES[model.dtype]:
        raise HeadwiseError(
            f"What was written into the stream of {model.name} does not sum to it (error {float(error):.1e}): something else "
            "writes to it, which the first pass did not show. headwise.capture gives what its heads write."
        )
