"""The streams of marked words, and the directions between their classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from headwise.data.suite import Suite
from headwise.data.unseen_words import DecidingWords
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.probing.labelled_words import Examples

from ._stream.word_positions import Words, streams_of
from .direction import Direction, Inner


@dataclass(frozen=True, eq=False)
class Labelled:
    """The streams of marked words at one layer, from which directions between their classes can be made.

    Attributes:
        model: The model.
        suite: The sentences; where they bring their own parts, those to train on.
        layer: The stream before this block.
        examples: The words.
        deciding: Their deciding words.
        x: Their streams.
    """

    model: Model
    suite: Suite
    layer: int
    examples: Examples
    deciding: DecidingWords
    x: Float[ndarray, "word d_model"]

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        layer: int,
        *,
        labels: Sequence[str] | None = None,
        positions: int | str = 0,
    ) -> "Labelled":
        """Reads them, as in `headwise.probe`."""
        examples = Examples.of(model, suite, "mark", positions, labels)
        if suite.has_own_split:
            is_train = [suite.sentences[i].split == "train" for i in examples.sentences]
            examples = examples.where(np.array(is_train))
        x = streams_of(model, Words.of_examples(examples), [layer])[0]
        deciding = DecidingWords.of(_with(suite, examples))
        return Labelled(model, suite, layer, examples, deciding, x)

    @property
    def sentences(self) -> Suite:
        """The suite without sentences whose word was not read."""
        return _with(self.suite, self.examples)

    def of_model(self, other: Model) -> "Labelled":
        """The same words in a model of the same shape with the same tokenizer."""
        x = streams_of(other, Words.of_examples(self.examples), [self.layer])[0]
        return replace(self, model=other, x=x)

    def where(self, kept: Bool[ndarray, " word"], *, same_words: bool = False) -> "Labelled":
        """Some of the words; `same_words` if they have the same deciding words as the others, so that these need not be searched."""
        examples = self.examples.where(kept)
        deciding = self.deciding if same_words else DecidingWords.of(_with(self.suite, examples))
        return replace(self, examples=examples, deciding=deciding, x=self.x[kept])

    def have(self, suite: Suite) -> Bool[ndarray, " word"]:
        """Which of the words stand in sentences that another suite has, too."""
        kept = {sentence.text for sentence in suite.sentences}
        return np.array([self.suite.sentences[i].text in kept for i in self.examples.sentences])

    def between(self, ahead: str, behind: str) -> Direction:
        """The direction from one class to another, without the words of the rest."""
        codes = [self.examples.labels.index(name) for name in (ahead, behind)]
        own = np.isin(self.examples.codes, codes)
        return self.where(own).direction(ahead, behind)

    def direction(
        self, positive: str, negative: str | None, inner: Inner = "plain", *, eraser: bool = False
    ) -> Direction:
        """See `from_classes`."""
        examples, x, suite = self.examples, self.x, self.suite
        if positive not in examples.labels:
            raise HeadwiseError(
                f"The suite {suite.name!r} has no label {positive!r}; it has {', '.join(sorted(examples.labels))}."
            )
        is_positive = examples.codes == examples.labels.index(positive)
        other = negative or "others"
        for name, own in ((positive, is_positive), (other, ~is_positive)):
            if own.sum() < 2:
                raise HeadwiseError(
                    f"The class {name!r} of {suite.name!r} has {int(own.sum())} example(s); a mean of a class needs two at least, "
                    "and says little with fewer than ten. Add sentences."
                )
        means = [x[own].mean(axis=0) for own in (is_positive, ~is_positive)]
        within = x - np.where(is_positive[:, None], means[0], means[1])
        metric = None
        if inner == "whitened":
            metric = _inverse(within)
        elif inner == "causal":
            metric = unembedding_covariance(self.model)
        made = Direction.of(
            self.model,
            means[0] - means[1],
            positive=positive,
            negative=other,
            layer=self.layer,
            how="difference of class means" + (", read as LEACE does" if eraser else ""),
            suite=suite,
            groups=sorted({suite.sentences[i].group for i in examples.sentences}),
            deciding=self.deciding,
            inner=inner,
            metric=metric,
            scale=float(np.linalg.norm(x, axis=1).mean()),
        )
        return _as_leace(made, x, is_positive) if eraser else made


def _with(suite: Suite, examples: Examples) -> Suite:
    """The sentences of some words."""
    own = {int(i) for i in examples.sentences}
    return replace(suite, sentences=tuple(s for i, s in enumerate(suite.sentences) if i in own))


def _inverse(x: Float[ndarray, "word d_model"]) -> Float[ndarray, "d_model d_model"]:
    from sklearn.covariance import LedoitWolf

    return np.asarray(LedoitWolf(assume_centered=True).fit(x).precision_)


def _as_leace(
    direction: Direction, x: Float[ndarray, "word d_model"], is_positive: ndarray
) -> Direction:
    """The same step, read by what LEACE would erase; in units in which the classes have the plain distance."""
    from headwise.probing import erasure

    erasure.require_library()
    eraser = erasure.erasers(x, is_positive.astype(int), 0, np.random.default_rng(0))[0]
    reader = eraser.proj_right[0].numpy()
    apart = float(reader @ direction.vector)
    return replace(direction, reader=reader * np.linalg.norm(direction.vector) / apart)


def unembedding_covariance(model: Model) -> Float[ndarray, "d_model d_model"]:
    """Covariance of the unembedding's rows.

    Raises:
        HeadwiseError: The model has no output head.
    """
    if not model.has_output_head:
        raise HeadwiseError(
            f"The causal inner product comes from the unembedding, which {model.name} has not; use 'plain' or 'whitened'."
        )
    return np.cov(model.unembedding.double().cpu().numpy(), rowvar=False)
