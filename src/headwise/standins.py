"""Tokens that can stand for each other: what a mean is taken over, and whose vector is put in another's place.

The narrowest that there is: the same position of sentences of one group if these are equally long
(templates), else words of one part of speech, else all words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from .prompts import Row


@dataclass(frozen=True, eq=False)
class StandIns:
    """Pools of tokens, over all rows one after the other.

    Attributes:
        pool: The pool of each token, an index into `members`.
        members: Tokens of each pool.
        donor: Another token of the pool, of another sentence.
        shares: How narrow the pools are.
    """

    pool: Int[ndarray, " token"]
    members: list[Int[ndarray, " _"]]
    donor: Int[ndarray, " token"]
    shares: dict[str, float]

    @staticmethod
    def of(
        rows: Sequence[Row], owners: Sequence[int], groups: Int[ndarray, " sentence"], seed: int
    ) -> "StandIns":
        """The narrowest pools in which every token meets another sentence.

        Args:
            rows: Tokens.
            owners: The sentence of each row.
            groups: The group of each sentence.
            seed: Fixes the donors.
        """
        lengths = np.array([len(row.tokens) for row in rows])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        owner = np.repeat(np.array(owners), lengths)
        group = groups[owner]
        position = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        tags = np.array([t for row in rows for t in row.tags])
        tag = np.where(tags == "", -1, np.unique(tags, return_inverse=True)[1].ravel())
        of_row = np.repeat(lengths, lengths)
        alike = np.zeros(len(groups), dtype=bool)  # groups of one length
        for g in np.unique(groups):
            n = np.unique(of_row[group == g])
            alike[groups == g] = len(n) == 1
        keys = {
            "position": np.where(alike[owner], group * (lengths.max() + 1) + position, -1),
            "part of speech": tag,
            "suite": np.zeros_like(tag),
        }
        rng = np.random.default_rng(seed)
        pool, donor = (np.full(len(owner), -1) for _ in range(2))
        shares: dict[str, float] = {}
        pools: list[Int[ndarray, " _"]] = []
        for name, key in keys.items():
            open_ = pool < 0
            for value in np.unique(key[open_ & (key >= 0)]):
                members = np.flatnonzero(key == value)
                if len(np.unique(owner[members])) < 2:
                    continue
                mine = members[open_[members]]
                pool[mine] = len(pools)
                pools.append(members)
                donor[mine] = _others(mine, members, owner, rng)
            shares[name] = float((open_ & (pool >= 0)).mean())
        return StandIns(pool, pools, donor, shares)


def _others(
    tokens: Int[ndarray, " some_tokens"],
    members: Int[ndarray, " members"],
    owner: Int[ndarray, " token"],
    rng: np.random.Generator,
) -> Int[ndarray, " some_tokens"]:
    """For each token a random member of its pool from another sentence."""
    found = rng.choice(members, len(tokens))
    while len(same := np.flatnonzero(owner[found] == owner[tokens])):
        found[same] = rng.choice(members, len(same))
    return found
