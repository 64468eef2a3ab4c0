"""Cluster-robust variances of weighted sums of class means, in closed form.

A mean over items is a ratio of sums over clusters; its variance is that of the sum of every cluster's influence, here with the
correction that makes it unbiased where clusters are alike (CR2: Bell and McCaffrey 2002; with clusters of equal sizes it is the factor
G / (G - 1)). Where two factors cross, the variances by each are added and that by their intersection is taken off (Cameron, Gelbach and
Miller 2011); the result is never below that of one factor alone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .clusters import Clusters, crossing, sum_by_cluster


@dataclass(frozen=True, eq=False)
class Contrast:
    """A weighted sum of means of classes of items.

    Attributes:
        codes: Class of each item, from 0.
        weights: Of each class's mean.
    """

    codes: Int[ndarray, " item"]
    weights: Float[ndarray, " class"]

    @staticmethod
    def mean(n_items: int) -> "Contrast":
        """The plain mean: all items are one class."""
        return Contrast(np.zeros(n_items, dtype=np.int64), np.ones(1))

    @staticmethod
    def balanced(codes: Int[ndarray, " item"]) -> "Contrast":
        """The mean in which every class that occurs counts alike."""
        names, codes = np.unique(codes, return_inverse=True)
        return Contrast(codes.ravel(), np.full(len(names), 1 / max(1, len(names))))

    def least(self, clusters: Clusters) -> int:
        """Clusters of the class that is in fewest, by the factor that has fewest."""
        classes = range(len(self.weights))
        return min((clusters.where(self.codes == c).n for c in classes), default=0)

    @property
    def of_item(self) -> Float[ndarray, " item"]:
        """What every item's value is multiplied by."""
        counts = np.bincount(self.codes, minlength=len(self.weights))
        return (self.weights / np.maximum(counts, 1))[self.codes]


@dataclass(frozen=True, eq=False)
class Spread:
    """How a weighted sum of class means varies over clusters.

    Attributes:
        value: The weighted sum.
        variance: Of the value.
        df: Degrees of freedom of the variance.
        influences: By factor, what every cluster that occurs adds to the deviation of the value, made unbiased in its square.
    """

    value: Float[ndarray, " test"]
    variance: Float[ndarray, " test"]
    df: float
    influences: tuple[Float[ndarray, "test _"], ...]


def spread_of(
    values: Float[ndarray, "test item"], clusters: Clusters, contrast: Contrast
) -> Spread:
    """The weighted sum and its cluster-robust variance."""
    found = tuple(_influences(values, code, contrast) for code in clusters.factors)
    variances = [(x**2).sum(axis=1) for x in found]
    if len(found) == 2:
        crossed = (_influences(values, crossing(*clusters.factors), contrast) ** 2).sum(axis=1)
        # What varies with the pair of both was counted twice.
        variances.append(variances[0] + variances[1] - crossed)
    return Spread(
        value=values @ contrast.of_item,
        variance=np.max(variances, axis=0),
        df=min(_freedom(code, contrast) for code in clusters.factors),
        influences=found,
    )


def _influences(
    values: Float[ndarray, "test item"], code: Int[ndarray, " item"], contrast: Contrast
) -> Float[ndarray, "test cluster"]:
    index = np.unique(code, return_inverse=True)[1].ravel()
    n_clusters = int(index.max(initial=-1)) + 1
    total = np.zeros((len(values), n_clusters))
    for c, weight in enumerate(contrast.weights):
        inside = np.flatnonzero(contrast.codes == c)
        counts = np.bincount(index[inside], minlength=n_clusters)
        part = values if len(inside) == values.shape[1] else values[:, inside]
        sums = sum_by_cluster(part, index[inside], n_clusters).astype(np.float64)
        mean = sums.sum(axis=1, keepdims=True) / len(inside)
        share = counts / len(inside)
        # A cluster pulls its class's mean towards itself, so its deviation is too small by 1 - share (CR2 of a mean; Bell and McCaffrey 2002).
        # A class that lies in one cluster alone has no deviation, and nothing to correct.
        scale = weight / len(inside) / np.sqrt(np.where(share < 1, 1 - share, 1))
        sums -= mean * counts
        sums *= scale
        total += sums
    return total


def _freedom(code: Int[ndarray, " item"], contrast: Contrast) -> float:
    """Degrees of freedom of the variance by Satterthwaite's rule, from the sizes of clusters and classes alone.

    As if items were independent (Bell and McCaffrey 2002; Imbens and Kolesar 2016). Clusters of equal sizes have one less than there are of
    them, a few large ones among small ones fewer; of two classes in clusters of their own it is nearly Welch's.
    """
    index = np.unique(code, return_inverse=True)[1].ravel()
    n = int(index.max(initial=-1)) + 1
    covariance = np.zeros((n, n))
    for c, weight in enumerate(contrast.weights):
        counts = np.bincount(index[contrast.codes == c], minlength=n).astype(float)
        share = counts / counts.sum()
        scale = weight / counts.sum() / np.sqrt(np.where(share < 1, 1 - share, 1))
        covariance += np.outer(scale, scale) * (np.diag(counts) - np.outer(counts, share))
    # Satterthwaite: for a quadratic form of independent normals, trace(V)**2 / trace(V V).
    squares = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares > 0 else 0.0
