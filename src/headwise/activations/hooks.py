"""Hooks: read, reduce or change what every head computes while a model runs.

    from headwise import hooks

    with hooks.capture(model, ["pattern", "z"], layers=[0, 1]) as seen:
        model.forward(tokens, mask)
        seen["pattern", 0]      # [batch, head, query, key]

Three functions, each a context manager around forward passes of the caller's own: `capture` keeps
tensors, `reduce` reduces each of them to a statistic as it passes, `edit` changes them. They nest: an inner block sees the changes of outer ones. What
is seen is the model's own tensor. The same functions over a list of sentences, word-aligned
and within a memory budget, are `headwise.capture`
and `headwise.reduce`.

They take a `Model`, or a Hugging Face model or TransformerBridge that the caller holds, and whichever
of these is run inside the block is seen.
Attention is computed by the model's own eager function where `pattern` or `scores` are wanted, and by
the fused kernel otherwise, which differs in the last digits (about 1e-6).
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from headwise._validate import OneOrMore
from headwise.errors import HeadwiseError
from headwise.model import Tap, evaluating
from headwise.model.heads import AnyHeads, by_number, chosen
from headwise.model.loading import hold
from headwise.model.model import Model

from .sites import Site, expand, heads_at, require_heads

T = TypeVar("T")


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
        """Keeps a tensor; a view into a larger one is copied, so that no more is held than was requested."""
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
    sites: OneOrMore[str],
    *,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
) -> Generator[Captured]:
    """Keeps the tensors at some sites while the body runs the model.

    Args:
        model: What `headwise.load` gave, or a Hugging Face model or TransformerBridge as you hold it.
        sites: One or several names from `SITES`, with `encoder.`, `decoder.` or `cross.` in an encoder-decoder model.
        layers: Blocks to read; all by default, `residual` then also after the last one.
        heads: Query heads to keep, in this order: numbers, or names as `"L1H2"`, which say the layer, too; of `k` and `v` the key-value head that each reads is kept, and `residual` has no heads. All by default.

    Raises:
        HeadwiseError: Unknown site, a site that the architecture lacks, layer or head out of range, or
            - at the end of the body - a hook that never fired.
    """
    model = hold(model)
    captured = Captured()
    numbers, layers = by_number(model, heads, layers)

    def keep(site: Site) -> Callable[[Tensor], None]:
        return lambda tensor: captured.store(site, _heads_of(model, tensor, site, numbers))

    wanted = expand(model, sites, layers)
    require_heads(model, wanted, numbers)
    taps = [Tap(s.name, s.place, keep(s)) for s in wanted]
    with _on(model, taps):
        yield captured


@contextmanager
def reduce(
    model: AnyModel,
    sites: OneOrMore[str],
    step: Callable[[T, Tensor, Site], T],
    *,
    initial: T,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
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
    numbers, layers = by_number(model, heads, layers)

    def reduce(site: Site) -> Callable[[Tensor], None]:
        def see(tensor: Tensor) -> None:
            folded.value = step(
                folded.value, _heads_of(model, tensor.detach(), site, numbers), site
            )

        return see

    wanted = expand(model, sites, layers)
    require_heads(model, wanted, numbers)
    taps = [Tap(s.name, s.place, reduce(s)) for s in wanted]
    with _on(model, taps):
        yield folded


@contextmanager
def edit(
    model: AnyModel,
    site: str,
    change: Callable[[Tensor, Site], Tensor],
    *,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    positions: Sequence[int] | None = None,
) -> Generator[None]:
    """Changes a site while the body runs the model; everything downstream follows.

    A head is ablated by setting its `z` to zero, before the output matrix:

        with hooks.edit(model, "z", lambda z, site: 0 * z, layers=[1], heads=[2]):
            model.logits(tokens)

    Args:
        model: As in `capture`.
        site: One name, as in `capture`.
        change: Called as `change(tensor, site)` with the part of the tensor that `heads` and `positions`
            leave; returns a tensor of the same shape.
        layers: Blocks to change; all by default.
        heads: Query heads to change, at `k` and `v` the key-value heads that these read (and others with them, under grouped queries); all by default.
        positions: Positions to change (queries at `scores` and `pattern`), counted from the beginning of the text, also in passes that go on with a
            cache of keys and values, as generation does; all by default.

    Raises:
        HeadwiseError: As in `capture`; or heads, positions or the returned shape do not fit.
    """
    model = hold(model)
    numbers, layers = by_number(model, heads, layers)

    passed: dict[str, int] = {}

    def alter(at: Site) -> Callable[[Tensor], Tensor]:
        # Several query heads may read one key-value head, which is changed once.
        own = (
            None
            if numbers is None or at.name == "residual"
            else list(dict.fromkeys(heads_at(model, at, numbers)))
        )
        if numbers is not None and at.name == "residual":
            raise HeadwiseError("The residual stream has no heads; edit 'z' to change one head.")

        def see(tensor: Tensor) -> Tensor:
            if numbers is None and positions is None:
                return _same_shape(change(tensor, at), tensor, at)
            chosen = positions
            before = passed.get("decoder" if at.side == "cross" else at.side, 0)
            # Keys and values come out of the cache whole, and as they were before they were changed.
            if positions is not None and before and at.name not in ("k", "v"):
                chosen = [p - before for p in positions if p >= before]
                if not chosen:
                    return tensor
            index = _part(tensor, at, own, chosen)
            part = tensor[index]
            altered = tensor.clone()
            altered[index] = _same_shape(change(part, at), part, at)
            return altered

        return see

    wanted = expand(model, [site], layers)
    require_heads(model, wanted, numbers)
    taps = [Tap(s.name, s.place, alter(s), edits=True) for s in wanted]
    with _on(model, taps), nullcontext() if positions is None else _counted(model, passed):
        yield


@contextmanager
def _counted(model: Model, passed: dict[str, int]) -> Generator[None]:
    """Keeps, by stack, how many tokens of a text a pass goes on from: with a cache it is run on what is new."""
    bodies = {"": model.hf.base_model}
    if len(model.stacks) == 2:
        bodies = {"decoder": model.hf.get_decoder()}

    def before(side: str) -> Callable[..., None]:
        def count(module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            # Its name among the arguments has changed; what it can do has not.
            caches = [x for x in (*args, *kwargs.values()) if hasattr(x, "get_seq_length")]
            passed[side] = int(caches[0].get_seq_length()) if caches else 0

        return count

    with ExitStack() as stack:
        for side, body in bodies.items():
            handle = body.register_forward_pre_hook(before(side), with_kwargs=True)
            stack.callback(handle.remove)
        yield


def _heads_of(model: Model, tensor: Tensor, site: Site, heads: Sequence[int] | None) -> Tensor:
    if heads is None or site.name == "residual":
        return tensor
    axis = 1 if site.name in ("scores", "pattern") else 2
    own = torch.tensor(heads_at(model, site, heads), device=tensor.device)
    return tensor.index_select(axis, own)


def _part(
    tensor: Tensor, site: Site, heads: Sequence[int] | None, positions: Sequence[int] | None
) -> tuple[Any, ...]:
    """Index of the chosen heads and positions, so that the part keeps the tensor's axes."""
    by_query = site.name in ("scores", "pattern")
    head_axis, position_axis = (1, 2) if by_query else (2, 1)
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


def _same_shape(changed: object, tensor: Tensor, site: Site) -> Tensor:
    if not isinstance(changed, Tensor):
        raise HeadwiseError(
            f"An edit of {site.key!r}, layer {site.layer}, must return a tensor, not {type(changed).__name__}. To read without a change use hooks.capture."
        )
    if changed.shape != tensor.shape:
        raise HeadwiseError(
            f"An edit of {site.key!r}, layer {site.layer}, must return a tensor of the same shape: expected "
            f"{list(tensor.shape)}, got {list(changed.shape)}."
        )
    return changed.to(tensor.dtype)


@contextmanager
def _on(model: Model, taps: list[Tap]) -> Generator[None]:
    """Puts taps on the model; taps that never fired are an error at the end."""
    with model.engine.tapped(taps), evaluating(model.hf, stacklevel=7):
        yield
    silent = [tap for tap in taps if not tap.fired]
    if silent:
        side, layer = silent[0].place
        site = Site(silent[0].site, layer, side)
        raise HeadwiseError(
            f"{len(silent)} of {len(taps)} hooks never fired, the one on {site.key!r}, layer {layer}, among them. "
            f"Run {model.name} inside the `with` block, and as far as that layer."
        )


@contextmanager
def ablated(model: AnyModel, heads: AnyHeads) -> Generator[None]:
    """Sets some heads to zero, before the output matrix, while the body runs the model.

        with hooks.ablated(model, ["L3H1", "L4H0"]):
            model.logits(tokens)

    Args:
        model: As in `capture`.
        heads: Names as `"L3H1"`, places as `(3, 1)`, or `Head`; one or several.

    Raises:
        HeadwiseError: A head that the model has not.
    """
    model = hold(model)
    with ExitStack() as stack:
        for head in chosen(model, heads):
            site = f"{head.side}.z" if head.side else "z"
            stack.enter_context(
                edit(model, site, lambda z, _: 0 * z, layers=head.layer, heads=head.head)
            )
        yield
