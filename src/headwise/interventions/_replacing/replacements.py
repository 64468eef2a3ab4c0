"""Replacements of activations: vectors by token, read once and kept.

A store holds what some sites were at every token of some rows. A source gives for every token of the rows that are run the vector that replaces it:
the mean of its reference tokens, that of one reference token, that of the same word in another sentence, or its own (which freezes it).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._progress import track
from headwise.activations import alignment, hooks
from headwise.activations.planning import parse, readable
from headwise.activations.sites import on_side
from headwise.errors import HeadwiseError
from headwise.interventions.prompts import Prompts, Row
from headwise.model.architecture import Side
from headwise.model.model import Model

Place = tuple[str, Side, int]  # site, side, layer


@dataclass(frozen=True, eq=False)
class Source:
    """Vectors that replace others.

    Attributes:
        vectors: By site, side and layer: `[vector, head, d_head]`, or `[vector, d_model]` of the residual stream.
        index: Of the rows, and of the decoder's rows if there are some: for every token the vector that takes its
            place, -1 for a token that stays as it is.
    """

    vectors: Mapping[Place, Float[Tensor, "vector ..."]]
    index: tuple[list[Int[ndarray, " _"]], list[Int[ndarray, " _"]]]

    def at(
        self, place: Place, rows: Sequence[int], n: int
    ) -> tuple[Float[Tensor, "row pos *rest"], Tensor]:
        """Replacements of some rows' vectors, padded to `n`, and where there are any."""
        vectors = self.vectors[place]
        index = torch.full((len(rows), n), -1)
        own = self.index[is_of_target(place)]
        for k, row in enumerate(rows):
            index[k, : len(own[row])] = torch.from_numpy(own[row])
        return vectors[index.clamp(min=0)], index >= 0


def is_of_target(place: Place) -> bool:
    """Whether a site has the positions of what the decoder of an encoder-decoder is given."""
    site, side, _ = place
    return side == "decoder" or (side == "cross" and site not in ("k", "v"))


def read_all(model: Model, prompts: Prompts, places: Sequence[Place]) -> dict[Place, Tensor]:
    """What some sites are at every token of every row, one row after the other.

    Returns:
        By place `[token, head, d_head]`, or `[token, d_model]` of the residual stream, on the CPU.
    """
    found: dict[Place, Tensor] = {}
    lengths = [len(row.tokens) for row in prompts.rows]
    starts = {of: starts_of(prompts.targets if of else prompts.rows) for of in (False, True)}
    sites = sorted({(_key(place), place[2]) for place in places})
    batches = alignment.plan(lengths, alignment.usual_batch_tokens(model))
    for rows in track(iter(batches), len(lengths), "reading", len):
        given = Given.of(model, prompts, rows)
        with hooks.capture(
            model, sorted({key for key, _ in sites}), layers=sorted({layer for _, layer in sites})
        ) as seen:
            model.forward(given.tokens, given.mask, given.targets, given.target_mask)
        for place in places:
            of = is_of_target(place)
            values = seen[_key(place), place[2]].cpu()
            if place not in found:
                shape = (int(starts[of][-1]), *values.shape[2:])
                found[place] = torch.empty(shape, dtype=values.dtype)
            for k, row in enumerate(rows):
                own = slice(starts[of][row], starts[of][row + 1])
                found[place][own] = values[k, : own.stop - own.start]
    return found


def starts_of(rows: Sequence[Row]) -> Int[ndarray, " _"]:
    """Where each row begins among the tokens of all, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(row.tokens) for row in rows])]).astype(np.int64)


def by_row(index: Int[ndarray, " token"], rows: Sequence[Row]) -> list[Int[ndarray, " _"]]:
    """An index of all tokens, split into rows."""
    return np.split(index, starts_of(rows)[1:-1]) if rows else []


def themselves(prompts: Prompts) -> tuple[list[Int[ndarray, " _"]], list[Int[ndarray, " _"]]]:
    """Every token's own vector."""
    first, second = (
        by_row(np.arange(starts_of(rows)[-1]), rows) for rows in (prompts.rows, prompts.targets)
    )
    return first, second


def check_budget(model: Model, prompts: Prompts, n_places: int, budget: int | str) -> None:
    """Refuses to keep more than a budget allows.

    Raises:
        HeadwiseError: The vectors of all tokens at so many places need more.
    """
    tokens = int(max(starts_of(prompts.rows)[-1], starts_of(prompts.targets)[-1]))
    need = tokens * n_places * model.n_heads * model.d_head * model.dtype.itemsize
    if need > parse(budget):
        raise HeadwiseError(
            f"Keeping the replacements takes {readable(need)} ({tokens:,} tokens at {n_places} places of {model.name}), "
            f"more than the budget of {readable(parse(budget))}. Ask about fewer heads or sentences, pass "
            "method=['zero'], which keeps nothing, or a larger budget."
        )


def _key(place: Place) -> str:
    site, side, _ = place
    return on_side(side, site)


@dataclass(frozen=True, eq=False)
class Given:
    """Rows as a model is given them, padded on the right."""

    tokens: Int[Tensor, "batch pos"]
    mask: Int[Tensor, "batch pos"]
    targets: Int[Tensor, "batch target"] | None
    target_mask: Int[Tensor, "batch target"] | None

    @staticmethod
    def of(model: Model, prompts: Prompts, rows: Sequence[int]) -> "Given":
        """Some rows."""
        tokens, mask = _padded(model, [prompts.rows[row] for row in rows])
        if not prompts.targets:
            return Given(tokens, mask, None, None)
        return Given(tokens, mask, *_padded(model, [prompts.targets[row] for row in rows]))

    def repeated(self, n: int) -> "Given":
        """Every row `n` times, one after the other."""
        fields = (self.tokens, self.mask, self.targets, self.target_mask)
        return Given(*(None if x is None else x.repeat_interleave(n, dim=0) for x in fields))  # pyright: ignore[reportArgumentType]


def _padded(model: Model, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    n = max(len(row.tokens) for row in rows)
    tokens = torch.full((len(rows), n), model.pad_token)
    mask = torch.zeros_like(tokens)
    for k, row in enumerate(rows):
        tokens[k, : len(row.tokens)] = torch.tensor(row.tokens)
        mask[k, : len(row.tokens)] = 1
    return tokens.to(model.device), mask.to(model.device)
