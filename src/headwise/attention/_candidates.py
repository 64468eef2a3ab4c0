"""Candidate answers: one row for each visible word of each question, so that baselines are arithmetic on columns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from .annotations import Corpus
from .questions import NOBODY, Questions

MOST_ROWS = 400_000


@dataclass(frozen=True, eq=False)
class Options:
    """Every visible word of every question but the query itself, question by question, in text order.

    Attributes:
        questions: The questions.
        question: Which question a row belongs to.
        place: The word, as its position in its sentence.
        word: The word, as its position in the corpus.
        query: The query word, as its position in the corpus.
        starts: First row of each question, and the number of rows at the end.
    """

    questions: Questions
    question: Int[ndarray, " row"]
    place: Int[ndarray, " row"]
    word: Int[ndarray, " row"]
    query: Int[ndarray, " row"]
    starts: Int[ndarray, " question_and_end"]

    @classmethod
    def of(cls, questions: Questions, corpus: Corpus) -> "Options":
        """All words that may be seen."""
        counts = questions.end - questions.first
        question = np.repeat(np.arange(len(questions)), counts)
        ends = np.cumsum(counts)
        place = np.arange(counts.sum()) + np.repeat(questions.first - ends + counts, counts)
        others = place != questions.query[question]
        question, place = question[others], place[others]
        start = corpus.starts[questions.sentence[question]]
        n_rows = np.bincount(question, minlength=len(questions))
        return cls(
            questions=questions,
            question=question,
            place=place,
            word=start + place,
            query=start + questions.query[question],
            starts=np.concatenate([[0], np.cumsum(n_rows)]),
        )

    @classmethod
    def blocks(cls, questions: Questions, corpus: Corpus) -> list["Options"]:
        """Some questions at a time, in order, so that the words of long documents fit into memory."""
        rows = np.cumsum(questions.end - questions.first)
        parts = rows // MOST_ROWS
        return [cls.of(questions.where(parts == part), corpus) for part in np.unique(parts)]

    @cached_property
    def offset(self) -> Int[ndarray, " row"]:
        """Distance from the query word; below zero before it."""
        return self.word - self.query

    @cached_property
    def is_right(self) -> Bool[ndarray, " row"]:
        """Whether the word is a right one."""
        return (self.place[:, None] == self.questions.targets[self.question]).any(axis=1)

    @cached_property
    def nearness(self) -> Int[ndarray, " row"]:
        """Larger the nearer a word is; of two as near the one before is nearer."""
        return -2 * np.abs(self.offset) - (self.offset > 0)

    @cached_property
    def _has_rows(self) -> Bool[ndarray, " question"]:
        return np.diff(self.starts) > 0

    def largest(self, values: Float[ndarray, " row"] | Int[ndarray, " row"]) -> ndarray:
        """For every row the largest value of its question."""
        largest = np.zeros(len(self.questions), dtype=values.dtype)
        if len(values):
            starts = self.starts[:-1][self._has_rows]
            largest[self._has_rows] = np.maximum.reduceat(values, starts)
        return largest[self.question]

    def pick(
        self, fits: Bool[ndarray, " row"], preference: Int[ndarray, " row"]
    ) -> Int[ndarray, " question"]:
        """The word that fits and is preferred most, the first of several; -1 where none fits."""
        chosen = np.full(len(self.questions), NOBODY)
        rows = np.flatnonzero(fits)
        best = rows[preference[rows] == self.largest(np.where(fits, preference, _LEAST))[rows]]
        # Rows are read backwards, so that what stays is the first.
        chosen[self.question[best[::-1]]] = self.place[best[::-1]]
        return chosen

    def count_before(self, fits: Bool[ndarray, " row"]) -> Int[ndarray, " row"]:
        """How many of the same question fit and stand before each row in the text."""
        total = np.concatenate([[0], np.cumsum(fits)])
        return total[:-1] - total[self.starts[self.question]]

    def count(self, fits: Bool[ndarray, " row"]) -> Int[ndarray, " row"]:
        """How many of the same question fit."""
        return np.bincount(self.question[fits], minlength=len(self.questions))[self.question]

    def points_at(self, places: Int[ndarray, " question"]) -> Bool[ndarray, " row"]:
        """Whether a rule that points at a word of each question points at this row."""
        return self.place == places[self.question]


_LEAST = np.iinfo(int).min
