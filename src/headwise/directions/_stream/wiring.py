"""Structure of a model's residual stream, inferred from one pass.

A block adds what its heads and its MLP write. Where norms stand differs: before a branch (GPT-2, Llama), which
leaves the sum as it is; after a branch, before it is added (Gemma 2); or on the stream itself, after each addition
(BERT). Which of these a model does is not looked up but found: every module is watched on a few tokens, and the
wiring is the one whose sums come out. A model for which none does is refused.

A norm on the stream is linear once its scale is that of the run; so each of its summands passes through it by
itself, and they still sum to the stream exactly.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headwise.activations.norms import is_centred, norms_of, scale_of
from headwise.errors import HeadwiseError
from headwise.model.architecture import TOLERANCES, Attention, Side, Stack, plain
from headwise.model.model import Model

Kind = Literal["attention", "cross", "mlp"]


@dataclass(frozen=True, eq=False)
class Branch:
    """One summand of a block.

    Attributes:
        kind: `attention`, `cross` or `mlp`.
        output: The linear map whose output is added.
        attention: The attention layer whose heads it joins; None for an MLP.
        inner: Norm of what it gives, before it is added, if there is one.
        after: Norm of the stream once it is added, if there is one.
    """

    kind: Kind
    output: nn.Module
    attention: Attention | None
    inner: nn.Module | None = None
    after: nn.Module | None = None

    @property
    def bias(self) -> Tensor | None:
        """What is added whatever comes in."""
        bias = getattr(plain(self.output), "bias", None)
        return None if bias is None else bias.detach()


@dataclass(frozen=True, eq=False)
class Wiring:
    """The sums that make up a stack's residual stream.

    Attributes:
        stack: The stack.
        body: The module that runs it.
        embeddings: What block 0 is given, by name: `embedding` of the tokens, `position`, ...
        factor: What the embedding of tokens is multiplied by.
        norm: Norm of the sum of embeddings, if there is one.
        blocks: The branches of every block, in the order in which they run.
        final: Norm after the last block, if there is one.
    """

    stack: Stack
    body: nn.Module
    embeddings: dict[str, nn.Module]
    factor: float
    norm: nn.Module | None
    blocks: tuple[tuple[Branch, ...], ...]
    final: nn.Module | None

    @staticmethod
    def of(model: Model, side: Side = "") -> "Wiring":
        """Watches a model on a few tokens.

        Raises:
            HeadwiseError: The stream is not a sum of embeddings, heads and MLPs in any way that is known.
        """
        stack = next((stack for stack in model.stacks if stack.side == side), None)
        if stack is None:
            known = " or ".join(repr(stack.side) for stack in model.stacks)
            raise HeadwiseError(
                f"{model.name} has no residual stream of the side {side!r}; expected {known}."
            )
        body = _body(model, side)
        events = _watch(model, body)
        norms = set(norms_of(model))
        first, last = (_index(events, stack.blocks[i], "in") for i in (0, -1))
        begin = events[first].value
        names, factor, norm = _embedded(model, events[:first], begin, norms)
        blocks: list[tuple[Branch, ...]] = []
        stream = begin
        for layer, block in enumerate(stack.blocks):
            start, end = (_index(events, block, way) for way in ("in", "out"))
            if not _same(events[start].value, stream):
                raise HeadwiseError(_unknown(model, f"block {layer} is not given what came before"))
            branches = _branches(stack, layer, events[start:end], norms)
            wired = _wired(branches, events[start:end], stream, events[end].value, norms)
            if wired is None:
                raise HeadwiseError(
                    _unknown(model, f"block {layer} is not the sum of its heads and its MLP")
                )
            blocks.append(wired)
            stream = events[end].value
        ends = [
            e.module
            for e in events[last:]
            if e.module in norms and e.way == "in" and _same(e.value, stream)
        ]
        inside = {module for block in stack.blocks for module in block.modules()}
        final = next((module for module in ends if module not in inside), None)
        return Wiring(stack, body, names, factor, norm, tuple(blocks), final)


@dataclass(frozen=True, eq=False)
class Frozen:
    """A norm at the scale of a run: a linear map, and a bias.

    Attributes:
        gain: What it multiplies by.
        bias: What it adds.
        scale: What it divides by, at each token.
        is_centred: Whether it takes the mean away first.
    """

    gain: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    scale: Float[Tensor, "token 1"]
    is_centred: bool

    @staticmethod
    def of(norm: nn.Module, given: Float[Tensor, "token d_model"]) -> "Frozen":
        """A norm and what it was given."""
        own: Any = norm
        centred = is_centred(norm)
        weight = getattr(own, "weight", None)
        if weight is None:
            gain = torch.ones(given.shape[-1], device=given.device, dtype=torch.float32)
        elif centred:
            gain = weight.detach()
        else:  # some multiply by the weight and some by one more than it
            ones = torch.ones_like(weight)[None]
            gain = (norm(ones) * scale_of(norm, ones))[0].detach()
        bias = getattr(own, "bias", None)
        bias = None if bias is None else bias.detach().float()
        return Frozen(gain.float(), bias, scale_of(norm, given), centred)

    def apply(
        self, x: Float[Tensor, "*rest token d_model"]
    ) -> Float[Tensor, "*rest token d_model"]:
        """The map, without the bias."""
        x = x - x.mean(-1, keepdim=True) if self.is_centred else x
        return x / self.scale * self.gain

    def pulled(self, reader: Float[Tensor, "*rest token d_model"]) -> Tensor:
        """What reads from the norm's input what a reader reads from its output: the transposed map."""
        reader = reader * self.gain / self.scale
        return reader - reader.mean(-1, keepdim=True) if self.is_centred else reader


@dataclass(frozen=True, eq=False)
class Event:
    """A module is given something, or gives something back."""

    module: nn.Module
    way: Literal["in", "out"]
    value: Tensor


def _body(model: Model, side: Side) -> nn.Module:
    if not side:
        return model.hf.base_model
    return model.hf.get_encoder() if side == "encoder" else model.hf.get_decoder()


def _watch(model: Model, body: nn.Module) -> list[Event]:
    """What every module of a stack is given and gives, in order, on six tokens."""
    events: list[Event] = []

    def see(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if isinstance(value := _first(output), Tensor) and value.is_floating_point():
            events.append(Event(module, "out", value.detach().clone()))

    def enter(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        value = args[0] if args else kwargs.get("hidden_states")
        if isinstance(value, Tensor) and value.is_floating_point():
            events.append(Event(module, "in", value.detach().clone()))

    with ExitStack() as stack:
        for module in body.modules():
            if module is body:
                continue
            before = module.register_forward_pre_hook(enter, with_kwargs=True)
            stack.callback(before.remove)
            after = module.register_forward_hook(see, with_kwargs=True)
            stack.callback(after.remove)
        gate = body.register_forward_pre_hook(lambda *_: events.clear())
        stack.callback(gate.remove)
        n = int(model.hf.get_input_embeddings().weight.shape[0])
        tokens = (torch.arange(1, 7) * 7919 % max(n - 10, 1))[None] + min(9, n - 1)
        model.forward(tokens, targets=tokens if len(model.stacks) == 2 else None)
    return events


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) and output else output


def _index(events: list[Event], module: nn.Module, way: str) -> int:
    return next(i for i, e in enumerate(events) if e.module is module and e.way == way)


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    tolerance = TOLERANCES[a.dtype]
    return bool((a - b).abs().max() <= tolerance * b.abs().max().clamp(min=1e-6))


def _embedded(
    model: Model, events: list[Event], begin: Tensor, norms: set[nn.Module]
) -> tuple[dict[str, nn.Module], float, nn.Module | None]:
    """Which embeddings sum to what block 0 is given, and the norm that stands between."""
    own = model.hf.get_input_embeddings()
    found: dict[str, nn.Module] = {}
    values: dict[str, Tensor] = {}
    for event in events:
        weight = getattr(plain(event.module), "weight", None)
        is_table = isinstance(plain(event.module), nn.Embedding)
        # A TransformerLens bridge's embedding holds the model's own, which has been met.
        is_new = plain(event.module) not in map(plain, found.values())
        if event.way == "out" and is_table and is_new and event.value.shape[-1] == begin.shape[-1]:
            is_own = event.module is own or weight is plain(own).weight
            name = "embedding" if is_own and "embedding" not in found else _named(model, event)
            found[name], values[name] = event.module, event.value.expand_as(begin)
    if "embedding" not in found:
        raise HeadwiseError(_unknown(model, "the embedding of tokens is not among what block 0 is given"))  # fmt: skip
    norm = next(
        (
            e.module
            for e in reversed(events)
            if e.module in norms and e.way == "out" and _same(e.value, begin)
        ),
        None,
    )
    target = begin if norm is None else events[_index(events, norm, "in")].value
    rest = sum((v for name, v in values.items() if name != "embedding"), torch.zeros_like(begin))
    tokens = values["embedding"]
    for factor in (1.0, float(((target - rest) * tokens).sum() / tokens.square().sum())):
        if _same(factor * tokens + rest, target):
            return found, factor, norm
    raise HeadwiseError(_unknown(model, "block 0 is not given the sum of its embeddings"))


def _named(model: Model, event: Event) -> str:
    path = next(name for name, module in model.hf.named_modules() if module is event.module)
    last = path.removesuffix("._original_component").rpartition(".")[2]
    if "pos" in last or last == "wpe":
        return "position"
    return "token type" if "type" in last else last


def _branches(
    stack: Stack, layer: int, events: list[Event], norms: set[nn.Module]
) -> list[tuple[Branch, Tensor]]:
    """Branches of a block with what they give: its attention, and the last linear map that is none of that."""
    attention = [("attention", stack.attention[layer])]
    if stack.cross:
        attention.append(("cross", stack.cross[layer]))
    inside = {m for _, a in attention for m in (*a.module.modules(), *plain(a.output).modules(), a.output)}  # fmt: skip
    found: list[tuple[int, Branch, Tensor]] = []
    for kind, one in attention:
        i = _index(events, one.output, "out")
        found.append((i, Branch(kind, one.output, one), events[i].value))  # pyright: ignore[reportArgumentType]
    d_model = events[0].value.shape[-1]
    linear = [
        i
        for i, e in enumerate(events)
        if e.way == "out"
        and e.module not in inside
        and e.module not in norms
        and e.value.shape[-1] == d_model
        and getattr(plain(e.module), "weight", torch.empty(0)).dim() == 2
    ]
    if linear:
        i = linear[-1]
        found.append((i, Branch("mlp", events[i].module, None), events[i].value))
    return [(branch, value) for _, branch, value in sorted(found, key=lambda item: item[0])]


def _wired(
    branches: list[tuple[Branch, Tensor]],
    events: list[Event],
    begin: Tensor,
    end: Tensor,
    norms: set[nn.Module],
) -> tuple[Branch, ...] | None:
    """The branches with their norms, such that the block's sums match; None if they never do."""
    through = _norm_runs(events, norms)
    for on_stream in (False, True):
        stream, wired = begin, list[Branch]()
        for branch, value in branches:
            inner = next((m for m, given, _ in through if _same(given, value)), None)
            if inner is not None:
                value = next(gave for m, _, gave in through if m is inner)
            stream = stream + value
            after = None
            if on_stream:
                after = next((m for m, given, _ in through if _same(given, stream)), None)
                stream = next((gave for m, _, gave in through if m is after), stream)
            wired.append(Branch(branch.kind, branch.output, branch.attention, inner, after))
        if _same(stream, end):
            return tuple(wired)
    return None


def _norm_runs(
    events: list[Event], norms: set[nn.Module]
) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Every norm of a block with what it was given and what it gave."""
    runs = [e.module for e in events if e.module in norms and e.way == "out"]
    return [
        (m, events[_index(events, m, "in")].value, events[_index(events, m, "out")].value)
        for m in runs
    ]


def _unknown(model: Model, what: str) -> str:
    return (
        f"The residual stream of {model.name} (a {type(model.hf).__name__}) is put together in a way that is not known: {what}. "
        "headwise.capture gives what its heads write."
    )
