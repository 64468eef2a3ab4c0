"""Controls of a probe: models with random weights, and the model with uniform attention.

What can be decoded from these can be decoded from any model. They are fitted and scored as the model is, with the first few of its draws of folds and against the same baselines, and the largest t of any of their places is
what a place of the model must exceed. A mean over fewer draws is less steady, which raises a largest t rather than lowering it. Only that one counts, so to keep them cheap every place is first fitted with one penalty, and only the few
best of each site with all.
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

from ._fits.draws import fit_draws
from ._fits.fitting import Job, Task
from ._vectors import Key, ProbeSite, read_vectors
from .classifiers import Classifier, Logistic
from .gains import plain_t
from .labelled_words import Examples

SITES: tuple[ProbeSite, ...] = ("residual", "z")  # what evidence is given of
SCREENED_C = 0.1
N_TUNED = 4  # places of each site, of all controls together
N_DRAWS_OF_CONTROLS = 3
UNIFORM = "uniform attention"


@dataclass(frozen=True, eq=False)
class Scored:
    """Data that the controls are compared on.

    Attributes:
        order: Scored examples, as indices of all.
        truth: Their labels.
        baseline: Whether the best baseline is right in each draw of folds, 0 or 1.
        clusters: Their clusters.
    """

    order: Int[ndarray, " example"]
    truth: Int[ndarray, " example"]
    baseline: Float[ndarray, "draw example"]
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
    tasks: Sequence[Task],
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
    bare = [replace(task, control=None, orders=()) for task in tasks[:N_DRAWS_OF_CONTROLS]]
    scored = replace(scored, baseline=scored.baseline[:N_DRAWS_OF_CONTROLS])
    screening = logistic if len(logistic.C) == 1 else replace(logistic, C=(SCREENED_C,))
    found = pd.DataFrame(columns=["control", *PLACE, *SCORES])
    best: dict[int, Job] = {}  # by row

    def fitted(jobs: Sequence[Job], how: Logistic) -> pd.DataFrame:
        return _scores(jobs, bare, how, scored, n_jobs, checkpoint_dir)

    try:
        for name, vectors in _vectors(
            model, suite, examples, requested, layers, heads, n_null, seed
        ):
            keys = [key for _ in classifiers for key in vectors]
            jobs = [Job(x, c, has_codelength=False) for c in classifiers for x in vectors.values()]
            rows = _places(keys, jobs).assign(control=name).join(fitted(jobs, screening))
            start = len(found)
            found = rows if not start else pd.concat([found, rows], ignore_index=True)
            best = _best(found, best | {start + i: job for i, job in enumerate(jobs)})
    except CannotDraw as error:
        # Half a family of controls decides nothing.
        why = f"{error} So no model with random weights could be tested, and no head can be a yes."
        return found.iloc[:0], why
    if best and screening != logistic:
        tuned = fitted([*best.values()], logistic).set_index(pd.Index(best))
        # Of the two fits the better, so that a penalty that happens to suit a control less lowers no bar.
        tuned = tuned[tuned["t"] > found.loc[tuned.index, "t"]]
        found.loc[tuned.index, [*SCORES]] = tuned
    return found, ""


PLACE = ("site", "layer", "head", "classifier")
SCORES = ("balanced_accuracy", "gain", "t")


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


def _places(keys: Sequence[Key], jobs: Sequence[Job]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "site": [key[0] for key in keys],
            "layer": [key[1] for key in keys],
            "head": pd.array([key[2] for key in keys], dtype="Int64"),
            "classifier": [job.way for job in jobs],
        }
    )


def _best(rows: pd.DataFrame, jobs: dict[int, Job]) -> dict[int, Job]:
    """The few best of each site by logistic regression, of jobs by row: no more vectors are kept than these."""
    own = rows.loc[[*jobs]]
    # Those without a t (too few clusters) come last; none of them is looked at anyway.
    ranked = own[own["classifier"] == "logistic"].sort_values("t", ascending=False, kind="stable")
    return {int(i): jobs[int(i)] for i in ranked.groupby("site").head(N_TUNED).index}


def _scores(
    jobs: Sequence[Job],
    tasks: Sequence[Task],
    logistic: Logistic,
    scored: Scored,
    n_jobs: int | None,
    checkpoint_dir: Path | None,
) -> pd.DataFrame:
    """`SCORES` of each job, means over draws of folds."""
    fits = fit_draws(
        jobs, tasks, logistic, "fitting controls", n_jobs=n_jobs, checkpoint_dir=checkpoint_dir
    )
    predicted = np.stack([[fit.predicted[scored.order] for fit in own] for own in fits])
    correct = (predicted == scored.truth).astype(float)
    gain, t = plain_t((correct - scored.baseline).mean(axis=1), scored.truth, scored.clusters)
    score = balanced_mean(correct.mean(axis=1), scored.truth)
    return pd.DataFrame({"balanced_accuracy": score, "gain": gain, "t": t})
