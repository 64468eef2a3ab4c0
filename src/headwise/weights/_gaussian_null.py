"""Products of Gaussian matrices: the null distribution of circuits.

A circuit of weights that were drawn and never trained is such a product, so this gives the effect of the shape alone. Singular values and eigenvalues
of Gaussian factors depend on the factors' triangles only, and
those can be drawn by themselves (Bartlett 1933: independent normal numbers above a diagonal of chi
distributed ones), so that a draw takes `d_head^3` operations whatever `d_model` is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from headwise._progress import track

from .low_rank import Factored

LEVEL = 0.95
BLOCK = 256  # matrices drawn at once
FIXED = 1e-5  # a spread that is rounding
NUMBERS = ("top", "effective_rank", "copying")


@dataclass(frozen=True)
class ProductShape:
    """Shape of a product, and whether its eigenvalues mean anything."""

    rows: int
    rank: int
    columns: int
    has_copying: bool


def numbers_of(matrix: Factored, *, has_copying: bool) -> dict[str, Float[ndarray, " head"]]:
    """`norm`, `top` (largest singular value over the norm), `effective_rank` and `copying` of each matrix."""
    norm = matrix.norm
    top = matrix.singular_values[..., 0] / norm
    copying = matrix.copying if has_copying else torch.full_like(norm, torch.nan)
    found = {"norm": norm, "top": top, "effective_rank": matrix.effective_rank, "copying": copying}
    return {name: value.double().cpu().numpy() for name, value in found.items()}


def draw(shape: ProductShape, n: int, rng: np.random.Generator) -> Factored:
    """Products of Gaussian factors, or smaller ones with the same singular and eigenvalues.

    Seen in the basis of the right factor's rows, that factor is a triangle and zeros; the left one's rows
    that meet the zeros count by their triangle only.
    """
    rows, rank, columns = shape.rows, shape.rank, shape.columns
    if min(rows - rank, columns) < rank:
        left = rng.standard_normal((n, rows, rank), dtype=np.float32)
        right = rng.standard_normal((n, rank, columns), dtype=np.float32)
        return Factored(torch.from_numpy(left), torch.from_numpy(right))
    met = rng.standard_normal((n, rank, rank), dtype=np.float32)
    left = np.concatenate([met, _triangle(rows - rank, rank, n, rng)], axis=1)
    triangle = _triangle(columns, rank, n, rng).swapaxes(1, 2)
    right = np.concatenate([triangle, np.zeros_like(triangle)], axis=2)
    return Factored(torch.from_numpy(left), torch.from_numpy(right))


def _triangle(
    rows: int, rank: int, n: int, rng: np.random.Generator
) -> Float[ndarray, "n rank rank"]:
    """The triangular factor of a Gaussian matrix with at least as many rows as columns."""
    triangle = np.triu(rng.standard_normal((n, rank, rank), dtype=np.float32), 1)
    squares = rng.chisquare(rows - np.arange(rank), size=(n, rank))
    triangle[:, np.arange(rank), np.arange(rank)] = np.sqrt(squares)
    return triangle


def draw_numbers(
    shape: ProductShape, n: int, rng: np.random.Generator
) -> dict[str, Float[ndarray, " drawn"]]:
    """The numbers of `n` random products, a block of them at a time."""
    sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
    parts = [
        numbers_of(draw(shape, size, rng), has_copying=shape.has_copying)
        for size in track(sizes, n, "random matrices", int)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in NUMBERS}


def compare(
    found: Mapping[str, Float[ndarray, " row"]],
    shapes: list[ProductShape],
    n_null: int,
    seed: int,
) -> dict[str, Float[ndarray, " row"]]:
    """Sets every number of every row beside `n_null` models whose every row is a random product.

    Returns:
        For each of `NUMBERS`: `_random`, the mean over random products of the row's shape; `_low` and
        `_high`, which 95% of them lie between; `_p`, the two-sided share of them that are at least as far
        out; `_p_fwer`, the share of random models in which any number of any row is as far out, in
        standard deviations (Westfall and Young 1993). NaN where the row has no such number, and p also
        where the shape alone fixes it (the effective rank of heads one wide).
    """
    rng = np.random.default_rng(seed)
    columns = ("random", "random_low", "random_high", "p", "p_fwer")
    result = {f"{name}_{c}": np.full(len(shapes), np.nan) for name in NUMBERS for c in columns}
    if n_null == 0:
        return result
    deviation = {name: np.full(len(shapes), np.nan) for name in NUMBERS}
    largest = np.zeros(n_null)
    for shape in dict.fromkeys(shapes):
        rows = np.array([i for i, other in enumerate(shapes) if other == shape])
        drawn = draw_numbers(shape, n_null * len(rows), rng)
        for name in NUMBERS if shape.has_copying else NUMBERS[:-1]:
            pool, observed = drawn[name], found[name][rows]
            mean, spread = pool.mean(), pool.std()
            low, high = np.quantile(pool, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
            known = np.where(np.isnan(observed), np.nan, 1.0)
            for column, value in (("random", mean), ("random_low", low), ("random_high", high)):
                result[f"{name}_{column}"][rows] = value * known
            if spread < FIXED:
                continue
            result[f"{name}_p"][rows] = two_sided(observed, pool) * known
            deviation[name][rows] = np.abs(observed - mean) / spread
            by_model = np.abs(pool - mean).reshape(n_null, -1) / spread
            largest = np.maximum(largest, by_model.max(axis=1))
    for name in NUMBERS:
        as_far = (largest >= deviation[name][:, None]).sum(axis=1)
        known = np.where(np.isnan(deviation[name]), np.nan, 1.0)
        result[f"{name}_p_fwer"] = (as_far + 1) / (n_null + 1) * known
    return result


def two_sided(
    observed: Float[ndarray, " row"], pool: Float[ndarray, " drawn"]
) -> Float[ndarray, " row"]:
    """Twice the share of draws, the observed one among them, on the side where fewer lie."""
    ordered = np.sort(pool)
    below = np.searchsorted(ordered, observed, side="right")
    above = len(pool) - np.searchsorted(ordered, observed, side="left")
    return np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (len(pool) + 1))
