"""Counting hits: for every head, is the most attended word of a pair a right one?

A `Counter` is shown attention between words, rows of one layer at a time, and counts every case (a
relation in one direction) at once. Of each row and column the most attended word is kept, per question
and head two bits, and sums. What is summed is one sparse matrix over pairs of words, made once for a
batch and the same for every layer. No pattern outlives its rows, so memory does not grow with the square
of a document's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from . import words
from .baselines import MAX_OFFSET
from .errors import HeadwiseError
from .models import Model
from .questions import NOBODY, Direction, Questions

if TYPE_CHECKING:
    from .notation import Relation

N_OFFSETS = 2 * MAX_OFFSET + 1
LONG = 256  # tokens of a sentence that is better summed word by word than by a product


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
    questions: Questions
    impossible: int = 0


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


class Counter:
    """Counts every case, batch by batch and row by row; short-lived. A `streaming.Watcher`.

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
        self._asked = _Asked.of(cases, fitted, reported)
        shape, n_questions = (model.n_layers, model.n_heads), len(self._asked.case)
        self._hits = np.zeros((*shape, n_questions), dtype=bool)
        self._norm_hits = np.zeros((*shape, n_questions if norms else 0), dtype=bool)
        self._sums = self._no_sums()
        self._page: _Page | None = None

    def _no_sums(self) -> Float[Tensor, "layer sum head"]:
        size = (self.model.n_layers, len(self.cases) * N_SUMS, self.model.n_heads)
        return torch.zeros(size, device=self.model.device)

    def begin(self, batch: words.Batch) -> None:
        """Turns to the questions about the sentences of a batch."""
        asked = self._asked.about(batch.indices)
        n_words = batch.pieces.shape[1]
        # One word more stands for all that is no word of the text: attention that sinks.
        pieces = torch.cat([batch.pieces, _sinks(batch)[:, None]], dim=1)
        if len(pieces) == 1 and pieces.shape[2] > LONG:
            pieces = pieces[0].to_sparse()
        self._page = _Page(
            batch, pieces, asked, asked.cells(n_words, self.model.device), self._no_sums()
        )

    def values(self, layer: int, values: Float[Tensor, "batch pos kv_head d_head"]) -> None:
        """Takes in how long what each head would write of each value is."""
        if self.norms:
            page = self._open()
            page.lengths = value_norms(values, self.model.attention(layer=layer).W_O)

    def rows(self, layer: int, pattern: Float[Tensor, "batch head row pos"], start: int) -> None:
        """Takes in the attention of some tokens, whole words of them, from position `start` on."""
        page = self._open()
        pattern = pattern.float()
        n_rows, n_words, n_pos = page.batch.pieces.shape
        stop = start + pattern.shape[2]
        if start == 0:
            size = (n_rows, n_words, self.model.n_heads)
            page.best = _Best.zeros(size, pattern.device)
            if self.norms:
                page.best_moved = _Best.zeros(size, pattern.device)
        first, end = _words_within(page.batch, start, stop)
        if end > first:
            own = page.batch.pieces[:, first:end, start:stop]
            looks = words.rows_of_words(pattern, own, page.pieces)
            looks.diagonal(offset=first, dim1=1, dim2=2).zero_()
            page.best.take_in(looks[:, :, :-1], first)
            adds = page.cells.matrix(page.sums.shape[1], looks, first)
            page.sums[layer] += torch.sparse.mm(adds, looks.flatten(0, 2))
            if self.norms:
                moved = pattern * page.lengths.transpose(1, 2)[:, :, None]
                looks = words.rows_of_words(moved, own, page.pieces)
                looks.diagonal(offset=first, dim1=1, dim2=2).zero_()
                page.best_moved.take_in(looks[:, :, :-1], first)
        if stop == n_pos:
            self._finish(layer, page)

    def _open(self) -> "_Page":
        assert self._page is not None, "begin was not called"
        return self._page

    def _finish(self, layer: int, page: "_Page") -> None:
        """Answers every question about one layer."""
        if not bool(torch.isfinite(page.best.row_value).all()):
            raise HeadwiseError(
                f"{self.model.name} computed a number that is not finite at 'pattern', layer {layer}. Check the "
                f"weights, or use a wider dtype than {str(self.model.dtype).removeprefix('torch.')}."
            )
        asked = page.asked
        self._hits[layer][:, asked.place] = page.best.hits(asked).T
        if self.norms:
            self._norm_hits[layer][:, asked.place] = page.best_moved.hits(asked).T

    def end(self) -> None:
        """Keeps what a batch added up to, now that all of it has been read."""
        self._sums += self._open().sums
        self._page = None

    def counts(self) -> list[Count]:
        """What was counted, case by case."""
        found: list[Count] = []
        start = 0
        shape = (self.model.n_layers, len(self.cases), N_SUMS, self.model.n_heads)
        sums = self._sums.double().cpu().numpy().reshape(shape)
        for number, case in enumerate(self.cases):
            own = slice(start, start + len(case.questions))
            start = own.stop
            n_reported = max(1, int(self._reported[number].sum()))
            available = _available(case.questions.where(self._fitted[number]))
            profile = sums[:, number, :N_OFFSETS].swapaxes(1, 2)
            found.append(
                Count(
                    hits=self._hits[..., own],
                    norm_hits=self._norm_hits[..., own] if self.norms else None,
                    profile=profile / np.maximum(available, 1),
                    mass=sums[:, number, MASS] / n_reported,
                    sink=sums[:, number, SINK] / n_reported,
                )
            )
        return found


# What is summed for each case: attention at each distance, on right words, and what sinks.
MASS, SINK, N_SUMS = N_OFFSETS, N_OFFSETS + 1, N_OFFSETS + 2


@dataclass(frozen=True, eq=False)
class _Cells:
    """Numbers of attention and the sum that each goes into.

    Attributes:
        sum: `N_SUMS` times the case, plus which of its sums.
        row: The sentence, as a row of the batch.
        looker: The word that looks.
        seen: The word that is seen; the number of words for attention that sinks.
        device: Where sums are made.
    """

    sum: Int[ndarray, " cell"]
    row: Int[ndarray, " cell"]
    looker: Int[ndarray, " cell"]
    seen: Int[ndarray, " cell"]
    device: torch.device
    _made: dict[int, Tensor] = field(default_factory=dict[int, Tensor])

    def matrix(
        self, n_sums: int, looks: Float[Tensor, "batch row word_and_sink head"], first: int
    ) -> Float[Tensor, "sum batch*row*word_and_sink"]:
        """A sparse matrix that adds up what stands in the rows of words from `first` on."""
        if first not in self._made:
            n_rows, n_lookers, n_seen, _ = looks.shape
            looker = self.looker - first
            inside = (looker >= 0) & (looker < n_lookers)
            cell = (self.row * n_lookers + looker) * n_seen + self.seen
            made = torch.sparse_coo_tensor(
                torch.from_numpy(np.stack([self.sum[inside], cell[inside]])),
                torch.ones(int(inside.sum())),
                (n_sums, n_rows * n_lookers * n_seen),
                device=self.device,
                check_invariants=False,
            )
            self._made[first] = made.coalesce()
        return self._made[first]


@dataclass(frozen=True, eq=False)
class _Asked:
    """Questions of every case in one list, by sentence, and their right words in another.

    Attributes:
        case: Of each question.
        place: Its number among all questions, case by case.
        row: Its sentence, or the sentence's row in a batch.
        looker: The word that looks, or that is looked at in a column.
        column: Whether it is read from a column.
        fitted: Whether choices are made on it.
        reported: Whether figures are of it.
        n_targets: How many words are right.
        targets: The right words, question by question.
    """

    case: Int[ndarray, " question"]
    place: Int[ndarray, " question"]
    row: Int[ndarray, " question"]
    looker: Int[ndarray, " question"]
    column: Bool[ndarray, " question"]
    fitted: Bool[ndarray, " question"]
    reported: Bool[ndarray, " question"]
    n_targets: Int[ndarray, " question"]
    targets: Int[ndarray, " target"]

    @classmethod
    def of(
        cls,
        cases: Sequence[Case],
        fitted: Sequence[Bool[ndarray, " _"]],
        reported: Sequence[Bool[ndarray, " _"]],
    ) -> "_Asked":
        """All questions; `row` is the sentence."""
        case = np.repeat(np.arange(len(cases)), [len(c.questions) for c in cases])
        is_column = np.array([c.direction == "column" for c in cases], dtype=bool)
        everything = cls(
            case=case,
            place=np.arange(len(case)),
            row=np.concatenate([c.questions.sentence for c in cases]),
            looker=np.concatenate([c.questions.looker for c in cases]),
            column=is_column[case],
            fitted=np.concatenate(list(fitted)),
            reported=np.concatenate(list(reported)),
            n_targets=np.concatenate(
                [(c.questions.targets != NOBODY).sum(axis=1) for c in cases], dtype=int
            ),
            targets=np.concatenate([t[t != NOBODY] for c in cases for t in [c.questions.targets]]),
        )
        return everything._take(np.argsort(everything.row, kind="stable"))

    def about(self, sentences: Sequence[int]) -> "_Asked":
        """The questions about some sentences, which are the rows of a batch."""
        low, high = (np.searchsorted(self.row, sentences, side=side) for side in ("left", "right"))
        found = self._take(_ranges(low, high))
        return replace(found, row=np.repeat(np.arange(len(sentences)), high - low))

    def _take(self, chosen: Int[ndarray, " chosen"]) -> "_Asked":
        ends = np.cumsum(self.n_targets)[chosen]
        counts = self.n_targets[chosen]
        columns = {
            f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "targets"
        }
        return _Asked(**columns, targets=self.targets[_ranges(ends - counts, ends)])

    @property
    def who_looks(self) -> Int[ndarray, " question"]:
        """The word whose attention is meant: in a column it is the right answer."""
        last_target = self.targets[np.cumsum(self.n_targets) - 1]
        return np.where(self.column, last_target, self.looker)

    def cells(self, n_words: int, device: torch.device) -> _Cells:
        """What is to be summed in a batch with so many words in a row."""
        profiled = np.flatnonzero(self.fitted).repeat(N_OFFSETS)
        offset = np.tile(np.arange(N_OFFSETS), int(self.fitted.sum()))
        near = self.looker[profiled] + offset - MAX_OFFSET
        visible = (near >= 0) & (near < n_words)
        target_of = np.repeat(np.arange(len(self.case)), self.n_targets)
        reported = self.reported[target_of]
        question = np.concatenate([profiled[visible], target_of[reported]])
        kind = np.concatenate([offset[visible], np.full(int(reported.sum()), MASS)])
        other = np.concatenate([near[visible], self.targets[reported]])
        column, own = self.column[question], self.looker[question]
        sinks = np.flatnonzero(self.reported)
        every = np.concatenate([question, sinks])
        return _Cells(
            sum=self.case[every] * N_SUMS + np.concatenate([kind, np.full(len(sinks), SINK)]),
            row=self.row[every],
            looker=np.concatenate([np.where(column, other, own), self.who_looks[sinks]]),
            seen=np.concatenate([np.where(column, own, other), np.full(len(sinks), n_words)]),
            device=device,
        )


def _ranges(low: Int[ndarray, " range"], high: Int[ndarray, " range"]) -> Int[ndarray, " _"]:
    """The numbers of several ranges, one range after the other."""
    counts = high - low
    return np.arange(counts.sum()) + np.repeat(low - np.cumsum(counts) + counts, counts)


@dataclass(eq=False)
class _Best:
    """The most attended word of every row, and the word that attends most to every column, so far.

    No attention at all is nobody's.
    """

    row_value: Float[Tensor, "batch word head"]
    row_word: Int[Tensor, "batch word head"]
    column_value: Float[Tensor, "batch word head"]
    column_word: Int[Tensor, "batch word head"]

    @classmethod
    def zeros(cls, size: tuple[int, int, int], device: torch.device) -> "_Best":
        values = torch.zeros(2, *size, device=device)
        places = torch.full((2, *size), NOBODY, device=device)
        return cls(values[0], places[0], values[1], places[1])

    def take_in(self, looks: Float[Tensor, "batch row word head"], first: int) -> None:
        """Compares with the attention of the words from `first` on."""
        own = slice(first, first + looks.shape[1])
        largest = looks.max(dim=2)
        self.row_value[:, own] = largest.values
        self.row_word[:, own] = torch.where(largest.values > 0, largest.indices, NOBODY)
        largest = looks.max(dim=1)
        better = largest.values > self.column_value
        self.column_value = torch.where(better, largest.values, self.column_value)
        self.column_word = torch.where(better, largest.indices + first, self.column_word)

    def hits(self, asked: _Asked) -> Bool[ndarray, "question head"]:
        """Whether the largest is a right one."""
        if not len(asked.case):
            return np.zeros((0, self.row_word.shape[2]), dtype=bool)
        by_row, by_column = (x.cpu().numpy() for x in (self.row_word, self.column_word))
        place = (asked.row, asked.looker)
        found = np.where(asked.column[:, None], by_column[place], by_row[place])
        right = np.repeat(found, asked.n_targets, axis=0) == asked.targets[:, None]
        return np.logical_or.reduceat(right, np.cumsum(asked.n_targets) - asked.n_targets)


@dataclass(eq=False)
class _Page:
    """A batch that is being read.

    Attributes:
        batch: The batch.
        pieces: Which token is a piece of which word; the last word is everything that sinks. Sparse for
            one long sentence.
        asked: The questions.
        cells: What is to be summed.
        sums: What was summed so far.
        lengths: Of the layer at hand, how long what each head writes of each value is.
        best: Of the layer at hand, where attention is largest.
        best_moved: The same, weighted by `lengths`.
    """

    batch: words.Batch
    pieces: Float[Tensor, "batch word_and_sink pos"] | Float[Tensor, "word_and_sink pos"]
    asked: _Asked
    cells: _Cells
    sums: Float[Tensor, "layer sum head"]
    lengths: Float[Tensor, "batch pos head"] = field(init=False)
    best: _Best = field(init=False)
    best_moved: _Best = field(init=False)


def _words_within(batch: words.Batch, start: int, stop: int) -> tuple[int, int]:
    """First and end of the words whose pieces stand between two positions; all words, for all positions."""
    if start == 0 and stop == batch.tokens.shape[1]:
        return 0, batch.pieces.shape[1]
    inside = torch.nonzero(batch.pieces[:, :, start:stop].sum((0, 2)))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)


def _sinks(batch: words.Batch) -> Float[Tensor, "batch pos"]:
    """1 for the first token and for tokens that belong to no word."""
    sinks = (batch.pieces.sum(1) == 0) & (batch.mask > 0)
    first = batch.mask.long().argmax(dim=1, keepdim=True)
    return sinks.float().scatter(1, first, 1.0)


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


def _available(questions: Questions) -> Int[ndarray, " offset"]:
    """How many questions have a visible word at each distance."""
    offsets = np.arange(-MAX_OFFSET, MAX_OFFSET + 1)
    low = (questions.first - questions.looker)[:, None]
    high = (questions.end - questions.looker)[:, None]
    return ((offsets >= low) & (offsets < high)).sum(axis=0)
