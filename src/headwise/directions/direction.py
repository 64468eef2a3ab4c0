"""A direction of the residual stream: fitted once at one layer, saved, and used again unchanged.

A direction has two sides. Its `vector` is what is added to move a word along it; its `reader` measures positions along it. They point the same way
only under the plain inner product. With a metric M the length of x is
`sqrt(x' M x)`, and the reader of a vector v is `M v / |v|`, so that what is read is a length in that metric:

- `plain`: M is the identity.
- `whitened`: M is the inverse covariance of words within their classes, so that directions of high variance count for little.
- `causal`: M is the covariance of the unembedding, under which directions of independent concepts are at right
  angles (Park, Choe and Veitch 2024, The linear representation hypothesis).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import BaseModel, ConfigDict

from headwise import _files
from headwise.data.suite import Suite
from headwise.data.unseen_words import DecidingWords
from headwise.errors import HeadwiseError
from headwise.model.model import Model

Inner = Literal["plain", "whitened", "causal"]
FORMAT = "headwise-direction-2"
TINY = (
    1e-6  # of the length of the vectors that it comes from: a direction shorter than this is none
)


class _Header(BaseModel):
    """Header of a saved direction."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    weights: str
    suite: str
    suite_sha256: str
    how: str
    positive: str
    negative: str
    layer: int
    normed: bool
    inner: Inner
    groups: tuple[str, ...]
    deciding_words: tuple[str, ...] = ()
    unresolved_words: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Direction:
    """From `negative` to `positive` in the residual stream before a block.

    Attributes:
        model: Name of the model it was fitted on.
        weights: Hash of its weights, where there are files.
        suite: Name of the suite it was fitted on; empty if it comes from weights alone.
        suite_sha256: Hash of the suite, where there is one.
        how: Where it comes from, in words.
        positive: What lies ahead.
        negative: What lies behind.
        layer: The stream before this block; `n_layers` is the end.
        normed: Whether it is of the stream after the final norm.
        inner: The inner product, see the module.
        groups: Groups of the suite that it was fitted on; measurements on these are no evidence.
        deciding_words: Deciding words of the sentences that it was fitted on; measurements on these are no evidence either.
        unresolved_words: All words of sentences that do not give their deciding words (see `unseen_words`).
        vector: One step along it: from the mean of one class to that of the other, or what `how` says.
        reader: The vector whose inner product with a vector of the stream is its position along the direction.
        metric: The matrix of the inner product; None for the plain one.
    """

    model: str
    weights: str
    suite: str
    suite_sha256: str
    how: str
    positive: str
    negative: str
    layer: int
    normed: bool
    inner: Inner
    groups: tuple[str, ...]
    deciding_words: tuple[str, ...]
    unresolved_words: tuple[str, ...]
    vector: Float[ndarray, " d_model"]
    reader: Float[ndarray, " d_model"]
    metric: Float[ndarray, "d_model d_model"] | None = None

    @property
    def name(self) -> str:
        """How it is called in tables, e.g. `animal - unit`."""
        return f"{self.positive} - {self.negative}"

    @property
    def place(self) -> str:
        """Where it lies."""
        return f"residual, layer {self.layer}{', after the final norm' if self.normed else ''}"

    def project(self, vectors: Float[ndarray, "*rest d_model"]) -> Float[ndarray, "*rest"]:
        """Positions of vectors along it, as lengths in its metric."""
        return np.asarray(vectors @ self.reader)

    def cosine(self, vectors: Float[ndarray, "some d_model"]) -> Float[ndarray, " some"]:
        """Cosine of the angle to it in its metric, -1 to 1; NaN of a zero vector."""
        length = self._lengths(vectors)
        return self.project(vectors) / np.where(length > 0, length, np.nan)

    def readers(self, vectors: Float[ndarray, "some d_model"]) -> Float[ndarray, "some d_model"]:
        """Readers of other vectors in the same metric."""
        turned = vectors if self.metric is None else vectors @ self.metric
        return turned / self._lengths(vectors)[:, None]

    def _lengths(self, vectors: Float[ndarray, "some d_model"]) -> Float[ndarray, " some"]:
        turned = vectors if self.metric is None else vectors @ self.metric
        return np.sqrt(np.maximum((turned * vectors).sum(axis=1), 0))

    def require(self, model: Model) -> None:
        """Refuses a model that the direction is not of.

        Raises:
            HeadwiseError: Another name, other weights, or a model without such a layer or of another width.
        """
        if model.name != self.model or (
            self.weights and model.weights_sha256 and self.weights != model.weights_sha256
        ):
            what = "other weights of " if model.name == self.model else ""
            raise HeadwiseError(
                f"The direction {self.name} was fitted on {what}{self.model}, not on {model.name}: directions of one model mean "
                "nothing in another. Fit it again with headwise.Direction."
            )
        if self.layer > model.n_layers or len(self.vector) != model.d_model:
            raise HeadwiseError(
                f"{model.name} has no {self.place} of width {len(self.vector)}: it has {model.n_layers} layers of width "
                f"{model.d_model}. The direction is of another version of the model; fit it again."
            )

    def require_layer(self, layer: int | None) -> int:
        """Its layer, if that is the requested one.

        Raises:
            HeadwiseError: Another layer was requested.
        """
        if layer not in (None, self.layer):
            raise HeadwiseError(
                f"The direction {self.name} is of layer {self.layer}, and layer {layer} was requested. A direction has no "
                f"meaning at another layer: fit one with layer={layer}."
            )
        return self.layer

    def unseen(self, suite: Suite) -> list[bool]:
        """For every sentence, whether it was fitted on neither its group nor, in whatever suite, one of its deciding words."""
        is_own = (suite.name, suite.sha256) == (self.suite, self.suite_sha256)
        groups = set(self.groups) if is_own else set[str]()
        shared = DecidingWords(
            frozenset(self.deciding_words), frozenset(self.unresolved_words)
        ).shared_by(suite)
        return [
            not (seen or sentence.group in groups)
            for sentence, seen in zip(suite.sentences, shared, strict=True)
        ]

    def require_unseen(self, suite: Suite) -> None:
        """Refuses sentences that it was fitted on, or whose deciding words it was fitted on.

        Raises:
            HeadwiseError: The suite has a group of those, or a sentence with such a word.
        """
        is_own = (suite.name, suite.sha256) == (self.suite, self.suite_sha256)
        seen = sorted(set(self.groups) & set(suite.groups)) if is_own else []
        if seen:
            raise HeadwiseError(
                f"The direction {self.name} was fitted on {len(seen)} of the {len(suite.groups)} groups of {suite.name!r} "
                f"({seen[0]!r}), so a measurement on them is no evidence. Divide the suite: fitting, testing = suite.split()."
            )
        shared = [s for s, new in zip(suite.sentences, self.unseen(suite), strict=True) if not new]
        if shared:
            raise HeadwiseError(
                f"In {len(shared)} of the {len(suite.sentences)} sentences of {suite.name!r} ({shared[0].text[:50]!r}) a deciding word is one that "
                f"the direction {self.name} was fitted on, so a measurement on them is no evidence. Fit it on others: fitting, left_out = "
                "headwise.data.unseen_words.without_shared_words(fitting, testing)."
            )

    def save(self, path: str | Path) -> Path:
        """Writes the direction; a file that is there is replaced only once the new one is whole."""
        header = _Header(**{name: getattr(self, name) for name in _Header.model_fields})
        arrays = {"vector": self.vector, "reader": self.reader}
        if self.metric is not None:
            arrays["metric"] = self.metric
        return _files.write(path, "direction", FORMAT, header, arrays)

    @classmethod
    def load(cls, path: str | Path, model: Model | None = None) -> "Direction":
        """Reads a direction.

        Args:
            path: What `save` wrote.
            model: The model it is to be used on, if it should be checked against that.

        Raises:
            HeadwiseError: No direction is there, the file is damaged, or it is of another model.
        """
        header, arrays = _files.read(path, "direction", FORMAT, _Header)
        vector, reader = arrays.get("vector"), arrays.get("reader")
        if vector is None or reader is None or vector.shape != reader.shape:
            raise HeadwiseError(f"{path}: a damaged direction: it lacks a vector or its reader.")
        found = cls(
            **header.model_dump(), vector=vector, reader=reader, metric=arrays.get("metric")
        )
        if model is not None:
            found.require(model)
        return found

    @classmethod
    def of(
        cls,
        model: Model,
        vector: Float[ndarray, " d_model"],
        *,
        positive: str,
        negative: str,
        layer: int,
        how: str = "given",
        suite: Suite | None = None,
        groups: Sequence[str] = (),
        deciding: DecidingWords | None = None,
        normed: bool = False,
        inner: Inner = "plain",
        metric: Float[ndarray, "d_model d_model"] | None = None,
        scale: float = 1.0,
    ) -> "Direction":
        """Any vector as a direction.

        Args:
            model: The model.
            vector: One step along it.
            positive: What lies ahead.
            negative: What lies behind.
            layer: The stream before this block.
            how: Where it comes from.
            suite: What it was fitted on.
            groups: Groups that it was fitted on.
            deciding: Their deciding words.
            normed: Whether it is of the stream after the final norm.
            inner: Name of the inner product.
            metric: Its matrix.
            scale: Length of the vectors that it comes from: one that is shorter than a millionth of this is rounding.

        Raises:
            HeadwiseError: A zero vector, one of another width or that is not finite, or no such layer.
        """
        if not 0 <= layer <= model.n_layers:
            raise HeadwiseError(
                f"{model.name} has no layer {layer} of the residual stream; expected 0 to {model.n_layers}."
            )
        vector = np.asarray(vector, dtype=np.float64)
        if vector.shape != (model.d_model,) or not np.isfinite(vector).all():
            raise HeadwiseError(
                f"A direction of {model.name} is {model.d_model} finite numbers; got {vector.shape[0]}, "
                f"{int(np.isfinite(vector).sum())} of them finite."
            )
        if np.linalg.norm(vector) <= TINY * scale:
            raise HeadwiseError(
                f"There is no direction from {negative!r} to {positive!r} at layer {layer} of {model.name}: the two lie at one point. "
                "At layer 0 a word is the same whatever stands around it; ask for a later layer."
            )
        found = cls(
            model=model.name, weights=model.weights_sha256, suite=suite.name if suite else "",
            suite_sha256=suite.sha256 if suite else "", how=how, positive=positive, negative=negative,
            layer=layer, normed=normed, inner=inner, groups=tuple(groups), deciding_words=tuple(sorted(deciding.deciding)) if deciding else (),
            unresolved_words=tuple(sorted(deciding.unresolved)) if deciding else (), vector=vector, reader=vector, metric=metric,
        )  # fmt: skip
        return replace(found, reader=found.readers(vector[None])[0])
