"""Words of many sentences, and the residual stream at them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._progress import track
from headwise.activations import alignment
from headwise.activations.alignment import Alignment, Batch
from headwise.activations.streaming import batch_size, stream
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.probing.labelled_words import Examples

EMPTY = Alignment(tokens=(), words=(), n_words=0)


@dataclass(frozen=True, eq=False)
class Words:
    """Words that are tested.

    Attributes:
        alignments: Of every sentence.
        sentences: Sentence of each word.
        positions: Its place in the sentence.
    """

    alignments: Sequence[Alignment]
    sentences: Int[ndarray, " word"]
    positions: Int[ndarray, " word"]

    def __len__(self) -> int:
        return len(self.sentences)

    @staticmethod
    def of_examples(examples: Examples) -> "Words":
        """Marked words."""
        return Words(examples.alignments, examples.sentences, examples.positions)

    @staticmethod
    def of(model: Model, suite: Suite, given: Sequence[Sequence[int]] | None) -> "Words":
        """Words by their places in every sentence; marked words by default.

        Raises:
            HeadwiseError: No words, places for another number of sentences, or a word that is not in its sentence or that the
                tokenizer drops.
        """
        if given is None:
            given = [[mark.word for mark in sentence.marks] for sentence in suite.sentences]
        check_places(suite, given)
        alignments = alignment.align(model, suite.sentences)
        found = [
            (i, word)
            for i, own in enumerate(given)
            for word in own
            if alignment.require(suite.sentences[i], alignments[i], word)
        ]
        if not found:
            raise HeadwiseError(
                f"The suite {suite.name!r} marks no word. Mark some, as in [mole|unit], or pass their places, words=[[2], ...]."
            )
        return Words(alignments, np.array([i for i, _ in found]), np.array([w for _, w in found]))

    @property
    def of_sentence(self) -> dict[int, list[int]]:
        """Words of each sentence that has some."""
        found: dict[int, list[int]] = {}
        for word, i in enumerate(self.sentences):
            found.setdefault(int(i), []).append(word)
        return found

    @property
    def aligned(self) -> list[Alignment]:
        """Alignments of sentences that have such words; of the others nothing."""
        own = set(self.sentences.tolist())
        return [a if i in own else EMPTY for i, a in enumerate(self.alignments)]


def check_places(suite: Suite, given: Sequence[Sequence[int]]) -> None:
    """Refuses places of words that are not there.

    Raises:
        HeadwiseError: A sentence has no such word.
    """
    if len(given) != len(suite.sentences):
        raise HeadwiseError(
            f"Words are given for {len(given)} sentences, and {suite.name!r} has {len(suite.sentences)}; expected one list for each."
        )
    for sentence, own in zip(suite.sentences, given, strict=True):
        n = len(sentence.words)
        for word in own:
            if not 0 <= word < n:
                raise HeadwiseError(
                    f"{sentence.source}: there is no word {word} in {sentence.text[:60]!r}; its words are 0 to {n - 1}."
                )


def batches_of(
    model: Model, places: Words, doing: str
) -> Iterator[tuple[Batch, Int[ndarray, " word"], Int[ndarray, " word"]]]:
    """Batches of sentences that have such words: each with the row of each word in it, and which words they are."""
    of_sentence = places.of_sentence
    batches = alignment.batches(model, places.aligned)
    for given in track(batches, len(of_sentence), doing, lambda batch: len(batch.indices)):
        batch = given.to(model.device)
        yield batch, *_picked(batch, of_sentence)


def _picked(
    batch: Batch, of_sentence: dict[int, list[int]]
) -> tuple[Int[ndarray, " word"], Int[ndarray, " word"]]:
    picked = [(k, word) for k, i in enumerate(batch.indices) for word in of_sentence[i]]
    rows, chosen = np.array(picked).T
    return rows, chosen


def streams_of(
    model: Model, places: Words, layers: Sequence[int] | None = None
) -> Float[ndarray, "layer word d_model"]:
    """The residual stream at words, before some blocks; all of them and the end by default.

    Raises:
        HeadwiseError: No such layer, or a vector is not finite.
    """
    side = model.stacks[0].side
    site = f"{side}.residual" if side else "residual"
    chosen = list(range(len(model.stacks[0].blocks) + 1) if layers is None else layers)
    found = np.empty((len(chosen), len(places), model.d_model))
    of_sentence = places.of_sentence
    seen = stream(model, alignment.batches(model, places.aligned), [site], layers=chosen)
    for batch, captured in track(seen, len(of_sentence), "reading words", batch_size):
        rows, own = _picked(batch, of_sentence)
        pieces = batch.pieces[rows, places.positions[own]][:, None]
        for k, layer in enumerate(chosen):
            vectors = alignment.vectors_of_words(captured[site, layer][rows].float(), pieces)
            found[k, own] = vectors[:, 0].cpu().numpy()
    return found
