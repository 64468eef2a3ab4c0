"""Which heads: how they are named and asked for."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from . import hooks
from .anatomy import Side
from .errors import HeadwiseError
from .models import Model

WRITTEN = re.compile(r"(?:(encoder|decoder|cross)\.)?L(\d+)H(\d+)")


class Head(NamedTuple):
    """One head of a model.

    Attributes:
        layer: 0-based block.
        head: 0-based head in it.
        side: Empty for a model of one stack; `encoder`, `decoder` or `cross` in an encoder-decoder.
    """

    layer: int
    head: int
    side: Side = ""

    @property
    def name(self) -> str:
        """How it is written, e.g. `L2H8` or `cross.L2H8`."""
        return f"{self.side}.{self.short}" if self.side else self.short

    @property
    def short(self) -> str:
        """The name without its side."""
        return f"L{self.layer}H{self.head}"


AnyHead = (
    tuple[int, int] | tuple[int, int, str] | str
)  # (2, 8), (2, 8, "cross"), "cross.L2H8" or a Head


def sides(model: Model) -> tuple[Side, ...]:
    """The kinds of attention that a model has."""
    return ("",) if len(model.stacks) == 1 else ("encoder", "decoder", "cross")


def n_layers(model: Model, side: Side) -> int:
    """Layers of one kind of attention."""
    (stack,) = [s for s in model.stacks if s.side == ("decoder" if side == "cross" else side)]
    return len(stack.cross) if side == "cross" else len(stack.attention)


def every_head(model: Model) -> list[Head]:
    """All heads, in the order in which a forward pass meets them."""
    found = [
        Head(layer, head, side)
        for side in sides(model)
        for layer in range(n_layers(model, side))
        for head in range(model.attention(side, layer).n_heads)
    ]
    return sorted(found, key=order_met)


def order_met(head: Head) -> tuple[bool, int, bool, int]:
    """Sorts heads as a forward pass meets them."""
    return (head.side in ("decoder", "cross"), head.layer, head.side == "cross", head.head)


def chosen(model: Model, given: Sequence[AnyHead] | None) -> list[Head]:
    """Heads that were asked for, each once, as a forward pass meets them; all by default.

    Raises:
        HeadwiseError: None named, a name that cannot be read, or a layer, head or side that the model has not.
    """
    if given is None:
        return every_head(model)
    if not given:
        raise HeadwiseError("No heads were named; leave heads out to take each of them.")
    return sorted({_head(model, one) for one in given}, key=order_met)


def _head(model: Model, given: AnyHead) -> Head:
    if isinstance(given, str):
        match = WRITTEN.fullmatch(given)
        if match is None:
            raise HeadwiseError(f"Cannot read the head {given!r}; expected a name such as 'L2H8'.")
        given = (int(match[2]), int(match[3]), match[1] or "")
    layer, head, side = (*given, "")[:3]
    if side not in sides(model):
        known = ", ".join(sides(model)) or "none: it has one stack"
        raise HeadwiseError(
            f"{model.name} has no attention of the side {side!r}; known are: {known}. Write heads as "
            f"{Head(0, 0, sides(model)[0]).name!r}."
        )
    found = Head(int(layer), int(head), side)
    if not 0 <= found.layer < n_layers(model, found.side):
        raise HeadwiseError(
            f"{model.name} has no layer {found.layer}; expected 0 to {n_layers(model, found.side) - 1}."
        )
    hooks.check_heads(model, [found.head])
    return found
