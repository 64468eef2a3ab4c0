"""QK and OV circuits of every head, from its matrices alone.

A head's QK circuit `W_Q W_K^T` says which directions of the residual stream, at the query and at the key, raise its score; its OV circuit `W_V W_O`
(value-down, then value-up) says what it writes for what it attends to. Both are held as factors (`headwise.weights.low_rank`); no d_model x d_model
matrix is made.

What is left out: biases; the gains of the norms before the layer; norms of queries and keys (Qwen 3); the
scale of the scores; and rotary embeddings, so that with those `W_Q W_K^T` holds between equal positions only.
In cross-attention queries come from one stack and keys and values from the other, so an OV circuit leads
from one space to another and has no copying score.

Time for a model: `n_heads d_model d_head^2` for each layer, and `n_heads d_head^3` for each random model.
Elhage, Nanda, Olsson et al. 2021, A mathematical framework for transformer circuits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import check_counts
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.model.projections import projections
from headwise.stats.deciding import LEVEL

from ._columns import CIRCUIT
from ._gaussian_null import NUMBERS, ProductShape, compare, numbers_of
from .low_rank import Factored, one_thread

CIRCUITS = ("QK", "OV")
ENDS = {"QK": ("query", "key"), "OV": ("reads", "writes")}


@dataclass(frozen=True, eq=False, repr=False)
class CircuitResult(Result):
    """Numbers of every head's circuits.

    Attributes:
        model: Name of the model.
        n_null: Random models that the numbers stand beside.
        seed: The seed of the random models.
        spectra: Singular values of each circuit, largest first, by circuit, side and layer.
        table: One row per side, layer, head and circuit (`QK`, `OV`); see `columns`. Numbers stand beside those of products of Gaussian matrices of the
            same shape and norm, and are NaN where there is no such number.
    """

    model: str
    n_null: int
    seed: int
    spectra: Mapping[tuple[str, str, int], Float[ndarray, "head value"]]
    table: pd.DataFrame
    columns: ClassVar[Columns] = CIRCUIT

    def significant(self) -> pd.DataFrame:
        """The rows of which any number is as far out as in fewer than 5% of random models, over everything in the table."""
        p = self.table[[f"{name}_p_fwer" for name in NUMBERS]].to_numpy(dtype=float)
        return self.table.loc[(p < LEVEL).any(axis=1)]

    def _summary(self) -> str:
        n = len(self.significant())
        return f"{len(self.table)} circuits of heads; {n} unlike products of random matrices"


def factored(
    model: Model,
    circuit: str,
    layer: int,
    *,
    side: str = "",
) -> Factored:
    """A circuit of all heads of a layer, in float32 or better, heads as the leading axis.

    Args:
        model: The model.
        circuit: `QK` (rows: query; columns: key) or `OV` (rows: what is
            read; columns: what is written).
        layer: 0-based block.
        side: `encoder`, `decoder` or `cross` in an encoder-decoder model.

    Raises:
        HeadwiseError: No such circuit, side or layer, or matrices that are laid out in an unknown way.
    """
    if circuit not in CIRCUITS:
        raise HeadwiseError(
            f"Unknown circuit {circuit!r}; a head has two, {' and '.join(map(repr, CIRCUITS))}."
        )
    layers = dict(model.engine.attention_layers())
    attention = next((a for place, a in layers.items() if place == (side, layer)), None)
    if attention is None:
        known = {s: sum(other == s for other, _ in layers) for s, _ in layers}
        told = ", ".join(f"side {s!r}: layers 0 to {n - 1}" for s, n in known.items())
        raise HeadwiseError(
            f"{model.name} has no attention at side {side!r}, layer {layer}; it has {told}."
        )
    found = projections(attention)
    # Grouped queries: query head h uses key-value head h // group.
    group = attention.n_heads // attention.n_key_value_heads
    if circuit == "QK":
        left, right = found.W_Q, found.W_K.repeat_interleave(group, 0).mT
    else:
        left, right = found.W_V.repeat_interleave(group, 0), attention.W_O
    dtype = torch.promote_types(left.dtype, torch.float32)
    return Factored(left.to(dtype), right.to(dtype))


def read_circuits(
    model: Model,
    *,
    n_null: int = 40,
    seed: int = 0,
) -> CircuitResult:
    """Computes both circuits of every head from the weights, and compares them with random ones.

    Args:
        model: The model.
        n_null: Random models: products of Gaussian matrices in place of each circuit. The smallest
            `_p_fwer` is 1 / (n_null + 1), so fewer than 20 cannot show anything; 0 leaves them out.
        seed: Fixes them.

    Raises:
        HeadwiseError: Matrices are laid out in an unknown way, or `n_null` is negative.
    """
    check_counts(n_null=n_null, seed=seed)
    model.check_projections()
    with one_thread():
        table, shapes, spectra = _read(model)
        found = {name: table[name].to_numpy(dtype=float) for name in NUMBERS}
        table = table.assign(**compare(found, shapes, n_null, seed))
    for column in (
        "top",
        "top_random",
        "top_random_low",
        "top_random_high",
    ):  # were shares of the norm
        table[column] *= table["norm"]
    first = ["side", "layer", "head", "circuit", "d_head", "norm"]
    told = [column for name in NUMBERS for column in table if column.startswith(name)]
    return CircuitResult(
        model.name, n_null, seed, spectra, pd.DataFrame(table, columns=first + told)
    )


def _read(
    model: Model,
) -> tuple[pd.DataFrame, list[ProductShape], dict[tuple[str, str, int], ndarray]]:
    """Numbers of every circuit, the shape that each row has, and singular values."""
    layers = model.engine.attention_layers()
    frames: list[pd.DataFrame] = []
    shapes: list[ProductShape] = []
    spectra: dict[tuple[str, str, int], ndarray] = {}
    for (side, layer), _ in track(layers, len(layers), "reading weights"):
        for circuit in CIRCUITS:
            matrix = factored(model, circuit, layer, side=side)
            n_heads, rows, d_head = matrix.left.shape
            shape = ProductShape(
                rows, d_head, matrix.right.shape[-1], circuit == "OV" and side != "cross"
            )
            frame = pd.DataFrame(numbers_of(matrix, has_copying=shape.has_copying))
            place = {"side": side, "layer": layer, "head": np.arange(n_heads), "circuit": circuit}
            frames.append(frame.assign(**place, d_head=d_head))
            shapes += [shape] * n_heads
            spectra[circuit, side, layer] = matrix.singular_values.cpu().numpy()
    return pd.concat(frames, ignore_index=True), shapes, spectra


def top_tokens(
    model: Model,
    layer: int,
    head: int,
    *,
    side: str = "",
    circuit: str = "OV",
    k: int = 10,
    n_directions: int = 1,
) -> pd.DataFrame:
    """The tokens nearest to both ends of a head's strongest directions.

    A direction has two ends: the query and the key that raise the score (`query`, `key`), or what the head reads and what it then writes
    (`reads`, `writes`). Ends of one sign belong together:
    reading along `+` writes along `+`. Nearness is the dot product with a token's embedding, less that of
    the mean token; for what the last stack writes, with its unembedding where the weights bring one. Beyond
    the first layer the residual stream holds more than embeddings, so that a list without sense says little.

    Args:
        model: A model with a tokenizer.
        layer: 0-based block.
        head: 0-based head.
        side: As in `factored`.
        circuit: `QK` or `OV`.
        k: Tokens per end and sign.
        n_directions: How many directions, strongest first.

    Returns:
        One row per direction, end, sign and rank: `singular_value`, `token`, `dot`.

    Raises:
        HeadwiseError: As `factored`; no such head; `k` or `n_directions` out of range; no tokenizer, or
            embeddings of another width than the residual stream.
    """
    if model.tokenizer is None:
        raise HeadwiseError(
            f"{model.name} has no tokenizer to name tokens with; pass headwise.load(model, tokenizer=...)."
        )
    matrices = factored(model, circuit, layer, side=side)
    n_heads, d_model, d_head = matrices.left.shape
    vocabulary = _embedding(model, writes=False, side=side)
    n_tokens = min(len(vocabulary), len(model.tokenizer))
    for name, value, low, high in (
        ("head", head, 0, n_heads - 1),
        ("k", k, 1, n_tokens),
        ("n_directions", n_directions, 1, min(d_head, d_model)),
    ):
        if not low <= value <= high:
            raise HeadwiseError(f"{name}={value} is out of range; expected {low} to {high}.")
    model.check_projections()
    u, values, vh = matrices[head].svd()
    ends = {ENDS[circuit][0]: u.T[:n_directions], ENDS[circuit][1]: vh[:n_directions]}
    # A pair of singular vectors may be turned round; the first one's largest number is to be positive.
    largest = ends[ENDS[circuit][0]].abs().argmax(dim=1, keepdim=True)
    turn = ends[ENDS[circuit][0]].gather(1, largest).sign()
    frames: list[pd.DataFrame] = []
    for end, vectors in ends.items():
        embedding = _embedding(model, writes=end == "writes", side=side)[:n_tokens]
        dots = (turn * vectors) @ embedding.to(vectors.dtype).T
        # All embeddings share a large component, which would put the same tokens first for every direction.
        dots -= dots.mean(dim=1, keepdim=True)
        for sign, signed in (("+", dots), ("-", -dots)):
            best, ids = (found.cpu().numpy().ravel() for found in signed.topk(k, dim=1))
            told = {
                "direction": np.repeat(np.arange(n_directions), k),
                "singular_value": values[:n_directions].repeat_interleave(k).cpu().numpy(),
                "end": end,
                "sign": sign,
                "rank": np.tile(np.arange(k), n_directions),
                "token": [model.tokenizer.decode([int(token)]) for token in ids],
                "dot": best,
            }
            frames.append(pd.DataFrame(told))
    table = pd.concat(frames, ignore_index=True)
    return table.sort_values("direction", kind="stable", ignore_index=True)


def _embedding(model: Model, *, writes: bool, side: str) -> Float[torch.Tensor, "token d_model"]:
    """What tokens look like where a head reads, or where the end of the model reads what it wrote."""
    reads_out = writes and side != "encoder" and model.has_output_head
    weight = model.unembedding if reads_out else model.embedding
    if weight.shape[1] != model.d_model:
        raise HeadwiseError(
            f"{model.name} embeds tokens in {weight.shape[1]} dimensions and its residual stream has {model.d_model}, so tokens "
            "and directions cannot be compared. The singular vectors are in headwise.weights.circuits.factored(...)[head].svd()."
        )
    return weight
