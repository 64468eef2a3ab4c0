"""What each head writes: the strongest directions of its OV circuit, from the weights alone.

One singular value decomposition per head, of matrices no wider than the head, and one product with the unembedding per layer:
well under a second for a model of GPT-2's size.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from headwise.errors import HeadwiseError
from headwise.model.architecture import Side
from headwise.model.model import Model
from headwise.report.schema import Writes, Written
from headwise.weights.circuits import factored
from headwise.weights.low_rank import one_thread

from ..heads._tokens import shown

N_DIRECTIONS, N_TOKENS = 3, 5
MOST_HEADS, OF_MANY = 512, 64


def writes_of(
    model: Model, heads_first: Sequence[tuple[int, int]] = (), side: Side = ""
) -> tuple[list[Writes], str]:
    """The three strongest directions that each head writes, and how they were found.

    Args:
        model: The model.
        heads_first: Of a model of more than 512 heads only the first 64 of these are read, or its first 64.
        side: As in `circuits.factored`.

    Returns:
        Nothing, and an empty caption, where the matrices are laid out in an unknown way.
    """
    every = [(h.layer, h.head) for h in model.heads if h.side == side]
    n = OF_MANY if len(every) > MOST_HEADS else len(every)
    chosen = list(dict.fromkeys([*heads_first, *every]))[:n]
    rows = _unembedding(model, side)
    n_heads = len({head for _, head in every})
    layers = sorted({layer for layer, _ in chosen})
    try:
        with one_thread():
            written = {layer: _of_layer(model, layer, side, rows) for layer in layers}
    except HeadwiseError:
        return [], ""
    found = [Writes(head=a * n_heads + h, directions=written[a][h]) for a, h in sorted(chosen)]
    return found, _caption(rows is not None, len(found), len(every))


def _of_layer(
    model: Model, layer: int, side: Side, rows: Float[Tensor, "token d_model"] | None
) -> list[list[Written]]:
    reads, values, directions = factored(model, "OV", layer, side=side).svd()
    shares = values.square() / values.square().sum(-1, keepdim=True).clamp(min=1e-30)
    # Singular vectors come in pairs that may be turned round: the largest number of what is read is made positive.
    turns = reads.mT.gather(2, reads.mT.abs().argmax(2, keepdim=True)).sign()
    directions = (turns * directions)[:, :N_DIRECTIONS]
    up, down = _tokens(model, directions, rows)
    return [
        [Written(share=float(share), up=u, down=d) for share, u, d in zip(own, ups, downs, strict=True)]
        for own, ups, downs in zip(shares[:, :N_DIRECTIONS].tolist(), up, down, strict=True)
    ]  # fmt: skip


def _tokens(
    model: Model,
    directions: Float[Tensor, "head direction d_model"],
    rows: Float[Tensor, "token d_model"] | None,
) -> tuple[list[list[list[str]]], list[list[list[str]]]]:
    """Tokens that each direction raises and lowers most."""
    if rows is None:
        nothing: list[list[list[str]]] = [[[] for _ in own] for own in directions]
        return nothing, nothing
    dots = (directions.to(rows) @ rows.T).float()
    special = [t for t in getattr(model.tokenizer, "all_special_ids", ()) if t < len(rows)]
    dots[..., special] = dots.mean(-1, keepdim=True)  # neither first nor last
    k = min(N_TOKENS, len(rows))
    told = [
        [[[shown(model, t) for t in own] for own in of] for of in ids.tolist()]
        for ids in (dots.topk(k).indices, (-dots).topk(k).indices)
    ]
    return told[0], told[1]


def _unembedding(model: Model, side: Side) -> Float[Tensor, "token d_model"] | None:
    """Rows that the end of the stream is compared with; None where it is not so read.

    An encoder's output head (of a masked language model) turns the stream first, so that its rows say nothing of what is written.
    """
    if not (model.has_output_head and model.is_causal and model.tokenizer and side != "encoder"):
        return None
    tokenizer: Any = model.tokenizer
    weight = model.unembedding[: len(tokenizer)]
    return weight if weight.shape[1] == model.d_model else None


def _caption(has_tokens: bool, n: int, n_all: int) -> str:
    some = "" if n == n_all else f" Of {n} of {n_all} heads."
    tokens = (
        " Tokens: those whose unembedding has the largest and the smallest product with the direction; the norm at the end is left out. The sign of a direction is "
        "arbitrary: what it raises and what it lowers may be swapped."
        if has_tokens
        else " No tokens are named, as no output matrix reads them from this stream."
    )
    return (
        f"From the weights alone: the {N_DIRECTIONS} strongest directions of the head's OV circuit (value-down times value-up), and which share of what it writes, of all inputs alike, lies along each (squared "
        f"singular values).{tokens}{some}"
    )
