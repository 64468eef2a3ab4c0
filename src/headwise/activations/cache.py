"""Every head's queries, keys, values and patterns on many sentences, in a stated amount of memory.

`capture` computes what it needs from lengths and shapes before the first forward pass. Within the
budget the tensors stay where the model is; over it they go to a folder, shard by shard, or the
capture is refused with the figure. Each tensor is held once. `update` and `norms` are computed on access, from `z`, or from the pattern and `v`, and
the output matrices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from headwise._progress import track
from headwise._validate import OneOrMore, as_tuple
from headwise.data.suite import Sentence, Suite
from headwise.errors import HeadwiseError, UnknownName
from headwise.model.architecture import Side
from headwise.model.heads import AnyHeads, by_number
from headwise.model.model import Model

from . import alignment as words
from . import offload, planning
from .sites import DERIVED
from .streaming import align_whole, batch_size, stream

Key = tuple[str, int]
PAIRS = ("scores", "pattern", "norms")


@dataclass(frozen=True, eq=False)
class Shard:
    """Tensors of the sentences that went through the model together.

    Attributes:
        indices: Which sentences these are.
        tensors: Padded tensors by site and layer; read from disk on access, if offloaded.
    """

    indices: tuple[int, ...]
    tensors: Mapping[Key, Tensor]


@dataclass(frozen=True, eq=False)
class HeadCache:
    """What was captured, by site and layer, by sentence or by word.

    Attributes:
        index: What is held: sites, layers, sentences and their batches.
        shards: Where the tensors are.
        W_O: Output matrices by side and layer, where a derived site needs them.
    """

    index: offload.Index
    shards: tuple[Shard, ...]
    W_O: Mapping[Key, Tensor]

    @staticmethod
    def open(folder: str | Path) -> "HeadCache":
        """Opens an offloaded cache; tensors are read on access.

        Raises:
            HeadwiseError: The folder holds no cache, or one that is not complete.
        """
        folder = Path(folder)
        index = offload.Index.load(folder)
        return HeadCache(
            index,
            tuple(
                Shard(tuple(indices), tensors)
                for indices, tensors in zip(
                    index.batches, offload.shards(folder, index), strict=True
                )
            ),
            offload.matrices(folder),
        )

    @property
    def sites(self) -> tuple[str, ...]:
        """Sites that were captured or can be derived."""
        return tuple(self.index.sites)

    @property
    def layers(self) -> dict[str, list[int]]:
        """Layers of each site."""
        return self.index.layers

    def __len__(self) -> int:
        return len(self.index.lengths)

    def __repr__(self) -> str:
        return (
            f"HeadCache({self.index.model!r}, {len(self)} sentences, {', '.join(self.sites)}, "
            f"{planning.readable(self.nbytes)} in memory)"
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors that are held in memory; 0 for a spilled cache."""
        return sum(
            tensor.nbytes
            for shard in self.shards
            if isinstance(shard.tensors, dict)
            for tensor in shard.tensors.values()
        )

    def keys(self) -> list[Key]:
        """Every site and layer that was captured or can be derived."""
        return [(site, layer) for site in self.sites for layer in self.layers[site]]

    def __contains__(self, key: object) -> bool:
        """Whether a site, or a site and layer, was captured."""
        return key in self.sites or key in self.keys()

    def __getitem__(self, key: str | Key | tuple[str, int, int]) -> Tensor:
        """All sentences at one site and layer, padded with zeros to the longest, in the order given.

        `cache["q"]` stacks all layers in front, and `cache["q", 3, 5]` is head 5 of layer 3, without the axis of heads.

        Raises:
            UnknownName: The site, layer or head was not captured.
        """
        if isinstance(key, str):
            if key not in self.sites:
                raise UnknownName(
                    f"{key!r} was not captured; the cache holds {', '.join(self.sites)}."
                )
            return torch.stack([self[key, layer] for layer in self.layers[key]])
        if len(key) == 3:
            return self._head(*key)
        parts = [(shard, _Rows(self, shard).get(key)) for shard in self.shards]
        first, second = _axes(key[0])
        lengths = torch.tensor(self.index.lengths)
        in_order = len(parts) == 1 and parts[0][0].indices == tuple(range(len(self)))
        if in_order and (lengths == lengths[0]).all():
            return parts[0][1]
        shape = [max(part.shape[axis] for _, part in parts) for axis in range(parts[0][1].dim())]
        whole = parts[0][1].new_zeros((len(self), *shape[1:]))
        for shard, part in parts:
            whole[(torch.tensor(shard.indices), *(slice(n) for n in part.shape[1:]))] = part
        if key[0].rpartition(".")[2] in PAIRS:
            whole.mul_(_mask(lengths[:, first], shape[2]).to(whole)[:, None, :, None])
            return whole.mul_(_mask(lengths[:, second], shape[3]).to(whole)[:, None, None, :])
        mask = _mask(lengths[:, first], shape[1]).to(whole)
        return whole.mul_(mask.reshape(*mask.shape, *[1] * (whole.dim() - 2)))

    def _head(self, site: str, layer: int, head: int) -> Tensor:
        whole, name = self[site, layer], site.rpartition(".")[2]
        if name == "residual":
            raise UnknownName(f"{site!r} has no heads; ask for {site!r} and a layer.")
        kept = self.index.heads if self.index.heads is not None and name not in ("k", "v") else None
        axis = 1 if name in PAIRS else 2
        known = list(range(whole.shape[axis])) if kept is None else kept
        if head not in known:
            raise UnknownName(
                f"Head {head} of {site!r} was not captured; the cache holds {', '.join(map(str, known))}."
            )
        return whole.select(axis, known.index(head))

    def sentence(self, i: int) -> "SentenceView":
        """One sentence, without padding: `cache.sentence(3)["pattern", 0]` is `[head, query, key]`; -1 is the last."""
        if not -len(self) <= i < len(self):
            raise UnknownName(f"There is no sentence {i}; the cache holds 0 to {len(self) - 1}.")
        return SentenceView(self, i % len(self))

    def words(self, i: int) -> "WordView":
        """One sentence by words: sums over the pieces of a key, means over those of anything else."""
        return WordView(self.sentence(i))

    def __iter__(self) -> Iterator["SentenceView"]:
        return (self.sentence(i) for i in range(len(self)))

    def to(self, device: str | torch.device) -> "HeadCache":
        """The same cache with its tensors on another device; a spilled one is read into memory."""
        shards = tuple(
            Shard(shard.indices, {key: shard.tensors[key].to(device) for key in shard.tensors})
            for shard in self.shards
        )
        return HeadCache(
            self.index, shards, {key: matrix.to(device) for key, matrix in self.W_O.items()}
        )


class _Rows:
    """Finds sites in a shard, stored or derived."""

    def __init__(self, cache: HeadCache, shard: Shard) -> None:
        self.cache, self.shard = cache, shard

    def get(self, key: Key, row: int | None = None) -> Tensor:
        """A site of the whole shard, or of one of its rows (which keeps the batch axis)."""
        full_name, layer = key
        cache = self.cache
        if full_name not in cache.sites or layer not in cache.layers[full_name]:
            raise UnknownName(
                f"{full_name!r} at layer {layer} was not captured; the cache holds "
                + "; ".join(f"{site} at {_span(cache.layers[site])}" for site in cache.sites)
                + "."
            )
        prefix, _, name = full_name.rpartition(".")
        if name not in DERIVED:
            tensor = self._stored(full_name, layer, row)
            return (
                self._expanded(tensor) if cache.index.expand_kv and name in ("k", "v") else tensor
            )

        def beside(site: str) -> Tensor:
            return self._stored(f"{prefix}.{site}" if prefix else site, layer, row)

        matrix = cache.W_O[prefix, layer]
        kept = cache.index.heads or list(range(cache.index.n_heads))
        if name == "update":
            return torch.einsum("bphd,hdm->bphm", beside("z"), matrix[kept])
        values = self._expanded(beside("v"))[:, :, kept]
        lengths = torch.einsum("bphd,hdm->bphm", values, matrix[kept]).norm(dim=-1)
        return beside("pattern") * lengths.permute(0, 2, 1)[:, :, None, :]

    def _stored(self, full_name: str, layer: int, row: int | None) -> Tensor:
        tensor = self.shard.tensors[full_name, layer]
        return tensor if row is None else tensor[row : row + 1]

    def _expanded(self, tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(self.cache.index.n_heads // tensor.shape[2], dim=2)


class SentenceView:
    """One sentence of a cache, without its padding."""

    def __init__(self, cache: HeadCache, index: int) -> None:
        self.cache, self.index = cache, index
        self._shard = next(shard for shard in cache.shards if index in shard.indices)

    def __getitem__(self, key: Key) -> Tensor:
        row = self._shard.indices.index(self.index)
        tensor = _Rows(self.cache, self._shard).get(key, row)[0]
        first, second = _axes(key[0])
        lengths = self.cache.index.lengths[self.index]
        if key[0].rpartition(".")[2] in PAIRS:
            return tensor[:, : lengths[first], : lengths[second]]
        return tensor[: lengths[first]]


class WordView:
    """One sentence of a cache, by words."""

    def __init__(self, sentence: SentenceView) -> None:
        self.sentence = sentence

    def __getitem__(self, key: Key) -> Tensor:
        name = key[0].rpartition(".")[2]
        if name == "scores":
            raise HeadwiseError(
                "Scores of pieces do not add up to scores of words; use 'pattern' or 'norms'."
            )
        tensor = self.sentence[key]
        first, second = (self._pieces(side).to(tensor) for side in _axes(key[0]))
        n_pieces = first.sum(-1).clamp(min=1)
        if name in PAIRS:
            return (first @ (tensor @ second.T)) / n_pieces[:, None]
        return words.vectors_of_words(tensor[None], first[None])[0]

    def _pieces(self, which: int) -> Float[Tensor, "word pos"]:
        cache, i = self.sentence.cache, self.sentence.index
        owners = cache.index.pieces[i][which]
        pieces = torch.zeros(cache.index.n_words[i][which], len(owners))
        for position, word in enumerate(owners):
            if word is not None:
                pieces[word, position] = 1
        return pieces


def _axes(full_name: str) -> tuple[int, int]:
    """Whether queries and keys lie along the sentence (0) or the target (1)."""
    side, _, name = full_name.rpartition(".")
    if side == "cross":
        return (0, 0) if name in ("k", "v") else (1, 0)
    return (1, 1) if side == "decoder" else (0, 0)


def _mask(lengths: Int[Tensor, " sentence"], n: int) -> Bool[Tensor, "sentence pos"]:
    """Which positions lie within each sentence."""
    return torch.arange(n) < lengths[:, None]


def _span(layers: Sequence[int]) -> str:
    return f"layers {min(layers)} to {max(layers)}"


def capture(
    model: Model,
    suite: Suite | Sequence[str | Sentence],
    sites: OneOrMore[str],
    *,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    targets: Sequence[str | Sentence] | None = None,
    expand_kv: bool = False,
    truncate: bool = False,
    batch_tokens: int | None = None,
    budget: str | int = "4GiB",
    offload_dir: str | Path | None = None,
) -> HeadCache:
    """Keeps what every head computes on some sentences.

    Args:
        model: The model.
        suite: A suite, or sentences as text or as `Sentence`.
        sites: As in `hooks.capture`, and `update` (what each head adds to the residual stream) or `norms`
            (`||pattern * v W_O||`), which are derived on access and take the memory of their sources.
        layers: Blocks to keep; all by default.
        heads: Query heads to keep: numbers, or names as `"L1H2"`, which say the layer, too; `k` and `v` are kept whole. All by default.
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
    numbers, layers = by_number(model, heads, layers)
    plan = planning.Plan.make(
        model,
        _aligned(model, suite, targets, truncate=truncate),
        as_tuple(sites),
        layers,
        numbers,
        budget=planning.parse(budget),
        batch_tokens=batch_tokens or words.usual_batch_tokens(model),
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
    return _spilled(model, plan, index, Path(offload_dir))


def _spilled(model: Model, plan: planning.Plan, index: offload.Index, folder: Path) -> HeadCache:
    """Writes the shards that are not there yet, then opens the folder."""
    offload.prepare(folder, index, _matrices(model, plan))
    missing = [n for n in range(len(plan.batches)) if not offload.shard_path(folder, n).exists()]
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
    sentences: Suite | Sequence[str | Sentence],
    targets: Sequence[str | Sentence] | None,
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
        n_heads=model.n_heads,
        heads=None if plan.heads is None else list(plan.heads),
        expand_kv=expand_kv,
    )
