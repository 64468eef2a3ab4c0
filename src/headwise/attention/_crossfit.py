"""Choosing a baseline on one half of the groups and counting on the other, both halves in turn, over many splits.

A single split is arbitrary: which rule is best, and by how much a head exceeds it, depends on the groups in each half. So rules are chosen on either
half and counted on the other (every question
is counted once in every split), and this is repeated over splits (Chernozhukov, Chetverikov, Demirer,
Duflo, Hansen, Newey and Robins 2018; Meinshausen, Meier and Buehlmann 2009). A rule that is itself
fitted would be flattered on the half that it was fitted on; to be compared with plain rules there, it
is fitted on one quarter and counted on the other quarter of the half.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.errors import HeadwiseError


@dataclass(frozen=True, eq=False)
class Splits:
    """Quarters of the groups; quarters 0 and 1 are one half, 2 and 3 the other.

    Attributes:
        quarter: Quarter of every group in every split.
    """

    quarter: Int[ndarray, "split group"]

    @classmethod
    def draw(cls, groups: Int[ndarray, " item"], n_splits: int, seed: int) -> "Splits":
        """Divides the groups that occur at random.

        Args:
            groups: Groups that items belong to, as indices.
            n_splits: How often they are divided.
            seed: Fixes the splits.

        Raises:
            HeadwiseError: There are fewer than two groups, or no split is wanted.
        """
        if n_splits < 1:
            raise HeadwiseError(
                f"n_splits={n_splits} divides nothing; expected 1 or more, 20 by default."
            )
        names = np.unique(groups)
        if len(names) < 2:
            raise HeadwiseError(
                f"The sentences come from {len(names)} group(s), too few to choose baselines on one half of them and "
                "report on the other. Add groups; there must be 10 to say anything."
            )
        rng = np.random.default_rng(seed)
        quarter = np.zeros((n_splits, int(names.max()) + 1), dtype=int)
        # Quarters 0, 2, 1, 3 in turn: of two groups, each half has one.
        order = np.array([0, 2, 1, 3])[np.arange(len(names)) % 4]
        for row in quarter:
            row[rng.permutation(names)] = order
        return cls(quarter)

    def halves(self, groups: Int[ndarray, " item"]) -> Int[ndarray, "split item"]:
        """The half, 0 or 1, in which each item lies."""
        return self.quarter[:, groups] // 2

    def __len__(self) -> int:
        return len(self.quarter)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A rule that is fitted to data: what it is right about in every split.

    Attributes:
        name: What it is called.
        outer: Fitted on the half in which the question does not lie.
        inner: Fitted on the other quarter of the half in which it lies.
    """

    name: str
    outer: Float[ndarray, "split question"] | Bool[ndarray, "split question"]
    inner: Float[ndarray, "split question"] | Bool[ndarray, "split question"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The best of several rules, chosen anew in every half of every split.

    Attributes:
        name: The rule chosen most often.
        right: Whether the rule chosen on the other half is right about each question.
        fitted_rate: How often the rule chosen on a half is right there.
    """

    name: str
    right: Float[ndarray, "split question"]
    fitted_rate: Float[ndarray, "split half"]


def choose(
    names: Sequence[str],
    right: Float[ndarray, "rule question"] | Bool[ndarray, "rule question"],
    fitted: Sequence[Fitted],
    inside: Bool[ndarray, " question"],
    half: Int[ndarray, "split question"],
) -> Chosen:
    """Chooses on each half the rule that is right most often there; of several the first.

    Args:
        names: Names of the rules that are the same in every split.
        right: What they are right about.
        fitted: Rules that are not; they come after the others.
        inside: Questions to choose on.
        half: The half in which each question lies.
    """
    # [split, half, question]: which questions a choice is made on.
    on = np.stack([(half == h) & inside for h in (0, 1)], axis=1).astype(np.float32)
    n_on = np.maximum(on.sum(axis=2), 1)
    scores = on @ right.T.astype(np.float32)
    more = [np.einsum("shq,sq->sh", on, rule.inner.astype(np.float32)) for rule in fitted]
    scores = np.concatenate([scores, np.stack([*more, n_on * 0][: len(more)], axis=2)], axis=2) if more else scores  # fmt: skip
    best = scores.argmax(axis=2)
    found = np.empty(half.shape, dtype=np.float32)
    for s, row in enumerate(half):
        for h in (0, 1):
            rule, reported = best[s, 1 - h], row == h
            own = right[rule] if rule < len(right) else fitted[rule - len(right)].outer[s]
            found[s, reported] = own[reported]
    everything = [*names, *(rule.name for rule in fitted)]
    often = np.bincount(best.ravel(), minlength=len(everything))
    rate = np.take_along_axis(scores, best[..., None], axis=2)[..., 0] / n_on
    return Chosen(everything[int(often.argmax())], found, rate)
