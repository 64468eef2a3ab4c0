"""Memory and batches of a capture, computed before the first forward pass."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headwise.errors import HeadwiseError, OverBudget
from headwise.model.heads import check_heads
from headwise.model.model import Model

from . import alignment
from .alignment import Alignment, Batch
from .sites import DERIVED, Site, expand, on_side, require_heads

UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
SOURCES = {"update": ("z",), "norms": ("pattern", "v")}


def parse(budget: str | int) -> int:
    """Bytes of a budget such as `"4GiB"`, `"500 MB"` or a number.

    Raises:
        HeadwiseError: It cannot be read, or is not positive.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(budget))
    if match is None or match[2].upper() not in UNITS or float(match[1]) <= 0:
        raise HeadwiseError(
            f"Cannot read the budget {budget!r}; expected a positive number of bytes or a size such as "
            "'500MB' or '4GiB'."
        )
    return int(float(match[1]) * UNITS[match[2].upper()])


def readable(n_bytes: float) -> str:
    """Bytes with a readable unit, e.g. `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TiB"


@dataclass(frozen=True, eq=False)
class Aligned:
    """Aligned sentences, and aligned targets where a decoder is given some."""

    sentences: list[Alignment]
    targets: list[Alignment] | None


@dataclass(frozen=True, eq=False)
class Plan:
    """What is captured, in which batches, and what it takes.

    Attributes:
        aligned: The sentences.
        sites: The requested sites.
        stored: Sites that are kept for them.
        layers: The requested layers; None for all.
        layers_of: Layers of every site in `sites`.
        heads: Query heads to keep; None for all.
        batches: Which sentences go together.
        n_bytes: What all tensors take.
        fits: Whether that is within the budget.
    """

    aligned: Aligned
    sites: tuple[str, ...]
    stored: tuple[str, ...]
    layers: tuple[int, ...] | None
    layers_of: dict[str, tuple[int, ...]]
    heads: tuple[int, ...] | None
    batches: list[list[int]]
    n_bytes: int
    fits: bool

    @staticmethod
    def make(
        model: Model,
        aligned: Aligned,
        sites: Sequence[str],
        layers: Sequence[int] | None,
        heads: Sequence[int] | None,
        *,
        budget: int,
        batch_tokens: int,
        may_offload: bool,
    ) -> "Plan":
        """Plans a capture.

        Raises:
            HeadwiseError: Unknown site, layer or head; over the budget without a folder to spill to; or
                one sentence alone is over it.
        """
        check_heads(model, heads)
        stored = tuple(dict.fromkeys(source for site in sites for source in sources(site)))
        wanted = expand(model, stored, layers)
        require_heads(model, wanted, heads)
        sizes = [_pair(aligned, i) for i in range(len(aligned.sentences))]
        largest = max(_bytes(model, wanted, heads, size) for size in sizes)
        totals = [sum(size) for size in sizes]
        batches = alignment.plan(totals, batch_tokens)
        n_bytes = sum(_batch_bytes(model, wanted, heads, sizes, batch) for batch in batches)
        fits = n_bytes <= budget
        if largest > budget:
            raise OverBudget(
                f"One sentence alone takes {readable(largest)}, more than the budget of {readable(budget)}. Ask for "
                "fewer sites, layers or heads, or raise budget=."
            )
        if not fits and not may_offload:
            raise OverBudget(
                f"This capture takes {readable(n_bytes)}, more than the budget of {readable(budget)}. Three ways out: "
                f"budget={readable(n_bytes * 1.05).replace(' ', '')!r}, if there is that much memory; offload_dir='folder', "
                "to keep it on disk; or fewer sites, layers or heads - headwise.reduce keeps only a statistic."
            )
        if not fits:
            # Half of the budget for the batch at hand leaves the other half to whoever writes it out.
            batches = [
                part
                for batch in batches
                for part in _smaller(model, wanted, heads, sizes, batch, budget // 2)
            ]
        return Plan(
            aligned=aligned,
            sites=tuple(sites),
            stored=stored,
            layers=None if layers is None else tuple(layers),
            layers_of={
                site: _in_order({w.layer for w in wanted if w.key == sources(site)[0]}, layers)
                for site in sites
            },
            heads=None if heads is None else tuple(heads),
            batches=batches,
            n_bytes=n_bytes,
            fits=fits,
        )

    def batch(self, model: Model, indices: Sequence[int]) -> Batch:
        """Sentences of one batch, ready for the model."""
        batch = alignment.batch_of(model, self.aligned.sentences, indices)
        if self.aligned.targets is None:
            return batch
        target = alignment.batch_of(model, self.aligned.targets, indices)
        return Batch(batch.indices, batch.tokens, batch.mask, batch.pieces, target)

    @property
    def matrices(self) -> list[tuple[str, int]]:
        """Side and layer of the output matrices that derived sites need."""
        return [
            (site.rpartition(".")[0], layer)
            for site, layers in self.layers_of.items()
            if site.rpartition(".")[2] in DERIVED
            for layer in layers
        ]

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Tokens of every sentence and its target."""
        return [_pair(self.aligned, i) for i in range(len(self.aligned.sentences))]

    @property
    def pieces(self) -> list[tuple[list[int | None], list[int | None]]]:
        """The word of every token of every sentence and its target."""
        return [(list(a.words), list(b.words) if b else []) for a, b in self._both]

    @property
    def n_words(self) -> list[tuple[int, int]]:
        """Words of every sentence and its target."""
        return [(a.n_words, b.n_words if b else 0) for a, b in self._both]

    @property
    def _both(self) -> list[tuple[Alignment, Alignment | None]]:
        targets = self.aligned.targets or [None] * len(self.aligned.sentences)
        return list(zip(self.aligned.sentences, targets, strict=True))


def sources(site: str) -> tuple[str, ...]:
    """The sites that must be kept for a site: itself, or what it is derived from."""
    prefix, _, name = site.rpartition(".")
    return tuple(on_side(prefix, s) for s in SOURCES.get(name, (name,)))


def _pair(aligned: Aligned, i: int) -> tuple[int, int]:
    """Tokens of a sentence and its target, whose start token is always there."""
    n_target = len(aligned.targets[i].tokens) if aligned.targets else 1
    return len(aligned.sentences[i].tokens), n_target


def _batch_bytes(
    model: Model,
    wanted: Sequence[Site],
    heads: Sequence[int] | None,
    sizes: Sequence[tuple[int, int]],
    batch: Sequence[int],
) -> int:
    padded = (max(sizes[i][0] for i in batch), max(sizes[i][1] for i in batch))
    return len(batch) * _bytes(model, wanted, heads, padded)


def _bytes(
    model: Model, wanted: Sequence[Site], heads: Sequence[int] | None, size: tuple[int, int]
) -> int:
    """Bytes of one sentence of a padded size at all wanted sites."""
    return model.dtype.itemsize * sum(_numbers(model, site, heads, *size) for site in wanted)


def _numbers(
    model: Model, site: Site, heads: Sequence[int] | None, n_source: int, n_target: int
) -> int:
    n_query = n_target if site.side in ("decoder", "cross") else n_source
    n_key = n_target if site.side == "decoder" else n_source
    if site.name == "residual":
        return n_query * model.d_model
    attention = model.attention(site.side, site.layer)
    n_heads = attention.n_heads if heads is None else len(heads)
    if site.name in ("scores", "pattern"):
        return n_heads * n_query * n_key
    if site.name in ("k", "v", "k_before_rotary"):
        n_kept = attention.n_key_value_heads if heads is None else len(heads)
        return n_key * n_kept * attention.d_head
    return n_query * n_heads * attention.d_head


def _smaller(
    model: Model,
    wanted: Sequence[Site],
    heads: Sequence[int] | None,
    sizes: Sequence[tuple[int, int]],
    batch: list[int],
    budget: int,
) -> list[list[int]]:
    """Divides a batch into parts that each fit, or into single sentences."""
    parts: list[list[int]] = []
    for i in batch:
        joined = [*parts[-1], i] if parts else [i]
        if parts and _batch_bytes(model, wanted, heads, sizes, joined) <= budget:
            parts[-1] = joined
        else:
            parts.append([i])
    return parts


def _in_order(found: set[int], given: Sequence[int] | None) -> tuple[int, ...]:
    """Layers as they were given, in which order a stack of them stands; ascending by default."""
    return (
        tuple(dict.fromkeys(layer for layer in given if layer in found))
        if given
        else tuple(sorted(found))
    )
