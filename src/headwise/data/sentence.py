"""One sentence: its words, and what is known about them.

Words are where the annotation is, and the text is what a model is given: a sentence that was made of a text keeps it as it was written, with its line
breaks, indentation and double spaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from headwise._formatting import brief
from headwise.errors import BadSuite

from ._words import check_encodable as check_encodable
from ._words import continued as continued
from ._words import places_of, split_words

UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM",
        "VERB", "X")  # fmt: skip
CLOSING = frozenset(".,;:!?)]}\N{RIGHT DOUBLE QUOTATION MARK}\N{HORIZONTAL ELLIPSIS}")


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on one word.

    Attributes:
        word: 0-based position in `Sentence.words`.
        label: The label of the word, e.g. `animal`.
    """

    word: int
    label: str


@dataclass(frozen=True, slots=True)
class Link:
    """A relation between two words, in the vocabulary of dependency grammar.

    Attributes:
        dependent: 0-based position of the dependent word, e.g. the adjective.
        governor: 0-based position of the governing word, e.g. its noun.
        relation: Name of the relation, e.g. `amod`.
    """

    dependent: int
    governor: int
    relation: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words of one sentence with everything that is known about them.

    Attributes:
        words: The words, punctuation included.
        spaces: For each word, whether white space follows it.
        group: Sentences of one group share a source and stay on one side of every split.
        marks: Labelled words.
        links: Related words.
        tags: Universal part of speech per word, or empty if unknown.
        split: The data's own division, if they bring one.
        source: Where the sentence was read, as `file:line` or `file: group`.
        written: The text that was split into these words, with its own white space; empty for words that came as words. A text of other words
            is dropped.

    Raises:
        BadSuite: Not one space for each word, or tags for some only; or a mark or a link names a word that is not there, or links one to itself.
    """

    words: tuple[str, ...]
    spaces: tuple[bool, ...]
    group: str
    marks: tuple[Mark, ...] = ()
    links: tuple[Link, ...] = ()
    tags: tuple[str, ...] = ()
    split: Literal["train", "test"] | None = None
    source: str = ""
    written: str = ""

    def __post_init__(self) -> None:
        n = len(self.words)
        if isinstance(self.words, str) or not all(isinstance(w, str) for w in self.words):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadSuite(f"{self.source or 'A sentence'}: words are a tuple of texts; got {brief(repr(self.words))}.")  # fmt: skip
        if len(self.spaces) != n or len(self.tags) not in (0, n):
            raise BadSuite(
                f"{self.source or 'A sentence'}: {n} words, {len(self.spaces)} spaces and {len(self.tags)} tags; give one of each for every word, or no tags."
            )
        for word in (*(m.word for m in self.marks), *(w for link in self.links for w in (link.dependent, link.governor))):  # fmt: skip
            if not 0 <= word < n:
                raise BadSuite(f"{self.source or 'A sentence'}: a mark or link names word {word}, and the words are 0 to {n - 1}.")  # fmt: skip
        if loop := [link.relation for link in self.links if link.dependent == link.governor]:
            raise BadSuite(f"{self.source or 'A sentence'}: a link ({loop[0]}) leads from a word to itself.")  # fmt: skip
        if self.written and places_of(self.words, self.written) is None:
            object.__setattr__(self, "written", "")

    @classmethod
    def of(cls, text: str) -> "Sentence":
        """Splits plain text into words and punctuation marks; the sentence is its own group.

        Raises:
            BadSuite: The text holds half of a surrogate pair, which no tokenizer takes.
        """
        words, spaces = split_words(text)
        return cls(tuple(words), tuple(spaces), group=text, source=repr(text[:40]), written=text)

    @classmethod
    def of_words(cls, words: Sequence[str]) -> "Sentence":
        """A sentence of words that were divided elsewhere and stay as they are, with a space after each that no closing mark follows.

        Raises:
            BadSuite: A word is empty, holds white space at an end, or cannot be encoded; or there are none.
        """
        for word in words:
            if not word or word != word.strip():
                raise BadSuite(
                    f"{word!r} is no word: it is empty or begins or ends in white space."
                )
            check_encodable(word)
        follows = [*words[1:], "."]
        spaces = tuple(word not in CLOSING for word in follows)
        text = " ".join(words)
        return cls(tuple(words), spaces, group=text, source=brief(repr(list(words))))

    @property
    def text(self) -> str:
        """The sentence as it was written, or its words with single spaces between them."""
        if self.written:
            return self.written
        last = len(self.words) - 1
        return "".join(
            word + (" " if space and i < last else "")
            for i, (word, space) in enumerate(zip(self.words, self.spaces, strict=True))
        )

    def spans(self) -> list[tuple[int, int]]:
        """Character range of each word within `text`, end exclusive."""
        if self.written:
            return places_of(self.words, self.written) or []
        ranges: list[tuple[int, int]] = []
        start = 0
        for word, space in zip(self.words, self.spaces, strict=True):
            ranges.append((start, start + len(word)))
            start += len(word) + space
        return ranges


AnySentence = str | Sentence | Sequence[str]  # a text, a sentence, or its words


def as_sentence(given: object) -> Sentence:
    """A sentence, or one made of a text or of a list of words.

    Raises:
        BadSuite: It is neither, or cannot be encoded.
    """
    if isinstance(given, Sentence):
        return given
    if isinstance(given, str):
        return Sentence.of(given)
    if isinstance(given, list | tuple):
        items = cast(Sequence[object], given)
        words = [word for word in items if isinstance(word, str)]
        if words and len(words) == len(items):
            return Sentence.of_words(words)
    raise BadSuite(
        f"A sentence is given as a text, a list of words or a Sentence; got {type(given).__name__} {brief(repr(given))}."
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that differ in little and have different correct continuations.

    Attributes:
        clean: The sentence that is tested.
        corrupted: The same with something changed.
        right: The word that fits after `clean` and not after `corrupted`; empty if unknown.
        wrong: The word that fits after `corrupted` and not after `clean`; empty if unknown.
    """

    clean: Sentence
    corrupted: Sentence
    right: str = ""
    wrong: str = ""

    @property
    def group(self) -> str:
        """The group of both."""
        return self.clean.group

    @property
    def changed(self) -> tuple[int, ...]:
        """Words that differ, where both sentences are of one length; else none."""
        words = (self.clean.words, self.corrupted.words)
        if len(words[0]) != len(words[1]):
            return ()
        return tuple(i for i, (a, b) in enumerate(zip(*words, strict=True)) if a != b)
