"""Attention of some heads on one sentence, packed for a page."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.activations.alignment import Alignment
from headwise.activations.cache import SentenceView
from headwise.data.suite import Sentence
from headwise.model.model import Model
from headwise.report.schema import Example, Linked, Marked, Packed, Text

from ._tokens import shown

SITES = ("pattern", "scores", "norms")


def text_of(model: Model, sentence: Sentence, alignment: Alignment) -> Text:
    """A sentence as the model sees it."""
    return Text(
        tokens=[shown(model, token) for token in alignment.tokens],
        words=list(sentence.words),
        word_of=[-1 if word is None else word for word in alignment.words],
    )


def example_of(
    view: SentenceView,
    sites: Sequence[str],
    held: Sequence[int],
    n_heads: int,
    queries: Text,
    keys: Text | None = None,
    *,
    is_causal: bool,
    links: Sequence[Linked] = (),
    sentence: Sentence | None = None,
) -> Example:
    """Packs what a capture holds of one sentence.

    Args:
        view: The sentence of a capture.
        sites: Full names of pattern, scores and norms there, in this order.
        held: Heads to keep, counting from layer 0 on.
        n_heads: Heads of each layer.
        queries: The text that attends.
        keys: The text that is attended to, if it is another.
        is_causal: Whether what stands after a query is masked.
        links: Expected keys of query words.
        sentence: Brings its marks.
    """
    layers = range(1 + max(held) // n_heads)
    pattern, scores, norms = (
        torch.cat([view[site, layer] for layer in layers])[list(held)].float().cpu().numpy()
        for site in sites
    )
    seen = np.isfinite(scores)
    if is_causal:
        seen &= np.tri(scores.shape[1], dtype=bool)
    steps, ranges = in_bytes(scores, seen)
    return Example(
        queries=queries,
        keys=keys,
        links=list(links),
        marks=[Marked(word=m.word, label=m.label) for m in (sentence.marks if sentence else ())],
        sinks=[i for i, word in enumerate((keys or queries).word_of) if i == 0 or word < 0],
        causal=is_causal,
        heads=list(held),
        pattern=Packed.roots(pattern),
        norms=Packed.roots(norms / np.maximum(norms.sum(-1, keepdims=True), 1e-12)),
        scores=Packed.of(steps, "u1"),
        score_ranges=ranges,
    )


def in_bytes(
    scores: Float[ndarray, "held query key"], seen: Bool[ndarray, "held query key"]
) -> tuple[Int[ndarray, "held query key"], list[tuple[float, float]]]:
    """Scores as 0 to 255 over each head's range, and the ranges; 0 where nothing is seen."""
    low = np.where(seen, scores, np.inf).min((1, 2))
    high = np.where(seen, scores, -np.inf).max((1, 2))
    width = np.maximum(high - low, 1e-12)[:, None, None]
    steps = np.rint(255 * (np.where(seen, scores, low[:, None, None]) - low[:, None, None]) / width)
    return steps.astype(int), list(zip(low.tolist(), high.tolist(), strict=True))
