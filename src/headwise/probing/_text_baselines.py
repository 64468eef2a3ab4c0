"""Model-free baselines of a probe: labels predicted from the text and the input embeddings.

- `majority`: the most frequent label.
- `bag of words`: the words of the sentence, TF-IDF and logistic regression; it has no similarity between words, so where every deciding word is held
out it is at chance.
- `static mean`: the mean of the model's own input embeddings of the same words; it has.
- `word itself`, `previous word`, `next word`: the input embedding of one word, and its bare form as a rule (`classifiers.FormRule`).
- `place`: where in the sentence the word stands, and how long the sentence is.

For a decoder all of them know the words up to the read one, as the model does there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from ._fits.fitting import Job, Way
from ._vectors import Key
from .labelled_words import Examples

MAJORITY: Key = ("majority", 0, None)
BAG_OF_WORDS: Key = ("bag of words", 0, None)
STATIC_MEAN: Key = ("static mean", 0, None)
WORD: Key = ("word itself", 0, None)
PREVIOUS_WORD: Key = ("previous word", 0, None)
NEXT_WORD: Key = ("next word", 0, None)
PLACE: Key = ("place", 0, None)
BEST_BASELINE: Key = ("best baseline", 0, None)
BASELINES = (MAJORITY, BAG_OF_WORDS, STATIC_MEAN, WORD, PREVIOUS_WORD, NEXT_WORD, PLACE)
SITES_WITHOUT_MODEL = (*(site for site, _, _ in BASELINES), BEST_BASELINE[0])
ONE_SIGN = {
    WORD: "the form of the read word itself",
    PREVIOUS_WORD: "the form of the word before it",
    NEXT_WORD: "the form of the word after it",
    PLACE: "its place in the sentence",
}
OUTSIDE = "<none>"


def baseline_jobs(
    model: Model, suite: Suite, examples: Examples
) -> list[tuple[tuple[Key, str], Job]]:
    """Every baseline by place and classifier, with what it is fitted to."""
    embedded = _Embedded(model, examples)
    found = [
        _job(MAJORITY, "majority", np.zeros((len(examples.codes), 1)), "majority"),
        _job(BAG_OF_WORDS, "logistic", np.array(examples.texts), "bag of words"),
    ]
    mean = embedded.mean()
    found += [_job(STATIC_MEAN, way, mean, way) for way in ("logistic", "centroid")]
    beside = {WORD: 0, PREVIOUS_WORD: -1}
    if not model.is_causal:
        beside[NEXT_WORD] = 1
    for key, offset in beside.items():
        found.append(_job(key, "logistic", embedded.word(offset), "logistic"))
        found.append(_job(key, "rule", _forms(suite, examples, offset), "rule"))
    found.append(_job(PLACE, "logistic", _places(model, suite, examples), "logistic"))
    found.append(_job(PLACE, "rule", examples.positions.astype(str), "rule"))
    return found


def name_of(place: tuple[Key, str]) -> str:
    """A baseline as a text names it: `static mean`, `previous word (rule)`."""
    (site, _, _), classifier = place
    is_usual = classifier in ("logistic", "majority", "chosen")
    return site if is_usual else f"{site} ({classifier})"


def _job(key: Key, classifier: str, values: ndarray, way: Way) -> tuple[tuple[Key, str], Job]:
    return (key, classifier), Job(values, way, is_baseline=True)


class _Embedded:
    """Input embeddings of the words around each read one."""

    def __init__(self, model: Model, examples: Examples) -> None:
        self.is_causal = model.is_causal
        self.examples = examples
        used = sorted({token for i in set(examples.sentences.tolist()) for token in examples.alignments[i].tokens})  # fmt: skip
        self.row = {token: row for row, token in enumerate(used)}
        table = _input_embeddings(model)
        ids = torch.tensor(used, device=table.device)
        self.table = table.detach()[ids].float().cpu().numpy()

    def mean(self) -> Float[ndarray, "example dim"]:
        """Over the tokens of all words that the model has seen."""
        rows: list[ndarray] = []
        for i, word in zip(self.examples.sentences, self.examples.positions, strict=True):
            end = int(word) if self.is_causal else self.examples.alignments[int(i)].n_words
            rows.append(self._over(int(i), range(end + 1)))
        return np.stack(rows)

    def word(self, offset: int) -> Float[ndarray, "example dim"]:
        """Of one word, zero where there is none."""
        at = zip(self.examples.sentences, self.examples.positions, strict=True)
        return np.stack([self._over(int(i), range(int(word) + offset, int(word) + offset + 1)) for i, word in at])  # fmt: skip

    def _over(self, sentence: int, words: range) -> Float[ndarray, " dim"]:
        alignment = self.examples.alignments[sentence]
        tokens = zip(alignment.tokens, alignment.words, strict=True)
        own = [self.row[token] for token, word in tokens if word is not None and word in words]
        return self.table[own].mean(axis=0) if own else np.zeros_like(self.table[0])


def _input_embeddings(model: Model) -> Any:
    try:
        return model.embedding
    except (AttributeError, NotImplementedError) as error:
        raise HeadwiseError(
            f"{model.name} has no input embeddings of tokens, which every probe is compared with; expected a model with "
            "get_input_embeddings()."
        ) from error


def _forms(suite: Suite, examples: Examples, offset: int) -> ndarray:
    forms: list[str] = []
    for i, word in zip(examples.sentences, examples.positions, strict=True):
        said, at = suite.sentences[int(i)].words, int(word) + offset
        forms.append(said[at].lower() if 0 <= at < len(said) else OUTSIDE)
    return np.array(forms)


def _places(model: Model, suite: Suite, examples: Examples) -> Float[ndarray, "example dim"]:
    """Position from the start and, where the model sees so far, from the end, with the first few apart."""
    before = examples.positions.astype(float)
    sides = [before]
    if not model.is_causal:
        n_words = np.array([len(suite.sentences[int(i)].words) for i in examples.sentences])
        sides += [n_words - 1 - before, n_words.astype(float)]
    columns: Sequence[ndarray] = [
        *(np.log1p(side) for side in sides),
        *sides,
        *(side == n for side in sides[:2] for n in range(3)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)
