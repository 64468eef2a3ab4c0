"""The vectors of some words, at every requested site, layer and head.

All are held at once: `4 * n_words * d_model` bytes per layer and site (keys and values that heads share
take less).

An `update` is what one head adds to the residual stream at a word, `z W_O`. It can only point into the
`d_head` directions that the rows of the head's `W_O` span, so it is held as coordinates in an orthonormal
basis of these (the singular vectors): lengths, angles and distances are those of the update itself, and
so is what is fitted to them, unless every number is first standardised, which then happens in this basis.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from headwise._progress import track
from headwise.activations import alignment
from headwise.activations.streaming import batch_size, stream
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model.heads import check_heads
from headwise.model.model import Model

from .labelled_words import Examples

ProbeSite = Literal["residual", "z", "update", "k", "v"]
SITES: tuple[ProbeSite, ...] = ("residual", "z", "update", "k", "v")
Key = tuple[str, int, int | None]


def read_vectors(
    model: Model,
    suite: Suite,
    examples: Examples,
    sites: Sequence[ProbeSite],
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
) -> dict[Key, Float[ndarray, "_ _"]]:
    """Vectors of the examples' words by (site, layer, head), sorted.

    Raises:
        HeadwiseError: No such site, layer or head, or a vector is not finite.
    """
    check_heads(model, heads)
    chosen = list(range(model.n_heads) if heads is None else heads)
    shared_by = model.n_heads // model.n_key_value_heads
    of_group = sorted({head // shared_by for head in chosen})
    rows_of: dict[int, list[int]] = {}
    for row, i in enumerate(examples.sentences):
        rows_of.setdefault(int(i), []).append(row)
    turns: dict[int, Tensor] = {}
    found: dict[Key, Float[ndarray, "_ _"]] = {}
    captured_sites = list(dict.fromkeys("z" if site == "update" else site for site in sites))
    batches = alignment.batches(model, examples.alignments)
    seen = stream(model, batches, captured_sites, layers=layers)
    for batch, captured in track(seen, len(suite), "reading words", batch_size):
        picked = [(k, row) for k, i in enumerate(batch.indices) for row in rows_of.get(i, [])]
        if not picked:
            continue
        in_batch = [k for k, _ in picked]
        rows = [row for _, row in picked]
        pieces = batch.pieces[in_batch, examples.positions[rows]][:, None]
        for (site, layer), tensor in captured.items():
            vectors = alignment.vectors_of_words(tensor[in_batch], pieces)[:, 0].float()
            if site == "residual":
                _put(found, ("residual", layer, None), vectors, rows, examples, model)
                continue
            for head in of_group if site in "kv" else chosen:
                values = vectors[:, head]
                if site in sites:
                    _put(found, (site, layer, head), values, rows, examples, model)
                if site == "z" and "update" in sites:
                    if layer not in turns:
                        turns[layer] = update_basis(model.attention(layer=layer).W_O)[0]
                    turned = values @ turns[layer][head].to(values)
                    _put(found, ("update", layer, head), turned, rows, examples, model)
    return dict(sorted(found.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or 0)))


def update_basis(
    W_O: Float[Tensor, "head d_head d_model"],
) -> tuple[Float[Tensor, "head d_head rank"], Float[Tensor, "head rank d_model"]]:
    """How `z` becomes coordinates in an orthonormal basis of what each head can write, and that basis.

    `turn @ basis = W_O`. The basis is that of the singular vectors.
    """
    left, scale, basis = torch.linalg.svd(W_O.detach().double(), full_matrices=False)
    return left * scale[:, None], basis


def _put(
    found: dict[Key, Float[ndarray, "_ _"]],
    key: Key,
    values: Float[Tensor, "some_examples dim"],
    rows: list[int],
    examples: Examples,
    model: Model,
) -> None:
    """Keeps some rows of what is probed at one place."""
    if key not in found:
        found[key] = np.empty((len(examples.codes), values.shape[-1]), dtype=np.float32)
    found[key][rows] = values.cpu().numpy()
    if not np.isfinite(found[key][rows]).all():
        site, layer, head = key
        at = "" if head is None else f", head {head}"
        raise HeadwiseError(
            f"{model.name} has vectors that are not finite at {site!r}, layer {layer}{at}; no probe can be "
            "fitted on them. Check the weights, or use a wider dtype."
        )
