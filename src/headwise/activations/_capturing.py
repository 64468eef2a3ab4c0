"""Runs a model over sentences and keeps what was planned, in memory or in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from torch import Tensor

from headwise._progress import track
from headwise._validate import OneOrMore, as_path, as_tuple, check_counts
from headwise.data.suite import AnySentence, Suite
from headwise.errors import HeadwiseError
from headwise.model.architecture import Side
from headwise.model.heads import AnyHeads, by_number
from headwise.model.model import Model

from . import offload, planning
from .alignment import usual_batch_tokens
from .cache import HeadCache, Key, Shard
from .streaming import align_whole, batch_size, stream


def capture(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    sites: OneOrMore[str],
    *,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    targets: Sequence[AnySentence] | None = None,
    expand_kv: bool = False,
    truncate: bool = False,
    batch_tokens: int | None = None,
    budget: str | int = "4GiB",
    offload_dir: str | Path | None = None,
) -> HeadCache:
    """Keeps what every head computes on some sentences.

    Args:
        model: The model.
        suite: A suite, or sentences as text, as `Sentence` or as a list of words, which stay as they are.
        sites: As in `hooks.capture`, and `update` (what each head adds to the residual stream) or `norms`
            (`||pattern * v W_O||`), which are derived on access and take the memory of their sources.
        layers: Blocks to keep; all by default.
        heads: Query heads to keep: numbers, or names as `"L1H2"`, which say the layer, too; of `k` and `v` the key-value head that each reads is kept. All by default.
        targets: For an encoder-decoder model what the decoder reads, one for each sentence; its start
            token alone by default.
        expand_kv: Under grouped-query attention, repeats `k` and `v` for every query head on access; they are stored once.
        truncate: Whether sentences longer than the context are truncated instead of refused.
        batch_tokens: Most tokens in a batch; by default what suits the device.
        budget: Most memory for the tensors, e.g. `"500MB"`, `"4GiB"` or a number of bytes.
        offload_dir: Folder for what does not fit. An interrupted run resumes.

    Raises:
        HeadwiseError: As in `hooks.capture`; no sentence; one that is longer than the context; a budget
            that cannot be read, is exceeded without `offload_dir`, or is too small for one sentence; a folder
            that holds another capture; a number that is not finite.
    """
    check_counts(least=1, batch_tokens=batch_tokens)
    numbers, layers = by_number(model, heads, layers)
    plan = planning.Plan.make(
        model,
        _aligned(model, suite, targets, truncate=truncate),
        as_tuple(sites),
        layers,
        numbers,
        budget=planning.parse(budget),
        batch_tokens=batch_tokens or usual_batch_tokens(model),
        may_offload=offload_dir is not None,
    )
    index = _index(model, plan, expand_kv)
    if plan.fits:
        shards = [
            Shard(tuple(indices), dict(seen))
            for indices, seen in zip(plan.batches, _seen(model, plan, plan.batches), strict=True)
        ]
        return HeadCache(index, tuple(shards), _matrices(model, plan))
    assert offload_dir is not None
    return _spilled(model, plan, index, as_path(offload_dir))


def _spilled(model: Model, plan: planning.Plan, index: offload.Index, folder: Path) -> HeadCache:
    """Writes the shards that are not there yet or are damaged, then opens the folder."""
    offload.prepare(folder, index, _matrices(model, plan))
    paths = [offload.shard_path(folder, n) for n in range(len(plan.batches))]
    missing = [n for n, path in enumerate(paths) if not offload.is_intact(path)]
    batches = [plan.batches[n] for n in missing]
    numbers = iter(missing)
    for seen in _seen(model, plan, batches):
        offload.write_shard(folder, next(numbers), seen)
        del seen  # or it would stay while the next batch is computed
    return HeadCache.open(folder)


def _seen(
    model: Model, plan: planning.Plan, batches: Sequence[Sequence[int]]
) -> Iterator[Mapping[Key, Tensor]]:
    given = (plan.batch(model, indices) for indices in batches)
    heads = None if plan.heads is None else list(plan.heads)
    items = stream(model, given, plan.stored, layers=plan.layers, heads=heads)
    total = sum(map(len, batches))
    for item in track(items, total, "capturing", batch_size):
        yield item[1]
        del item


def _aligned(
    model: Model,
    sentences: Suite | Sequence[AnySentence],
    targets: Sequence[AnySentence] | None,
    *,
    truncate: bool,
) -> planning.Aligned:
    given = align_whole(model, sentences, truncate=truncate)
    if targets is None:
        return planning.Aligned(given, None)
    if model.kind != "encoder-decoder":
        raise HeadwiseError(f"{model.name} is a model of one stack and takes no targets.")
    decoded = align_whole(model, targets, truncate=truncate, as_targets=True)
    if len(decoded) != len(given):
        raise HeadwiseError(f"There are {len(given)} sentences and {len(decoded)} targets.")
    return planning.Aligned(given, decoded)


def _matrices(model: Model, plan: planning.Plan) -> dict[Key, Tensor]:
    """Output matrices that derived sites need."""
    return {
        (side, layer): model.attention(cast(Side, side), layer).W_O.clone()
        for side, layer in plan.matrices
    }


def _index(model: Model, plan: planning.Plan, expand_kv: bool) -> offload.Index:
    return offload.Index(
        model=model.name,
        fingerprint=offload.fingerprint(model, plan),
        sites=list(plan.sites),
        layers={site: list(layers) for site, layers in plan.layers_of.items()},
        batches=[list(batch) for batch in plan.batches],
        lengths=plan.lengths,
        pieces=plan.pieces,
        n_words=plan.n_words,
        n_heads={side: a.n_heads for (side, _), a in model.engine.attention_layers()},
        heads=None if plan.heads is None else list(plan.heads),
        expand_kv=expand_kv,
    )
