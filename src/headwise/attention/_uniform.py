"""Uniform attention: a head that attends equally to every visible token.

It hits more often than one might expect: attention to a word is summed over its pieces, so such a head
attends most to the word with most pieces. No model is run; rows of equal numbers are shown to the same
counter as any pattern, so that among words with equally much attention the first counts here as there.
A model that sees only a window of its text is taken to see all of it.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from headwise.activations import alignment
from headwise.activations.streaming import row_starts, singly
from headwise.model.model import Model

from ._counting import Case, Count, Counter


def count_uniform(
    model: Model, cases: Sequence[Case], batches: Iterable[alignment.Batch]
) -> list[Count]:
    """Counts of one layer of one head that is uniform.

    Args:
        model: Whether it is causal.
        cases: The questions.
        batches: The sentences, as the model would be given them.
    """
    counter = Counter(model, cases, norms=False, shape=(1, 1))
    for given in batches:
        for batch in singly(model, given.to(model.device)):
            n_pos = batch.tokens.shape[1]
            starts = row_starts(model, batch)
            counter.begin(batch)
            for start, stop in zip(starts, (*starts[1:], n_pos), strict=True):
                counter.rows(0, rows(batch, start, stop, is_causal=model.is_causal), start)
            counter.end()
    return counter.counts()


def rows(
    batch: alignment.Batch, start: int, stop: int, *, is_causal: bool
) -> Float[Tensor, "batch 1 row pos"]:
    """Uniform attention of the tokens from `start` to `stop`."""
    place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    seen = (batch.mask > 0)[:, None].expand(-1, stop - start, -1)
    if is_causal:
        seen = seen & (place <= place[start:stop, None])
    seen = seen.float()
    return (seen / seen.sum(-1, keepdim=True))[:, None]
