"""Resuming a forward pass at a layer: the layers below an intervention are computed once.

A sweep runs the same sentences many times, each time with something changed at one layer. Everything
before that layer is the same every time, so it is computed once and kept as the residual stream before the
layer; then the blocks below are passed over. Embeddings, masks and position codes are recomputed, which takes little time and needs no knowledge of
the architecture.

    with resume.keeping(model, [2, 3]) as kept:
        model.logits(tokens, mask)
    with resume.resumed(model, kept[2]), hooks.edit(model, "z", change, layers=[2]):
        model.logits(tokens, mask)
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from headwise.model.architecture import Side, Stack
from headwise.model.model import Model

from . import hooks


@dataclass(frozen=True, eq=False)
class Below:
    """The output of the blocks below a layer.

    Attributes:
        residual: The stream before block `layer`.
        layer: The first block that is still to be computed.
        side: Stack of an encoder-decoder model.
        in_tuple: Whether blocks of this model give their result as the first of several.
    """

    residual: Float[Tensor, "batch pos d_model"]
    layer: int
    side: Side
    in_tuple: bool

    def repeated(self, n: int) -> "Below":
        """The same for a batch in which every row stands `n` times, one after the other."""
        return replace(self, residual=self.residual.repeat_interleave(n, dim=0))


def can_resume(model: Model, side: Side = "") -> bool:
    """Whether blocks of a stack can be passed over.

    Not where the first block makes something that later ones need (T5's relative positions), and not under a
    TransformerLens bridge; the whole model is then run each time.
    """
    has_relative = any(
        hasattr(module, "relative_attention_bias")
        for module in _stack(model, side).blocks[0].modules()
    )
    return model.engine.bridge is None and not has_relative


@contextmanager
def keeping(model: Model, layers: Sequence[int], side: Side = "") -> Generator[dict[int, Below]]:
    """Keeps the stream before some layers while the body runs the model; filled when the body ends."""
    kept: dict[int, Below] = {}
    in_tuple = False

    def see(module: nn.Module, args: Any, output: Any) -> None:
        nonlocal in_tuple
        in_tuple = isinstance(output, tuple)

    site = f"{side}.residual" if side else "residual"
    handle = _stack(model, side).blocks[0].register_forward_hook(see)
    try:
        with hooks.capture(model, [site], layers=layers) as seen:
            yield kept
        for layer in layers:
            kept[layer] = Below(seen[site, layer], layer, side, in_tuple)
    finally:
        handle.remove()


@contextmanager
def resumed(model: Model, below: Below) -> Generator[None]:
    """Passes over the blocks below a layer for the duration of the body.

    The batches that the body runs must be those of which the stream was kept, row by row.
    """
    blocks = _stack(model, below.side).blocks[: below.layer]
    with ExitStack() as exits:
        for block in blocks:
            exits.enter_context(_passed_over(block, below, is_last=block is blocks[-1]))
        yield


@contextmanager
def encoded(model: Model) -> Generator[list[Float[Tensor, "batch pos d_model"]]]:
    """Keeps what the encoder of an encoder-decoder model comes to while the body runs it."""
    found: list[Tensor] = []
    if len(model.stacks) == 1:
        yield found
        return

    def see(module: nn.Module, args: Any, output: Any) -> None:
        found.append(output.last_hidden_state)

    handle = model.hf.get_encoder().register_forward_hook(see)
    try:
        yield found
    finally:
        handle.remove()


def _stack(model: Model, side: Side) -> Stack:
    (stack,) = [stack for stack in model.stacks if stack.side == side]
    return stack


def _passed_over(block: nn.Module, below: Below, *, is_last: bool) -> AbstractContextManager[None]:
    """A block that gives back what it is given, or, before the layer, the stream that was kept."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = below.residual if is_last else args[0] if args else kwargs["hidden_states"]
        return (hidden, None) if below.in_tuple else hidden

    return replaced_forward(block, forward)


@contextmanager
def replaced_forward(module: nn.Module, forward: Callable[..., Any]) -> Generator[None]:
    """Lets a module compute something else for the duration of the body; its hooks stay."""
    own = vars(module)
    before = own.get("forward")
    own["forward"] = forward
    try:
        yield
    finally:
        own.pop("forward")
        if before is not None:
            own["forward"] = before
