"""Streaming: a model over batches of sentences, computing no more than is needed.

A forward pass ends at the last requested site: no layer above it, no output head. When
the memory of the device runs out, the batch is halved and the run goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from headwise._formatting import brief
from headwise._validate import OneOrMore, check_counts
from headwise.data.sentence import AnySentence, Sentence, as_sentence
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model import Place, RowsTap, Tap
from headwise.model.heads import AnyHeads, by_number
from headwise.model.model import Model

from . import hooks
from .alignment import Alignment, Batch, align, align_targets, batches
from .hooks import Captured
from .sites import Site, expand

T = TypeVar("T")
MOST_NUMBERS = 2**22  # of a pattern at a time, on a CPU; 16 MiB
CHUNK = 256  # sentences aligned at a time: their words take more room than their tokens


def reduce(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    sites: OneOrMore[str],
    *,
    step: Callable[[T, Captured, Batch], T],
    initial: T,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    batch_tokens: int | None = None,
) -> T:
    """Reduces what a model computes on many sentences, batch by batch; only the statistic stays.

    Args:
        model: The model.
        suite: A suite, or sentences as text or as `Sentence`.
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
    check_counts(least=1, batch_tokens=batch_tokens)
    alignments = align_whole(model, suite, truncate=False)
    statistic = initial
    parts = batches(model, alignments, batch_tokens)
    for batch, seen in stream(model, parts, sites, layers=layers, heads=heads):
        statistic = step(statistic, seen, batch)
        del batch, seen
    return statistic


def batch_size(item: tuple[Batch, Captured]) -> int:
    """How many sentences a step of `stream` covers."""
    return len(item[0].indices)


def stream(
    model: Model,
    batches: Iterable[Batch],
    sites: OneOrMore[str],
    *,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
) -> Iterator[tuple[Batch, Captured]]:
    """Runs batches and gives each with what was captured on it.

    Raises:
        HeadwiseError: As in `hooks.capture`, or a captured tensor is not finite.
    """
    heads, layers = by_number(model, heads, layers)
    if not (wanted := expand(model, sites, layers)):
        raise HeadwiseError("No layers were named; leave layers out to take each of them.")
    for given in batches:
        batch = given.to(model.device)
        captured = _run(model, batch, sites, layers, heads, wanted[-1])
        _check_finite(model, captured, wanted, batch)
        yield batch, captured
        del given, batch, captured  # or they would stay while the next batch is computed


def _run(
    model: Model,
    batch: Batch,
    sites: OneOrMore[str],
    layers: OneOrMore[int] | None,
    heads: AnyHeads | None,
    last: Site,
) -> Captured:
    def capture(part: Batch) -> Captured:
        with hooks.capture(model, sites, layers=layers, heads=heads) as captured:
            _forward(model, part, "residual" if last.name == "residual" else "z", last.place)
        return captured

    parts = list(_halving(capture, batch))
    if len(parts) == 1:
        return parts[0]
    joined = Captured()
    for name, layer in parts[0]:
        joined.join(name, layer, [part[name, layer] for part in parts])
    return joined


def _forward(model: Model, batch: Batch, last_site: str, last_place: Place) -> None:
    """A forward pass that ends where nothing more is wanted."""
    target = batch.target
    with model.engine.stopping(last_site, last_place):
        model.forward(
            batch.tokens,
            batch.mask,
            None if target is None else target.tokens,
            None if target is None else target.mask,
        )


def _halving(run: Callable[[Batch], T], batch: Batch) -> Iterator[T]:
    """Runs a batch, in as many parts as memory asks for."""
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    try:
        found = run(batch)
    except (RuntimeError, MemoryError) as error:
        if len(batch.indices) == 1 or not should_reduce_batch_size(error):  # pyright: ignore[reportArgumentType]
            raise
    else:
        yield found
        return
    clear_device_cache(garbage_collection=True)
    for half in batch.halves():
        yield from _halving(run, half)


@runtime_checkable
class Watcher(Protocol):
    """Reads patterns as they are computed, some rows of one layer at a time.

    For each batch `begin`, then for each layer `values` once and `rows` until all rows were shown, then
    `end`. A batch may be begun again, smaller, without an `end` before: memory ran out.
    """

    def begin(self, batch: Batch) -> None:
        """A batch, or part of one, is about to be computed."""
        ...

    def values(self, layer: int, values: Float[Tensor, "batch pos kv_head d_head"]) -> None:
        """The values of a layer."""
        ...

    def rows(self, layer: int, pattern: Float[Tensor, "batch head row pos"], start: int) -> None:
        """Rows of a layer's pattern from position `start` on; a row of whole words' pieces."""
        ...

    def end(self) -> None:
        """The batch was read to its end."""
        ...


def watched(batch: Batch) -> int:
    """How many sentences a step of `watch` covers."""
    return len(batch.indices)


def watch(model: Model, batches: Iterable[Batch], watcher: Watcher) -> Iterator[Batch]:
    """Shows a model's patterns to a watcher; no pattern is ever held whole if it is large.

    Patterns of long sentences are computed for some queries at a time, so memory grows with their
    length and not with its square (models whose attention is a method of their own excepted).
    """
    places = [site.place for site in expand(model, ["pattern"], None)]

    def read(part: Batch) -> None:
        starts = row_starts(model, part)
        readers = [RowsTap(place, partial(watcher.rows, place[1]), starts) for place in places]
        taps = [Tap("v", place, partial(watcher.values, place[1])) for place in places]
        watcher.begin(part)
        with model.engine.tapped(taps), model.engine.reading(readers):
            _forward(model, part, "z", places[-1])
        watcher.end()

    for given in batches:
        batch = given.to(model.device)
        for part in singly(model, batch):
            for _ in _halving(read, part):
                pass
        yield batch
        del given, batch


def singly(model: Model, batch: Batch) -> Iterator[Batch]:
    """A batch as it is, or sentence by sentence if its patterns are read in several steps."""
    n_rows, n_pos = batch.tokens.shape
    if n_rows == 1 or _rows_at_once(model, batch) >= n_pos:
        yield batch
        return
    for half in batch.halves():
        yield from singly(model, half)


def _rows_at_once(model: Model, batch: Batch) -> int:
    most = MOST_NUMBERS if model.device.type == "cpu" else 16 * MOST_NUMBERS
    n_rows, n_pos = batch.tokens.shape
    return max(1, most // (n_rows * model.n_heads * n_pos))


def row_starts(model: Model, batch: Batch) -> tuple[int, ...]:
    """Positions at which rows of a pattern are to begin: few at a time, and no word divided."""
    n_pos = batch.tokens.shape[1]
    at_once = _rows_at_once(model, batch)
    if at_once >= n_pos:
        return (0,)
    pieces = batch.pieces[0]
    word = torch.where(
        pieces.sum(0) > 0, pieces.argmax(0), -1 - torch.arange(n_pos, device=pieces.device)
    )
    edges = (torch.nonzero(word[1:] != word[:-1])[:, 0] + 1).tolist()
    starts = [0]
    for edge, following in zip(edges, [*edges[1:], n_pos], strict=True):
        if following - starts[-1] > at_once:
            starts.append(edge)
    return tuple(starts)


def _check_finite(model: Model, captured: Captured, wanted: Sequence[Site], batch: Batch) -> None:
    """Checks what was computed last, which every earlier NaN reaches, and only then searches its origin.

    What a model computes of padding is no fault of its weights: where only that is not finite it becomes 0, since 0 times NaN is NaN in a mean over words.
    """
    if _is_finite(wanted[-1], captured[wanted[-1].key, wanted[-1].layer]):
        return
    for site in wanted:
        tensor = captured[site.key, site.layer]
        if _is_finite(site, tensor):
            continue
        own = batch.target if site.side in ("decoder", "cross") else batch
        axis = 2 if site.name in ("scores", "pattern") else 1
        if own is not None and own.mask.shape[1] == tensor.shape[axis]:
            shape = [len(tensor), *[1] * (tensor.dim() - 1)]
            shape[axis] = tensor.shape[axis]
            tensor = tensor.masked_fill(own.mask.reshape(shape) == 0, 0)
        if not _is_finite(site, tensor):
            raise HeadwiseError(
                f"{model.name} computed a number that is not finite at {site.key!r}, layer {site.layer}. Check the "
                f"weights, or use a wider dtype than {str(model.dtype).removeprefix('torch.')}."
            )
        captured.store(site, tensor)


def _is_finite(site: Site, tensor: Tensor) -> bool:
    if site.name == "scores":  # masked scores may be minus infinity
        return not bool(torch.isnan(tensor).any())
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def align_whole(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    *,
    truncate: bool,
    as_targets: bool = False,
) -> list[Alignment]:
    """Aligns sentences in any of the forms in which they may be given.

    Raises:
        HeadwiseError: There are none, one has no words or becomes no token, or one has more tokens than the model's context without `truncate`.
    """
    given = suite.sentences if isinstance(suite, Suite) else suite
    if isinstance(given, str):
        raise HeadwiseError(f"Expected a list of sentences, got one string; pass [{given[:30]!r}].")
    if not _is_list(given):
        raise HeadwiseError(
            f"Sentences are given as a Suite or as a list of texts; got {type(given).__name__}. "
            "Make one of it: list(sentences)."
        )
    if not given:
        raise HeadwiseError("No sentences were given; pass at least one.")
    found: list[Alignment] = []
    for start in range(0, len(given), CHUNK):
        part = [as_sentence(item) for item in given[start : start + CHUNK]]
        aligned = (align_targets if as_targets else align)(model, part)
        for i, (sentence, alignment) in enumerate(zip(part, aligned, strict=True), start=start):
            _check(model, i, sentence, alignment, truncate=truncate)
        found += aligned
    return found


def _is_list(given: object) -> bool:
    return isinstance(given, Sequence)


def _check(
    model: Model, i: int, sentence: Sentence, alignment: Alignment, *, truncate: bool
) -> None:
    if not sentence.words:
        raise HeadwiseError(f"Sentence {i} has no words.")
    if len(alignment.dropped) == alignment.n_words:
        raise HeadwiseError(
            f"Sentence {i} ({brief(sentence.text)}) becomes no token of {model.name}. Leave it out."
        )
    if alignment.truncated and not truncate:
        raise HeadwiseError(
            f"Sentence {i} ({sentence.text[:40]!r}...) is longer than the context of {model.name}, "
            f"{model.n_context} tokens: {len(alignment.truncated)} of its words would be truncated. Split it, or pass "
            "truncate=True."
        )
