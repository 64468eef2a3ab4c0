"""What a probe reads: which words, which labels, and a task beside it that says nothing of language."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from . import words
from .errors import HeadwiseError
from .models import Model
from .suites import Sentence, Suite


@dataclass(frozen=True, eq=False)
class Examples:
    """Every word that can be probed.

    Attributes:
        labels: The classes, in the order of codes.
        codes: Class of each example.
        groups: Group of each example, as an index.
        sentences: Index in the suite of each example.
        positions: The word whose vector is read.
        texts: What the model may know of the sentence there, for a bag of words.
        alignments: Of every sentence of the suite.
        missing: Marked words without such a word, or whose word has no vector.
    """

    labels: tuple[str, ...]
    codes: Int[ndarray, " example"]
    groups: Int[ndarray, " example"]
    sentences: Int[ndarray, " example"]
    positions: Int[ndarray, " example"]
    texts: list[str]
    alignments: list[words.Alignment]
    missing: int

    @staticmethod
    def of(model: Model, suite: Suite, label: str, position: int | str) -> "Examples":
        """Finds the words to probe and what tokenizing makes of them.

        Raises:
            HeadwiseError: An unknown label or relation, no marks, no word at the position, one label
                only, or a word that the tokenizer drops.
        """
        if label != "sense":
            raise HeadwiseError(f"Unknown label {label!r}; a suite's marks are read as 'sense'.")
        if isinstance(position, str) and position not in suite.relations:
            close = get_close_matches(position, suite.relations, n=3, cutoff=0)
            known = f" It has {', '.join(close)}." if close else " It links no words."
            raise HeadwiseError(
                f"position={position!r} is no relation of the suite {suite.name!r}.{known} A number is so many words from "
                "the marked one."
            )
        places = [
            (i, _at(sentence, mark.word, position), mark.label)
            for i, sentence in enumerate(suite.sentences)
            for mark in sentence.marks
        ]
        marked = [(i, word, name) for i, word, name in places if word is not None]
        if places and not marked:
            raise HeadwiseError(
                f"No marked word of {suite.name!r} has a word at position={position!r}."
            )
        if not places:
            raise HeadwiseError(
                f"The suite {suite.name!r} marks no word, so there is nothing to read. Marks are written "
                "[mole|unit]; see docs/suites.md."
            )
        alignments = words.align(model, suite.sentences)
        kept = [
            (i, word, name)
            for i, word, name in marked
            if words.require(suite.sentences[i], alignments[i], word)
        ]
        labels = tuple(dict.fromkeys(name for _, _, name in kept))
        if len(labels) < 2:
            raise HeadwiseError(
                f"The suite {suite.name!r} has only one label, {', '.join(labels) or 'none'}; reading it "
                "needs at least two."
            )
        group_index = {group: i for i, group in enumerate(suite.groups)}
        return Examples(
            labels=labels,
            codes=np.array([labels.index(name) for _, _, name in kept]),
            groups=np.array([group_index[suite.sentences[i].group] for i, _, _ in kept]),
            sentences=np.array([i for i, _, _ in kept]),
            positions=np.array([word for _, word, _ in kept]),
            texts=[_seen(model, suite.sentences[i], word) for i, word, _ in kept],
            alignments=alignments,
            missing=len(places) - len(kept),
        )


def _at(sentence: Sentence, marked: int, position: int | str) -> int | None:
    """The word that is probed for a marked one: so many words away, or the nearest that it is linked to."""
    if isinstance(position, int):
        word = marked + position
        return word if 0 <= word < len(sentence.words) else None
    linked = [
        link.dependent
        for link in sentence.links
        if link.relation == position and link.governor == marked
    ]
    return min(linked, key=lambda word: abs(word - marked), default=None)


def _seen(model: Model, sentence: Sentence, word: int) -> str:
    """What the model may know of a sentence at a word: a decoder has not read on."""
    end = word + 1 if model.is_causal else len(sentence.words)
    return " ".join(sentence.words[:end])


@dataclass(frozen=True, eq=False)
class Control:
    """A task that says nothing of language: a random label for each kind of word beside the marked one.

    Attributes:
        codes: Random label of each example, as frequent as the real ones.
        known: Scored examples whose word beside was seen in fitting, so that its label can be known.
    """

    codes: Int[ndarray, " example"]
    known: Bool[ndarray, " example"]


def control_task(
    examples: Examples,
    suite: Suite,
    splits: Sequence[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]],
    seed: int,
) -> Control | None:
    """Hewitt and Liang 2019; None where no word is seen twice, or all that are have one label."""
    beside: list[str] = []
    for i, word in zip(examples.sentences, examples.positions, strict=True):
        said = suite.sentences[int(i)].words
        other = word - 1 if word > 0 else min(word + 1, len(said) - 1)
        beside.append(said[other].lower())
    kinds, kind = np.unique(beside, return_inverse=True)
    # Dealt so that labels are as frequent as in the data, whichever words are frequent.
    rng = np.random.default_rng(seed)
    label_of = rng.choice(examples.codes, size=len(kinds))
    codes = label_of[kind.ravel()]
    known = np.zeros(len(codes), dtype=bool)
    for train, test in splits:
        if len(np.unique(codes[train])) < 2:
            return None
        known[test] = np.isin(kind.ravel()[test], kind.ravel()[train])
    return Control(codes, known) if known.any() else None
