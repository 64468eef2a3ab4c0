"""Several classes: a direction from all others to each of them, and steering between each two.

Tested sentences share no deciding word with fitted ones. Sentences to fit on that share one are left out; where too few would be left, the tested
sentences are divided into parts by blocks of words, and each part is measured along directions fitted without its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from headwise._validate import check_counts
from headwise.data.suite import Suite
from headwise.data.unseen_words import LEAST, LEAST_OF_CLASS, enough, folds_of, without_shared_words
from headwise.directions import Labelled
from headwise.directions._stream.word_positions import Words, streams_of
from headwise.directions.contributions import DirectionTestResult, direction_tests
from headwise.directions.controls import MOST_WORDS
from headwise.directions.direction import Direction
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.stats.deciding import N_RANDOM

from .steering import SteerResult, read_label, steer

MOST_FOLDS = 5


class SeenWords(HeadwiseError):
    """Too little is left to fit on without the deciding words of the tested sentences."""


@dataclass(frozen=True, eq=False)
class Divided:
    """The tested sentences in parts, each with the sentences that may be fitted for it.

    Attributes:
        fold: Part of every tested sentence.
        fitted: For each part the sentences to fit on, and
        left_out: how many were left out, the mean over parts.
    """

    fold: Int[ndarray, " sentence"]
    fitted: tuple[Suite, ...]
    left_out: int

    @staticmethod
    def of(fitted: Suite, tested: Suite, labels: Sequence[str]) -> "Divided":
        """One part if at least half of the sentences can then be fitted; else as few as leave as much, or at least enough.

        Raises:
            SeenWords: In no division is enough left.
        """
        best: Divided | None = None
        for n in range(1, MOST_FOLDS + 1):
            fold = folds_of(tested, n)
            if fold is None:
                continue
            parts = [_part(tested, fold, k) for k in range(n)]
            found = [without_shared_words(fitted, part) for part in parts]
            left = min(len(own.sentences) for own, _ in found)
            if not all(enough(own, labels) for own, _ in found):
                continue
            if best is None or left > min(len(own.sentences) for own in best.fitted):
                out = round(float(np.mean([n_out for _, n_out in found])))
                best = Divided(np.array(fold), tuple(own for own, _ in found), out)
            if 2 * left >= len(fitted.sentences):
                break
        if best is None:
            raise SeenWords(
                f"{_same_words(tested, fitted)}: without them fewer than {LEAST} sentences, or "
                f"{LEAST_OF_CLASS} of a label, are left to fit directions on. Add sentences with other words to either."
            )
        return best


def _same_words(tested: Suite, fitted: Suite) -> str:
    if tested.name == fitted.name:
        return f"Many sentences share deciding words in {tested.name!r}"
    return f"{tested.name!r} and {fitted.name!r} share their deciding words"


def _part(suite: Suite, fold: Sequence[int], k: int) -> Suite:
    """The sentences of one part, and their pairs."""
    kept = tuple(s for s, own in zip(suite.sentences, fold, strict=True) if own == k)
    texts = {s.text for s in kept}
    pairs = tuple(p for p in suite.pairs if p.clean.text in texts and p.corrupted.text in texts)
    return replace(suite, sentences=kept, pairs=pairs)


def towards_each(
    model: Model, fitted: Suite, tested: Suite, seed: int = 0, *, n_null: int = N_RANDOM
) -> list[DirectionTestResult]:
    """Direct contributions that move words from all other classes towards each.

    Args:
        model: The model.
        fitted: Sentences on which the directions are fitted, at the end of the stream; those that share deciding words with the tested ones
            are left out.
        tested: Others, which are measured. Classes that it has fewer than two words of, or no word outside of, are passed over, and those that
            the fitted sentences do not have.
        seed: Fixes shuffles, random directions and random weights.
        n_null: Models with random weights that are tested in the same way, each along directions of its own.

    Raises:
        SeenWords: Too little is left to fit on.
    """
    check_counts(seed=seed, n_null=n_null)
    known = {mark.label for sentence in fitted.sentences for mark in sentence.marks}
    labels = [mark.label for sentence in tested.sentences for mark in sentence.marks]
    names = [
        name
        for name in dict.fromkeys(labels)
        if name in known and 2 <= labels.count(name) <= len(labels) - 2
    ]
    if not names:
        return []
    at = Labelled.of(model, fitted, model.n_layers)
    divided = Divided.of(at.sentences, tested, names)
    parts = [at.where(at.have(own)) for own in divided.fitted]
    drawn = np.random.default_rng(seed).random(len(at.x)) < MOST_WORDS / len(at.x)

    def fit(of: Model) -> list[list[Direction]]:
        """On models with random weights, of which only the largest of all is wanted, with fewer sentences."""
        if of is model:
            own = parts
        else:
            few = at.where(drawn, same_words=True).of_model(of)
            own = [few.where(few.have(suite), same_words=True) for suite in divided.fitted]
        return [[part.direction(name, None) for part in own] for name in names]

    questions = [(own, (name, "others")) for own, name in zip(fit(model), names, strict=True)]
    return direction_tests(
        model, tested, questions, refit=fit, n_null=n_null, left_out=divided.left_out, seed=seed
    )  # fmt: skip


def steer_between(
    model: Model,
    fitted: Suite,
    pairs: Suite,
    *,
    elsewhere: Suite,
    n_null: int = 10,
    seed: int = 0,
) -> list[SteerResult]:
    """Steers the words of minimal pairs, each from the class that it is of to that of the other sentence.

    The steered layer is not the last, because what is added where the stream ends changes only what is read there. Of the layers before, it is
    the one at which the classes of the fitted sentences are best separated, in units of their spread.

    Args:
        model: The model.
        fitted: Sentences on which the directions are fitted, without those that share deciding words with the pairs.
        pairs: Minimal pairs; two classes of which there are fewer than two pairs are passed over.
        elsewhere: Sentences of another question, to measure off-target effects.
        n_null: Random directions.
        seed: Fixes them and the intervals.

    Returns:
        For every two classes, and every part of the pairs, the result of steering.

    Raises:
        SeenWords: Too little is left to fit on.
    """
    check_counts(n_null=n_null, seed=seed)
    known = {mark.label for sentence in fitted.sentences for mark in sentence.marks}
    ways = [{read_label(p.clean), read_label(p.corrupted)} for p in pairs.pairs]
    tested = [way for way in combinations(sorted(known), 2) if ways.count(set(way)) >= 2]
    if not tested:
        return []
    at = _most_apart(model, fitted)
    divided = Divided.of(at.sentences, pairs, sorted({name for way in tested for name in way}))
    found: list[SteerResult] = []
    for k, own in enumerate(divided.fitted):
        part, part_at = _part(pairs, divided.fold.tolist(), k), at.where(at.have(own))
        there = [{read_label(p.clean), read_label(p.corrupted)} for p in part.pairs]
        for ahead, behind in tested:
            if there.count({ahead, behind}) >= 2:
                direction = part_at.between(ahead, behind)
                found.append(
                    steer(model, part, direction, unrelated=elsewhere, n_null=n_null, seed=seed)
                )
    return found


def _most_apart(model: Model, fitted: Suite) -> Labelled:
    """Marked words at the layer, of all but the last, at which their classes are best separated."""
    first = Labelled.of(model, fitted, 1)
    layers = range(1, max(2, model.n_layers))
    streams = streams_of(model, Words.of_examples(first.examples), layers)
    codes = first.examples.codes
    apart: list[float] = []
    for x in streams:
        means = np.stack([x[codes == code].mean(axis=0) for code in np.unique(codes)])
        within = x - means[np.searchsorted(np.unique(codes), codes)]
        between = ((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()
        apart.append(float(between / max(float((within**2).sum(axis=1).mean()), 1e-12)))
    best = int(np.argmax(apart))
    return replace(first, layer=layers[best], x=streams[best])
