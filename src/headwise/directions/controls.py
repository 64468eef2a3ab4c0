"""Never-trained models as controls of a direction test.

Each random-weight model gets directions of its own, fitted on the same sentences, and is measured on the same words by the same statistic. A head
must exceed the largest of all these heads, over all models and directions (Zhang and Bowman 2018; Wieting
and Kiela 2019). In such a model directions of classes mean nothing, so the share that a head adds is that of the distance of its
classes where they were fitted. They are tested on at most `MOST_WORDS` words, in whole groups, and their t is scaled up by the root of the ratio of
the numbers of words, which makes the control stricter.

Time: two passes for each model, one to fit and one to measure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.errors import HeadwiseError
from headwise.model.loading import random_like
from headwise.model.model import Model

from ._measuring import Measured, Sample, measure, studentised
from ._stream.components import Component, components
from .decomposition import recorder_of
from .direction import Direction

MOST_WORDS = 200  # that each is asked, and that its directions are fitted on
Refit = Callable[[Model], Sequence[Direction | Sequence[Direction]]]


@dataclass(frozen=True, eq=False)
class Control:
    """The largest of all heads of all models with random weights.

    Attributes:
        n_models: How many models.
        t: Largest t of a head, the smaller of that of its effect and of its excess over uniform attention; NaN where no model could be tested.
        share: Largest effect of a head, as a share of the distance of its model's classes.
        whole_t: Largest t of the whole stream.
        why_not: Why no model could be tested; empty if some were.
    """

    n_models: int
    t: float
    share: float
    whole_t: float
    why_not: str = ""


NONE = Control(
    0,
    np.nan,
    np.nan,
    np.nan,
    "no function was given to fit the direction on a model with random weights",
)


def against_random_weights(
    model: Model, sample: Sequence[Sample], refit: Refit | None, n_models: int, seed: int
) -> Control:
    """Tests models of the same shape with random weights.

    Args:
        model: The model.
        sample: Directions and words, the same words each.
        refit: Fits the directions of each of these on another model.
        n_models: How many.
        seed: Fixes their weights.
    """
    if refit is None or n_models == 0:
        return NONE
    found: list[tuple[float, float, float]] = []
    kept = whole_groups(sample[0].examples.groups, seed)
    grown = float(np.sqrt(len(kept) / kept.sum()))
    few = [a.where(kept) for a in sample]
    if any(len(np.unique(a.codes)) < 2 for a in few):
        few, grown = list(sample), 1.0
    for i in range(n_models):
        try:
            twin = random_like(model, seed + 1000 + i)
        except HeadwiseError as error:
            return replace(NONE, why_not=str(error))
        found.append(_largest(twin, few, refit))
    t, share, whole = (max(values) for values in zip(*found, strict=True))
    return Control(n_models, grown * t, share, grown * whole)


def whole_groups(of_word: Int[ndarray, " word"], seed: int) -> Bool[ndarray, " word"]:
    """Words of some groups, about as many as models with random weights are tested on."""
    groups, index = np.unique(of_word, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    rank = np.argsort(order)[index.ravel()]
    sizes = np.bincount(rank)
    n = max(1, int(np.searchsorted(np.cumsum(sizes), MOST_WORDS, side="right")))
    return rank < n


def _largest(twin: Model, sample: Sequence[Sample], refit: Refit) -> tuple[float, float, float]:
    """Largest t, share and t of the whole; where the classes coincide there is no direction."""
    try:
        given = refit(twin)
    except HeadwiseError:
        return 0.0, 0.0, 0.0
    own: list[Sample] = []
    for a, directions in zip(sample, given, strict=True):
        several = (directions,) if isinstance(directions, Direction) else tuple(directions)
        own.append(replace(a, directions=several))
    first = own[0].directions[0]
    recorder = recorder_of(twin, first.layer, normed=first.normed, even=True)
    names = components(recorder.wiring, recorder.layer)
    measured, _ = measure(recorder, own, "testing random weights")
    rows = [_of_one(names, a, m) for a, m in zip(own, measured, strict=True)]
    t, share, whole = (float(np.max(values)) for values in zip(*rows, strict=True))
    return t, share, whole


def _of_one(
    names: Sequence[Component], sample: Sample, measured: Measured
) -> tuple[float, float, float]:
    heads = np.array([c.kind == "head" for c in names])
    if not heads.any():
        return 0.0, 0.0, 0.0
    t, effect = joint_t(sample, measured, heads)
    lies = sample.difference(measured.lies[None])
    direction = sample.directions[0]
    fitted = float(direction.project(direction.vector)) if direction.groups else 0.0
    distance = max(abs(float(lies.value[0])), fitted)
    whole = studentised(lies, float(np.abs(measured.lies).max()))
    return (
        float(np.nan_to_num(t).max()),
        float(effect.max() / distance) if distance else 0.0,
        float(np.nan_to_num(whole[0])),
    )


def joint_t(
    sample: Sample, measured: Measured, chosen: ndarray
) -> tuple[Float[ndarray, " part"], Float[ndarray, " part"]]:
    """The smaller of the t of an effect and of its excess over uniform attention, and the effects; both must be above zero."""
    own, even = measured.contributions[chosen], measured.even[chosen]
    scale = float(np.abs(measured.contributions).max())
    effect, excess = sample.difference(own), sample.difference(own - even)
    return np.minimum(studentised(effect, scale), studentised(excess, scale)), effect.value
