"""Online code length: the bits to transmit all labels, given the vectors, with a classifier that is refitted on what was transmitted.

The first portion is sent as it is, `log2(n_labels)` bits each; what follows with the probabilities of a classifier fitted on everything
before, in portions that double (Voita and Titov 2020, Information-theoretic probing with minimum description length). Three things make
the number fair: portions are whole groups; every label is in the first portion, since the code length of an unseen label depends on the smoothing of
the probabilities alone; and the length is the mean over several orders. No penalty is chosen on labels that are still to be sent: the classifiers of
all penalties are mixed in each message, by how well they predicted the previous ones (a Bayesian mixture).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import log_softmax

from .softmax import fit_logistic

FIRST = 0.125  # of the data, or as many groups as it takes to have every label
SMOOTHING = 0.01
N_ORDERS = 5


@dataclass(frozen=True, eq=False)
class Order:
    """In which order labels are sent, and where portions end.

    Attributes:
        examples: Examples in the order they are sent.
        ends: Where each portion ends, whole groups all of them; the last is the number of examples.
    """

    examples: Int[ndarray, " example"]
    ends: tuple[int, ...]


def orders_of(
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    seed: int,
    n_orders: int = N_ORDERS,
) -> tuple[Order, ...]:
    """Random orders that keep groups whole and have every label in the first portion."""
    rng = np.random.default_rng(seed)
    return tuple(_order(codes, groups, rng) for _ in range(n_orders))


def _order(
    codes: Int[ndarray, " example"], groups: Int[ndarray, " example"], rng: np.random.Generator
) -> Order:
    names = rng.permutation(np.unique(groups))
    has = {name: set(codes[groups == name].tolist()) for name in names}
    first: list[int] = []
    seen: set[int] = set()
    for code in rng.permutation(np.unique(codes)):
        if code not in seen:
            name = next(name for name in names if code in has[name] and name not in first)
            first.append(name)
            seen |= has[name]
    turn = [*first, *(name for name in names if name not in first)]
    examples = np.concatenate([np.flatnonzero(groups == name) for name in turn])
    starts = np.cumsum([0, *(int((groups == name).sum()) for name in turn)])
    n = len(examples)
    end = starts[max(len(first), int(np.searchsorted(starts, FIRST * n)))]
    ends = [int(end)]
    while ends[-1] < n:
        ends.append(int(starts[min(len(turn), int(np.searchsorted(starts, 2 * ends[-1])))]))
    return Order(examples, tuple(ends))


def codelength(
    values: Float[ndarray, "example dim"],
    codes: Int[ndarray, " example"],
    orders: tuple[Order, ...],
    C: tuple[float, ...],
    n_labels: int,
) -> float:
    """Bits for all labels, on average over orders.

    Args:
        values: Vectors, standardised if they are to be: the receiver has all of them from the beginning.
        codes: Labels.
        orders: As `orders_of` made them.
        C: Inverse strengths of the penalties that are mixed.
        n_labels: How many labels there are.
    """
    fits = [(order, start) for order in orders for start in order.ends[:-1]]
    bits = sum(order.ends[0] for order in orders) * np.log2(n_labels)
    if not fits:
        return float(bits / len(orders))
    weights = np.zeros((1, len(fits) * len(C), len(codes)))
    for i, (order, start) in enumerate(fits):
        weights[0, i * len(C) : (i + 1) * len(C), order.examples[:start]] = 1
    penalties = np.tile(np.array(C, dtype=float), len(fits))[None]
    scores = fit_logistic(values[None], codes, weights, penalties, n_labels)[0]
    chance = np.exp(log_softmax(scores.astype(np.float64), axis=2))
    own = chance[:, np.arange(len(codes)), codes]
    told = np.log2((1 - SMOOTHING) * own + SMOOTHING / n_labels).reshape(
        len(fits), len(C), len(codes)
    )
    i = 0
    for order in orders:
        foretold = np.zeros(len(C))
        for start, end in pairwise(order.ends):
            log_share = foretold - np.logaddexp.reduce(foretold)
            message = told[i][:, order.examples[start:end]].sum(axis=1) * np.log(2)
            bits -= np.logaddexp.reduce(log_share + message) / np.log(2)
            foretold = foretold + message
            i += 1
    return float(bits / len(orders))
