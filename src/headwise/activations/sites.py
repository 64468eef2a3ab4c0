"""Sites: the places in a model where a tensor can be read or changed, and how they are named."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from headwise._validate import OneOrMore, as_tuple, in_range
from headwise.errors import HeadwiseError, UnknownName
from headwise.model import BEFORE_ROTARY, Place, turns_queries_and_keys
from headwise.model.architecture import Side
from headwise.model.model import Model

SHAPES = {
    "q": "[batch, pos, head, d_head], as it enters the dot product: after rotary embedding",
    "k": "[batch, pos, key_value_head, d_head], after rotary embedding",
    "v": "[batch, pos, key_value_head, d_head]",
    "q_before_rotary": "[batch, pos, head, d_head]",
    "k_before_rotary": "[batch, pos, key_value_head, d_head]",
    "scores": "[batch, head, query, key], scaled, before the softmax; minus infinity where a key is masked",
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
        """The name with its side: `pattern` or `cross.pattern`."""
        return f"{self.side}.{self.name}" if self.side else self.name

    @property
    def place(self) -> Place:
        """Side and layer."""
        return self.side, self.layer


def expand(model: Model, names: OneOrMore[str], layers: OneOrMore[int] | None) -> list[Site]:
    """Every site that names and layers stand for, in the order in which a forward pass meets them.

    Raises:
        HeadwiseError: As in `capture`.
    """
    sites: list[Site] = []
    for full_name in as_tuple(names):
        side, name = _split(model, full_name)
        last = _last_layer(model, side, name)
        chosen = range(last + 1) if layers is None else as_tuple(layers)
        outside = [layer for layer in chosen if not 0 <= layer <= last]
        if outside:
            raise UnknownName(
                f"{model.name} has no layer {outside[0]} at site {full_name!r}; expected 0 to {last}."
            )
        sites += [Site(name, layer, side) for layer in chosen]
    return sorted(set(sites), key=order_met)


def require_heads(model: Model, sites: Sequence[Site], heads: Sequence[int] | None) -> None:
    """Refuses query heads that the attention of a site has not; an encoder may have others than its decoder.

    Raises:
        UnknownName: The first such head and site.
    """
    for site in sites:
        if heads and site.name != "residual":
            in_range(
                heads,
                model.attention(site.side, site.layer).n_heads,
                "head",
                f"{model.name} at {site.key!r}",
            )


def heads_at(model: Model, site: Site, heads: Sequence[int]) -> list[int]:
    """Where query heads stand along the head axis of a site: at keys and values the one that each of them reads."""
    if site.name in QUERY_HEADS:
        return list(heads)
    attention = model.attention(site.side, site.layer)
    return [attention.kv(head) for head in heads]


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


def on_side(side: str, name: str) -> str:
    """The full name of a site: `z`, or `cross.z`."""
    return f"{side}.{name}" if side else name


def _split(model: Model, full_name: str) -> tuple[Side, str]:
    prefix, _, name = full_name.rpartition(".")
    sides = [""] if len(model.stacks) == 1 else ["encoder", "decoder", "cross"]
    known = [on_side(side, site) for side in sides for site in SITES]
    if full_name in DERIVED or name in DERIVED:
        raise HeadwiseError(
            f"{full_name!r} is derived from other sites and not met in a forward pass; "
            "headwise.capture(model, sentences, [...]) gives it."
        )
    if full_name not in known and full_name in SITES and len(sides) > 1:
        of_sides = [on_side(side, full_name) for side in sides if on_side(side, full_name) in known]
        raise UnknownName(
            f"{full_name!r} of which side? {model.name} is an encoder-decoder, where it is {', '.join(of_sides[:-1])} or {of_sides[-1]}. A test that takes no side is for models "
            "of one stack; an encoder by itself is one: headwise.load(model.hf.get_encoder(), tokenizer=model.tokenizer)."
        )
    if full_name not in known:
        close = get_close_matches(full_name, known, n=3)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise UnknownName(
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
