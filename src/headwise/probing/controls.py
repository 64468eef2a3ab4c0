"""Controls of a probe: models with random weights, and the model with uniform attention.

What can be decoded from these can be decoded from any model. They are fitted and scored as the model is, against the same baselines, and the largest
t
of any of their places is what a place of the model must exceed. To keep them cheap every place is first fitted with one
penalty, and only the few best of each model and site with all.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.activations import hooks
from headwise.activations.sites import Site
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model.loading import random_like
from headwise.model.model import Model
from headwise.stats import Clusters, balanced_mean

from ._fits.fitting import Job, Task, fit_all
from ._vectors import Key, ProbeSite, read_vectors
from .classifiers import Classifier, Logistic
from .gains import plain_t
from .labelled_words import Examples

SITES: tuple[ProbeSite, ...] = ("residual", "z")  # what evidence is given of
SCREENED_C = 0.1
N_TUNED = 4  # places of each site and model
UNIFORM = "uniform attention"


@dataclass(frozen=True, eq=False)
class Scored:
    """Data that the controls are compared on.

    Attributes:
        order: Scored examples, as indices of all.
        truth: Their labels.
        baseline: Whether the best baseline is right, 0 or 1.
        clusters: Their clusters.
    """

    order: Int[ndarray, " example"]
    truth: Int[ndarray, " example"]
    baseline: Float[ndarray, " example"]
    clusters: Clusters


def uniform(pattern: Tensor, site: Site) -> Tensor:
    """The pattern of a head that attends equally to every visible token."""
    seen = (pattern > 0).to(pattern.dtype)
    return seen / seen.sum(-1, keepdim=True).clamp(min=1)


def probe_controls(
    model: Model,
    suite: Suite,
    examples: Examples,
    sites: Sequence[ProbeSite],
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
    classifiers: Sequence[Classifier],
    task: Task,
    logistic: Logistic,
    scored: Scored,
    *,
    n_null: int,
    seed: int,
    n_jobs: int | None = None,
    checkpoint_dir: Path | None = None,
) -> tuple[pd.DataFrame, str]:
    """Probes every control.

    Returns:
        One row per control, place and classifier: `control` (which it is), `site`, `layer`, `head`, `classifier`, `balanced_accuracy`,
        `gain` over the model's best baseline, and `t`; and why a control is missing, if one is.
    """
    requested: list[ProbeSite] = [site for site in sites if site in SITES]
    bare = replace(task, control=None, orders=())
    found: list[pd.DataFrame] = []
    why = ""
    try:
        for name, vectors in _vectors(
            model, suite, examples, requested, layers, heads, n_null, seed
        ):
            rows = _scores(vectors, classifiers, bare, logistic, scored, n_jobs, checkpoint_dir)
            found.append(rows.assign(control=name))
    except CannotDraw as error:
        # Half a family of controls decides nothing.
        found, why = (
            [],
            f"{error} So no model with random weights could be tested, and no head can be a yes.",
        )
    empty = pd.DataFrame(columns=["control", *PLACE, "balanced_accuracy", "gain", "t"])
    return pd.concat(found, ignore_index=True) if found else empty, why


PLACE = ("site", "layer", "head", "classifier")


class CannotDraw(HeadwiseError):
    """The model has no twin with random weights."""


def _vectors(
    model: Model,
    suite: Suite,
    examples: Examples,
    sites: Sequence[ProbeSite],
    layers: Sequence[int] | None,
    heads: Sequence[int] | None,
    n_null: int,
    seed: int,
) -> Iterator[tuple[str, dict[Key, Float[ndarray, "_ _"]]]]:
    if not sites or not n_null:
        return
    last = model.n_layers if layers is None else max(layers) + ("z" in sites)
    met = list(
        range(min(last, model.n_layers))
    )  # a forward pass ends at the last place that is read
    with hooks.edit(model, "pattern", uniform, layers=met) if met else nullcontext():
        vectors = read_vectors(model, suite, examples, sites, layers, heads)
    yield UNIFORM, vectors
    for i in range(n_null):
        try:
            twin = random_like(model, seed + i)
        except HeadwiseError as error:
            raise CannotDraw(str(error)) from error
        yield f"random weights {i + 1}", read_vectors(twin, suite, examples, sites, layers, heads)


def _scores(
    vectors: dict[Key, Float[ndarray, "_ _"]],
    classifiers: Sequence[Classifier],
    task: Task,
    logistic: Logistic,
    scored: Scored,
    n_jobs: int | None,
    checkpoint_dir: Path | None,
) -> pd.DataFrame:
    """Gains of one control: all places with one penalty, then the best with all."""
    screening = logistic if len(logistic.C) == 1 else replace(logistic, C=(SCREENED_C,))
    requested: list[tuple[Key, Classifier]] = [(key, c) for c in classifiers for key in vectors]
    rows = _fitted(vectors, requested, task, screening, scored, n_jobs, checkpoint_dir)
    if screening == logistic or "logistic" not in classifiers:
        return rows
    # Those without a t (too few clusters) come last; none of them is looked at anyway.
    turn = np.argsort(-np.nan_to_num(rows["t"].to_numpy(float), nan=-np.inf), kind="stable")
    sites = dict.fromkeys(key[0] for key in vectors)
    ways = [[i for i in turn if requested[i][0][0] == site and requested[i][1] == "logistic"] for site in sites]  # fmt: skip
    best = [int(i) for own in ways for i in own[:N_TUNED]]
    tuned = _fitted(
        vectors, [requested[i] for i in best], task, logistic, scored, n_jobs, checkpoint_dir
    )
    # Of the two fits the better, so that a penalty that happens to suit a control less lowers no bar.
    better = tuned["t"].to_numpy(float) > rows.loc[best, "t"].to_numpy(float)
    chosen = [place for place, is_better in zip(best, better, strict=True) if is_better]
    rows.loc[chosen, ["balanced_accuracy", "gain", "t"]] = tuned.loc[better, ["balanced_accuracy", "gain", "t"]].to_numpy()  # fmt: skip
    return rows


def _fitted(
    vectors: dict[Key, Float[ndarray, "_ _"]],
    places: Sequence[tuple[Key, Classifier]],
    task: Task,
    logistic: Logistic,
    scored: Scored,
    n_jobs: int | None,
    checkpoint_dir: Path | None,
) -> pd.DataFrame:
    jobs = [Job(vectors[key], classifier, has_codelength=False) for key, classifier in places]
    fits = dict(fit_all(jobs, task, logistic, n_jobs=n_jobs, checkpoint_dir=checkpoint_dir))
    predicted = np.stack([fits[i].predicted[scored.order] for i in range(len(jobs))])
    correct = (predicted == scored.truth).astype(float)
    gain, t = plain_t(correct - scored.baseline, scored.truth, scored.clusters)
    return pd.DataFrame(
        {
            "site": [key[0] for key, _ in places],
            "layer": [key[1] for key, _ in places],
            "head": pd.array([key[2] for key, _ in places], dtype="Int64"),
            "classifier": [classifier for _, classifier in places],
            "balanced_accuracy": balanced_mean(correct, scored.truth),
            "gain": gain,
            "t": t,
        }
    )
