"""One pass over some sentences: contributions of every component along directions, and the same under uniform attention.

All directions are measured in the same pass. Where they were cross-fitted, each word has a direction of its own: one that was fitted without the
deciding words of its sentence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.data.suite import Suite
from headwise.data.unseen_words import deciding_by_sentence
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.probing.labelled_words import Examples
from headwise.stats import MIN_CLUSTERS, Clusters, Estimates, difference_of

from ._stream.components import Recorder, components
from ._stream.take_apart import take_apart
from ._stream.word_positions import Words
from .direction import Direction

ROUNDING = 1e-5  # of the largest contribution: differences below this come from float32


@dataclass(frozen=True, eq=False)
class Sample:
    """Words that are measured, and the directions.

    Attributes:
        examples: The words.
        between: The positive and the negative class.
        codes: 1 for a word of the positive class, 0 for the negative one.
        directions: The direction, or several that were fitted without each other's words.
        fold: Which of these each word is measured along.
        clusters: Clusters of words: by group, and by deciding words where these cross groups.
    """

    examples: Examples
    between: tuple[str, str]
    codes: Int[ndarray, " word"]
    directions: tuple[Direction, ...]
    fold: Int[ndarray, " word"]
    clusters: Clusters

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        directions: Sequence[Direction],
        between: tuple[str, str],
        positions: int | str = 0,
    ) -> "Sample":
        """The words of two classes; a class of `others` is all that have another label.

        Raises:
            HeadwiseError: An unknown label, a class with one example, or a sentence whose deciding words every direction was fitted on.
        """
        examples = _examples(model, suite, *between, positions)
        told = deciding_by_sentence(suite)
        fold = np.full(len(examples.sentences), -1)
        for k, direction in reversed(list(enumerate(directions))):
            unseen = direction.unseen(suite)
            fold[[unseen[int(i)] for i in examples.sentences]] = k
        if (fold < 0).any():
            own = {int(i) for i in examples.sentences}
            kept = [s for i, s in enumerate(suite.sentences) if i in own]
            directions[0].require_unseen(replace(suite, sentences=tuple(kept), pairs=()))
            directions[0].require_unseen(suite)
        codes = (examples.codes == examples.labels.index(between[0])).astype(int)
        words = _commonest([told[int(i)] for i in examples.sentences])
        # Where a class is told by one word, or a few, it is these that are asked about; else they are a sample of words, which cross groups.
        sampled = words and all(
            len({w for w, code in zip(words, codes, strict=True) if code == k}) >= MIN_CLUSTERS
            for k in (0, 1)
        )
        groups = examples.groups.tolist()
        return Sample(
            examples=examples,
            between=between,
            codes=codes,
            directions=tuple(directions),
            fold=fold,
            clusters=Clusters.of(groups, words) if sampled else Clusters.of(groups),
        )

    def where(self, kept: Bool[ndarray, " word"]) -> "Sample":
        """Some of the words."""
        return replace(
            self,
            examples=self.examples.where(kept),
            codes=self.codes[kept],
            fold=self.fold[kept],
            clusters=self.clusters.where(kept),
        )

    @property
    def words(self) -> Words:
        """The words by their places."""
        return Words.of_examples(self.examples)

    @property
    def readers(self) -> Float[ndarray, "word d_model"]:
        """The reader of every word's direction."""
        return np.stack([d.reader for d in self.directions])[self.fold]

    @property
    def weights(self) -> Float[ndarray, " word"]:
        """Of every word in the difference of the classes' means."""
        n = np.bincount(self.codes, minlength=2)
        return np.where(self.codes == 1, 1 / n[1], -1 / n[0])

    def centred(self, values: Float[ndarray, "*rest word"]) -> Float[ndarray, "*rest word"]:
        """Values with the midpoint of the classes of every fold taken away.

        Each fold has its own direction, along which all words may be shifted; only the distance of its classes counts.
        """
        found = np.array(values, dtype=float)
        for k in range(len(self.directions)):
            own = self.fold == k
            ends = [own & (self.codes == code) for code in (0, 1)]
            if len(self.directions) > 1 and all(end.any() for end in ends):
                middle = sum(found[..., end].mean(axis=-1, keepdims=True) for end in ends) / 2
                found[..., own] -= middle
        return found

    def difference(self, values: Float[ndarray, "part word"]) -> Estimates:
        """By how much words of the positive class have more of it."""
        return difference_of(self.centred(values), self.codes, self.clusters)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a pass gave along one of the directions.

    Attributes:
        contributions: Contribution of each component to each word, as a length along its direction.
        even: The same under uniform attention, with everything else unchanged.
        step: Of each component the mean of the positive class less that of the negative one.
        lies: The position of each word.
    """

    contributions: Float[ndarray, "component word"]
    even: Float[ndarray, "component word"]
    step: Float[ndarray, "component d_model"]
    lies: Float[ndarray, " word"]


def measure(
    recorder: Recorder, sample: Sequence[Sample], doing: str
) -> tuple[list[Measured], Float[ndarray, "word d_model"]]:
    """Measures the same words along several directions; also gives their streams.

    Args:
        recorder: Of the model, as far as the directions' layer, with `even`.
        sample: Directions and words, the same words each.
        doing: What is shown while it runs.
    """
    n = len(components(recorder.wiring, recorder.layer))
    n_words, device = len(sample[0].codes), recorder.model.device
    d_model = recorder.model.d_model
    readers = torch.from_numpy(np.stack([a.readers for a in sample])).to(device)
    weights = torch.from_numpy(np.stack([a.weights for a in sample])).to(device)
    contributions, even = (np.empty((len(sample), n, n_words)) for _ in range(2))
    steps = torch.zeros((len(sample), n, d_model), dtype=torch.float64, device=device)
    ends = np.empty((n_words, d_model))
    for taken in take_apart(recorder, sample[0].words, doing):
        own = readers[:, taken.words]
        parts = taken.parts.double()
        contributions[:, :, taken.words] = torch.einsum("cwd,qwd->qcw", parts, own).cpu().numpy()
        steps += torch.einsum("cwd,qw->qcd", parts, weights[:, taken.words])
        if recorder.even:
            alike = torch.einsum("wt,ctm->cwm", taken.mean, taken.seen.parts(even=True)).double()
            even[:, :, taken.words] = torch.einsum("cwd,qwd->qcw", alike, own).cpu().numpy()
        ends[taken.words] = taken.total.double().cpu().numpy()
    along = np.einsum("wd,qwd->qw", ends, np.stack([a.readers for a in sample]))
    found = [
        Measured(contributions[q], even[q], steps[q].cpu().numpy(), along[q])
        for q in range(len(sample))
    ]
    return found, ends


def studentised(estimates: Estimates, scale: float) -> Float[ndarray, " part"]:
    """Effects in units of their standard errors; 0 where an effect is rounding, NaN without an error."""
    value, se = estimates.value, estimates.se
    found = np.divide(value, se, out=np.zeros_like(value), where=se > 0)
    found[np.isnan(se)] = np.nan
    found[np.abs(value) <= ROUNDING * scale] = 0.0
    return found


def _commonest(told: Sequence[frozenset[str] | None]) -> list[str]:
    """Of the deciding words of each sentence the most frequent one; none if some sentence does not give them."""
    counts = Counter(word for words in told for word in words or ())
    if not all(told):
        return []
    return [max(words, key=lambda word: (counts[word], word)) for words in told if words]


def _examples(
    model: Model, suite: Suite, positive: str, negative: str, positions: int | str
) -> Examples:
    known = {mark.label for sentence in suite.sentences for mark in sentence.marks}
    labels = [positive, negative]
    if negative == "others" and "others" not in known:
        labels = sorted(known)
    if missing := [name for name in labels if name not in known]:
        raise HeadwiseError(
            f"The suite {suite.name!r} has no label {missing[0]!r}; it has {', '.join(sorted(known))}. Name the two classes to "
            "compare: between=('ahead', 'behind')."
        )
    examples = Examples.of(model, suite, "mark", positions, labels)
    if suite.has_own_split:
        examples = examples.where(
            np.array([suite.sentences[i].split == "test" for i in examples.sentences])
        )
    is_positive = examples.codes == examples.labels.index(positive)
    for name, n in ((positive, is_positive.sum()), (negative, (~is_positive).sum())):
        if n < 2:
            raise HeadwiseError(
                f"The class {name!r} of {suite.name!r} has {int(n)} example(s), too few for a mean. Add sentences; "
                "a test needs ten groups of each class or more."
            )
    return examples
