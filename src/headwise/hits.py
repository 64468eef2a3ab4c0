"""Counting hits: for every head, is the most attended word of a pair the right one?

A `Hits` is filled batch by batch and gives `Items`, what was counted in one direction. No pattern
outlives the batch it came from; one bit per item and head stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from . import hooks, words
from .models import Model

Direction = Literal["dependent->governor", "governor->dependent", "column"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)

Scope = Literal["all", "adjacent", "apart"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

Part = Literal["select", "report", "all"]
MAX_OFFSET = 20


@dataclass(frozen=True, eq=False)
class Items:
    """What is counted in one direction: pairs, or governors with all their dependents.

    Attributes:
        sentence: Index of the sentence in the suite.
        group: Index of the sentence's group in `suite.groups`.
        offsets: Where the right answers lie, as distances in words from the word that looks; items
            with fewer right answers are filled with 0.
        selected: Whether the item lies in the part used for selection.
        hits: Whether the head hits.
    """

    sentence: Int[ndarray, " item"]
    group: Int[ndarray, " item"]
    offsets: Int[ndarray, "item answer"]
    selected: Bool[ndarray, " item"]
    hits: Bool[ndarray, "layer head item"]

    def within(self, part: Part, scope: Scope) -> Bool[ndarray, " item"]:
        """Items of one part; `adjacent` means that a right answer is the very next word."""
        in_part = {
            "select": self.selected,
            "report": ~self.selected,
            "all": np.ones_like(self.selected),
        }[part]
        adjacent = (np.abs(self.offsets) == 1).any(axis=1)
        in_scope = {"all": np.ones_like(adjacent), "adjacent": adjacent, "apart": ~adjacent}[scope]
        return in_part & in_scope

    def offset_hits(self, offset: int) -> Bool[ndarray, " item"]:
        """Items on which the rule "look `offset` words away" is right."""
        return (self.offsets == offset).any(axis=1)

    def best_offset(self, chosen: Bool[ndarray, " item"]) -> int:
        """The fixed offset that is right most often among the chosen items."""
        candidates = [k for k in range(-MAX_OFFSET, MAX_OFFSET + 1) if k != 0]
        rates = [self.offset_hits(k)[chosen].sum() for k in candidates]
        return candidates[int(np.argmax(rates))]


class Hits:
    """Collects hits batch by batch; short-lived.

    Attributes:
        impossible: Per direction, items whose answer a decoder cannot see.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.rows: dict[Direction, list[tuple[int, list[int]]]] = {d: [] for d in DIRECTIONS}
        self.hits: dict[Direction, list[Bool[ndarray, "layer head item"]]] = {
            d: [] for d in DIRECTIONS
        }
        self.impossible: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)

    def add(
        self,
        batch: words.Batch,
        pairs: Sequence[Sequence[tuple[int, int]]],
        captured: hooks.Captured,
    ) -> None:
        """Scores every pair in a batch."""
        asked: dict[Direction, list[tuple[int, int, list[int]]]] = {
            direction: [
                (row, looker, targets)
                for row, i in enumerate(batch.indices)
                for looker, targets in self._questions(direction, pairs[i])
            ]
            for direction in DIRECTIONS
        }
        if not any(asked.values()):
            return
        by_layer: dict[Direction, list[Bool[Tensor, "item head"]]] = {d: [] for d in DIRECTIONS}
        for layer in range(self.model.n_layers):
            attention = words.pattern_of_words(captured["pattern", layer].float(), batch.pieces)
            attention.diagonal(dim1=-2, dim2=-1).zero_()
            to_key = attention.max(dim=-1)
            from_query = attention.max(dim=-2)
            for direction, questions in asked.items():
                best = from_query if direction == "column" else to_key
                by_layer[direction].append(_score(best.values, best.indices, questions))
        for direction, questions in asked.items():
            self.rows[direction] += [
                (batch.indices[row], [target - looker for target in targets])
                for row, looker, targets in questions
            ]
            hits = torch.stack(by_layer[direction]).permute(0, 2, 1)
            self.hits[direction].append(hits.cpu().numpy())

    def _questions(
        self, direction: Direction, pairs: Sequence[tuple[int, int]]
    ) -> list[tuple[int, list[int]]]:
        """Who looks, and which words are right; without those a decoder cannot answer."""
        if direction == "governor->dependent":
            governors = sorted({governor for _, governor in pairs})
            questions = [(g, [d for d, governor in pairs if governor == g]) for g in governors]
        else:
            questions = [(dependent, [governor]) for dependent, governor in pairs]
        if not self.model.is_causal:
            return questions
        possible = [
            (looker, seen)
            for looker, targets in questions
            if (seen := [t for t in targets if (t > looker) == (direction == "column")])
        ]
        self.impossible[direction] += len(questions) - len(possible)
        return possible

    def items(
        self,
        direction: Direction,
        sentences: Int[ndarray, " sentence"],
        groups: Int[ndarray, " sentence"],
        selected: set[int],
    ) -> Items:
        """Everything collected in one direction."""
        rows = self.rows[direction]
        index = np.array([i for i, _ in rows], dtype=int)
        offsets = np.zeros((len(rows), max((len(o) for _, o in rows), default=1)), dtype=int)
        for row, (_, answers) in enumerate(rows):
            offsets[row, : len(answers)] = answers
        group = groups[index]
        empty = np.zeros((self.model.n_layers, self.model.n_heads, 0), dtype=bool)
        return Items(
            sentence=sentences[index],
            group=group,
            offsets=offsets,
            selected=np.isin(group, sorted(selected)),
            hits=np.concatenate([empty, *self.hits[direction]], axis=-1),
        )


def _score(
    values: Float[Tensor, "batch head word"],
    indices: Int[Tensor, "batch head word"],
    questions: Sequence[tuple[int, int, Sequence[int]]],
) -> Bool[Tensor, "item head"]:
    """Whether the most attended word is a right one; no attention at all is a miss."""
    n_answers = max((len(targets) for _, _, targets in questions), default=1)
    padded = [[*targets, *[-1] * (n_answers - len(targets))] for _, _, targets in questions]
    rows = torch.tensor([row for row, _, _ in questions], dtype=torch.long, device=values.device)
    lookers = torch.tensor([q for _, q, _ in questions], dtype=torch.long, device=values.device)
    right = torch.tensor(padded, dtype=torch.long, device=values.device).reshape(-1, 1, n_answers)
    found = indices[rows, :, lookers]
    attended = values[rows, :, lookers] > 0
    return (found[..., None] == right).any(-1) & attended
