"""Clusters of items: by one factor, or by two that cross."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import sparse

from headwise.errors import HeadwiseError

MIN_CLUSTERS = 5  # fewer show nothing of how clusters vary: no interval


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each item belongs to.

    Words are a sample as sentences are (Clark 1973): where sentences of one template and sentences with one word are alike, and
    templates and words cross, both are factors.

    Attributes:
        factors: For each of one or two factors the cluster of every item, as a code from 0. Items that were taken out by `where` may
            leave codes that do not occur.
    """

    factors: tuple[Int[ndarray, " item"], ...]

    @staticmethod
    def of(*factors: Any) -> "Clusters":
        """Clusters by labels of any kind, one sequence for each factor.

        A factor that is nested in another one is dropped, since items that share it share the coarser one as well.

        Raises:
            HeadwiseError: No factor, factors of different lengths, or more than two that cross.
        """
        codes = [_codes(labels) for labels in factors]
        lengths = [len(code) for code in codes]
        if len(set(lengths)) != 1:
            raise HeadwiseError(
                f"Every factor names the cluster of every item; got factors of {lengths or 'no'} items. "
                "Pass one label for each item and factor."
            )
        kept: list[Int[ndarray, " item"]] = []
        for code in codes:
            if any(_is_nested(other, code) and _is_nested(code, other) for other in kept):
                continue  # the same clusters under other names
            kept.append(code)
        crossed = tuple(
            code for code in kept if not any(_is_nested(code, o) for o in kept if o is not code)
        )
        if len(crossed) > 2:
            raise HeadwiseError(
                f"At most two factors may cross; got {len(crossed)}. Leave out the one with the most clusters, or merge two."
            )
        return Clusters(crossed)

    def where(self, kept: Bool[ndarray, " item"]) -> "Clusters":
        """The clusters of some of the items, under the same codes."""
        return Clusters(tuple(code[kept] for code in self.factors))

    @property
    def n(self) -> int:
        """Clusters that occur, of the factor that has fewest."""
        return min(self.counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """Clusters that occur, of every factor."""
        return tuple(len(np.unique(code)) for code in self.factors)

    def __len__(self) -> int:
        return len(self.factors[0])


def _codes(labels: Any) -> Int[ndarray, " item"]:
    if isinstance(labels, ndarray) and labels.ndim == 1 and labels.dtype != object:
        return np.unique(labels, return_inverse=True)[1].ravel().astype(np.int64)
    numbers: dict[Any, int] = {}  # in order of appearance: labels need not be sortable
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)


def _is_nested(fine: Int[ndarray, " item"], coarse: Int[ndarray, " item"]) -> bool:
    """Whether every cluster of one factor lies in one cluster of another."""
    return len(np.unique(crossing(fine, coarse))) == len(np.unique(fine))


def crossing(first: Int[ndarray, " item"], second: Int[ndarray, " item"]) -> Int[ndarray, " item"]:
    """Clusters of items that share both factors."""
    return first * (int(second.max(initial=0)) + 1) + second


def sum_by_cluster(
    values: Float[ndarray, "test item"], clusters: Int[ndarray, " item"], n_clusters: int
) -> Float[ndarray, "test cluster"]:
    """Sums items that belong to one cluster; `clusters` are indices below `n_clusters`."""
    n_items = values.shape[1]
    membership = sparse.csr_array(
        (np.ones(n_items, values.dtype), (np.arange(n_items), clusters)),
        shape=(n_items, n_clusters),
    )
    return np.asarray(values @ membership)
