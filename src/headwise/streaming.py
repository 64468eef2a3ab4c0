"""Running a model over batches of sentences, and over nothing more than is wanted.

A forward pass ends at the last site that is asked for: no layer above it, no output head. When
the memory of the device runs out, the batch is halved and the run goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

import torch
from torch import Tensor

from . import hooks, words
from .errors import HeadwiseError
from .hooks import Captured, Site
from .models import Model
from .suites import Sentence, Suite
from .words import Alignment, Batch

T = TypeVar("T")
CHUNK = 256  # sentences aligned at a time: their words take more room than their tokens


def fold(
    model: Model,
    sentences: Suite | Sequence[str | Sentence],
    sites: Sequence[str],
    step: Callable[[T, Captured, Batch], T],
    initial: T,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    batch_tokens: int | None = None,
) -> T:
    """Reduces what a model computes on many sentences, batch by batch; only the statistic stays.

    Args:
        model: The model.
        sentences: A suite, or sentences as text or as `Sentence`.
        sites: As in `hooks.capture`.
        step: Called as `step(statistic, seen, batch)` for each batch of sentences of like length;
            `seen[site, layer]` is padded, and `batch` says which positions are pieces of which word
            (`batch.pieces`) and which are padding (`batch.mask`).
        initial: The statistic before the first batch.
        layers: As in `hooks.capture`.
        heads: As in `hooks.capture`.
        batch_tokens: Most tokens in a batch; by default what suits the device.

    Returns:
        The statistic after the last batch.

    Raises:
        HeadwiseError: As in `hooks.capture`; or no sentence, or one that is longer than the context.
    """
    alignments = align_whole(model, sentences, truncate=False)
    statistic = initial
    batches = words.batches(model, alignments, batch_tokens)
    for batch, seen in stream(model, batches, sites, layers, heads):
        statistic = step(statistic, seen, batch)
        del batch, seen
    return statistic


def batch_size(item: tuple[Batch, Captured]) -> int:
    """How many sentences a step of `stream` covers."""
    return len(item[0].indices)


def stream(
    model: Model,
    batches: Iterable[Batch],
    sites: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> Iterator[tuple[Batch, Captured]]:
    """Runs batches and gives each with what was captured on it.

    Raises:
        HeadwiseError: As in `hooks.capture`, or a captured tensor is not finite.
    """
    wanted = hooks.expand(model, sites, layers)
    for given in batches:
        batch = given.to(model.device)
        captured = _run(model, batch, sites, layers, heads, wanted[-1])
        _check_finite(model, captured, wanted)
        yield batch, captured
        del given, batch, captured  # or they would stay while the next batch is computed


def _run(
    model: Model,
    batch: Batch,
    sites: Sequence[str],
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
    last: Site,
) -> Captured:
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    try:
        with ExitStack() as stack:
            captured = stack.enter_context(hooks.capture(model, sites, layers, heads))
            stop = "residual" if last.name == "residual" else "z"
            stack.enter_context(model.engine.stopping(stop, last.place))
            target = batch.target
            model.forward(
                batch.tokens,
                batch.mask,
                None if target is None else target.tokens,
                None if target is None else target.mask,
            )
        return captured
    except (RuntimeError, MemoryError) as error:
        if len(batch.indices) == 1 or not should_reduce_batch_size(error):  # pyright: ignore[reportArgumentType]
            raise
    clear_device_cache(garbage_collection=True)
    halves = [_run(model, half, sites, layers, heads, last) for half in batch.halves()]
    joined = Captured()
    for name, layer in halves[0]:
        joined.join(name, layer, [half[name, layer] for half in halves])
    return joined


def _check_finite(model: Model, captured: Captured, wanted: Sequence[Site]) -> None:
    """Looks at what was computed last, where every earlier NaN ends up, and only then for its origin."""
    if _is_finite(wanted[-1], captured):
        return
    origin = next(site for site in wanted if not _is_finite(site, captured))
    raise HeadwiseError(
        f"{model.name} computed a number that is not finite at {origin.key!r}, layer {origin.layer}. Check the "
        f"weights, or use a wider dtype than {str(model.dtype).removeprefix('torch.')}."
    )


def _is_finite(site: Site, captured: Captured) -> bool:
    tensor: Tensor = captured[site.key, site.layer]
    if site.name == "scores":  # masked scores may be minus infinity
        return not bool(torch.isnan(tensor).any())
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def align_whole(
    model: Model,
    sentences: Suite | Sequence[str | Sentence],
    *,
    truncate: bool,
    as_targets: bool = False,
) -> list[Alignment]:
    """Aligns sentences in any of the forms in which they may be given.

    Raises:
        HeadwiseError: There are none, one has no words, or one has more tokens than the model's
            context and cutting was not asked for.
    """
    given = sentences.sentences if isinstance(sentences, Suite) else sentences
    if isinstance(given, str):
        raise HeadwiseError(f"Expected a list of sentences, got one string; pass [{given[:30]!r}].")
    if not given:
        raise HeadwiseError("No sentences were given; pass at least one.")
    found: list[Alignment] = []
    for start in range(0, len(given), CHUNK):
        part = [
            Sentence.of(item) if isinstance(item, str) else item
            for item in given[start : start + CHUNK]
        ]
        aligned = (words.align_targets if as_targets else words.align)(model, part)
        for i, (sentence, alignment) in enumerate(zip(part, aligned, strict=True), start=start):
            _check(model, i, sentence, alignment, truncate=truncate)
        found += aligned
    return found


def _check(
    model: Model, i: int, sentence: Sentence, alignment: Alignment, *, truncate: bool
) -> None:
    if not sentence.words:
        raise HeadwiseError(f"Sentence {i} has no words.")
    if alignment.cut and not truncate:
        raise HeadwiseError(
            f"Sentence {i} ({sentence.text[:40]!r}...) is longer than the context of {model.name}, "
            f"{model.n_context} tokens: {len(alignment.cut)} of its words would be cut. Split it, or pass "
            "truncate=True."
        )
