"""What each parameter of a model is: found by walking its modules, each parameter once.

Attention's own are known by structure (`headwise.model.projections`). Inside a block a matrix from the residual
stream is the MLP's way up and one back to it the way down, whatever they are called; only a gate is distinguished from the way up by its name. What
fits nowhere is `other`: token types, poolers, transforms before an output head.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from headwise.model.architecture import Attention, Stack, plain
from headwise.model.projections import inputs_first, maps_of

QUERY, KEY, VALUE_DOWN, VALUE_UP = "query", "key", "value-down", "value-up"
ATTENTION = (QUERY, KEY, VALUE_DOWN, VALUE_UP)
MLP = ("MLP up", "MLP gate", "MLP down")
MATRICES = (*ATTENTION, *MLP, "embedding", "unembedding")
PARTS = (*MATRICES, "positions", "biases", "norms", "other")
POSITIONS = ("position", "wpe", "relative_attention_bias")

Place = tuple[str, int, Attention]
Owned = tuple[str, int, list[tuple[str, int]]]


@dataclass(frozen=True)
class Line:
    """Parameters of one kind.

    Attributes:
        part: What they are, one of `PARTS`.
        side: Empty, or `encoder`, `decoder` or `cross`.
        total: How many.
        per_block: How many in each block; None where blocks differ or it stands in none.
        per_head: How many in each head that has such a matrix.
        heads: How many heads in a block have one; fewer for keys and values under grouped-query attention.
        is_stored: False for an unembedding that is the embedding used again.
    """

    part: str
    side: str
    total: int
    per_block: int | None = None
    per_head: int | None = None
    heads: int | None = None
    is_stored: bool = True


def places_of(stacks: Sequence[Stack]) -> list[Place]:
    """Side, block and layer of every attention."""
    found: list[Place] = []
    for stack in stacks:
        found += [(stack.side, i, attention) for i, attention in enumerate(stack.attention)]
        found += [("cross", i, attention) for i, attention in enumerate(stack.cross)]
    return found


def lines_of(hf: Any, stacks: Sequence[Stack]) -> list[Line]:
    """Every parameter of a Hugging Face model, in one line each.

    Raises:
        HeadwiseError: The attention has an unknown layout.
    """
    places = places_of(stacks)
    counts: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for side, block, part, n in _parameters(hf, stacks, places):
        counts[side, part][block] += n
    heads: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for side, _, attention in places:
        heads[side].add((attention.n_heads, attention.n_key_value_heads))
    lines = [
        _line(part, side, counts[side, part], heads[side])
        for part in PARTS
        for side in dict.fromkeys(["", *(side for side, _, _ in places)])
        if (side, part) in counts
    ]
    embedding, unembedding = _embeddings(hf)
    if unembedding is not None and unembedding is embedding:
        at = next(i for i, line in enumerate(lines) if line.part == "embedding")
        lines.insert(at + 1, Line("unembedding", "", unembedding.numel(), is_stored=False))
    return lines


def _parameters(
    hf: Any, stacks: Sequence[Stack], places: Sequence[Place]
) -> Iterator[tuple[str, int, str, int]]:
    """Side, block (-1 outside of any), part and number of everything that is stored."""
    owned = dict(_of_attention(places))
    blocks = {
        id(module): (stack.side, i)
        for stack in stacks
        for i, block in enumerate(stack.blocks)
        for module in block.modules()
    }
    embedding, unembedding = _embeddings(hf)
    d_model = int(places[0][2].W_O.shape[-1])
    seen: set[int] = set()
    for path, module in hf.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if id(parameter) in owned:
                side, block, parts = owned[id(parameter)]
                yield from ((side, block, part, n) for part, n in parts)
            elif parameter is embedding or parameter is unembedding:
                part = "embedding" if parameter is embedding else "unembedding"
                yield "", -1, part, parameter.numel()
            else:
                side, block = blocks.get(id(module), ("", -1))
                inside = d_model if block >= 0 else None
                yield (
                    side,
                    block,
                    _part(module, f"{path}.{name}", parameter, inside),
                    parameter.numel(),
                )


def _embeddings(hf: Any) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    modules = hf.get_input_embeddings(), hf.get_output_embeddings()
    first, last = (getattr(plain(module), "weight", None) for module in modules)
    return first, last


def _of_attention(places: Sequence[Place]) -> Iterator[tuple[int, Owned]]:
    """The parameters of attention by id: side, block, and how many are of which part."""
    for side, block, attention in places:
        n_heads, n_kv = attention.n_heads, attention.n_key_value_heads
        shares = {"q": {QUERY: 1}, "k": {KEY: 1}, "v": {VALUE_DOWN: 1}, "o": {VALUE_UP: 1}}
        shares["qkv"] = {QUERY: n_heads, KEY: n_kv, VALUE_DOWN: n_kv}
        for site, module in _maps(attention).items():
            one = module.weight.numel() // sum(shares[site].values())
            parts = [(part, share * one) for part, share in shares[site].items()]
            yield id(module.weight), (side, block, parts)
            if getattr(module, "bias", None) is not None:
                yield id(module.bias), (side, block, [("biases", module.bias.numel())])


def _maps(attention: Attention) -> dict[str, Any]:
    return {**maps_of(attention), "o": plain(attention.output)}


def _part(module: nn.Module, name: str, parameter: nn.Parameter, d_model: int | None) -> str:
    """What a parameter outside attention's matrices is; `d_model` is given inside a block."""
    *path, own = name.split(".")
    if "Norm" in type(module).__name__:
        return "norms"
    if own.endswith("bias"):
        return "biases"
    if any(word in name for word in POSITIONS):
        return "positions"
    if d_model is None or parameter.dim() < 2 or path[-1] in ("gate", "router"):
        return "other"  # the last two choose between experts
    last = f"{path[-1]}.{own}"
    if parameter.dim() == 3:  # experts, all in one tensor
        return "MLP down" if "down" in last else "MLP up"
    inputs, outputs = inputs_first(module).shape
    if outputs == d_model:
        return "MLP down" if inputs != d_model else "other"
    if inputs != d_model:
        return "other"
    return "MLP gate" if ("gate" in last and "up" not in last) or "wi_0" in last else "MLP up"


def _line(part: str, side: str, by_block: dict[int, int], heads: set[tuple[int, int]]) -> Line:
    inside = {n for block, n in by_block.items() if block >= 0}
    per_block = inside.pop() if len(inside) == 1 else None
    if part not in ATTENTION or per_block is None or len(heads) != 1:
        return Line(part, side, sum(by_block.values()), per_block)
    ((n_heads, n_kv),) = heads
    n = n_heads if part in (QUERY, VALUE_UP) else n_kv
    return Line(part, side, sum(by_block.values()), per_block, per_block // n, n)
