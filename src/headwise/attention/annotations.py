"""Annotated sentences in columns: one row per word and one per link."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from headwise.data.suite import Sentence


@dataclass(frozen=True, eq=False)
class Corpus:
    """Words and links of many sentences.

    Attributes:
        sentences: The sentences.
        starts: Number of words before each sentence, and of all at the end.
        names: Parts of speech that occur; the first is empty, for words of sentences without any.
        classes: For each word an index into `names`.
        labels: Names of the relations that occur.
        links: For each link its sentence, dependent, governor, and an index into `labels`.
    """

    sentences: tuple[Sentence, ...]
    starts: Int[ndarray, " sentence_and_end"]
    names: tuple[str, ...]
    classes: Int[ndarray, " word"]
    labels: tuple[str, ...]
    links: Int[ndarray, "link 4"]

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> "Corpus":
        """Reads the annotations of sentences."""
        names: dict[str, int] = {"": 0}
        labels: dict[str, int] = {}
        classes = [names.setdefault(name, len(names)) for s in sentences for name in classes_of(s)]
        links = [
            (i, link.dependent, link.governor, labels.setdefault(link.relation, len(labels)))
            for i, sentence in enumerate(sentences)
            for link in sentence.links
        ]
        return cls(
            sentences=tuple(sentences),
            starts=np.cumsum([0, *(len(s.words) for s in sentences)]),
            names=tuple(names),
            classes=np.array(classes, dtype=int),
            labels=tuple(labels),
            links=np.array(links, dtype=int).reshape(-1, 4),
        )

    @property
    def lengths(self) -> Int[ndarray, " sentence"]:
        """Words in each sentence."""
        return np.diff(self.starts)

    @property
    def has_tags(self) -> bool:
        """Whether the part of speech of any word is known."""
        return len(self.names) > 1

    def of_class(self, names: Iterable[str]) -> Bool[ndarray, " word"]:
        """Whether each word is of one of some parts of speech."""
        return np.isin(self.classes, [i for i, name in enumerate(self.names) if name in {*names}])


def classes_of(sentence: Sentence) -> tuple[str, ...]:
    """Part of speech of every word; empty where none is known.

    Marks are not used as parts of speech, because marked words often are the answers.
    """
    return sentence.tags or ("",) * len(sentence.words)
