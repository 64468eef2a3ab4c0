"""The query, key and value matrices of each head, whichever way a model stores them.

Three matrices side by side (most models), one matrix of queries, then keys, then values (GPT-2, Phi-3),
or one that holds for each head its query, key and value (GPT-NeoX). The names of the maps determine
which; `check` then compares the matrices with a forward pass, so that a model that uses a known name for another
layout is refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headwise.errors import UnsupportedModel

from ._taps import Place, Tap
from .architecture import TOLERANCES, Attention, plain
from .attention_backend import Engine
from .head import AnyHead

SEPARATE = (
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("q", "k", "v"),
    ("q_lin", "k_lin", "v_lin"),
)
SIDE_BY_SIDE = ("c_attn", "qkv_proj", "Wqkv")
BY_HEAD = ("query_key_value",)


@dataclass(frozen=True, eq=False)
class Projections:
    """What turns the input of an attention layer into queries, keys and values, head by head.

    Under grouped-query attention query head `h` uses key and value head `h // group`. Queries come from
    `d_model`, keys and values from `d_source`, which is the other stack's width in cross-attention.

    Attributes:
        W_Q: Query matrices.
        W_K: Key matrices.
        W_V: Value matrices (value-down).
        b_Q: Biases of the queries, if there are any.
        b_K: Biases of the keys.
        b_V: Biases of the values.
    """

    W_Q: Float[Tensor, "head d_model d_head"]
    W_K: Float[Tensor, "key_value_head d_source d_head"]
    W_V: Float[Tensor, "key_value_head d_source d_head"]
    b_Q: Float[Tensor, "head d_head"] | None = None
    b_K: Float[Tensor, "key_value_head d_head"] | None = None
    b_V: Float[Tensor, "key_value_head d_head"] | None = None


def maps_of(attention: Attention) -> dict[str, nn.Module]:
    """The linear maps to queries, keys and values, by what they give: `q`, `k`, `v`, or `qkv` from one.

    Raises:
        UnsupportedModel: The attention has none of the known names.
    """
    module = attention.module
    for names in SEPARATE:
        found = [plain(getattr(module, name, None)) for name in names]
        if all(_is_linear(candidate) for candidate in found):
            return dict(zip("qkv", found, strict=True))
    for name in (*SIDE_BY_SIDE, *BY_HEAD):
        if _is_linear(found := plain(getattr(module, name, None))):
            return {"qkv": found}
    children = ", ".join(name for name, _ in module.named_children()) or "nothing"
    known = ", ".join(["/".join(names) for names in SEPARATE] + [*SIDE_BY_SIDE, *BY_HEAD])
    raise UnsupportedModel(
        f"Found no query, key and value matrices in a {type(module).__name__}: expected linear maps called one of {known}; "
        f"it holds {children}. What needs a forward pass only (headwise.capture, probe, ablate) still works on it."
    )


def projections(attention: Attention) -> Projections:
    """The matrices of one attention layer, as views of the model's own where that can be.

    Raises:
        UnsupportedModel: The attention's maps have no known name or another width than its heads have.
    """
    maps = maps_of(attention)
    n_heads, n_kv, d_head = attention.n_heads, attention.n_key_value_heads, attention.d_head
    if "q" in maps:
        weights = [inputs_first(maps[site]) for site in "qkv"]
        biases = [_bias(maps[site]) for site in "qkv"]
    else:
        parts = _by_head if _holds_by_head(attention, maps["qkv"]) else _side_by_side
        weights = parts(attention, inputs_first(maps["qkv"]))
        bias = _bias(maps["qkv"])
        biases = [None] * 3 if bias is None else [b[0] for b in parts(attention, bias[None])]
    counts = (n_heads, n_kv, n_kv)
    for site, weight, count in zip("qkv", weights, counts, strict=True):
        if weight.dim() == 2 and weight.shape[1] != count * d_head:
            raise UnsupportedModel(_other_width(attention, site, weight.shape[1], count))
    # Splitting the last axis needs no copy, so these stay views of what the model holds.
    heads = [
        w.reshape(len(w), n, d_head).transpose(0, 1) for w, n in zip(weights, counts, strict=True)
    ]
    of_bias = [
        None if b is None else b.reshape(n, d_head) for b, n in zip(biases, counts, strict=True)
    ]
    return Projections(heads[0], heads[1], heads[2], of_bias[0], of_bias[1], of_bias[2])


@dataclass(frozen=True, eq=False, repr=False)
class ByHead:
    """A matrix of each query head, by any name that a head has: `[2, 8]`, `["L2H8"]`, `["cross.L2H8"]`.

    Attributes:
        of: Gives the matrix of one head.
    """

    of: Callable[[AnyHead], Tensor]

    def __getitem__(self, head: AnyHead) -> Float[Tensor, "rows columns"]:
        return self.of(head)


def check(name: str, engine: Engine, run: Callable[[], object]) -> None:
    """Compares the matrices of every layer with a forward pass on a few tokens.

    The input of each map times the matrices plus biases must be the queries, keys and values that are
    captured. Queries and keys are compared at the first position, where no rotary embedding turns them,
    and up to a factor (some models scale queries); not where a norm stands between.

    Args:
        name: Name of the model.
        engine: Its taps.
        run: Runs it on a row of a few tokens.

    Raises:
        UnsupportedModel: A layout that only looks like a known one, or values that something else goes into.
    """
    layers = dict(engine.attention_layers())
    inputs: dict[int, Tensor] = {}
    seen: dict[tuple[str, Place], Tensor] = {}
    handles = [
        module.register_forward_pre_hook(_keep_input(inputs))
        for attention in layers.values()
        for module in maps_of(attention).values()
    ]
    try:
        with engine.tapped(
            [Tap(s, place, _keep(seen, s, place)) for place in layers for s in "qkv"]
        ):
            run()
    finally:
        for handle in handles:
            handle.remove()
    for place, attention in layers.items():
        for site, by_hand in _by_hand(attention, inputs):
            captured = seen[site, place]
            n = captured.shape[1] if site == "v" else 1
            error = _misfit(captured[:, :n], by_hand[:, :n], may_scale=site != "v")
            if not error <= 10 * TOLERANCES[captured.dtype]:
                raise UnsupportedModel(
                    f"{name}, layer {place[1]}: the {site} of a {type(attention.module).__name__} is not its input times the "
                    f"matrix found for it (error {error:.1e}), so what its weights say cannot be read here. headwise.capture "
                    "gives what its heads compute."
                )


def _keep(
    seen: dict[tuple[str, Place], Tensor], site: str, place: Place
) -> Callable[[Tensor], None]:
    def keep(tensor: Tensor) -> None:
        seen[site, place] = tensor.detach()

    return keep


def _by_hand(
    attention: Attention, inputs: dict[int, Tensor]
) -> Iterator[tuple[str, Float[Tensor, "batch pos head d_head"]]]:
    """What the matrices make of their inputs; of values only where a norm follows queries and keys."""
    found, maps = projections(attention), maps_of(attention)
    has_norm = any("Norm" in type(child).__name__ for child in attention.module.children())
    for site, weight, bias in (
        ("q", found.W_Q, found.b_Q),
        ("k", found.W_K, found.b_K),
        ("v", found.W_V, found.b_V),
    ):
        if has_norm and site != "v":
            continue
        source = inputs[id(maps[site] if site in maps else maps["qkv"])]
        product = torch.einsum("bpm,hmd->bphd", source, weight)
        yield site, product if bias is None else product + bias


def _keep_input(inputs: dict[int, Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def keep(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs[id(module)] = arguments[0].detach()

    return keep


def _misfit(found: Tensor, expected: Tensor, *, may_scale: bool) -> float:
    """Largest difference relative to the largest number, after the best common factor if one is allowed."""
    found, expected = found.double(), expected.double()
    if may_scale:
        square = (expected * expected).sum()
        expected = expected * ((found * expected).sum() / square if square > 0 else 1)
    return ((found - expected).abs().max() / found.abs().max().clamp(min=1e-12)).item()


def _is_linear(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() == 2 and weight.is_floating_point()


def inputs_first(module: Any) -> Float[Tensor, "inputs outputs"]:
    """A linear map's matrix as it stands in `x W`."""
    weight = module.weight.detach()
    return weight if hasattr(module, "nf") else weight.T  # GPT-2's Conv1D has inputs first


def _bias(module: Any) -> Float[Tensor, " outputs"] | None:
    bias = getattr(module, "bias", None)
    return None if bias is None else bias.detach()


def _holds_by_head(attention: Attention, module: nn.Module) -> bool:
    return any(plain(getattr(attention.module, name, None)) is module for name in BY_HEAD)


def _side_by_side(attention: Attention, fused: Float[Tensor, "inputs outputs"]) -> list[Tensor]:
    """All queries, then all keys, then all values."""
    n_heads, n_kv, d_head = attention.n_heads, attention.n_key_value_heads, attention.d_head
    if fused.shape[1] != (n_heads + 2 * n_kv) * d_head:
        raise UnsupportedModel(_other_width(attention, "qkv", fused.shape[1], n_heads + 2 * n_kv))
    return list(fused.split([n_heads * d_head, n_kv * d_head, n_kv * d_head], dim=1))


def _by_head(attention: Attention, fused: Float[Tensor, "inputs outputs"]) -> list[Tensor]:
    """The query, key and value of the first head, then those of the next."""
    n_heads, d_head = attention.n_heads, attention.d_head
    if fused.shape[1] != 3 * n_heads * d_head:
        raise UnsupportedModel(_other_width(attention, "qkv", fused.shape[1], 3 * n_heads))
    apart = fused.reshape(len(fused), n_heads, 3, d_head)
    return [apart[:, :, i] for i in range(3)]


def _other_width(attention: Attention, site: str, width: int, n: int) -> str:
    return (
        f"The {site} matrix of a {type(attention.module).__name__} should be {n} heads of {attention.d_head} wide, and is {width}. "
        "This layout is not known; headwise.capture gives what its heads compute."
    )
