"""Where the heads are in a Hugging Face model: stacks, blocks, attention and output matrices.

Found by structure, not by a table of architectures: a block is an element of the first module list
whose every element holds an attention module, and an attention module is one that computes its
heads through transformers' attention interface (its file has an `eager_attention_forward`) or, in
older models, in a method `_attn(query, key, value, attention_mask)`.
"""

import sys
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headwise.errors import UnsupportedModel

Side = Literal["", "encoder", "decoder", "cross"]

OUTPUT_NAMES = ("c_proj", "o_proj", "out_proj", "dense", "o", "out_lin", "Wo")
# Largest differences, relative to the largest number, that rounding in each type can bring about.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
CROSS_NAMES = ("encoder_attn", "EncDecAttention", "crossattention", "cross_attn")


@dataclass(frozen=True, eq=False)
class Attention:
    """One attention layer.

    Attributes:
        module: The module that calls the attention interface.
        output: The linear map that follows the heads (value-up of all heads side by side).
        n_heads: Query heads.
        n_key_value_heads: Key and value heads; fewer under grouped-query attention.
        d_head: Width of a head.
    """

    module: nn.Module
    output: nn.Module
    n_heads: int
    n_key_value_heads: int
    d_head: int

    @property
    def W_O(self) -> Float[Tensor, "head d_head d_model"]:
        """Each head's slice of the output matrix."""
        weight = plain(self.output).weight
        inputs_first = weight if hasattr(plain(self.output), "nf") else weight.T  # GPT-2's Conv1D
        return inputs_first.detach().reshape(self.n_heads, self.d_head, -1)

    @property
    def b_O(self) -> Float[Tensor, " d_model"] | None:
        """The output's bias, shared by all heads."""
        bias = plain(self.output).bias
        return None if bias is None else bias.detach()

    def kv(self, head: int) -> int:
        """The key and value head that a query head reads: neighbours share one under grouped queries."""
        return head // (self.n_heads // self.n_key_value_heads)

    @property
    def has_interface(self) -> bool:
        """Whether the heads are computed by a function that can be exchanged, or in a method."""
        return _has_interface(self.module)

    @property
    def is_causal(self) -> bool:
        """Whether a query sees only itself and what is before it."""
        return bool(getattr(self.module, "is_causal", True))


@dataclass(frozen=True, eq=False)
class Stack:
    """Blocks in sequence, with the attention layers inside them.

    Attributes:
        side: Empty for a model of one stack, else `encoder` or `decoder`.
        blocks: The blocks.
        attention: Self-attention of each block.
        cross: Cross-attention of each block, if there is any.
    """

    side: Side
    blocks: tuple[nn.Module, ...]
    attention: tuple[Attention, ...]
    cross: tuple[Attention, ...] = ()


def plain(module: Any) -> Any:
    """The module itself where a TransformerLens bridge component stands in its place."""
    return getattr(module, "original_component", None) or module


def weight_of(module: nn.Module, what: str) -> Float[Tensor, "outputs inputs"]:
    """The matrix of a linear map that is nothing but its matrix and a bias, which is tried on two vectors.

    Args:
        module: The map.
        what: Its name in a message.

    Raises:
        UnsupportedModel: It has no matrix, or gives something else than the product.
    """
    own: Any = plain(module)
    weight = _lone_weight(own, what)
    matrix = weight.T if hasattr(own, "nf") else weight
    x = torch.eye(2, matrix.shape[1], device=matrix.device, dtype=matrix.dtype) + 0.5
    with torch.no_grad():
        expected = x @ matrix.T + (0 if getattr(own, "bias", None) is None else own.bias)
        _require_same(own(x), expected, own, what)
    return matrix


def table_of(module: nn.Module, what: str) -> Float[Tensor, "entry width"]:
    """The rows of an embedding that gives them, perhaps times a factor, which is tried on two.

    Args:
        module: The embedding.
        what: Its name in a message.

    Raises:
        UnsupportedModel: It has no table, or gives something else than its rows.
    """
    own: Any = plain(module)
    table = _lone_weight(own, what)
    chosen = torch.tensor([len(table) - 1, len(table) // 2], device=table.device)
    with torch.no_grad():
        found, rows = own(chosen).double(), table[chosen].double()
        factor = (found * rows).sum() / (rows * rows).sum().clamp(min=1e-12)
        _require_same(found.to(table.dtype), (factor * rows).to(table.dtype), own, what)
    return table


def _lone_weight(module: nn.Module, what: str) -> Float[Tensor, "rows columns"]:
    """The weight of a module that has no other parameter than a bias: in half precision a small adapter would pass for rounding."""
    weight = getattr(module, "weight", None)
    is_matrix = isinstance(weight, Tensor) and weight.dim() == 2 and weight.is_floating_point()
    if not is_matrix or {name for name, _ in module.named_parameters()} - {"weight", "bias"}:
        raise UnsupportedModel(_more_than_weight(module, what))
    return cast(Tensor, weight).detach()


def _require_same(found: Tensor, expected: Tensor, module: nn.Module, what: str) -> None:
    error = (found - expected).abs().max() / expected.abs().max().clamp(min=1e-12)
    if not bool(error <= TOLERANCES[expected.dtype]):
        raise UnsupportedModel(_more_than_weight(module, what))


def _more_than_weight(module: nn.Module, what: str) -> str:
    return (
        f"{what[:1].upper()}{what[1:]} ({type(module).__module__}.{type(module).__name__}) is more than a matrix of numbers: an adapter, a quantised layer or "
        "the like. Merge adapters into the weights (peft: model.merge_and_unload()), or load the model unquantised."
    )


def stacks_of(model: Any, name: str) -> tuple[Stack, ...]:
    """Finds the stacks of a model.

    Raises:
        UnsupportedModel: The model has no attention of a kind that can be hooked, or a stack for vision or sound.
    """
    if beside := [what for what in ("vision", "audio") if getattr(model.config, f"{what}_config", None) is not None]:  # fmt: skip
        raise UnsupportedModel(
            f"{name} has a stack for {' and '.join(beside)} beside its language model, and Headwise reads text. Pass the language model itself (often "
            "model.model.language_model) with its tokenizer: headwise.load(language_model, tokenizer=...)."
        )
    if shared := getattr(model.config, "num_kv_shared_layers", 0):
        raise UnsupportedModel(
            f"{name}: its last {shared} layers attend to the keys and values of earlier ones, so that a change of these in one layer would not flow on to the layers that borrow "
            "them. Such models are not supported."
        )
    if getattr(model.config, "is_encoder_decoder", False):
        encoder, decoder = plain(model.get_encoder()), plain(model.get_decoder())
        if model not in (encoder, decoder):  # one half by itself keeps the configuration of both
            return (
                _stack(name, "encoder", encoder, model.config),
                _stack(name, "decoder", decoder, model.config),
            )
    return (_stack(name, "", model.base_model, model.config),)


def require_weights(model: Any, name: str) -> None:
    """Refuses weights that are elsewhere: on disk, by `device_map`, or nowhere yet.

    Raises:
        UnsupportedModel: Some are.
    """
    absent = [key for key, parameter in model.named_parameters() if parameter.is_meta]
    if absent:
        raise UnsupportedModel(
            f"{name}: {len(absent)} of its weights are not in memory, {absent[0]} among them: they are offloaded by device_map, or on the meta device. "
            "Load the model whole: from_pretrained(..., device_map=None), in a narrower dtype if memory is short."
        )


def _stack(name: str, side: Side, body: nn.Module, config: Any) -> Stack:
    some = ""
    for module in body.modules():
        if isinstance(module, nn.ModuleList) and len(module):
            blocks = tuple(module)
            found = [_attention_modules(block) for block in blocks]
            if any(found) and not all(found):
                without = [str(i) for i, own in enumerate(found) if not own]
                some = f" Blocks {', '.join(without)} of {len(blocks)} have none: they mix words in another way."
            if all(found):
                own = [[m for path, m in paths if not _is_cross(path)] for paths in found]
                cross = [[m for path, m in paths if _is_cross(path)] for paths in found if side]
                if any(len(modules) != 1 for modules in own):
                    continue
                return Stack(
                    side,
                    blocks,
                    tuple(
                        _attention(name, b, m, config) for b, (m,) in zip(blocks, own, strict=True)
                    ),
                    tuple(
                        _attention(name, b, m[0], config)
                        for b, m in zip(blocks, cross, strict=False)  # none in a decoder by itself
                        if m
                    ),
                )
    raise UnsupportedModel(
        f"{name}: a {type(body).__name__} has no stack of blocks that all hold attention that can be hooked.{some} Headwise "
        "hooks models whose attention goes through transformers' attention interface; docs/hooks.md lists them."
    )


def _is_cross(path: str) -> bool:
    return any(part in path for part in CROSS_NAMES)


def _attention_modules(block: nn.Module) -> list[tuple[str, nn.Module]]:
    """Innermost attention modules of a block, with their paths in it."""
    found = [
        (path, module)
        for path, module in block.named_modules()
        if "Attention" in type(module).__name__
        and (_has_interface(module) or callable(getattr(module, "_attn", None)))
    ]
    return [
        (path, module)
        for path, module in found
        if not any(other is not module and _holds(module, other) for _, other in found)
    ]


def _has_interface(module: nn.Module) -> bool:
    return hasattr(sys.modules[type(module).__module__], "eager_attention_forward")


def _holds(outer: nn.Module, inner: nn.Module) -> bool:
    return any(module is inner for module in outer.modules())


def _attention(name: str, block: nn.Module, module: nn.Module, config: Any) -> Attention:
    output = _output(block, module)
    if output is None:
        raise UnsupportedModel(
            f"{name}: found no output matrix after the heads of a {type(module).__name__}."
        )
    n_heads = _first(
        module,
        getattr(module, "config", config),
        "num_heads",
        "num_attention_heads",
        "n_heads",
        "n_head",
    )
    weight = getattr(plain(output), "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2 or not weight.is_floating_point():
        raise UnsupportedModel(_more_than_weight(plain(output), f"the output matrix of {name}"))
    width = weight.shape[0] if hasattr(plain(output), "nf") else weight.shape[1]
    if n_heads < 1 or width % n_heads:
        raise UnsupportedModel(
            f"{name}: the {width} numbers that a {type(module).__name__} gives its output matrix are not those of {n_heads} heads of one width."
        )
    groups = int(getattr(module, "num_key_value_groups", 1)) or 1
    return Attention(module, output, n_heads, n_heads // groups, width // n_heads)


def _output(block: nn.Module, module: nn.Module) -> nn.Module | None:
    """The linear map after the heads: inside the module, or in the `output` beside it (BERT)."""
    for candidate in OUTPUT_NAMES:
        if isinstance(getattr(module, candidate, None), nn.Module):
            return getattr(module, candidate)
    for parent in block.modules():
        beside: Any = getattr(parent, "output", None)
        if any(child is module for child in parent.children()) and beside is not None:
            return getattr(plain(beside), "dense", None)
    return None


def _first(module: nn.Module, config: Any, *names: str) -> int:
    for place in (module, config):
        for name in names:
            value = getattr(place, name, None)
            if isinstance(value, int):
                return value
    raise UnsupportedModel(
        f"{type(module).__name__} does not say how many heads it has (looked for {', '.join(names)})."
    )
