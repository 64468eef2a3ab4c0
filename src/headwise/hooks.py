"""Hooks: read, reduce or change what every head computes while a model runs.

    from headwise import hooks

    with hooks.capture(model, ["pattern", "z"], layers=[0, 1]) as seen:
        model.forward(tokens, mask)
        seen["pattern", 0]      # [batch, head, query, key]

Three verbs, each a context manager around forward passes of the caller's own: `capture` keeps
tensors, `fold` reduces each of them to a statistic as it passes, `edit` changes them. They nest:
whoever enters later sees what those before it made. What is seen is the model's own tensor. The
same verbs over a list of sentences, word-aligned and within a memory budget, are `headwise.capture`
and `headwise.fold`.

They take a `Model`, or a Hugging Face model or TransformerBridge that the caller holds, and whichever
of these is run inside the block is seen.
Attention is computed by the model's own eager function where `pattern` or `scores` are wanted, and by
the fused kernel otherwise, which differs in the last digits (about 1e-6).
"""

import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from .anatomy import Side
from .engine import BEFORE_ROTARY, Place, Tap, turns_queries_and_keys
from .errors import HeadwiseError
from .loading import hold
from .models import Model

T = TypeVar("T")

SHAPES = {
    "q": "[batch, pos, head, d_head], as it enters the dot product: after rotary embedding",
    "k": "[batch, pos, key_value_head, d_head], after rotary embedding",
    "v": "[batch, pos, key_value_head, d_head]",
    "q_before_rotary": "[batch, pos, head, d_head]",
    "k_before_rotary": "[batch, pos, key_value_head, d_head]",
    "scores": "[batch, head, query, key], scaled and masked, before the softmax",
    "pattern": "[batch, head, query, key], rows sum to 1",
    "z": "[batch, pos, head, d_head], values weighted by the pattern",
    "residual": "[batch, pos, d_model], before block `layer`; layer n_layers is after the last block",
}
SITES = tuple(SHAPES)
QUERY_HEADS = ("q", "q_before_rotary", "scores", "pattern", "z")
DERIVED = ("update", "norms")


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A place in the model where a tensor can be read or changed.

    Attributes:
        name: One of `SITES`.
        layer: 0-based block.
        side: Empty for a model of one stack; `encoder`, `decoder` or `cross` in an encoder-decoder.
    """

    name: str
    layer: int
    side: Side = ""

    @property
    def key(self) -> str:
        """The name with its side, as it is asked for: `pattern` or `cross.pattern`."""
        return f"{self.side}.{self.name}" if self.side else self.name

    @property
    def place(self) -> Place:
        """Side and layer."""
        return self.side, self.layer


class Captured(Mapping[tuple[str, int], Tensor]):
    """Tensors by site and layer, filled when the model runs; a later pass replaces an earlier one."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[str, int], Tensor] = {}

    def __getitem__(self, key: tuple[str, int]) -> Tensor:
        if key not in self._tensors:
            raise HeadwiseError(
                f"Nothing was captured at {key[0]!r}, layer {key[1]}. Ask for it in capture(...) and run "
                "the model inside the `with` block."
            )
        return self._tensors[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, key: object) -> bool:
        return key in self._tensors

    def store(self, site: Site, tensor: Tensor) -> None:
        """Keeps a tensor; a view into a larger one is copied, so that no more is held than was asked for."""
        tensor = tensor.detach()
        if tensor.untyped_storage().nbytes() > tensor.nbytes:
            tensor = tensor.clone()
        self._tensors[site.key, site.layer] = tensor

    def join(self, key: str, layer: int, parts: Sequence[Tensor]) -> None:
        """Keeps parts of a batch as one tensor."""
        self._tensors[key, layer] = torch.cat(list(parts))


class Folded(Generic[T]):
    """The statistic of a fold, as far as it has come.

    Attributes:
        value: The statistic.
    """

    def __init__(self, value: T) -> None:
        self.value = value


AnyModel = object  # a Model, a Hugging Face PreTrainedModel or a TransformerBridge


@contextmanager
def capture(
    model: AnyModel,
    sites: Sequence[str],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> Generator[Captured]:
    """Keeps the tensors at some sites while the body runs the model.

    Args:
        model: What `headwise.load` gave, or a Hugging Face model or TransformerBridge as you hold it.
        sites: Names from `SITES`, with `encoder.`, `decoder.` or `cross.` in an encoder-decoder model.
        layers: Blocks to read; all by default, `residual` then also after the last one.
        heads: Query heads to keep, in this order; `k` and `v` are kept whole. All by default.

    Raises:
        HeadwiseError: Unknown site, a site that the architecture lacks, layer or head out of range, or
            - at the end of the body - a hook that never fired.
    """
    model = hold(model)
    captured = Captured()
    check_heads(model, heads)

    def keep(site: Site) -> Callable[[Tensor], None]:
        return lambda tensor: captured.store(site, _heads_of(tensor, site, heads))

    taps = [Tap(s.name, s.place, keep(s)) for s in expand(model, sites, layers)]
    with _on(model, taps):
        yield captured


@contextmanager
def fold(
    model: AnyModel,
    sites: Sequence[str],
    step: Callable[[T, Tensor, Site], T],
    initial: T,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
) -> Generator[Folded[T]]:
    """Reduces tensors to a statistic as they pass; none of them is kept.

    Args:
        model: As in `capture`.
        sites: As in `capture`.
        step: Called as `step(statistic, tensor, site)` for every tensor; returns the new statistic.
        initial: The statistic before anything was seen.
        layers: As in `capture`.
        heads: As in `capture`.

    Raises:
        HeadwiseError: As in `capture`.
    """
    model = hold(model)
    folded = Folded(initial)
    check_heads(model, heads)

    def reduce(site: Site) -> Callable[[Tensor], None]:
        def see(tensor: Tensor) -> None:
            folded.value = step(folded.value, _heads_of(tensor.detach(), site, heads), site)

        return see

    taps = [Tap(s.name, s.place, reduce(s)) for s in expand(model, sites, layers)]
    with _on(model, taps):
        yield folded


@contextmanager
def edit(
    model: AnyModel,
    site: str,
    change: Callable[[Tensor, Site], Tensor],
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
) -> Generator[None]:
    """Changes a site while the body runs the model; everything downstream follows.

    A head is cut by setting its `z` to zero, before the output matrix:

        with hooks.edit(model, "z", lambda z, site: 0 * z, layers=[1], heads=[2]):
            model.logits(tokens)

    Args:
        model: As in `capture`.
        site: One name, as in `capture`.
        change: Called as `change(tensor, site)` with the part of the tensor that `heads` and `positions`
            leave; returns a tensor of the same shape.
        layers: Blocks to change; all by default.
        heads: Heads to change (key-value heads at `k` and `v`); all by default.
        positions: Positions to change (queries at `scores` and `pattern`); all by default.

    Raises:
        HeadwiseError: As in `capture`; or heads, positions or the returned shape do not fit.
    """
    model = hold(model)

    def alter(at: Site) -> Callable[[Tensor], Tensor]:
        def see(tensor: Tensor) -> Tensor:
            if heads is None and positions is None:
                return _same_shape(change(tensor, at), tensor, at)
            index = _part(tensor, at, heads, positions)
            part = tensor[index]
            altered = tensor.clone()
            altered[index] = _same_shape(change(part, at), part, at)
            return altered

        return see

    taps = [Tap(s.name, s.place, alter(s), edits=True) for s in expand(model, [site], layers)]
    with _on(model, taps):
        yield


def check_heads(model: Model, heads: Sequence[int] | None) -> None:
    """Refuses heads that the model has not.

    Raises:
        HeadwiseError: A head is out of range.
    """
    outside = [head for head in heads or () if not 0 <= head < model.n_heads]
    if outside:
        raise HeadwiseError(
            f"{model.name} has no head {outside[0]}; expected 0 to {model.n_heads - 1}."
        )


def _heads_of(tensor: Tensor, site: Site, heads: Sequence[int] | None) -> Tensor:
    if heads is None or site.name not in QUERY_HEADS:
        return tensor
    axis = 1 if site.name in ("scores", "pattern") else 2
    return tensor.index_select(axis, torch.tensor(list(heads), device=tensor.device))


def _part(
    tensor: Tensor, site: Site, heads: Sequence[int] | None, positions: Sequence[int] | None
) -> tuple[Any, ...]:
    """Index of the chosen heads and positions, so that the part keeps the tensor's axes."""
    by_query = site.name in ("scores", "pattern")
    head_axis, position_axis = (1, 2) if by_query else (2, 1)
    if heads is not None and site.name == "residual":
        raise HeadwiseError("The residual stream has no heads; edit 'z' to change one head.")
    chosen: dict[int, Tensor] = {}
    for axis, what, values in ((head_axis, "head", heads), (position_axis, "position", positions)):
        if values is not None:
            n = tensor.shape[axis]
            outside = [value for value in values if not 0 <= value < n]
            if outside:
                raise HeadwiseError(
                    f"No {what} {outside[0]} at {site.key!r}, layer {site.layer}; expected 0 to {n - 1}."
                )
            chosen[axis] = torch.tensor(list(values), device=tensor.device)
    if len(chosen) == 1:
        ((axis, values),) = chosen.items()
        return (*[slice(None)] * axis, values)
    first, second = chosen[1], chosen[2]
    return (slice(None), first[:, None], second[None, :])


def _same_shape(changed: Tensor, tensor: Tensor, site: Site) -> Tensor:
    if changed.shape != tensor.shape:
        raise HeadwiseError(
            f"An edit of {site.key!r}, layer {site.layer}, must return a tensor of the same shape: expected "
            f"{list(tensor.shape)}, got {list(changed.shape)}."
        )
    return changed.to(tensor.dtype)


def expand(model: Model, names: Sequence[str], layers: Sequence[int] | None) -> list[Site]:
    """Every site that names and layers stand for, in the order in which a forward pass meets them.

    Raises:
        HeadwiseError: As in `capture`.
    """
    sites: list[Site] = []
    for full_name in names:
        side, name = _split(model, full_name)
        last = _last_layer(model, side, name)
        chosen = range(last + 1) if layers is None else layers
        outside = [layer for layer in chosen if not 0 <= layer <= last]
        if outside:
            raise HeadwiseError(
                f"{model.name} has no layer {outside[0]} at site {full_name!r}; expected 0 to {last}."
            )
        sites += [Site(name, layer, side) for layer in chosen]
    return sorted(set(sites), key=order_met)


def order_met(site: Site) -> tuple[int, int, int, int]:
    """Sorts sites as a forward pass meets them."""
    within = (
        "residual",
        "q_before_rotary",
        "k_before_rotary",
        "q",
        "k",
        "v",
        "scores",
        "pattern",
        "z",
    )
    return (
        site.side in ("decoder", "cross"),
        site.layer,
        site.side == "cross",
        within.index(site.name),
    )


def _split(model: Model, full_name: str) -> tuple[Side, str]:
    prefix, _, name = full_name.rpartition(".")
    sides = [""] if len(model.stacks) == 1 else ["encoder", "decoder", "cross"]
    known = [f"{side}.{site}" if side else site for side in sides for site in SITES]
    if full_name in DERIVED or name in DERIVED:
        raise HeadwiseError(
            f"{full_name!r} is derived from other sites and not met in a forward pass; "
            "headwise.capture(model, sentences, [...]) gives it."
        )
    if full_name not in known:
        close = get_close_matches(full_name, known, n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise HeadwiseError(
            f"Unknown site {full_name!r} in a model that is {model.kind}; expected one of {', '.join(known)}.{hint}"
        )
    for side in ("", "encoder", "decoder", "cross"):
        if side == prefix:
            _require(model, side, name)
            return side, name
    raise AssertionError(prefix)


def _require(model: Model, side: Side, name: str) -> None:
    """Refuses sites that this architecture lacks."""
    if side == "cross" and name == "residual":
        raise HeadwiseError(
            "Cross-attention has no residual stream of its own; use 'decoder.residual'."
        )
    modeling = sys.modules[type(model.attention(side).module).__module__]
    if name in BEFORE_ROTARY and not turns_queries_and_keys(modeling):
        raise HeadwiseError(
            f"{model.name} has no rotary embedding of queries and keys together, so there is no {name!r}; "
            f"use {name[0]!r}."
        )


def _last_layer(model: Model, side: Side, name: str) -> int:
    (stack,) = [s for s in model.stacks if s.side == ("decoder" if side == "cross" else side)]
    return len(stack.blocks) - (name != "residual")


@contextmanager
def _on(model: Model, taps: list[Tap]) -> Generator[None]:
    """Puts taps on the model and tells, at the end, which of them never fired."""
    with model.engine.tapped(taps):
        yield
    silent = [tap for tap in taps if not tap.fired]
    if silent:
        side, layer = silent[0].place
        site = Site(silent[0].site, layer, side)
        raise HeadwiseError(
            f"{len(silent)} of {len(taps)} hooks never fired, the one on {site.key!r}, layer {layer}, among them. "
            f"Run {model.name} inside the `with` block, and as far as that layer."
        )
