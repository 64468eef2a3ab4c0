"""Which sentences tell something of a head: where it attends most clearly to what it should, as usually, and least."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.activations.alignment import Batch
from headwise.activations.hooks import Captured
from headwise.activations.streaming import reduce
from headwise.model.model import Model
from headwise.report.schema.attention import Why

from ._candidates import Candidate

BATCH_TOKENS = 1024


def scores_of(
    model: Model,
    found: Sequence[Candidate],
    asked_of: Int[ndarray, "layer head"],
    site: str = "pattern",
) -> Float[ndarray, "layer head sentence"]:
    """Mean attention from words that should look to those that they should look at, by head and sentence.

    Attention is summed over the pieces of the right words, averaged over the pieces of the one that looks, and then over all that look.
    One forward pass; no pattern outlives its batch.

    Args:
        model: The model.
        found: Sentences.
        asked_of: By which of what was asked each head is judged.
        site: `pattern`, with its side in a model of two stacks.

    Returns:
        0 to 1; NaN where nobody in the sentence should look at anyone.
    """
    n_asked = 1 + max([int(asked_of.max(initial=0)), *(a for c in found for a in c.asked)])
    n_layers, n_heads = asked_of.shape
    scores = np.full((n_layers, n_heads, len(found)), np.nan)

    def step(nothing: None, seen: Captured, batch: Batch) -> None:
        weights = _weights(found, batch, n_asked)
        asks = weights.sum((2, 3)) > 0
        for layer in range(n_layers):
            mass = torch.einsum(
                "bhqk,abqk->abh", seen[site, layer].float(), weights.to(seen[site, layer].device)
            )
            told = mass.cpu().masked_fill(~asks[..., None], torch.nan).numpy()
            scores[layer][:, list(batch.indices)] = told[asked_of[layer], :, np.arange(n_heads)]

    reduce(
        model,
        [c.sentence for c in found],
        [site],
        step=step,
        initial=None,
        batch_tokens=BATCH_TOKENS,
    )
    return scores


def _weights(
    found: Sequence[Candidate], batch: Batch, n_asked: int
) -> Float[Tensor, "asked batch query key"]:
    """What a pattern is multiplied with: the mean over words that look of what goes to the right words."""
    n_rows, _, n_pos = batch.pieces.shape
    weights = torch.zeros((n_asked, n_rows, n_pos, n_pos))
    pieces = batch.pieces.cpu()
    for row, i in enumerate(batch.indices):
        own = {(a, k.query, k.key) for a, k in zip(found[i].asked, found[i].links, strict=True)}
        n_queries = Counter(asked for asked, _ in {(asked, query) for asked, query, _ in own})
        for asked, query, key in own:
            looks = pieces[row, query] / pieces[row, query].sum() / n_queries[asked]
            weights[asked, row] += looks[:, None] * pieces[row, key]
    return weights


def telling(scores: Float[ndarray, " sentence"]) -> list[tuple[int, Why]]:
    """The two clearest sentences, the median one and the worst; fewer, and none twice, where there are fewer than four."""
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])].tolist()
    n = len(order)
    if n < 2:
        return [(i, "clearest") for i in order]
    clearest = order[: 2 if n > 3 else 1]
    typical = [order[n // 2]] if n > 2 else []
    return [
        *((i, "clearest") for i in clearest),
        *((i, "typical") for i in typical),
        (order[-1], "worst"),
    ]
