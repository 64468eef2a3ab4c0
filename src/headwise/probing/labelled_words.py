"""The examples of a probe: words and their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from headwise.activations import alignment
from headwise.data.suite import Sentence, Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from .splits import Folds, RareLabels, grouped_folds, own_split, scarce

LABELS = ("mark", "part of speech")
N_WORDS = 3000


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
        likeness: What two examples must not have nearly in common if they are on both sides of a split: for marked
            words the same; where every word is read their sentences, as short beginnings are all alike.
        alignments: Of every sentence of the suite.
        missing: Marked words without such a word, or whose word has no vector.
    """

    labels: tuple[str, ...]
    codes: Int[ndarray, " example"]
    groups: Int[ndarray, " example"]
    sentences: Int[ndarray, " example"]
    positions: Int[ndarray, " example"]
    texts: list[str]
    likeness: list[str]
    alignments: list[alignment.Alignment]
    missing: int

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        label: str,
        positions: int | str,
        labels: Sequence[str] | None = None,
        max_examples: int | None = None,
        seed: int = 0,
    ) -> "Examples":
        """Finds the words to probe and their tokens.

        Args:
            model: The model.
            suite: The sentences.
            label: What is read, one of `LABELS`.
            positions: Which word it is read at, see `probing.probe`.
            labels: Only these; all by default.
            max_examples: Most words; more are drawn at random. By default all marked words, but no more than
                3,000 words of text.
            seed: Fixes which are drawn.

        Raises:
            HeadwiseError: An unknown label or relation, no marks or tags, no word at the position, one
                label only, or a marked word that the tokenizer drops.
        """
        _check_positions(suite, positions)
        places = _labelled(suite, label)
        known = tuple(dict.fromkeys(name for _, _, name in places))
        if labels is not None:
            _check_labels(suite, labels, known)
            places = [place for place in places if place[2] in labels]
        if max_examples is None and label == "part of speech":
            max_examples = N_WORDS
        if max_examples is not None and len(places) > max_examples:
            drawn = np.random.default_rng(seed).choice(len(places), max_examples, replace=False)
            places = [places[i] for i in np.sort(drawn)]
        at = [(i, _at(suite.sentences[i], word, positions), name) for i, word, name in places]
        found = [(i, word, name) for i, word, name in at if word is not None]
        if not found:
            raise HeadwiseError(
                f"No labelled word of {suite.name!r} has a word at positions={positions!r}."
            )
        alignments = alignment.align(model, suite.sentences)
        kept = [
            (i, word, name)
            for i, word, name in found
            if alignment.require(suite.sentences[i], alignments[i], word)
        ]
        names = tuple(dict.fromkeys(name for _, _, name in kept))
        if len(names) < 2:
            raise HeadwiseError(
                f"The suite {suite.name!r} has only one label, {', '.join(names) or 'none'}; reading it "
                "needs at least two."
            )
        group_index = {group: i for i, group in enumerate(suite.groups)}
        texts = [_seen(model, suite.sentences[i], word) for i, word, _ in kept]
        of_marks = label == "mark"
        return Examples(
            labels=names,
            codes=np.array([names.index(name) for _, _, name in kept]),
            groups=np.array([group_index[suite.sentences[i].group] for i, _, _ in kept]),
            sentences=np.array([i for i, _, _ in kept]),
            positions=np.array([word for _, word, _ in kept]),
            texts=texts,
            likeness=texts if of_marks else [suite.sentences[i].text for i, _, _ in kept],
            alignments=alignments,
            missing=len(places) - len(kept),
        )

    def without(self, codes: Sequence[int]) -> "Examples":
        """The examples of the other labels."""
        kept = self.where(~np.isin(self.codes, codes))
        renumbered = np.cumsum([code not in codes for code in range(len(self.labels))]) - 1
        return replace(
            kept,
            labels=tuple(name for code, name in enumerate(self.labels) if code not in codes),
            codes=renumbered[kept.codes],
        )

    def where(self, kept: Bool[ndarray, " example"]) -> "Examples":
        """Some of the examples."""
        return replace(
            self,
            codes=self.codes[kept],
            groups=self.groups[kept],
            sentences=self.sentences[kept],
            positions=self.positions[kept],
            texts=[text for text, keep in zip(self.texts, kept, strict=True) if keep],
            likeness=[text for text, keep in zip(self.likeness, kept, strict=True) if keep],
        )


def _check_positions(suite: Suite, positions: int | str) -> None:
    if isinstance(positions, str) and positions not in suite.relations:
        close = get_close_matches(positions, suite.relations, n=3, cutoff=0)
        known = f" It has {', '.join(close)}." if close else " It links no words."
        raise HeadwiseError(
            f"positions={positions!r} is no relation of the suite {suite.name!r}.{known} A number is so many words from "
            "the marked one."
        )


def _check_labels(suite: Suite, labels: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in labels if name not in known]:
        raise HeadwiseError(
            f"The suite {suite.name!r} has no label {unknown[0]!r}; it has {', '.join(sorted(known))}."
        )


def _labelled(suite: Suite, label: str) -> list[tuple[int, int, str]]:
    """Sentence, word and label of everything that could be read."""
    if label not in LABELS:
        raise HeadwiseError(
            f"Unknown label {label!r}; known are 'mark', the label of each mark (whatever it is), and "
            "'part of speech', of every word."
        )
    if label == "mark":
        places = [
            (i, mark.word, mark.label)
            for i, sentence in enumerate(suite.sentences)
            for mark in sentence.marks
        ]
        if not places:
            raise HeadwiseError(
                f"The suite {suite.name!r} marks no word, so there is nothing to read. Marks are written "
                "[mole|unit]; see docs/suites.md."
            )
        return places
    tagged = [
        (i, word, tag)
        for i, sentence in enumerate(suite.sentences)
        for word, tag in enumerate(sentence.tags)
        if tag not in ("", "_")
    ]
    if not tagged:
        raise HeadwiseError(
            f"The suite {suite.name!r} has no parts of speech. A CoNLL-U treebank has them, and so have "
            "sentences of burrow's grammar."
        )
    return tagged


def _at(sentence: Sentence, marked: int, positions: int | str) -> int | None:
    """The word that is probed for a marked one: so many words away, or the nearest that it is linked to."""
    if isinstance(positions, int):
        word = marked + positions
        return word if 0 <= word < len(sentence.words) else None
    linked = [
        link.dependent
        for link in sentence.links
        if link.relation == positions and link.governor == marked
    ]
    return min(linked, key=lambda word: abs(word - marked), default=None)


def _seen(model: Model, sentence: Sentence, word: int) -> str:
    """What the model may know of a sentence at a word: a decoder has not read on."""
    end = word + 1 if model.is_causal else len(sentence.words)
    return " ".join(sentence.words[:end])


def divide(
    examples: Examples,
    suite: Suite,
    n_folds: int,
    seed: int,
    rare_labels: RareLabels,
    n_draws: int = 1,
) -> tuple[Examples, Folds]:
    """The data's own parts, or folds of whole groups, and the examples of the labels that stay.

    Raises:
        HeadwiseError: As in `folds`, or dropping labels leaves fewer than two.
    """
    if suite.has_own_split:
        is_test = np.array([suite.sentences[i].split == "test" for i in examples.sentences])
        absent = sorted(set(examples.codes[is_test]) - set(examples.codes[~is_test]))
        if rare_labels == "drop" and absent:
            examples = _without(examples, absent)
            is_test = np.array([suite.sentences[i].split == "test" for i in examples.sentences])
        return examples, own_split(
            examples.codes, examples.groups, is_test, examples.likeness, examples.labels
        )
    if rare_labels == "drop":
        rare = scarce(examples.codes, examples.groups, examples.likeness, n_folds)
        examples = _without(examples, rare)
    return examples, grouped_folds(
        examples.codes,
        examples.groups,
        examples.likeness,
        examples.labels,
        n_folds,
        seed,
        rare_labels,
        n_draws,
    )


def _without(examples: Examples, codes: Sequence[int]) -> Examples:
    if len(examples.labels) - len(codes) < 2:
        raise HeadwiseError(
            f"Without the labels that are too rare to be scored, {len(examples.labels) - len(codes)} of "
            f"{len(examples.labels)} would be left; reading needs two. Ask for fewer folds, or add groups."
        )
    return examples.without(codes) if codes else examples
