"""An interpolated 5-gram model: what can be foreseen from the last four tokens alone.

Kneser-Ney smoothing with one discount per order: the longest order uses counts, every shorter one
the number of different tokens that were seen before it. An n-gram is one 64-bit number, so counting
is sorting: 40 million tokens take about a minute and 4 GB.

Reference: Chen and Goodman 1999, An empirical study of smoothing techniques for language modeling,
section 2.8 (interpolated form of section 4.1.6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 12  # a token id below 4,096
Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Order:
    """Counts of one length: n-grams, and of their histories the total and the number of followers."""

    grams: Keys
    counts: NDArray[np.int64]
    histories: Keys
    totals: NDArray[np.int64]
    followers: NDArray[np.int64]
    discount: float


class NGram:
    """Interpolated Kneser-Ney over tokens.

    Args:
        texts: Token ids of each text, its beginning mark first.
        n: Order: the token and the `n - 1` before it.
        n_entries: Size of the vocabulary, at most 4,096.
    """

    def __init__(self, texts: Sequence[Sequence[int]], n: int = 5, n_entries: int = 4096):
        if n_entries > 1 << BITS or n * BITS > 63:
            raise ValueError(f"{n}-grams over {n_entries} entries do not fit into 63 bits.")
        self.n, self.n_entries = n, n_entries
        keys, counts = np.unique(self._grams(texts, n), return_counts=True)
        self._orders: list[_Order] = []
        for length in range(n, 0, -1):
            self._orders.append(_order(keys, counts))
            keys, counts = np.unique(keys & ((1 << BITS * (length - 1)) - 1), return_counts=True)

    def _grams(self, texts: Sequence[Sequence[int]], n: int) -> Keys:
        """Every token after the first of its text, with the tokens before it; beginnings are repeated."""
        tokens = np.concatenate([np.r_[[text[0]] * (n - 1), text[1:]] for text in texts])
        inside = np.concatenate(
            [np.r_[np.zeros(n - 1, bool), np.ones(len(text) - 1, bool)] for text in texts]
        )
        keys = np.zeros(len(tokens), np.int64)
        for back in range(n - 1, -1, -1):
            keys = (keys << BITS) | np.roll(tokens, back)
        return keys[inside]

    def nats(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Negative log probability of every token but the first of each text, in one row."""
        grams = self._grams(texts, self.n)
        probability = np.full(len(grams), 1 / self.n_entries)
        for length, order in zip(range(1, self.n + 1), reversed(self._orders), strict=True):
            own = grams & ((1 << BITS * length) - 1)
            count = _look_up(order.grams, order.counts, own)
            total = _look_up(order.histories, order.totals, own >> BITS)
            followers = _look_up(order.histories, order.followers, own >> BITS)
            seen = total > 0
            kept = np.maximum(count - order.discount, 0) + order.discount * followers * probability
            probability = np.where(seen, kept / np.maximum(total, 1), probability)
        return -np.log(probability)


def _order(keys: Keys, counts: NDArray[np.int64]) -> _Order:
    histories, starts = np.unique(keys >> BITS, return_index=True)
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return _Order(
        grams=keys,
        counts=counts,
        histories=histories,
        totals=np.add.reduceat(counts, starts),
        followers=np.diff(np.r_[starts, len(keys)]),
        discount=once / (once + 2 * twice) if once else 0.5,
    )


def _look_up(keys: Keys, values: NDArray[np.int64], wanted: Keys) -> NDArray[np.int64]:
    """Values of keys, 0 where there is none; `keys` are sorted."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
