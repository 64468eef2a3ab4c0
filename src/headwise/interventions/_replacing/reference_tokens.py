"""Reference tokens: those over which a mean is taken, or one of whose vectors replaces an activation.

The narrowest set with a member in at least one other sentence: tokens at the same position of sentences of one group, if these are equally
long (templates); else, of a token that is no word of the sentence, the same token; else words of the same part of speech; else all words of the suite, wherever they stand. A
mean over the last is a mean over words of any kind, which a head may never give at such a place: `shares` gives its frequency.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.interventions.prompts import Row

POSITION, SPECIAL, SPEECH, ALL = (
    "same position of the same template",
    "same token that is no word of the sentence",
    "same part of speech",
    "all words of the suite",
)


@dataclass(frozen=True, eq=False)
class ReferenceTokens:
    """Pools of tokens, over all rows one after the other.

    Attributes:
        pool: The pool of each token, an index into `members`.
        members: Tokens of each pool.
        owner: The sentence of each token.
        reference: The reference token of each token, in another sentence.
        shares: Share of tokens by what their pool is: `POSITION`, `SPECIAL`, `SPEECH` or `ALL`.
    """

    pool: Int[ndarray, " token"]
    members: list[Int[ndarray, " _"]]
    owner: Int[ndarray, " token"]
    reference: Int[ndarray, " token"]
    shares: dict[str, float]

    @staticmethod
    def of(
        rows: Sequence[Row], owners: Sequence[int], groups: Int[ndarray, " sentence"], seed: int
    ) -> "ReferenceTokens":
        """The narrowest pools in which every token has a member in another sentence.

        Args:
            rows: Tokens.
            owners: The sentence of each row.
            groups: The group of each sentence.
            seed: Fixes the drawn reference tokens.
        """
        lengths = np.array([len(row.tokens) for row in rows])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        owner = np.repeat(np.array(owners), lengths)
        group = groups[owner]
        position = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        tags = np.array([t for row in rows for t in row.tags])
        ids = np.array([t for row in rows for t in row.tokens])
        tag = np.where(tags == "", -1, np.unique(tags, return_inverse=True)[1].ravel())
        of_row = np.repeat(lengths, lengths)
        alike = np.zeros(len(groups), dtype=bool)  # groups of one length
        for g in np.unique(groups):
            n = np.unique(of_row[group == g])
            alike[groups == g] = len(n) == 1
        keys = {
            POSITION: np.where(alike[owner], group * (lengths.max() + 1) + position, -1),
            SPECIAL: np.where(np.isin(tags, ("special", "continuation")), ids, -1),
            SPEECH: tag,
            ALL: np.zeros_like(tag),
        }
        rng = np.random.default_rng(seed)
        pool, reference = (np.full(len(owner), -1) for _ in range(2))
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
                reference[mine] = _others(mine, members, owner, rng)
            shares[name] = float((open_ & (pool >= 0)).mean())
        return ReferenceTokens(pool, pools, owner, reference, shares)

    def means(
        self, values: Float[Tensor, "token ..."]
    ) -> tuple[Float[Tensor, "mean ..."], Int[ndarray, " token"]]:
        """The mean of each token's pool, without the sentence that the token is of.

        A mean that holds the token itself leaves a part of what it should replace: half of it, in a pool of two.

        Returns:
            Means, and for each token which of them is its own.
        """
        n_owners = int(self.owner.max()) + 1
        names, index = np.unique(self.pool * n_owners + self.owner, return_inverse=True)
        found = torch.empty((len(names), *values.shape[1:]), dtype=torch.float32)
        for number, members in enumerate(self.members):
            owners, own = np.unique(self.owner[members], return_inverse=True)
            inside = values[members].double()
            sums = torch.zeros((len(owners), *values.shape[1:]), dtype=torch.float64)
            sums.index_add_(0, torch.from_numpy(own.ravel()), inside)
            counts = torch.from_numpy(len(members) - np.bincount(own.ravel()))
            rest = (inside.sum(0) - sums) / counts.reshape(-1, *[1] * (values.dim() - 1))
            tested = np.flatnonzero(names // n_owners == number)
            found[tested] = rest[np.searchsorted(owners, names[tested] % n_owners)].float()
        return found, index.ravel()


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
