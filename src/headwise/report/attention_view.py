"""Attention of heads on given sentences, in a notebook or a file.

    headwise.show_attention(model, "A fluffy blue creature roamed the verdant forest.")

One forward pass; patterns, scores and value-weighted patterns of the chosen heads are held, three bytes for each pair of tokens and head.
For one head on many sentences of a suite, and its characteristic sentences, read a report instead.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from headwise.activations import capture
from headwise.activations.sites import on_side
from headwise.activations.streaming import align_whole
from headwise.data.sentence import AnySentence, Sentence, as_sentence
from headwise.data.suite import as_suite
from headwise.errors import HeadwiseError
from headwise.model.architecture import Side
from headwise.model.heads import AnyHead, chosen, n_layers, sides
from headwise.model.model import Model

from .notebook import View
from .schema import Attention, Example, Heatmap, Report, Section
from .sections.heads._packing import SITES, example_of, text_of

MOST = 40_000_000  # bytes of all arrays


def show_attention(
    model: Model,
    sentences: str | Sentence | Sequence[AnySentence],
    heads: Sequence[AnyHead] | None = None,
    *,
    targets: Sequence[AnySentence] | None = None,
    side: Side | None = None,
) -> View:
    """Shows the attention of heads on sentences: as dots, lines or text, by word or token, by weight or by score.

    Args:
        model: The model.
        sentences: One sentence or several.
        heads: Heads such as `"L2H8"`; all by default.
        targets: For an encoder-decoder model what the decoder reads, one for each sentence.
        side: `encoder`, `decoder` or `cross` of such a model; by default `cross` with targets and `encoder` without.

    Returns:
        A view: a notebook shows it; `.save(path)` writes a page of its own.

    Raises:
        HeadwiseError: As in `capture`; an unknown head or side; more than a page can hold.
    """
    alone = [sentences] if isinstance(sentences, str | Sentence) else sentences
    given = as_suite(alone).sentences
    side = _side(model, side, targets)
    shape = n_layers(model, side), model.attention(side, 0).n_heads
    held = _held(model, heads, side, shape)
    read = align_whole(model, given, truncate=False)
    target_sentences = (
        align_whole(model, targets, truncate=False, as_targets=True) if targets else None
    )
    queries, keys = (
        (target_sentences if side in ("decoder", "cross") and target_sentences else read),
        read,
    )
    size = sum(len(SITES) * len(held) * len(q.tokens) * len(k.tokens) for q, k in zip(queries, keys, strict=False))  # fmt: skip
    if size > MOST:
        raise HeadwiseError(
            f"The attention of {len(held)} heads on {len(given)} sentences is {size / 1e6:.0f} MB, and a page holds up to {MOST / 1e6:.0f} MB. "
            "Name fewer heads, as in heads=['L2H8'], or fewer sentences."
        )
    sites = [on_side(side, name) for name in SITES]
    cache = capture(model, given, sites, targets=targets)
    answers = [as_sentence(one) for one in targets or ()]
    first = answers if side in ("decoder", "cross") else given
    examples = [
        example_of(
            view,
            sites,
            held,
            shape[1],
            text_of(model, first[i], queries[i]),
            text_of(model, given[i], keys[i]) if side == "cross" else None,
            is_causal=side == "decoder" or (not side and model.is_causal),
            sentence=first[i],
        )
        for i, view in enumerate(cache)
    ]
    shown = Attention(n_layers=shape[0], n_heads=shape[1], side=side, caption="", examples=examples)
    return View(
        Report(
            analysis="look",
            model=model.name,
            question=f"Where do heads of {model.name} look?",
            verdict="description",
            answer="",
            sections=[Section(title="Sinks", figures=[_sinks(examples, shape)])],
            attention=shown,
        )
    )


def _sinks(examples: Sequence[Example], shape: tuple[int, int]) -> Heatmap:
    """A map to choose heads by: attention on sinks."""
    shares = np.full(shape, np.nan)
    rows = [(e.pattern.array() / 255.0) ** 2 for e in examples]
    sums = sum(row[:, :, e.sinks].sum(-1).sum(-1) for row, e in zip(rows, examples, strict=True))
    shares.ravel()[examples[0].heads] = sums / sum(row.shape[1] for row in rows)
    return Heatmap(
        title="Attention on sinks",
        caption="Share of all attention that goes to the first token and to special tokens, whatever they mean. Choose a head to see its attention.",
        values=cast(Any, shares),
    )


def _side(model: Model, side: Side | None, targets: Sequence[AnySentence] | None) -> Side:
    if targets and model.kind != "encoder-decoder":
        raise HeadwiseError(f"{model.name} is a model of one stack and takes no targets.")
    of_model = sides(model)
    if side is None:
        return "cross" if targets else of_model[0]
    if side not in of_model:
        known = ", ".join(repr(name) for name in of_model if name)
        raise HeadwiseError(
            f"{model.name} has no side {side!r}; "
            + (f"it has {known}." if known else "it is a model of one stack: leave side out.")
        )
    if side in ("decoder", "cross") and not targets:
        raise HeadwiseError(
            f"The side {side!r} reads what the decoder is given; pass it as targets=[...]."
        )
    return side


def _held(
    model: Model, given: Sequence[AnyHead] | None, side: Side, shape: tuple[int, int]
) -> list[int]:
    """Heads counted from layer 0 on; a name without a side is of this one."""
    if given is None:
        return list(range(shape[0] * shape[1]))
    names = [
        on_side(side, one) if isinstance(one, str) and "." not in one else one for one in given
    ]
    found = chosen(model, names)
    if other := next((head.name for head in found if head.side != side), ""):
        raise HeadwiseError(f"{other} is not a head of the side {side!r} that is shown.")
    return [head.layer * shape[1] + head.head for head in found]
