"""Parameter counts by kind, and what a context costs.

    headwise.count_parameters("gpt3").table        # a shape, no weights
    headwise.count_parameters(model).table         # a model, by walking its parameters

Two totals, which differ by convention. `matrices` counts what a diagram of a transformer shows: embedding,
queries, keys, value-down, value-up, MLP and unembedding, the last counted separately even where it is tied to the embedding; positions, biases and
norms are left out. `total` counts every stored number once.

Attention compares every token with every token: T^2 scores in each head. That grows with the square of
the text, whatever the parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from headwise.errors import HeadwiseError, UnsupportedModel
from headwise.model.architecture import Stack, stacks_of
from headwise.model.model import Model

from ._parameter_map import (
    ATTENTION,
    KEY,
    MATRICES,
    MLP,
    QUERY,
    VALUE_DOWN,
    VALUE_UP,
    Line,
    lines_of,
    places_of,
)
from .shapes import ModelShape, notes_on, shape_of

TOKENS = tuple(2**power for power in range(7, 21))
UNLIMITED = 10**6


@dataclass(frozen=True)
class ParameterCount:
    """All parameters of a model or a shape.

    Attributes:
        name: Of the model or shape.
        lines: Every parameter, each in one line.
        n_heads: Query heads in all blocks and on all sides: patterns that a text gives.
        n_context: Most tokens; 0 where there is no limit or it is not known.
        notes: What a reader might not expect.
    """

    name: str
    lines: tuple[Line, ...]
    n_heads: int
    n_context: int
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Every stored number once: Hugging Face's `num_parameters()`."""
        return sum(line.total for line in self.lines if line.is_stored)

    @property
    def matrices(self) -> int:
        """All matrices, the unembedding counted separately; positions, biases and norms left out."""
        return self.count(*MATRICES)

    def count(self, *parts: str) -> int:
        """Parameters of some parts, on all sides and in all blocks."""
        return sum(line.total for line in self.lines if line.part in parts)

    @property
    def attention(self) -> Line:
        """Queries, keys, value-down and value-up together, `per_head` where no head shares any."""
        found = [line for line in self.lines if line.part in ATTENTION]
        total = sum(line.total for line in found)
        per_block = [line.per_block for line in found if line.per_block is not None]
        if len({line.side for line in found}) > 1 or len(per_block) < len(found):
            return Line("attention", "", total)
        heads = {line.heads for line in found}
        per_head = sum(line.per_head or 0 for line in found) if len(heads) == 1 else None
        return Line("attention", "", total, sum(per_block), per_head, found[0].heads)

    @property
    def table(self) -> pd.DataFrame:
        """One row per line: `side`, `part`, `heads`, `per_head`, `per_block`, `total`, `stored`."""
        columns = {
            "side": [line.side for line in self.lines],
            "part": [line.part for line in self.lines],
            "heads": _whole([line.heads for line in self.lines]),
            "per_head": _whole([line.per_head for line in self.lines]),
            "per_block": _whole([line.per_block for line in self.lines]),
            "total": [line.total for line in self.lines],
            "stored": [line.is_stored for line in self.lines],
        }
        return pd.DataFrame(columns)

    @property
    def summary(self) -> pd.DataFrame:
        """The lines, each sum below the last line that it is of: `part`, `heads`, `per_head`, `per_block`, `total`, `share` of all that is stored (missing where a line is stored elsewhere)."""
        sums = {
            "attention, these together": (ATTENTION, self.attention),
            "MLPs, these together": (MLP, Line("", "", self.count(*MLP))),
            "all matrices, unembedding counted separately": (
                ("embedding", "unembedding"),
                Line("", "", self.matrices, is_stored=False),
            ),
        }
        last = {name: max((i for i, line in enumerate(self.lines) if line.part in parts), default=-1) for name, (parts, _) in sums.items()}  # fmt: skip
        rows: list[tuple[str, Line]] = []
        for i, line in enumerate(self.lines):
            rows.append((f"{line.side} {line.part}".strip(), line))
            rows += [(name, total) for name, (_, total) in sums.items() if last[name] == i]
        rows.append(("all that is stored", Line("", "", self.total)))
        columns = {name: _whole([getattr(line, name) for _, line in rows]) for name in ("heads", "per_head", "per_block")}  # fmt: skip
        totals = [line.total for _, line in rows]
        shares = [line.total / self.total if line.is_stored else None for _, line in rows]
        return pd.DataFrame({"part": [part for part, _ in rows], **columns, "total": totals, "share": shares})  # fmt: skip

    def context(self, tokens: Sequence[int] = (), bytes_per_score: int = 4) -> pd.DataFrame:
        """Scores that texts of some lengths give, if every pattern is held.

        Args:
            tokens: Lengths T; by default powers of two from 128 to four times the model's context, and that.
            bytes_per_score: 4 for float32, 2 for bfloat16.

        Returns:
            One row per length: `tokens`, `scores_per_head` (T^2), `heads`, `scores`, `bytes`.

        Raises:
            HeadwiseError: A length below 1.
        """
        limit = self.n_context or 4096
        usual = {t for t in TOKENS if t <= 4 * limit} | ({self.n_context} - {0})
        lengths = list(tokens) or sorted(usual)
        if min(lengths) < 1:
            raise HeadwiseError(f"A text has at least 1 token; got {min(lengths)}.")
        rows = [(t, t**2, self.n_heads, t**2 * self.n_heads) for t in lengths]
        frame = pd.DataFrame(rows, columns=["tokens", "scores_per_head", "heads", "scores"])
        return frame.assign(bytes=frame["scores"] * bytes_per_score)


def count_parameters(what: Model | ModelShape | str | nn.Module) -> ParameterCount:
    """Counts the parameters of a model or a shape.

    Args:
        what: A model (its own weights are walked), a Hugging Face model, a `Shape`, or a shape as text: a
            name as `gpt3`, or numbers as `d_model=768,n_layers=12,n_heads=12`.

    Raises:
        HeadwiseError: An unknown shape, or a model whose attention has an unknown layout or whose weights are parametrised.
    """
    if isinstance(what, str):
        return _of_shape(shape_of(what))
    if isinstance(what, ModelShape):
        return _of_shape(what)
    hf = what.hf if isinstance(what, Model) else what
    if held := next((k for k, module in hf.named_modules() if is_parametrized(module)), None):
        raise UnsupportedModel(
            f"The weight of {held} is computed from other parameters, which are no matrices of the model. Make it one first, with "
            "torch.nn.utils.parametrize.remove_parametrizations."
        )
    if isinstance(what, Model):
        n_context = what.n_context if what.n_context < UNLIMITED else 0
        return _of_model(what.name, what.hf, what.stacks, n_context)
    name = type(what).__name__
    return _of_model(name, what, stacks_of(what, name), 0)


def _of_shape(shape: ModelShape) -> ParameterCount:
    """Lines of a shape, from its numbers alone."""
    d, n, heads, kv = shape.d_model, shape.n_layers, shape.n_heads, shape.n_key_value_heads
    matrix = d * shape.d_head
    lines = [
        Line(part, "", n * count * matrix, count * matrix, matrix, count)
        for part, count in ((QUERY, heads), (KEY, kv), (VALUE_DOWN, kv), (VALUE_UP, heads))
    ]
    mlp = MLP if shape.gated else (MLP[0], MLP[2])
    lines += [Line(part, "", n * d * shape.d_mlp, d * shape.d_mlp) for part in mlp]
    if shape.vocabulary:
        embedding = shape.vocabulary * d
        lines.append(Line("embedding", "", embedding))
        lines.append(Line("unembedding", "", embedding, is_stored=not shape.tied))
    if shape.learned_positions and shape.n_context:
        lines.append(Line("positions", "", shape.n_context * d))
    if shape.biases:
        # Of queries, keys, values and the output; of the MLP's up (and gate) and down.
        bias = (heads + 2 * kv) * shape.d_head + d + (len(mlp) - 1) * shape.d_mlp + d
        lines.append(Line("biases", "", n * bias, bias))
    norm = d * (2 if shape.norm_biases else 1)
    per_block = shape.norms_per_block * norm
    lines.append(Line("norms", "", n * per_block + norm, per_block))
    name = shape.name or f"{n} layers x {heads} heads"
    return ParameterCount(name, tuple(lines), n * heads, shape.n_context, tuple(shape.notes))


def _of_model(name: str, hf: Any, stacks: Sequence[Stack], n_context: int) -> ParameterCount:
    """Lines of a model, from its parameters."""
    places = places_of(stacks)
    d_model = int(places[0][2].W_O.shape[-1])
    sizes = {(a.n_heads, a.n_key_value_heads, a.d_head) for _, _, a in places}
    notes = [note for size in sorted(sizes) for note in notes_on(*size, d_model)]
    n_heads = sum(attention.n_heads for _, _, attention in places)
    return ParameterCount(name, tuple(lines_of(hf, stacks)), n_heads, n_context, tuple(notes))


def _whole(values: Sequence[int | None]) -> "pd.Series":
    """A column of whole numbers, some of them missing."""
    return pd.Series(list(values), dtype="Int64")
