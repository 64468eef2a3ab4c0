"""Which word each head attends to most: for every layer, head and question, and with how much attention.

A `Counter` is shown attention between words, rows of one layer at a time, and answers every case (a
relation in one direction) at once. Of each row and column the most attended word is kept, and of each
question and head three numbers more. No pattern outlives its rows, so memory does not grow with the
square of a document's length. Whether the word is a right one, and how often a baseline is, is computed from these numbers
(`headwise.attention._comparison`).

Attention to a word is summed over its pieces, so a head that attends to all tokens alike attends most
to the word with most pieces: `headwise.attention._uniform` counts what such a head would do, by the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.activations import alignment
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from .questions import NOBODY, AttentionOrder, Questions

if TYPE_CHECKING:
    from .relation_query import Relation

LONG = 256  # tokens of a sentence that is better summed word by word than by a product
SINKS, SPECIAL = -2, -1  # columns after the words: first and special tokens; special tokens alone


@dataclass(frozen=True, eq=False)
class Case:
    """One relation in one direction, as questions.

    Attributes:
        relation: The relation.
        direction: Which word of a pair is the query.
        questions: The query words and the right words; `sentence` is the index in what was aligned.
        impossible: Questions left out because a decoder cannot see the answer.
    """

    relation: "Relation"
    direction: AttentionOrder
    questions: Questions
    impossible: int = 0


@dataclass(frozen=True, eq=False)
class Count:
    """What every head did in one case.

    Attributes:
        found: The most attended word (in a column: the word that attends most), special tokens and the
            word itself left out; -1 where there was no attention at all.
        outweighs: Whether that word got more attention than the word itself and than all special tokens
            together (in a column: attends more than the word does to itself).
        mass: Attention on right words, 0 to 1.
        sink: Attention of the query word on the first token and special tokens, 0 to 1.
        norm_found: As `found`, attention weighted by the length of what it moves, `||pattern * v W_O||`;
            None if that was not counted.
    """

    found: Int[ndarray, "layer head question"]
    outweighs: Bool[ndarray, "layer head question"]
    mass: Float[ndarray, "layer head question"]
    sink: Float[ndarray, "layer head question"]
    norm_found: Int[ndarray, "layer head question"] | None = None

    @property
    def n_heads(self) -> int:
        """Heads of all layers."""
        return self.found.shape[0] * self.found.shape[1]


class Counter:
    """Answers every case, batch by batch and row by row; short-lived. A `streaming.Watcher`.

    Args:
        model: The model.
        cases: The questions.
        norms: Whether to weigh attention by what it moves, too.
        shape: Layers and heads that will be shown; those of the model by default.
    """

    def __init__(
        self,
        model: Model,
        cases: Sequence[Case],
        *,
        norms: bool = True,
        shape: tuple[int, int] | None = None,
    ) -> None:
        self.model, self.cases, self.norms = model, cases, norms
        self.shape = shape or (model.n_layers, model.n_heads)
        self._questions = _AllQuestions.of(cases)
        size = (*self.shape, len(self._questions.case))
        self._found = np.full(size, NOBODY, dtype=np.int32)
        self._norm_found = np.full(size if norms else (*self.shape, 0), NOBODY, dtype=np.int32)
        self._outweighs = np.zeros(size, dtype=bool)
        self._mass, self._sink = (np.zeros(size, dtype=np.float32) for _ in range(2))
        self._page: _Page | None = None

    def begin(self, batch: alignment.Batch) -> None:
        """Turns to the questions about the sentences of a batch."""
        # Two more words stand for all that is no word of the text: attention that sinks.
        special = ((batch.pieces.sum(1) == 0) & (batch.mask > 0)).float()
        first = batch.mask.long().argmax(dim=1, keepdim=True)
        sinks = special.scatter(1, first, 1.0)
        pieces = torch.cat([batch.pieces, sinks[:, None], special[:, None]], dim=1)
        # A dense product of words by tokens grows with the square of a document's length for every row of its pattern.
        if len(pieces) == 1 and pieces.shape[2] > LONG:
            pieces = pieces[0].to_sparse()
        self._page = _Page(batch, pieces, self._questions.about(batch.indices))

    def values(self, layer: int, values: Float[Tensor, "batch pos kv_head d_head"]) -> None:
        """Takes in how long what each head would write of each value is."""
        if self.norms:
            page = self._open()
            page.lengths = value_norms(values, self.model.attention(layer=layer).W_O)

    def rows(self, layer: int, pattern: Float[Tensor, "batch head row pos"], start: int) -> None:
        """Takes in the attention of some tokens, whole words of them, from position `start` on."""
        page = self._open()
        pattern = pattern.float()
        stop = start + pattern.shape[2]
        if start == 0:
            page.turn(pattern.shape[1], pattern.device, norms=self.norms)
        first, end = _words_within(page.batch, start, stop)
        if end > first:
            own = page.batch.pieces[:, first:end, start:stop]
            looks = alignment.rows_of_words(pattern, own, page.pieces)
            page.take_in(looks, first)
            if self.norms:
                moved = pattern * page.lengths.transpose(1, 2)[:, :, None]
                looks = alignment.rows_of_words(moved, own, page.pieces)
                # Row i of these rows is word first + i, so its attention to itself lies on the diagonal that begins in column `first`.
                looks.diagonal(offset=first, dim1=1, dim2=2).zero_()
                page.best_moved.take_in(looks[:, :, :SINKS], first)
        if stop == page.batch.pieces.shape[2]:
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
        of_batch = page.of_batch
        found, value = page.best.of(of_batch)
        rival = np.where(
            of_batch.column[:, None], page.at(page.itself, of_batch), page.at(page.rival, of_batch)
        )
        self._found[layer][:, of_batch.place] = found.T
        self._outweighs[layer][:, of_batch.place] = (value > rival).T
        self._mass[layer][:, of_batch.place] = page.mass.T.cpu().numpy()
        self._sink[layer][:, of_batch.place] = page.sinks(of_batch).T
        if self.norms:
            self._norm_found[layer][:, of_batch.place] = page.best_moved.of(of_batch)[0].T

    def end(self) -> None:
        """A batch has been read to its end."""
        self._page = None

    def counts(self) -> list[Count]:
        """What was counted, case by case."""
        ends = np.cumsum([len(case.questions) for case in self.cases])
        return [
            Count(
                found=self._found[..., own],
                outweighs=self._outweighs[..., own],
                mass=self._mass[..., own],
                sink=self._sink[..., own],
                norm_found=self._norm_found[..., own] if self.norms else None,
            )
            for case, end in zip(self.cases, ends, strict=True)
            for own in [slice(end - len(case.questions), end)]
        ]


@dataclass(frozen=True, eq=False)
class _AllQuestions:
    """Questions of every case in one list, by sentence, and their right words in another.

    Attributes:
        case: Of each question.
        place: Its number among all questions, case by case.
        row: Its sentence, or the sentence's row in a batch.
        query: The word that looks, or that is looked at in a column.
        column: Whether it is read from a column.
        n_targets: How many words are right.
        targets: The right words, question by question.
    """

    case: Int[ndarray, " question"]
    place: Int[ndarray, " question"]
    row: Int[ndarray, " question"]
    query: Int[ndarray, " question"]
    column: Bool[ndarray, " question"]
    n_targets: Int[ndarray, " question"]
    targets: Int[ndarray, " target"]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> "_AllQuestions":
        """All questions; `row` is the sentence."""
        case = np.repeat(np.arange(len(cases)), [len(c.questions) for c in cases])
        is_column = np.array([c.direction == "column" for c in cases], dtype=bool)
        everything = cls(
            case=case,
            place=np.arange(len(case)),
            row=np.concatenate([c.questions.sentence for c in cases]),
            query=np.concatenate([c.questions.query for c in cases]),
            column=is_column[case],
            n_targets=np.concatenate(
                [(c.questions.targets != NOBODY).sum(axis=1) for c in cases], dtype=int
            ),
            targets=np.concatenate([t[t != NOBODY] for c in cases for t in [c.questions.targets]]),
        )
        return everything._take(np.argsort(everything.row, kind="stable"))

    def about(self, sentences: Sequence[int]) -> "_AllQuestions":
        """The questions about some sentences, which are the rows of a batch."""
        # Questions lie sorted by sentence, so those of one sentence are a range, and a batch is a few ranges.
        low, high = (np.searchsorted(self.row, sentences, side=side) for side in ("left", "right"))
        found = self._take(_ranges(low, high))
        return replace(found, row=np.repeat(np.arange(len(sentences)), high - low))

    def _take(self, chosen: Int[ndarray, " chosen"]) -> "_AllQuestions":
        # Right words lie one question after the other: those of question i end where the running total stands.
        ends = np.cumsum(self.n_targets)[chosen]
        counts = self.n_targets[chosen]
        columns = {
            f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "targets"
        }
        return _AllQuestions(**columns, targets=self.targets[_ranges(ends - counts, ends)])

    @property
    def query_word(self) -> Int[ndarray, " question"]:
        """The query word: in a column it is the right answer."""
        # A column has one right word, the one that should attend.
        last_target = self.targets[np.cumsum(self.n_targets) - 1]
        return np.where(self.column, last_target, self.query)

    @cached_property
    def cells(self) -> Int[ndarray, "4 target"]:
        """Of each right word its question, and where its attention stands: row, query word, key word."""
        question = np.repeat(np.arange(len(self.case)), self.n_targets)
        column, own = self.column[question], self.query[question]
        query, seen = np.where(column, self.targets, own), np.where(column, own, self.targets)
        return np.stack([question, self.row[question], query, seen])


def _ranges(low: Int[ndarray, " range"], high: Int[ndarray, " range"]) -> Int[ndarray, " _"]:
    """The numbers of several ranges, one range after the other."""
    counts = high - low
    # Numbers that run through all ranges, shifted in each by what makes its first number `low`.
    return np.arange(counts.sum()) + np.repeat(low - np.cumsum(counts) + counts, counts)


@dataclass(eq=False)
class _Best:
    """The most attended word of every row, and the word that attends most to every column, so far.

    A word without any attention has none.
    """

    row_value: Float[Tensor, "batch word head"]
    row_word: Int[Tensor, "batch word head"]
    column_value: Float[Tensor, "batch word head"]
    column_word: Int[Tensor, "batch word head"]

    @classmethod
    def zeros(cls, size: tuple[int, int, int], device: torch.device) -> "_Best":
        values = torch.zeros(2, *size, device=device, dtype=torch.float32)
        places = torch.full((2, *size), NOBODY, device=device)
        return cls(values[0], places[0], values[1], places[1])

    def take_in(self, looks: Float[Tensor, "batch row word head"], first: int) -> None:
        """Compares with the attention of the words from `first` on."""
        own = slice(first, first + looks.shape[1])
        largest = looks.max(dim=2)
        self.row_value[:, own] = largest.values
        self.row_word[:, own] = torch.where(largest.values > 0, largest.indices, NOBODY)
        # A column is complete only after the last rows, so its largest value so far is kept; a row is complete at once.
        largest = looks.max(dim=1)
        better = largest.values > self.column_value
        self.column_value = torch.where(better, largest.values, self.column_value)
        self.column_word = torch.where(better, largest.indices + first, self.column_word)

    def of(
        self, of_batch: _AllQuestions
    ) -> tuple[Int[ndarray, "question head"], Float[ndarray, "question head"]]:
        """The word that answers each question, and its attention."""
        place, column = (of_batch.row, of_batch.query), of_batch.column[:, None]
        by_row = [x.cpu().numpy()[place] for x in (self.row_word, self.row_value)]
        by_column = [x.cpu().numpy()[place] for x in (self.column_word, self.column_value)]
        word, value = (np.where(column, c, r) for r, c in zip(by_row, by_column, strict=True))
        return word, value


@dataclass(eq=False)
class _Page:
    """A batch that is being read.

    Attributes:
        batch: The batch.
        pieces: Which token is a piece of which word; the last two words are first and special tokens,
            and special tokens alone. Sparse for one long sentence.
        of_batch: The questions.
        lengths: Of the layer at hand, how long what each head writes of each value is.
        best: Of the layer at hand, where attention is largest.
        best_moved: The same, weighted by `lengths`.
        itself: Attention of each word to itself.
        rival: The larger of that and what it gives to special tokens.
        sink: Attention of each word on the first token and special tokens.
        mass: Attention on right words.
    """

    batch: alignment.Batch
    pieces: Float[Tensor, "batch word_and_sinks pos"] | Float[Tensor, "word_and_sinks pos"]
    of_batch: _AllQuestions
    lengths: Float[Tensor, "batch pos head"] = field(init=False)
    best: _Best = field(init=False)
    best_moved: _Best = field(init=False)
    itself: Float[Tensor, "batch word head"] = field(init=False)
    rival: Float[Tensor, "batch word head"] = field(init=False)
    sink: Float[Tensor, "batch word head"] = field(init=False)
    mass: Float[Tensor, "question head"] = field(init=False)

    def turn(self, n_heads: int, device: torch.device, *, norms: bool) -> None:
        """Begins with another layer."""
        size = (self.batch.pieces.shape[0], self.batch.pieces.shape[1], n_heads)
        self.best = _Best.zeros(size, device)
        if norms:
            self.best_moved = _Best.zeros(size, device)
        zeros = torch.zeros(3, *size, device=device, dtype=torch.float32)
        self.itself, self.rival, self.sink = zeros
        self.mass = zeros.new_zeros(len(self.of_batch.case), n_heads)

    def take_in(self, looks: Float[Tensor, "batch row word_and_sinks head"], first: int) -> None:
        """Takes in the attention of the words from `first` on."""
        own = slice(first, first + looks.shape[1])
        # A view: the zeros below take the word itself out of the contest after its attention was noted.
        itself = looks.diagonal(offset=first, dim1=1, dim2=2)
        self.itself[:, own] = itself.transpose(1, 2)
        self.rival[:, own] = torch.maximum(self.itself[:, own], looks[:, :, SPECIAL])
        self.sink[:, own] = looks[:, :, SINKS]
        itself.zero_()
        self.best.take_in(looks[:, :, :SINKS], first)
        question, row, query, seen = self.of_batch.cells
        inside = (query >= first) & (query < own.stop)
        if inside.any():
            at = [torch.from_numpy(x[inside]).to(looks.device) for x in (row, query - first, seen)]
            right = torch.from_numpy(question[inside]).to(looks.device)
            # A question may have several right words; their attention is summed.
            self.mass.index_add_(0, right, looks[at[0], at[1], at[2]])

    def at(
        self, values: Float[Tensor, "batch word head"], of_batch: _AllQuestions
    ) -> Float[ndarray, "question head"]:
        """What stands at the word that each question is read from."""
        return values.cpu().numpy()[of_batch.row, of_batch.query]

    def sinks(self, of_batch: _AllQuestions) -> Float[ndarray, "question head"]:
        """Attention of the query word on the first token and special tokens."""
        return self.sink.cpu().numpy()[of_batch.row, of_batch.query_word]


def _words_within(batch: alignment.Batch, start: int, stop: int) -> tuple[int, int]:
    """First and end of the words whose pieces stand between two positions; all words, for all positions."""
    if start == 0 and stop == batch.tokens.shape[1]:
        return 0, batch.pieces.shape[1]
    inside = torch.nonzero(batch.pieces[:, :, start:stop].sum((0, 2)))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)


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
    # Rounding can leave a tiny negative number where a value is zero.
    return squares.clamp(min=0).sqrt()
