"""A notation for the relations between words that heads are tested on.

    amod                              adjectives and their nouns, in every direction
    amod: governor->dependent         the noun attends to its adjective
    amod, pred: governor->dependent   links of two labels, counted together
    NOUN -> ADJ (amod)                query -> expected key (through which links)
    'mole' -> * (sense)               a word by its form, and whatever it is linked to
    @animal -> *                      a word by its mark, through links of any label
    every>=100                        each label of the suite with at least 100 links, one by one

Query and key may be a part of speech in capitals, a 'word' in quotes, a mark after @, or *
for any word.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from headwise.data.suite import Suite
from headwise.errors import HeadwiseError

from .annotations import Corpus
from .questions import DIRECTIONS, AttentionOrder

NAME = r"[A-Za-z][\w:.-]*?"
WHO = re.compile(r"\*|@(?P<mark>[^\s()]+)|'(?P<word>[^']+)'|(?P<tag>[A-Z]+)")
ARROW = re.compile(r"(?P<query>.+?)->(?P<seen>.+?)(?:\s*\((?P<labels>[^()]*)\))?")
EVERY = re.compile(r"every(?:\s*>=\s*(?P<least>\d+))?(?:\s*:\s+(?P<direction>\S+))?")
LABELS = re.compile(rf"(?P<labels>{NAME}(?:\s*,\s*{NAME})*)(?:\s*:\s+(?P<direction>\S+))?")

FORMS = (
    "Write a label ('amod'), a label with a direction ('amod: governor->dependent'), query and key "
    "('NOUN -> ADJ (amod)', \"'mole' -> * (sense)\"), or 'every>=100'."
)


@dataclass(frozen=True, slots=True)
class WordPattern:
    """Which words may be query or key; nothing set is any word.

    Attributes:
        tag: A universal part of speech.
        word: A word's form, whatever its capitals.
        mark: A label that marks the word.
    """

    tag: str = ""
    word: str = ""
    mark: str = ""

    def fits(self, corpus: Corpus) -> Bool[ndarray, " word"]:
        """Whether each word is meant."""
        if self.tag:
            return corpus.of_class([self.tag])
        if self.word:
            form = self.word.lower()
            return _each(word.lower() == form for s in corpus.sentences for word in s.words)
        if self.mark:
            return _each(
                i in marked
                for s in corpus.sentences
                for marked in [{mark.word for mark in s.marks if mark.label == self.mark}]
                for i in range(len(s.words))
            )
        return np.ones(len(corpus.classes), dtype=bool)


def _each(answers: Iterable[bool]) -> Bool[ndarray, " word"]:
    return np.fromiter(answers, dtype=bool)


ANY = WordPattern()


@dataclass(frozen=True, slots=True)
class Relation:
    """Pairs of words, and which of the two is the query.

    Attributes:
        text: The relation as it was written.
        labels: Labels of the links that make pairs; empty for any label.
        directions: The tested directions.
        governor: Which governors count.
        dependent: Which dependents count.
    """

    text: str
    labels: tuple[str, ...]
    directions: tuple[AttentionOrder, ...] = DIRECTIONS
    governor: WordPattern = ANY
    dependent: WordPattern = ANY

    def pairs(self, corpus: Corpus) -> Int[ndarray, "pair 3"]:
        """Sentence, dependent and governor of every pair, each once, in this order."""
        sentence, dependent, governor, label = corpus.links.T
        start = corpus.starts[sentence]
        chosen = np.ones(len(sentence), dtype=bool)
        if self.labels:
            chosen &= np.isin(
                label, [corpus.labels.index(x) for x in self.labels if x in corpus.labels]
            )
        for who, word in ((self.governor, governor), (self.dependent, dependent)):
            if who != ANY:
                chosen &= who.fits(corpus)[start + word]
        return np.unique(corpus.links[chosen, :3], axis=0)


def parse(texts: str | Relation | Iterable[str | Relation], suite: Suite) -> list[Relation]:
    """Reads relations for a suite.

    Args:
        texts: One relation or several in the notation of this module.
        suite: The suite; labels must occur in it.

    Raises:
        HeadwiseError: The notation is not understood, the suite links nothing or lacks a label (the
            nearest are named), no words fit, or the query of a pair is not determined.
    """
    if not suite.relations:
        raise HeadwiseError(
            f"The suite {suite.name!r} links no words, so no relation can be tested on it. Links are "
            "written [blue|amod>1] [creature|noun#1]; see docs/suites.md."
        )
    given = [texts] if isinstance(texts, str | Relation) else list(texts)
    found: dict[str, Relation] = {}
    for text in given:
        for relation in [text] if isinstance(text, Relation) else _parse(text, suite):
            found.setdefault(relation.text, relation)
    if not found:
        raise HeadwiseError(f"No relation was named. {FORMS}")
    return list(found.values())


def _parse(text: str, suite: Suite) -> list[Relation]:
    text = re.sub(r"\s*->\s*", "->", " ".join(text.split()))
    if match := EVERY.fullmatch(text):
        return _every(text, int(match["least"] or 1), _directions(text, match["direction"]), suite)
    if match := LABELS.fullmatch(text):
        labels = _labels(match["labels"], suite)
        return [Relation(text, labels, _directions(text, match["direction"]))]
    if match := ARROW.fullmatch(text):
        labels = _labels(match["labels"] or "", suite)
        return [
            _arrow(
                text,
                _word_pattern(text, match["query"]),
                _word_pattern(text, match["seen"]),
                labels,
                suite,
            )
        ]
    raise HeadwiseError(f"The relation {text!r} is not understood. {FORMS}")


def _every(
    text: str, least: int, directions: tuple[AttentionOrder, ...], suite: Suite
) -> list[Relation]:
    labels = [label for label, count in suite.relations.items() if count >= least]
    if not labels:
        label, count = next(iter(suite.relations.items()))
        raise HeadwiseError(
            f"{text!r}: no label of {suite.name!r} has {least} links; the most frequent, {label!r}, has {count}."
        )
    ending = f": {directions[0]}" if len(directions) == 1 else ""
    return [Relation(f"{label}{ending}", (label,), directions) for label in labels]


def _directions(text: str, direction: str | None) -> tuple[AttentionOrder, ...]:
    if direction is None:
        return DIRECTIONS
    for known in DIRECTIONS:
        if direction == known:
            return (known,)
    close = get_close_matches(direction, DIRECTIONS, n=1, cutoff=0)
    raise HeadwiseError(
        f"{text!r}: {direction!r} is no direction; expected one of {', '.join(DIRECTIONS)}. Did you mean "
        f"{close[0]!r}?"
    )


def _labels(text: str, suite: Suite) -> tuple[str, ...]:
    labels = tuple(dict.fromkeys(label.strip() for label in text.split(",") if label.strip()))
    for label in labels:
        if label not in suite.relations:
            close = get_close_matches(label, suite.relations, n=3, cutoff=0)
            raise HeadwiseError(
                f"The suite {suite.name!r} has no relation {label!r}. Nearest: {', '.join(close)}."
            )
    return labels


def _word_pattern(text: str, name: str) -> WordPattern:
    match = WHO.fullmatch(name.strip())
    if match is None:
        raise HeadwiseError(
            f"{text!r}: {name.strip()!r} describes no words; expected a part of speech in capitals "
            "(NOUN), a word in quotes ('mole'), a mark (@animal) or *."
        )
    return WordPattern(tag=match["tag"] or "", word=match["word"] or "", mark=match["mark"] or "")


def _arrow(
    text: str, query: WordPattern, seen: WordPattern, labels: tuple[str, ...], suite: Suite
) -> Relation:
    """Finds whether the governor or the dependent is the query."""
    as_governor = Relation(text, labels, ("governor->dependent",), query, seen)
    as_dependent = Relation(text, labels, ("dependent->governor",), seen, query)
    corpus = Corpus.of(suite.sentences)
    counts = [len(relation.pairs(corpus)) for relation in (as_governor, as_dependent)]
    if not any(counts):
        raise HeadwiseError(
            f"{text!r} fits no linked words in {suite.name!r}. {_met(suite, labels)}"
        )
    if all(counts):
        name = ", ".join(labels) or next(iter(suite.relations))
        raise HeadwiseError(
            f"{text!r} does not determine the query: it fits {counts[0]} governors and {counts[1]} dependents. "
            f"Name the label and its direction: '{name}: governor->dependent' or '{name}: "
            "dependent->governor'."
        )
    return as_governor if counts[0] else as_dependent


def _met(suite: Suite, labels: Sequence[str]) -> str:
    """What is linked with what, most frequent first."""
    kinds: Counter[str] = Counter(
        f"{sentence.tags[link.governor]} with {sentence.tags[link.dependent]} ({link.relation})"
        for sentence in suite.sentences
        if sentence.tags
        for link in sentence.links
        if not labels or link.relation in labels
        if sentence.tags[link.governor] and sentence.tags[link.dependent]
    )
    if not kinds:
        return f"{suite.name!r} has no parts of speech; name labels instead."
    return f"Most frequent there: {', '.join(kind for kind, _ in kinds.most_common(3))}."
