"""Controls of ablation: models with random weights, and the model with uniform attention.

A head may matter for a trivial reason: a constant output, or a suite whose correct words a never-trained model prefers. The same heads are therefore
ablated in models of the same shape with random weights and in the model itself with uniform attention, and a head is needed only if its degradation,
in standard errors, exceeds that of every head there.

It is run on fewer sentences, spread over all groups, and by zero and the mean only; a head's t is the smallest over the methods in model and
controls, so that fewer methods make the rule stricter. As t grows with the root of the number of sentences, the t of controls is multiplied
by the root of the ratio of the numbers; where a control's t is due to chance and not to a bias, this is too strict.
"""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from headwise.activations import hooks
from headwise.activations.sites import Site
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model import loading
from headwise.model.heads import Head, sides
from headwise.model.model import Model
from headwise.probing.linear_probe import Probe
from headwise.stats import mean_of

from . import _effects
from .prompts import Prompts

if TYPE_CHECKING:
    from .ablation import Ablation

N_CONTROLS = 2  # models with random weights, beside the one with uniform attention
MOST_CASES = 40  # sentences of a control
METHODS = ("zero", "mean")


@dataclass(frozen=True, eq=False)
class AblationControls:
    """The same heads, ablated in the controls.

    Attributes:
        names: The controls.
        cases: Sentences of each.
        scale: By how much their t was multiplied for having fewer sentences.
        methods: Methods of ablation there.
        degradations: Mean degradation of every ablation by every method, by metric.
        t: The same in standard errors, scaled.
        why_not: Why there are none, if a control could not be made; no head can then be a yes.
    """

    names: tuple[str, ...]
    cases: int
    scale: float
    methods: tuple[str, ...]
    degradations: dict[str, Float[ndarray, "control method head_set"]]
    t: dict[str, Float[ndarray, "control method head_set"]]
    why_not: str = ""

    def largest(self, metric: str, sign: int = 1) -> tuple[float, float]:
        """Largest degradation and largest t of all heads of all controls, each the smallest over the methods; NaN where there are none.

        Args:
            metric: Name of the metric.
            sign: -1 for what ablation improves most.
        """
        if metric not in self.t:
            return float("nan"), float("nan")
        degradation, t = (
            float((sign * x[metric]).min(axis=1).max()) for x in (self.degradations, self.t)
        )
        return degradation, t


@contextmanager
def uniform_attention(model: Model) -> Generator[None]:
    """Lets every head attend equally to all visible tokens while the body runs the model."""

    def even(scores: Tensor, site: Site) -> Tensor:
        return torch.where(scores.isneginf(), scores, 0.0)

    with ExitStack() as stack:
        for side in sides(model):
            stack.enter_context(hooks.edit(model, f"{side}.scores" if side else "scores", even))
        yield


def control(
    ablation: "Ablation", head_sets: Mapping[str, tuple[Head, ...]], n_null: int
) -> AblationControls:
    """Ablates the same heads in random models and in the model with uniform attention.

    Args:
        ablation: The ablation of the model itself.
        head_sets: The heads that are ablated together, by name.
        n_null: Models with random weights.
    """
    model = ablation.model
    try:
        twins = [loading.random_like(model, ablation.seed + 1 + i) for i in range(n_null)]
    except HeadwiseError as error:
        return AblationControls((), 0, 1.0, (), {}, {}, why_not=str(error))
    found = [_degradations(ablation, twin, head_sets) for twin in twins]
    with uniform_attention(model):
        found.append(_degradations(ablation, model, head_sets))
    cases = found[0].cases
    scale = float(np.sqrt(len(ablation.prompts.sentences) / cases))
    return AblationControls(
        names=(*(f"random weights {i + 1}" for i in range(n_null)), "uniform attention"),
        cases=cases,
        scale=scale,
        methods=_ways(ablation),
        degradations={
            name: np.stack([one.degradations[name] for one in found])
            for name in found[0].degradations
        },
        t={name: scale * np.stack([one.t[name] for one in found]) for name in found[0].t},
    )


@dataclass(frozen=True, eq=False)
class _Degradations:
    """One control: sentences, and by metric the mean degradation of every ablation and its t."""

    cases: int
    degradations: dict[str, Float[ndarray, "method head_set"]]
    t: dict[str, Float[ndarray, "method head_set"]]


def _ways(ablation: "Ablation") -> tuple[str, ...]:
    """Those of the requested methods that are run in controls, or the first of them."""
    return tuple(m for m in METHODS if m in ablation.methods) or ablation.methods[:1]


def _degradations(
    ablation: "Ablation", model: Model, head_sets: Mapping[str, tuple[Head, ...]]
) -> _Degradations:
    metrics = [
        requested
        for requested, reading in zip(ablation.requested, ablation.readings, strict=True)
        if reading.has_sign and not isinstance(requested, Probe)  # a probe is of the one model
    ]
    if not metrics:
        return _Degradations(len(ablation.prompts.sentences), {}, {})
    suite = spread(ablation.suite, ablation.prompts, MOST_CASES)
    try:
        own = ablation.anew(model, suite, metrics, _ways(ablation))
    except HeadwiseError:  # a metric that wants every label in several groups
        own = ablation.anew(model, ablation.suite, metrics, _ways(ablation))
    degradations: dict[str, Float[ndarray, "method head_set"]] = {}
    t: dict[str, Float[ndarray, "method head_set"]] = {}
    for reading, values in zip(own.readings, own.values(head_sets), strict=True):
        degradation = mean_of(_effects.worse(reading, values), own.prompts.clusters)
        # A head that changes nothing has neither a degradation nor an error.
        errors = degradation.value / np.where(degradation.se == 0, 1.0, degradation.se)
        degradations[reading.name], t[reading.name] = (x.reshape(len(own.methods), -1) for x in (degradation.value, errors))  # fmt: skip
    return _Degradations(len(own.prompts.sentences), degradations, t)


def spread(suite: Suite, prompts: Prompts, most: int) -> Suite:
    """At most so many of the tested sentences (or pairs), one after the other of every group."""
    rank = np.zeros(len(prompts.groups), dtype=int)  # of each sentence within its group
    for group in np.unique(prompts.groups):
        rank[prompts.groups == group] = np.arange((prompts.groups == group).sum())
    chosen = np.sort(np.lexsort((prompts.groups, rank))[:most])
    if not prompts.pairs:
        return replace(suite, sentences=tuple(prompts.sentences[i] for i in chosen))
    pairs = tuple(prompts.pairs[i] for i in chosen)
    return replace(suite, pairs=pairs, sentences=tuple(s for p in pairs for s in (p.clean, p.corrupted)))  # fmt: skip
