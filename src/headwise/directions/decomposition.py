"""Decomposition of the residual stream at some words into an exact sum."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise.activations.planning import parse, readable
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from ._stream.components import Component, Recorder, components
from ._stream.take_apart import take_apart
from ._stream.wiring import Wiring
from ._stream.word_positions import Words


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The summands of the stream at some words.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        layer: The stream before this block; `n_layers` is the end.
        normed: Whether it is the stream after the final norm.
        components: What writes.
        words: Sentence and place of each word, in the suite.
        parts: What each wrote, as it has become by the layer: norms on the way divide by what they divided by in the run.
        total: The stream itself, as the model computed it.
    """

    model: str
    suite: str
    layer: int
    normed: bool
    components: tuple[Component, ...]
    words: tuple[tuple[int, int], ...]
    parts: Float[ndarray, "component word d_model"]
    total: Float[ndarray, "word d_model"]

    @property
    def error(self) -> float:
        """Largest difference between the sum of the parts and the stream, relative to the largest number in it."""
        difference = np.abs(self.parts.sum(axis=0, dtype=np.float64) - self.total).max()
        return float(difference / np.abs(self.total).max())

    def part(self, name: str) -> Float[ndarray, "word d_model"]:
        """One summand, e.g. `L2H8`, `MLP 2`, `embedding`, `position` or `biases`.

        Raises:
            HeadwiseError: Nothing of that name writes before the layer.
        """
        names = [component.name for component in self.components]
        if name not in names:
            raise HeadwiseError(
                f"Nothing called {name!r} writes into the stream before layer {self.layer} of {self.model}; known are {names[0]}, "
                f"L0H0 to {names[-2]}, MLP 0, ... and biases."
            )
        return self.parts[names.index(name)]

    @property
    def table(self) -> pd.DataFrame:
        """One row per summand: `name`, `kind`, `layer`, `head`, its mean `length`, and its mean `share` of the stream's square.

        The share is the summand's inner product with the stream over the square of the stream; shares sum to 1, and
        one that works against the others is below 0.
        """
        square = (self.total**2).sum(axis=1)
        along = np.einsum("cwm,wm->cw", self.parts, self.total) / square
        return pd.DataFrame(
            {
                "name": [component.name for component in self.components],
                "kind": [component.kind for component in self.components],
                "layer": pd.array([c.layer for c in self.components], dtype="Int64"),
                "head": pd.array([c.head for c in self.components], dtype="Int64"),
                "length": np.linalg.norm(self.parts, axis=2).mean(axis=1),
                "share": along.mean(axis=1),
            }
        )


def decompose(
    model: Model,
    suite: Suite,
    words: Sequence[Sequence[int]] | None = None,
    *,
    layer: int | None = None,
    normed: bool = False,
    budget: int | str = "4GiB",
) -> Decomposition:
    """Decomposes the residual stream at some words: embedding, position, every head, every MLP, biases.

    Exact for models that norm before a branch, after it, or on the stream (BERT), as the scale of every norm that stands
    on the way is that of the run; with another input those scales would be others. Of a model of two stacks, the encoder.

    Args:
        model: Any model whose stream is a sum.
        suite: The sentences.
        words: Places of words, for every sentence a list; marked words by default.
        layer: The stream before this block; the end by default.
        normed: Whether to pass the final norm too, if there is one.
        budget: Most memory for what is returned.

    Raises:
        HeadwiseError: No words, a word outside its sentence, no such layer, a stream that is put together in a way that is
            not known, or more numbers than the budget allows.
    """
    suite = as_suite(suite)
    tested = Words.of(model, suite, words)
    recorder = recorder_of(model, layer, normed=normed)
    names = components(recorder.wiring, recorder.layer)
    need = 4 * len(names) * len(tested) * model.d_model
    if need > parse(budget):
        raise HeadwiseError(
            f"The parts of {len(tested):,} words take {readable(need)}, more than the budget of {readable(parse(budget))}. Ask "
            "about fewer words, an earlier layer, or pass a larger budget; headwise.direction_test keeps projections only."
        )
    parts = np.empty((len(names), len(tested), model.d_model), dtype=np.float32)
    total = np.empty(parts.shape[1:], dtype=np.float32)
    for taken in take_apart(recorder, tested):
        parts[:, taken.words] = taken.parts.cpu().numpy()
        total[taken.words] = taken.total.cpu().numpy()
    places = zip(tested.sentences.tolist(), tested.positions.tolist(), strict=True)
    return Decomposition(
        model.name, suite.name, recorder.layer, normed, names, tuple(places), parts, total
    )


def recorder_of(
    model: Model, layer: int | None = None, *, normed: bool = False, even: bool = False
) -> Recorder:
    """A recorder that decomposes the stream of a model, or of its encoder.

    Raises:
        HeadwiseError: No such layer, no final norm where one is wanted, or an unknown kind of stream.
    """
    wiring = Wiring.of(model, model.stacks[0].side)
    n_layers = len(wiring.blocks)
    layer = n_layers if layer is None else layer
    if not 0 <= layer <= n_layers:
        raise HeadwiseError(
            f"{model.name} has no layer {layer} of the residual stream; expected 0 to {n_layers}."
        )
    if normed and (wiring.final is None or layer != n_layers):
        raise HeadwiseError(
            f"After the final norm there is the end of the stream only, and that where a model has such a norm; got layer {layer} "
            f"of {model.name}, which has {'one' if wiring.final is not None else 'none'}."
        )
    return Recorder(model, wiring, layer, normed=normed, even=even)
