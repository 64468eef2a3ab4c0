"""Questions to heads: the query word, the visible words, and the right ones."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

AttentionOrder = Literal["dependent->governor", "governor->dependent", "column"]
DIRECTIONS: Final[tuple[AttentionOrder, ...]] = get_args(AttentionOrder)

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Questions:
    """Query words and the words that would be right.

    Attributes:
        sentence: Index of the sentence.
        query: Position of the query word (for a column: of the key word).
        first: First position that counts.
        end: End of what counts, exclusive.
        targets: Positions that are right; -1 where a question has fewer than others.
    """

    sentence: Int[ndarray, " question"]
    query: Int[ndarray, " question"]
    first: Int[ndarray, " question"]
    end: Int[ndarray, " question"]
    targets: Int[ndarray, "question target"]

    def __len__(self) -> int:
        return len(self.sentence)

    def where(self, chosen: Bool[ndarray, " question"]) -> "Questions":
        """Some of the questions."""
        return Questions(
            self.sentence[chosen],
            self.query[chosen],
            self.first[chosen],
            self.end[chosen],
            self.targets[chosen],
        )

    @property
    def nearest(self) -> Int[ndarray, " question"]:
        """Distance to the nearest right word."""
        distances = np.abs(self.targets - self.query[:, None])
        far = np.iinfo(distances.dtype).max
        return np.where(self.targets == NOBODY, far, distances).min(axis=1, initial=far)


def ask(
    direction: AttentionOrder,
    pairs: Int[ndarray, "pair 3"],
    lengths: Int[ndarray, " sentence"],
    is_causal: bool,
) -> tuple[Questions, int]:
    """Turns pairs of words into questions.

    Args:
        direction: Which word of a pair is the query.
        pairs: Sentence, dependent and governor of each pair, in this order.
        lengths: Words in each sentence.
        is_causal: Whether a word sees only what stands before it.

    Returns:
        The questions, and how many there are whose answer a decoder cannot see.
    """
    sentence, dependent, governor = pairs.T
    if direction == "governor->dependent":
        sentence, query, targets = _grouped(sentence, governor, dependent)
    else:
        query, targets = dependent, governor[:, None]
    first, end = np.zeros_like(query), lengths[sentence]
    if is_causal and direction == "column":
        # A column is read from the dependent: what can look at it stands after it in a decoder.
        first = query + 1
    elif is_causal:
        end = query
    seen = (targets >= first[:, None]) & (targets < end[:, None])
    everything = Questions(sentence, query, first, end, np.where(seen, targets, NOBODY))
    answerable = np.any(seen, axis=1)
    return everything.where(answerable), int((~answerable).sum())


def _grouped(
    sentence: Int[ndarray, " pair"], query: Int[ndarray, " pair"], target: Int[ndarray, " pair"]
) -> tuple[Int[ndarray, " q"], Int[ndarray, " q"], Int[ndarray, "q target"]]:
    """One question for all targets of one word."""
    order = np.lexsort((target, query, sentence))
    keys = np.stack([sentence, query], axis=1)[order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    question = np.cumsum(is_first) - 1
    place = np.arange(len(keys)) - np.flatnonzero(is_first)[question]
    targets = np.full((int(is_first.sum()), int(place.max(initial=0)) + 1), NOBODY)
    targets[question, place] = target[order]
    return keys[is_first, 0], keys[is_first, 1], targets
