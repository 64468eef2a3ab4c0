"""Counting hits: for every head, is the most attended word of a pair a right one?

A `Counter` is shown batches and counts every case (a relation in one direction) in all of them at
once. Only the rows of words that look are taken from a pattern, and no pattern outlives the batch it
came from; two bits per question and head stay, and sums. Time is linear in tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from . import words
from .baselines import MAX_OFFSET, Question
from .hooks import Captured
from .models import Model

if TYPE_CHECKING:
    from .notation import Relation

Direction = Literal["dependent->governor", "governor->dependent", "column"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)

N_OFFSETS = 2 * MAX_OFFSET + 1


@dataclass(frozen=True, eq=False)
class Case:
    """One relation in one direction: every question it asks.

    Attributes:
        relation: The relation.
        direction: Who looks.
        questions: Who looks and what would be right; `sentence` is the index in what was aligned.
        impossible: Questions left out because a decoder cannot see the answer.
    """

    relation: "Relation"
    direction: Direction
    questions: tuple[Question, ...]
    impossible: int = 0


def case_of(
    relation: "Relation",
    direction: Direction,
    pairs: Sequence[Sequence[tuple[int, int]]],
    lengths: Sequence[int],
    is_causal: bool,
) -> Case:
    """Turns pairs of words into questions.

    Args:
        relation: The relation that they belong to.
        direction: Who looks.
        pairs: For each sentence its pairs, dependent first.
        lengths: Words in each sentence.
        is_causal: Whether a word sees only what stands before it.
    """
    questions: list[Question] = []
    impossible = 0
    for sentence, (asked, n_words) in enumerate(zip(pairs, lengths, strict=True)):
        for looker, targets in _asked(direction, asked):
            # A column is read from the dependent: what can look at it stands after it in a decoder.
            first = looker + 1 if is_causal and direction == "column" else 0
            end = looker if is_causal and direction != "column" else n_words
            seen = tuple(target for target in targets if first <= target < end)
            if seen:
                questions.append(Question(sentence, looker, seen, first, end))
            else:
                impossible += 1
    return Case(relation, direction, tuple(questions), impossible)


def _asked(
    direction: Direction, pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, tuple[int, ...]]]:
    if direction == "governor->dependent":
        governors = sorted({governor for _, governor in pairs})
        return [(g, tuple(d for d, governor in pairs if governor == g)) for g in governors]
    return [(dependent, (governor,)) for dependent, governor in pairs]


@dataclass(frozen=True, eq=False)
class Count:
    """What was counted for one case.

    Attributes:
        hits: Whether the most attended word is right.
        norm_hits: The same, attention weighted by the length of what it moves, `||pattern * v W_O||`;
            None if that was not counted.
        profile: Mean attention at each distance from the word that looks, -20 to 20, over the questions
            that choices are made on.
        mass: Mean attention on right words over the reported questions, 0 to 1.
        sink: Mean attention of the word that looks on the first token and special tokens, likewise.
    """

    hits: Bool[ndarray, "layer head question"]
    norm_hits: Bool[ndarray, "layer head question"] | None
    profile: Float[ndarray, "layer head offset"]
    mass: Float[ndarray, "layer head"]
    sink: Float[ndarray, "layer head"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions of one batch and kind, as tensors."""

    rows: Int[Tensor, " question"]
    lookers: Int[Tensor, " question"]
    targets: Int[Tensor, "question target"]
    bins: Int[Tensor, "question word"]
    reported: Float[Tensor, " question"]
    case: Int[Tensor, " question"]
    place: Int[Tensor, " question"]


class Counter:
    """Counts every case batch by batch; short-lived.

    Args:
        model: The model.
        cases: What is asked.
        fitted: For each case, the questions that choices are made on.
        reported: For each case, the questions that figures are of.
        norms: Whether to weigh attention by what it moves, too.
    """

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        fitted: Sequence[Bool[ndarray, " _"]],
        reported: Sequence[Bool[ndarray, " _"]],
        *,
        norms: bool = True,
    ) -> None:
        self.model, self.cases, self.norms = model, cases, norms
        self._fitted, self._reported = fitted, reported
        self._by_sentence: dict[int, list[tuple[int, int]]] = {}
        for number, case in enumerate(cases):
            for place, question in enumerate(case.questions):
                self._by_sentence.setdefault(question.sentence, []).append((number, place))
        self._starts = np.concatenate([[0], np.cumsum([len(case.questions) for case in cases])])
        shape = (model.n_layers, model.n_heads)
        total = int(self._starts[-1])
        self._hits = np.zeros((*shape, total), dtype=bool)
        self._norm_hits = np.zeros((*shape, total if norms else 0), dtype=bool)
        n = len(cases)
        device = model.device
        self._profile = torch.zeros(*shape, n * N_OFFSETS, device=device)
        self._mass = torch.zeros(*shape, n, device=device)
        self._sink = torch.zeros(*shape, n, device=device)

    @property
    def sites(self) -> tuple[str, ...]:
        """What must be captured."""
        return ("pattern", "v") if self.norms else ("pattern",)

    def add(self, batch: words.Batch, captured: Captured) -> None:
        """Counts every question about the sentences of a batch."""
        asked = [(column, self._asked(batch, column)) for column in (False, True)]
        sinks = _sinks(batch)
        for layer in range(self.model.n_layers):
            pattern = captured["pattern", layer].float()
            seen = words.pattern_of_words(pattern, batch.pieces)
            to_sink = words.vectors_of_words(
                (pattern * sinks).sum(-1).transpose(1, 2), batch.pieces
            )
            seen.diagonal(dim1=-2, dim2=-1).zero_()
            weighted = self._weighted(layer, pattern, captured, batch) if self.norms else None
            for column, questions in asked:
                if questions is not None:
                    self._count(layer, questions, seen, weighted, to_sink, column)

    def _weighted(
        self, layer: int, pattern: Tensor, captured: Captured, batch: words.Batch
    ) -> Float[Tensor, "batch head query_word key_word"]:
        lengths = value_norms(captured["v", layer], self.model.attention(layer=layer).W_O)
        weighted = words.pattern_of_words(
            pattern * lengths.transpose(1, 2)[:, :, None], batch.pieces
        )
        weighted.diagonal(dim1=-2, dim2=-1).zero_()
        return weighted

    def _asked(self, batch: words.Batch, column: bool) -> _Asked | None:
        found = [
            (row, number, place)
            for row, sentence in enumerate(batch.indices)
            for number, place in self._by_sentence.get(sentence, ())
            if (self.cases[number].direction == "column") == column
        ]
        if not found:
            return None
        questions = [self.cases[number].questions[place] for _, number, place in found]
        n_targets = max(len(q.targets) for q in questions)
        device = self.model.device
        lookers = torch.tensor([q.looker for q in questions])
        offsets = torch.arange(batch.pieces.shape[1]) - lookers[:, None] + MAX_OFFSET
        case = torch.tensor([number for _, number, _ in found])
        fitted, reported = (
            torch.tensor([bool(part[number][place]) for _, number, place in found])
            for part in (self._fitted, self._reported)
        )
        inside = (offsets >= 0) & (offsets < N_OFFSETS) & fitted[:, None]
        return _Asked(
            rows=torch.tensor([row for row, _, _ in found], device=device),
            lookers=lookers.to(device),
            targets=torch.tensor(
                [[*q.targets, *[-1] * (n_targets - len(q.targets))] for q in questions],
                device=device,
            ),
            # What is out of reach, or not to be chosen on, goes into a bin of its own at the end.
            bins=torch.where(
                inside, case[:, None] * N_OFFSETS + offsets, len(self.cases) * N_OFFSETS
            ).to(device),
            reported=reported.float().to(device),
            case=case.to(device),
            place=torch.tensor([int(self._starts[number]) + place for _, number, place in found]),
        )

    def _count(
        self,
        layer: int,
        asked: _Asked,
        seen: Float[Tensor, "batch head query_word key_word"],
        weighted: Float[Tensor, "batch head query_word key_word"] | None,
        to_sink: Float[Tensor, "batch word head"],
        column: bool,
    ) -> None:
        attention = _looked(seen, asked, column)
        places = asked.place.numpy()
        self._hits[layer][:, places] = _hit(attention, asked.targets).T.cpu().numpy()
        if weighted is not None:
            hits = _hit(_looked(weighted, asked, column), asked.targets)
            self._norm_hits[layer][:, places] = hits.T.cpu().numpy()
        n_heads = attention.shape[1]
        right = asked.targets.clamp(min=0)[:, None].expand(-1, n_heads, -1)
        mass = (attention.gather(2, right) * (asked.targets >= 0)[:, None]).sum(-1)
        # In a column the one who looks is the right answer, else the word itself.
        looking = asked.targets[:, 0] if column else asked.lookers
        sink = to_sink[asked.rows, looking]
        for total, values in ((self._mass, mass), (self._sink, sink)):
            total[layer].index_add_(1, asked.case, (values * asked.reported[:, None]).T)
        profile = self._profile.new_zeros(n_heads, len(self.cases) * N_OFFSETS + 1)
        profile.index_add_(1, asked.bins.flatten(), attention.transpose(0, 1).flatten(1))
        self._profile[layer] += profile[:, :-1]

    def counts(self) -> list[Count]:
        """What was counted, case by case."""
        found: list[Count] = []
        for number, case in enumerate(self.cases):
            own = slice(int(self._starts[number]), int(self._starts[number + 1]))
            n_reported = max(1, int(self._reported[number].sum()))
            sums = self._profile[..., number * N_OFFSETS : (number + 1) * N_OFFSETS]
            available = _available(case.questions, self._fitted[number])
            found.append(
                Count(
                    hits=self._hits[..., own],
                    norm_hits=self._norm_hits[..., own] if self.norms else None,
                    profile=sums.double().cpu().numpy() / np.maximum(available, 1),
                    mass=self._mass[..., number].double().cpu().numpy() / n_reported,
                    sink=self._sink[..., number].double().cpu().numpy() / n_reported,
                )
            )
        return found


def _looked(
    attention: Float[Tensor, "batch head query_word key_word"], asked: _Asked, column: bool
) -> Float[Tensor, "question head word"]:
    """The rows (or columns) of the words that questions are about."""
    by_word = attention.transpose(-1, -2) if column else attention
    return by_word[asked.rows, :, asked.lookers]


def _hit(
    attention: Float[Tensor, "question head word"], targets: Int[Tensor, "question target"]
) -> Bool[Tensor, "question head"]:
    """Whether the largest is a right one; no attention at all is a miss."""
    largest = attention.max(dim=-1)
    return (largest.indices[..., None] == targets[:, None]).any(-1) & (largest.values > 0)


def _sinks(batch: words.Batch) -> Float[Tensor, "batch 1 1 pos"]:
    """1 for the first token and for tokens that belong to no word."""
    sinks = (batch.pieces.sum(1) == 0) & (batch.mask > 0)
    first = batch.mask.long().argmax(dim=1, keepdim=True)
    return sinks.float().scatter(1, first, 1.0)[:, None, None]


def value_norms(
    values: Float[Tensor, "batch pos key_value_head d_head"],
    W_O: Float[Tensor, "head d_head d_model"],
) -> Float[Tensor, "batch pos head"]:
    """Length of what each head would write of each value, `||v W_O||`.

    `pattern * v W_O` has length `pattern * ||v W_O||`, and the length needs no vector of `d_model`:
    `||v W_O||^2 = v (W_O W_O^T) v^T`. Kobayashi, Kuribayashi, Yokoi and Inui 2020.
    """
    gram = (W_O.float() @ W_O.float().transpose(-1, -2)).to(values.device)
    values = values.float().repeat_interleave(W_O.shape[0] // values.shape[2], dim=2)
    squares = torch.einsum("bphd,hde,bphe->bph", values, gram, values)
    return squares.clamp(min=0).sqrt()


def _available(
    questions: Sequence[Question], fitted: Bool[ndarray, " question"]
) -> Int[ndarray, " offset"]:
    """How many chosen-on questions have a visible word at each distance."""
    counts = np.zeros(N_OFFSETS, dtype=int)
    for question in (q for q, chosen in zip(questions, fitted, strict=True) if chosen):
        low = max(question.first - question.looker, -MAX_OFFSET)
        high = min(question.end - question.looker, MAX_OFFSET + 1)
        counts[low + MAX_OFFSET : high + MAX_OFFSET] += 1
    return counts
