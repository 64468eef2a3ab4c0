"""Sweeps: the same sentences under many variants of a model.

A variant is a set of changes: at a site of a layer and a head the activation is replaced. A sweep runs every variant of every sentence and reads
metrics of each. It is exact, and does no more than is needed: what is below
the first change is computed once, variants that begin at the same layer share a batch, the output head runs
only at positions that are read, an encoder is not run again for what is changed in the decoder.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from headwise._progress import track
from headwise.activations import _last_block, _onednn, _skip_blocks, alignment, hooks
from headwise.activations.sites import Site, on_side
from headwise.model.architecture import Side
from headwise.model.model import Model

from ._replacing.frozen import Frozen
from ._replacing.replacements import Given, Place, Source, is_of_target
from .metrics import Reading, Seen
from .prompts import Prompts


@dataclass(frozen=True, slots=True)
class Change:
    """The replacement at one place.

    Attributes:
        site: `z`, `q`, `k`, `v` or `residual`.
        side: Stack or kind of attention.
        layer: 0-based block.
        head: Head (key-value head at `k` and `v`); None for all of them, and for the residual stream.
        what: Name of a source; `zero` for nothing.
        where: Name of a set of positions; everywhere if empty.
    """

    site: str
    side: Side
    layer: int
    head: int | None
    what: str
    where: str = ""

    @property
    def place(self) -> Place:
        """Site, side and layer."""
        return self.site, self.side, self.layer

    @property
    def begins(self) -> tuple[bool, int]:
        """Whether it is in a decoder that has an encoder before it, and the layer: what is met first sorts first."""
        return self.side in ("decoder", "cross"), self.layer


Variant = tuple[Change, ...]
Positions = Mapping[str, tuple[list[Bool[ndarray, " _"]], list[Bool[ndarray, " _"]]]]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What is run and what is read.

    Attributes:
        model: The model.
        prompts: The sentences.
        readings: What is measured.
        sources: What can be put in, by name.
        positions: Sets of positions by name: for each row, and for each row of a decoder of its own, which are in it.
        batch_tokens: Most tokens in a batch, all copies included.
        frozen: Parts that stay as they were in the clean model, if any should.
    """

    model: Model
    prompts: Prompts
    readings: Sequence[Reading]
    sources: Mapping[str, Source]
    positions: Positions
    batch_tokens: int
    frozen: Frozen | None = None

    def run(
        self, variants: Sequence[Variant], doing: str = "ablating heads"
    ) -> list[Float[ndarray, "variant sentence"]]:
        """Every metric of every sentence, of the clean model first and then of each variant."""
        shape = (1 + len(variants), len(self.prompts.sentences))
        values = [np.zeros(shape) for _ in self.readings]
        for numbers, seen in self.each(variants, doing):
            owners = [self.prompts.owners[row] for row in seen.rows]
            for stored, reading in zip(values, self.readings, strict=True):
                found = reading.read(seen).double().cpu().numpy()
                for k, owner in enumerate(owners):
                    # A sentence may have several rows (`Prompts.owners`); its metric is their sum.
                    stored[numbers, owner] += found[k]
        return values

    def each(
        self, variants: Sequence[Variant], doing: str = "ablating heads"
    ) -> Generator[tuple[list[int], Seen]]:
        """Every pass as it is made: numbers of its copies (0 is the clean model, then variants), and the tensors seen."""
        begins = [min((c.begins for c in v), default=(False, 0)) for v in variants]
        order = sorted(range(len(variants)), key=lambda i: begins[i])
        lengths = [len(row.tokens) for row in self.prompts.rows]
        if self.prompts.targets:
            lengths = [
                max(n, len(t.tokens)) for n, t in zip(lengths, self.prompts.targets, strict=True)
            ]
        # Few rows at a time, so that many variants of them can share a batch.
        plan = alignment.plan(lengths, max(max(lengths), self.batch_tokens // 8))
        with _onednn.fast(self.model):
            for rows in track(iter(plan), len(lengths), doing, len):
                # The plan puts sentences of like length together, the longest first, so the first row's length is that of the batch.
                n_copies = max(1, self.batch_tokens // (len(rows) * lengths[rows[0]]))
                given = Given.of(self.model, self.prompts, rows)
                with self._keeping(sorted({*begins, *self._last})) as kept:
                    clean = self._seen(given, rows, [()], None, None)
                can_end = self._can_end(given, rows, kept, clean)
                yield [0], clean
                for chunk in _chunks(order, begins, n_copies):
                    chosen = [variants[i] for i in chunk]
                    # A change in the last block itself needs that block at the changed positions, which need not be read.
                    ends = can_end and all(c.begins < self._last[0] for v in chosen for c in v)
                    below = kept[begins[chunk[0]]]
                    yield (
                        [1 + i for i in chunk],
                        self._seen(given, rows, chosen, below, clean, ends),
                    )

    @property
    def _last(self) -> list[tuple[bool, int]]:
        """Where the last block begins, if it can be run for the positions that are read only.

        That holds for decoders whose output alone is read.
        """
        model = self.model
        if not model.is_causal or len(model.stacks) != 1 or model.dtype != torch.float32:
            return []
        if self.frozen is not None or any(r.sites for r in self.readings):
            return []
        return [(False, model.n_layers - 1)] if _skip_blocks.can_resume(model) else []

    def _can_end(
        self,
        given: Given,
        rows: Sequence[int],
        kept: "Mapping[tuple[bool, int], _Below]",
        clean: Seen,
    ) -> bool:
        """Whether the last block gives the same output when it is run only where it is read; every batch checks it."""
        if not self._last or clean.log_p is None or clean.first == 0:
            return False
        try:
            again = self._seen(given, rows, [()], kept[self._last[0]], clean, ends=True)
        except (RuntimeError, ValueError, TypeError):  # this block wants its positions whole
            return False
        assert again.log_p is not None
        return torch.allclose(again.log_p, clean.log_p, atol=1e-4, rtol=1e-5)

    def _seen(
        self,
        given: Given,
        rows: Sequence[int],
        variants: Sequence[Variant],
        below: "_Below | None",
        clean: Seen | None,
        ends: bool = False,
    ) -> Seen:
        """One pass, in which every row stands once for every variant; `ends`: the last block only where it is read."""
        n = len(variants)
        firsts = [f for r in self.readings for row in rows if (f := r.first(row)) is not None]
        sites = sorted({site for reading in self.readings for site in reading.sites})
        # Copies of a row stand side by side: row k with variant j is k * n + j, hence `unflatten(0, (len(rows), n))` below.
        many = given.repeated(n) if n > 1 else given
        source = None
        with ExitStack() as stack:
            if below is not None:
                source = below.enter(self.model, n, stack)
            for change in self._edits(rows, variants):
                stack.enter_context(change)
            if self.frozen is not None:
                stack.enter_context(
                    self.frozen.recorded() if clean is None else self.frozen.kept(n)
                )
            # Of an encoder that is not run again all is as it was.
            same = [site for site in sites if source is not None and site[0].startswith("encoder.")]
            looks = {
                (key, layer): stack.enter_context(hooks.capture(self.model, [key], layers=[layer]))
                for key, layer in sites
                if (key, layer) not in same
            }
            log_p = None
            inputs = (many.tokens, many.mask, many.targets, many.target_mask, source)
            if firsts:
                width = (many.tokens if many.targets is None else many.targets).shape[1]
                first = min(firsts)
                if ends:
                    stack.enter_context(_last_block.only_from(self.model, first))
                keep = torch.arange(first, width, device=self.model.device)
                logits = self.model.logits(*inputs, keep=keep).float()
                log_p = logits.log_softmax(-1).unflatten(0, (len(rows), n))
            else:
                self.model.forward(*inputs)
        shown = {site: look[site].unflatten(0, (len(rows), n)) for site, look in looks.items()}
        if clean is not None:
            # Sites are [row, copy, ...] by now, and the clean model has one copy of each.
            shown |= {site: clean.sites[site].repeat_interleave(n, dim=1) for site in same}
        return Seen(tuple(rows), min(firsts, default=0), log_p, shown, clean)

    def _edits(
        self, rows: Sequence[int], variants: Sequence[Variant]
    ) -> list[AbstractContextManager[None]]:
        """One edit for every place at which any of the variants changes something."""
        by_place: dict[Place, list[tuple[int, Change]]] = {}
        for copy, variant in enumerate(variants):
            for change in variant:
                by_place.setdefault(change.place, []).append((copy, change))
        found: list[AbstractContextManager[None]] = []
        for (site, side, layer), changes in by_place.items():
            key = on_side(side, site)
            change = _altered(self, rows, len(variants), changes)
            found.append(hooks.edit(self.model, key, change, layers=[layer]))
        return found

    @contextmanager
    def _keeping(
        self, begins: Sequence[tuple[bool, int]]
    ) -> "Generator[dict[tuple[bool, int], _Below]]":
        """Keeps what is below each layer at which variants begin while the body runs the model."""
        kept: dict[tuple[bool, int], _Below] = {}
        two = len(self.model.stacks) == 2
        with ExitStack() as stack:
            encoder = stack.enter_context(_skip_blocks.encoded(self.model))
            streams: dict[bool, dict[int, _skip_blocks.Below]] = {}
            for is_decoder in {is_decoder for is_decoder, _ in begins}:
                side: Side = ("decoder" if is_decoder else "encoder") if two else ""
                layers = sorted({layer for of, layer in begins if of == is_decoder})
                if _skip_blocks.can_resume(self.model, side):
                    keeping = _skip_blocks.keeping(self.model, layers, side)
                    streams[is_decoder] = stack.enter_context(keeping)
            yield kept
        for is_decoder, layer in begins:
            stream = streams.get(is_decoder, {}).get(layer)
            kept[is_decoder, layer] = _Below(stream, encoder[-1] if is_decoder else None)


@dataclass(frozen=True, eq=False)
class _Below:
    """What need not be computed again: the stream below a layer, and the encoder before a decoder."""

    stream: _skip_blocks.Below | None
    encoder: Float[Tensor, "batch pos d_model"] | None

    def enter(self, model: Model, n: int, stack: ExitStack) -> Tensor | None:
        """Passes over what is below, for `n` copies; returns what the encoder came to."""
        if self.stream is not None:
            stack.enter_context(_skip_blocks.resumed(model, self.stream.repeated(n)))
        return None if self.encoder is None else self.encoder.repeat_interleave(n, dim=0)


def _chunks(
    order: Sequence[int], begins: Sequence[tuple[bool, int]], n: int
) -> Iterable[list[int]]:
    """Variants that begin at the same place, at most `n` at a time."""
    chunk: list[int] = []
    for i in order:
        if chunk and (begins[i] != begins[chunk[0]] or len(chunk) == n):
            yield chunk
            chunk = []
        chunk.append(i)
    if chunk:
        yield chunk


def _altered(
    sweep: Sweep, rows: Sequence[int], n: int, changes: Sequence[tuple[int, Change]]
) -> Callable[[Tensor, Site], Tensor]:
    """Applies the changes of each copy."""

    def change_all(tensor: Tensor, _: Site) -> Tensor:
        # One hook for all variants of the batch: it changes the copies that are theirs and leaves the others as they were.
        altered = tensor.clone().unflatten(0, (len(rows), n))
        n_pos = tensor.shape[1]
        instead: dict[str, tuple[Tensor | None, Tensor]] = {}
        everywhere = torch.ones((len(rows), n_pos), dtype=torch.bool, device=tensor.device)
        for copy, change in changes:
            if change.what == "zero":
                values, where = None, everywhere
            else:
                if change.what not in instead:
                    values, has = sweep.sources[change.what].at(change.place, rows, n_pos)
                    instead[change.what] = (values.to(tensor), has.to(tensor.device))
                values, where = instead[change.what]
            if change.where:
                where = where & mask_of(sweep.positions, change, rows, n_pos).to(tensor.device)
            part = altered[:, copy] if change.head is None else altered[:, copy, :, change.head]
            new = 0.0
            if values is not None:
                new = values if change.head is None else values[:, :, change.head]
            # `where` is [row, pos]; a part is that with d_head or d_model, or with heads and d_head.
            where = where.reshape(*where.shape, *[1] * (part.dim() - 2))
            part.copy_(torch.where(where, new, part))
        return altered.flatten(0, 1)

    return change_all


def mask_of(
    positions: Positions, change: Change, rows: Sequence[int], n_pos: int
) -> Bool[Tensor, "row pos"]:
    """Where a change is made, in some rows padded to `n_pos`."""
    own = positions[change.where][is_of_target(change.place)]
    mask = torch.zeros((len(rows), n_pos), dtype=torch.bool)
    for k, row in enumerate(rows):
        mask[k, : len(own[row])] = torch.from_numpy(own[row])
    return mask
