"""Concept erasure: removes a label from the model and measures what changes.

At one layer of the residual stream the vector of each marked word is moved, as little as possible, so that no linear classifier can decode the label
from it (LEACE: Belrose, Schneider-Joseph,
Ravfogel, Cotterell, Raff and Biderman 2023; fitted by the `concept-erasure` library, extra `erasure`). Then the forward pass continues. Measured are
the accuracy of a probe that is refitted, the next-token distribution of a decoder, and how well the label can be decoded at the last layer.

The control is a random subspace of equal rank: the same for as many random variables as distinguish the labels, several times. It moves a vector less
than a label that fills it, so behaviour is also compared with a move of the same length in that subspace.
Erasers are fitted where probes are fitted and applied to sentences that were not.

That nothing changes does not show that the label is not used: it may be held in other ways than linearly,
or be taken anew from the words around.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import OneOrMore, as_tuple, check_counts
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.stats import Clusters, mean_of

from ._columns import ERASED
from ._downstream import TINY, Scores, after_moving
from ._fits.fitting import single_thread
from ._vectors import read_vectors
from .classifiers import Logistic, chosen_C, inner_folds
from .labelled_words import Examples, divide
from .splits import Folds, RareLabels

MEASURES = {
    "accuracy": "accuracy on unseen sentences of a probe that is refitted after erasure",
    "moved": "how far the vector moves, as a share of its distance from the mean",
    "margin": "at the last layer: cosine with the mean of the own label minus the largest with another",
    "continuation": "share of sentences in which words that follow under this label are more probable than others",
    "kl": "KL divergence of the next-token distribution (nats), mean over the tokens from the word on",
}
SHARES = ("accuracy", "continuation")  # right or wrong in every sentence


@dataclass(frozen=True, eq=False, repr=False)
class ErasureResult(Result):
    """The effect of erasing a label, compared with random subspaces.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        labels: The classes.
        rank: Directions erased: one less than there are labels, unless some coincide.
        n_null: Random subspaces that the label's was compared with.
        folds: Number of folds, or 0 where the data's own split was used.
        table: One row per `layer` and `measure` (see `MEASURES`; those that this model or layer has); see `columns`.
    """

    model: str
    suite: str
    labels: tuple[str, ...]
    rank: int
    n_null: int
    folds: int
    table: pd.DataFrame
    columns: ClassVar[Columns] = ERASED

    def _summary(self) -> str:
        layers = self.table["layer"].nunique()
        return f"{len(self.labels)} labels erased at {layers} layers, beside {self.n_null} random subspaces"

    def _untested(self) -> str:
        return "Erasing a label is described by intervals and has no test of its own: read `difference` with its interval in `table`."


def erase(
    model: Model,
    suite: Suite,
    label: str = "mark",
    *,
    labels: Sequence[str] | None = None,
    layers: OneOrMore[int] | None = None,
    positions: int | str = 0,
    rare_labels: RareLabels = "refuse",
    folds: int = 5,
    n_null: int = 5,
    seed: int = 0,
) -> ErasureResult:
    """Erases a label from the residual stream at some layers, each by itself, and lets the model go on.

    Args:
        model: A model of one stack.
        suite: Sentences with marks.
        label: As in `probe`.
        labels: As in `probe`.
        layers: Layers of the residual stream, `n_layers` being its end; all by default.
        positions: Which word is changed, as in `probe`.
        rare_labels: As in `probe`.
        folds: As in `probe`.
        n_null: Random subspaces to compare with.
        seed: Fixes folds and random subspaces.

    Raises:
        HeadwiseError: As in `probe`; `concept-erasure` is not installed; no random subspace.
    """
    check_counts(n_null=n_null, seed=seed)
    check_counts(least=1, folds=folds)
    suite = as_suite(suite)
    require_library()
    if n_null < 1:
        raise HeadwiseError(
            f"n_null={n_null}: erasure is compared with at least one random subspace."
        )
    examples = Examples.of(model, suite, label, positions, labels, seed=seed)
    examples, divided = divide(examples, suite, folds, seed, rare_labels)
    wanted = list(range(model.n_layers + 1) if layers is None else dict.fromkeys(as_tuple(layers)))
    read = read_vectors(
        model, suite, examples, ["residual"], sorted({*wanted, model.n_layers}), None
    )
    vectors = {layer: x.astype(np.float64) for (_, layer, _), x in read.items()}
    scores: dict[tuple[int, str], Scores] = {}
    shifts: dict[int, Float[ndarray, "erased example dim"]] = {}
    rank = 0
    for layer in track(iter(wanted), len(wanted), "erasing"):
        at_layer = _at_layer(vectors[layer], examples.codes, divided, n_null, seed)
        scores[layer, "accuracy"], scores[layer, "moved"] = at_layer.correct, at_layer.moved
        shifts[layer] = at_layer.shifts
        rank = max(rank, at_layer.rank)
    scores |= after_moving(model, examples, divided, vectors[model.n_layers], shifts)
    order = list(MEASURES)
    rows = [
        _row(layer, measure, scores[layer, measure], divided.groups, n_null)
        for layer, measure in sorted(scores, key=lambda key: (key[0], order.index(key[1])))
    ]
    table = pd.DataFrame(rows)
    table["chance"] = np.where(
        table["measure"] == "accuracy", _majority_rate(examples.codes, divided), np.nan
    )
    return ErasureResult(
        model=model.name,
        suite=suite.name,
        labels=examples.labels,
        rank=rank,
        n_null=n_null,
        folds=0 if divided.own else len(divided.splits),
        table=table,
    )


def is_installed() -> bool:
    """Whether the library that fits erasers is there."""
    from importlib.util import find_spec

    return find_spec("concept_erasure") is not None


def require_library() -> None:
    """Refuses to go on without the library that fits erasers.

    Raises:
        HeadwiseError: It is not installed.
    """
    if not is_installed():
        raise HeadwiseError(
            "Erasing needs the package concept-erasure. Run: pip install 'headwise[erasure]'"
        )


@dataclass(frozen=True, eq=False)
class _AtLayer:
    """The vectors of one layer after erasure.

    Attributes:
        correct: Whether a probe fitted anew reads the label; first clean, then erased, then random.
        moved: How far each vector was moved.
        shifts: By what: the erased, the random, and the random made as long as the erased.
        rank: Directions erased.
    """

    correct: Scores
    moved: Scores
    shifts: Float[ndarray, "erased example dim"]
    rank: int


def _at_layer(
    x: Float[ndarray, "example dim"],
    codes: Int[ndarray, " example"],
    divided: Folds,
    n_null: int,
    seed: int,
) -> _AtLayer:
    """In each fold erasers and probes are fitted on one part, and the other is scored."""
    from sklearn.exceptions import ConvergenceWarning

    rng = np.random.default_rng(seed)
    correct, moved = (np.full((2 + n_null, len(x)), np.nan) for _ in range(2))
    moved[0] = 0.0
    shifts = np.zeros((1 + 2 * n_null, *x.shape), dtype=np.float32)
    rank = 0
    for train, test in divided.splits:
        # All are brought to the spread of clean vectors: where erasing leaves nothing, their own would
        # blow rounding up, and so would that of numbers that hardly vary.
        centre, scale = x[train].mean(axis=0), x[train].std(axis=0)
        scale = np.maximum(scale, RANGE * max(float(scale.max()), TINY))
        spread = np.linalg.norm(x[test] - centre, axis=1)
        with single_thread():
            inner = inner_folds(codes[train], divided.groups[train])
            tried = Logistic(standardise=False).made(inner)
            tried.fit((x[train] - centre) / scale, codes[train])
        logistic = Logistic(standardise=False, C=(chosen_C(tried),))
        for kind, eraser in enumerate([None, *erasers(x[train], codes[train], n_null, rng)]):
            fitted, unseen = (_apply(eraser, x[part]) for part in (train, test))
            with single_thread(), warnings.catch_warnings():
                # Where nothing can be read the search ends where it begins, of which it would warn.
                warnings.simplefilter("ignore", ConvergenceWarning)
                probe = logistic.made([]).fit((fitted - centre) / scale, codes[train])
                # All labels are then equally likely, but for rounding.
                odds = probe.predict_proba((unseen - centre) / scale).round(6)
                correct[kind, test] = probe.classes_[odds.argmax(axis=1)] == codes[test]
            if eraser is None:
                continue
            shifts[kind - 1, test] = unseen - x[test]
            length = np.linalg.norm(shifts[kind - 1, test], axis=1, keepdims=True)
            moved[kind, test] = length[:, 0] / np.maximum(spread, TINY)
            if kind == 1:
                rank = max(rank, int(torch.linalg.matrix_rank(eraser.proj_left)))
            else:
                target = np.linalg.norm(shifts[0, test], axis=1, keepdims=True)
                as_far = shifts[kind - 1, test] * target / np.maximum(length, TINY)
                shifts[kind - 1 + n_null, test] = as_far
    return _AtLayer(correct, moved, shifts, rank)


RANGE = 1e-6


def erasers(
    x: Float[ndarray, "some_examples dim"],
    codes: Int[ndarray, " some_examples"],
    n_null: int,
    rng: np.random.Generator,
) -> list[Any]:
    """LEACE of the label, and of as many random variables as distinguish the labels."""
    with warnings.catch_warnings():  # torch's own, of something in the library that is not used
        warnings.simplefilter("ignore", FutureWarning)
        from concept_erasure import LeaceEraser  # pyright: ignore[reportMissingImports]

    names = np.unique(codes)
    concept = (codes[:, None] == names).astype(np.float64)
    concepts = [concept, *(rng.normal(size=(len(x), len(names) - 1)) for _ in range(n_null))]
    # No bound on the variance, which would give up a part of what is to be erased; and singular values
    # that the library would pass over can still be read from.
    return [
        LeaceEraser.fit(
            torch.from_numpy(x),
            torch.from_numpy(concept),
            constrain_cov_trace=False,
            svd_tol=SMALLEST,
        )
        for concept in concepts
    ]


SMALLEST = 1e-6


def _apply(eraser: Any, x: Float[ndarray, "some_examples dim"]) -> ndarray:
    return x if eraser is None else eraser(torch.from_numpy(x)).numpy()


def _majority_rate(codes: Int[ndarray, " example"], divided: Folds) -> float:
    """How often the most frequent label of what is fitted is right."""
    hits = [codes[test] == np.bincount(codes[train]).argmax() for train, test in divided.splits]
    return float(np.concatenate(hits).mean())


def _row(
    layer: int,
    measure: str,
    values: Scores,
    groups: Int[ndarray, " example"],
    n_null: int,
) -> dict[str, Any]:
    scored = np.isfinite(values).all(axis=0)
    values, groups = values[:, scored], groups[scored]
    random = values[2 : 2 + n_null].mean(axis=0)
    has_far = len(values) > 2 + n_null
    as_far = values[2 + n_null :].mean(axis=0) if has_far else np.full_like(random, np.nan)
    difference = values[1] - (as_far if has_far else random)
    found = mean_of(difference, Clusters.of(groups), "difference" if measure in SHARES else None)
    return {
        "layer": layer,
        "measure": measure,
        "examples": int(scored.sum()),
        "clean": values[0].mean(),
        "erased": values[1].mean(),
        "random": random.mean(),
        "as_far": as_far.mean(),
        "difference": difference.mean(),
        "difference_low": float(found.low),
        "difference_high": float(found.high),
    }
