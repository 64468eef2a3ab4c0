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
    judged_along: Int[ndarray, "layer head"],
    site: str = "pattern",
) -> Float[ndarray, "layer head sentence"]:
    """Mean attention from query words to their expected keys, by head and sentence.

    Attention is summed over the pieces of the right words, averaged over the pieces of the query word, and then over query words.
    One forward pass; no pattern outlives its batch.

    Args:
        model: The model.
        found: Sentences.
        judged_along: Along which of the tested relations each head is judged.
        site: `pattern`, with its side in a model of two stacks.

    Returns:
        0 to 1; NaN where no words of the sentence are linked.
    """
    n_tested = 1 + max([int(judged_along.max(initial=0)), *(a for c in found for a in c.tested)])
    n_layers, n_heads = judged_along.shape
    scores = np.full((n_layers, n_heads, len(found)), np.nan)

    def step(nothing: None, seen: Captured, batch: Batch) -> None:
        weights = _weights(found, batch, n_tested)
        has_links = weights.sum((2, 3)) > 0
        for layer in range(n_layers):
            mass = torch.einsum(
                "bhqk,abqk->abh", seen[site, layer].float(), weights.to(seen[site, layer].device)
            )
            told = mass.cpu().masked_fill(~has_links[..., None], torch.nan).numpy()
            scores[layer][:, list(batch.indices)] = told[judged_along[layer], :, np.arange(n_heads)]

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
    found: Sequence[Candidate], batch: Batch, n_tested: int
) -> Float[Tensor, "tested batch query key"]:
    """What a pattern is multiplied with: the mean over query words of what goes to their expected keys."""
    n_rows, _, n_pos = batch.pieces.shape
    weights = torch.zeros((n_tested, n_rows, n_pos, n_pos), dtype=torch.float32)
    pieces = batch.pieces.cpu()
    for row, i in enumerate(batch.indices):
        own = {(a, k.query, k.key) for a, k in zip(found[i].tested, found[i].links, strict=True)}
        n_queries = Counter(tested for tested, _ in {(tested, query) for tested, query, _ in own})
        for tested, query, key in own:
            looks = pieces[row, query] / pieces[row, query].sum() / n_queries[tested]
            weights[tested, row] += looks[:, None] * pieces[row, key]
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
