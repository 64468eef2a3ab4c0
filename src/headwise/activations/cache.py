"""Every head's queries, keys, values and patterns on many sentences, in a stated amount of memory.

`capture` computes what it needs from lengths and shapes before the first forward pass. Within the
budget the tensors stay where the model is; over it they go to a folder, shard by shard, or the
capture is refused with the figure. Each tensor is held once. `update` and `norms` are computed on access, from `z`, or from the pattern and `v`, and
the output matrices.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from headwise._validate import as_path
from headwise.errors import HeadwiseError, UnknownName

from . import offload, planning
from .alignment import vectors_of_words
from .sites import DERIVED, on_side

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
    tensors: offload.Tensors


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
    W_O: offload.Tensors

    @staticmethod
    def open(folder: str | Path) -> "HeadCache":
        """Opens an offloaded cache; tensors are read on access.

        Raises:
            HeadwiseError: The folder holds no cache, or one that is not complete.
        """
        folder = as_path(folder)
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
        if not isinstance(key, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise HeadwiseError(
                f"A cache is read by site and layer, as in cache['z', 3]; got {key!r}. One sentence of it is cache.sentence(0)."
            )
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
        whole, (prefix, _, name) = self[site, layer], site.rpartition(".")
        if name == "residual":
            raise UnknownName(f"{site!r} has no heads; ask for {site!r} and a layer.")
        axis = 1 if name in PAIRS else 2
        known = self.index.heads or list(range(self.index.n_heads[prefix]))
        if head not in known:
            raise UnknownName(
                f"Head {head} of {site!r} was not captured; the cache holds {', '.join(map(str, known))}."
            )
        # Keys and values that were not repeated: neighbouring query heads read one of them.
        group = len(known) // whole.shape[axis]
        return whole.select(axis, known.index(head) // group)

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
            is_expanded = cache.index.expand_kv and name in ("k", "v")
            return self._expanded(tensor, prefix) if is_expanded else tensor

        def beside(site: str) -> Tensor:
            return self._stored(on_side(prefix, site), layer, row)

        matrix = cache.W_O[prefix, layer]
        kept = cache.index.heads or list(range(cache.index.n_heads[prefix]))
        if name == "update":
            return torch.einsum("bphd,hdm->bphm", beside("z"), matrix[kept])
        values = self._expanded(beside("v"), prefix)
        lengths = torch.einsum("bphd,hdm->bphm", values, matrix[kept]).norm(dim=-1)
        return beside("pattern") * lengths.permute(0, 2, 1)[:, :, None, :]

    def _stored(self, full_name: str, layer: int, row: int | None) -> Tensor:
        tensor = self.shard.tensors[full_name, layer]
        return tensor if row is None else tensor[row : row + 1]

    def _expanded(self, tensor: Tensor, side: str) -> Tensor:
        """One key or value for every query head; of chosen heads there is one already."""
        if self.cache.index.heads is not None:
            return tensor
        return tensor.repeat_interleave(self.cache.index.n_heads[side] // tensor.shape[2], dim=2)


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
        return vectors_of_words(tensor[None], first[None])[0]

    def _pieces(self, which: int) -> Float[Tensor, "word pos"]:
        cache, i = self.sentence.cache, self.sentence.index
        owners = cache.index.pieces[i][which]
        pieces = torch.zeros(cache.index.n_words[i][which], len(owners), dtype=torch.float32)
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
