"""Heads: how they are named and chosen."""

from collections.abc import Iterable, Sequence
from typing import cast

from numpy import ndarray

from headwise._validate import OneOrMore, as_number, as_tuple, in_range
from headwise.errors import HeadwiseError, UnknownName

from .architecture import Side
from .head import AnyHead, Head, Number, order_met
from .model import Model

SIDES = ("encoder", "decoder", "cross")
AnyHeads = (
    Number | AnyHead | Sequence[Number | AnyHead] | ndarray
)  # a number is that head of each layer


def sides(model: Model) -> tuple[Side, ...]:
    """The kinds of attention that a model has."""
    return ("",) if len(model.stacks) == 1 else ("encoder", "decoder", "cross")


def n_layers(model: Model, side: Side) -> int:
    """Layers of one kind of attention."""
    (stack,) = [s for s in model.stacks if s.side == ("decoder" if side == "cross" else side)]
    return len(stack.cross) if side == "cross" else len(stack.attention)


def shape_of(model: Model, side: Side) -> tuple[int, int]:
    """Layers with one kind of attention, and heads of each."""
    return n_layers(model, side), model.attention(side, 0).n_heads


def chosen(model: Model, given: AnyHeads | None) -> list[Head]:
    """The requested heads, one or several, each once, in the order of a forward pass; all by default.

    Raises:
        HeadwiseError: None named, a name that cannot be read, or a layer, head or side that the model has not.
    """
    if given is None:
        return list(model.heads)
    return sorted({head for one in _several(given) for head in _heads(model, one)}, key=order_met)


def _several(given: object) -> list[int | AnyHead]:
    """One head as a list of one: `(2, 8)` is one head by its place, `[2, 8]` are two by their numbers."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return [_plain(given)]
    if isinstance(given, tuple) and given and not isinstance(given[0], (str, tuple)):
        if len(given) != 2 and not (len(given) == 3 and isinstance(given[2], str)):
            raise UnknownName(
                f"A tuple is one head, (layer, head) or with its side; got {given!r}. Give head numbers as a list."
            )
        return [cast(AnyHead, given)]
    if not (several := [_plain(one) for one in given]):
        raise HeadwiseError("No heads were named; leave heads out to take each of them.")
    return several


def _plain(given: object) -> int | AnyHead:
    """A number as Python's own; names and places as they are.

    Raises:
        UnknownName: It is neither.
    """
    if isinstance(given, (str, tuple)):
        return cast(AnyHead, given)
    try:
        return as_number(given)
    except TypeError as error:
        raise UnknownName(f"Heads are given by name ('L2H8'), place (2, 8) or number; got {given!r}.") from error  # fmt: skip


def _heads(model: Model, given: int | AnyHead) -> list[Head]:
    """One head, or that of each layer which a number stands for."""
    if not isinstance(given, int):
        return [model.head(given)]
    check_heads(model, [given])
    return [head for head in model.heads if head.head == given]


def check_heads(model: Model, heads: Sequence[int] | None) -> None:
    """Refuses heads that the model has not, in any of its stacks.

    Raises:
        UnknownName: A head is out of range.
    """
    most = max(attention.n_heads for _, attention in model.engine.attention_layers())
    in_range(heads or (), most, "head", model.name)


def _layers(given: object) -> tuple[int, ...]:
    """Layers as Python's own numbers.

    Raises:
        UnknownName: One is no whole number.
    """
    try:
        return tuple(map(as_number, as_tuple(given)))
    except TypeError as error:
        raise UnknownName(f"Layers are whole numbers; got {given!r}.") from error


def by_number(
    model: Model, heads: AnyHeads | None, layers: OneOrMore[int] | None
) -> tuple[list[int] | None, tuple[int, ...] | None]:
    """Heads and layers as numbers: the same heads of each layer, as a tensor of several layers has them.

    Args:
        model: The model.
        heads: Numbers, or heads of one stack by name or place, which also say the layers; several as a list, in this order.
        layers: Layers, if heads do not say them; one or several.

    Raises:
        UnknownName: A head or layer that the model has not.
        HeadwiseError: Numbers and names together, other heads in one layer than in another, or a name with a side, which a site has.
    """
    wanted = None if layers is None else _layers(layers)
    if heads is None:
        return None, wanted
    given = _several(heads)
    numbers = [one for one in given if isinstance(one, int)]
    if len(numbers) == len(given):
        check_heads(model, numbers)
        return numbers, wanted
    if numbers:
        raise HeadwiseError(
            f"Heads are given by number (of each layer) or by name, not both; got {given!r}."
        )
    places: dict[int, list[int]] = {}
    for head in dict.fromkeys(model.head(cast(AnyHead, one)) for one in given):
        if head.side:
            raise HeadwiseError(
                f"{head.name} names a side, as the site does. Use the site '{head.side}.z' or its like, with layers={head.layer} and heads={head.head}."
            )
        places.setdefault(head.layer, []).append(head.head)
    first = next(iter(places.values()))
    if any(own != first for own in places.values()):
        raise HeadwiseError(
            f"Other heads are named in one layer than in another ({', '.join(Head(la, h).short for la, own in places.items() for h in own)}), and a "
            "tensor of several layers has the same heads in each. Ask for one layer at a time, or for head numbers."
        )
    if wanted is not None and set(wanted) != set(places):
        raise HeadwiseError(
            f"The heads named are of layers {', '.join(map(str, places))}, and layers={list(wanted)} says otherwise. Leave layers out."
        )
    return first, tuple(places)
