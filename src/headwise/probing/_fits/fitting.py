"""Many fits of one task, in parallel, each stored on request.

A fit is named by the hash of everything that decides it, so a run that was stopped goes on with the fits
that are missing, and a run with anything changed fits what that concerns.
"""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._atomic import sweep, whole
from headwise.errors import HeadwiseError
from headwise.probing.classifiers import (
    BAG_C,
    USUAL_BAG_C,
    CentroidClassifier,
    FormRule,
    Logistic,
    bag_of_words,
    majority,
    word_counts,
)
from headwise.stats import balanced_mean

from .codelength import Order, codelength
from .softmax import fit_logistic

Way = Literal["centroid", "logistic", "bag of words", "rule", "majority"]
Parts = Sequence[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]]

WORTH_A_PROCESS = 1e8  # numbers times fits; below, starting processes takes longer than fitting


@dataclass(frozen=True, eq=False)
class Task:
    """Labels to decode, and the splits to fit and score them on.

    Attributes:
        codes: Labels.
        groups: Groups, which rules of one word use.
        splits: Fitted and scored examples of each fold.
        control: Labels of the control task, if there is one.
        orders: In which orders the codelength sends labels; empty to leave it out.
        n_labels: How many labels there are.
        inner: For each fold, the inner folds of what it fits, on which penalties are chosen.
    """

    codes: Int[ndarray, " example"]
    groups: Int[ndarray, " example"]
    splits: tuple[tuple[Int[ndarray, " _"], Int[ndarray, " _"]], ...]
    control: Int[ndarray, " example"] | None
    orders: tuple[Order, ...]
    n_labels: int
    inner: tuple[list[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]], ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of one classifier on one set of vectors.

    Attributes:
        predicted: Label of each example when it was not fitted; -1 where it never was scored.
        inner: For each fold the balanced accuracy on inner folds of what it fits; NaN where there are none, or they were not requested.
        control: As `predicted`, for the control task; empty without one.
        bits: Online codelength of all labels, in bits; NaN without one.
    """

    predicted: Int[ndarray, " example"]
    inner: Float[ndarray, " fold"]
    control: Int[ndarray, " _"]
    bits: float


@dataclass(frozen=True, eq=False)
class Job:
    """Vectors (or texts, or forms) and how they are classified.

    Attributes:
        values: What is classified.
        way: How.
        is_baseline: Whether inner scores are wanted, by which the best baseline is chosen.
        has_codelength: Whether the codelength is wanted, if the task has orders.
    """

    values: ndarray
    way: Way
    is_baseline: bool = False
    has_codelength: bool = True


def fit_all(
    jobs: Sequence[Job],
    task: Task,
    logistic: Logistic,
    *,
    n_jobs: int | None = None,
    checkpoint_dir: Path | None = None,
) -> Iterator[tuple[int, Fit]]:
    """Fits every job and gives each with its number, as it is done.

    Args:
        jobs: What is fitted.
        task: What is read.
        logistic: How logistic regression is fitted.
        n_jobs: Processes; by default as many as there are cores, and one where there is little to do.
        checkpoint_dir: Folder in which fits are kept, and looked for.

    Raises:
        HeadwiseError: The folder cannot be written.
    """
    from joblib import Parallel, delayed

    if checkpoint_dir is not None:
        sweep(checkpoint_dir)
    missing: list[int] = []
    files = [_file(checkpoint_dir, job, task, logistic) for job in jobs]
    for number, file in enumerate(files):
        found = None if file is None else _kept(file)
        if found is None:
            missing.append(number)
        else:
            yield number, found
    todo = [(number, jobs[number]) for number in missing]
    if n_jobs is None:
        n_fits = len(task.splits) * (1 + len(logistic.C))
        work = n_fits * sum(job.values.size for _, job in todo if job.way == "logistic")
        n_jobs = 1 if work < WORTH_A_PROCESS else (os.cpu_count() or 1)
    run = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    done = run(delayed(_numbered)(n, job, task, logistic) for n, job in todo)
    for number, fit in cast(Iterator[tuple[int, Fit]], done):
        if (file := files[number]) is not None:
            _keep(file, fit)
        yield number, fit


def _numbered(number: int, job: Job, task: Task, logistic: Logistic) -> tuple[int, Fit]:
    with single_thread():
        return number, fit_one(job, task, logistic)


def single_thread() -> AbstractContextManager[object]:
    """Matrices of probes gain nothing from threads, which would mostly wait for each other."""
    return _threads().limit(limits=1)


@cache
def _threads() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_one(job: Job, task: Task, logistic: Logistic) -> Fit:
    """Predictions of unseen examples, for the task and its control, and the codelength."""
    if job.way == "logistic":
        return _regressions(job, task, logistic)
    if job.way == "bag of words":
        return _bag(job, task)
    predicted, inner, control = _empty(task)
    for i, ((train, test), folds) in enumerate(zip(task.splits, task.inner, strict=True)):
        predicted[test] = _simple(job, task.codes, task.groups, train, test)
        if job.is_baseline and folds:

            def told(a: ndarray, b: ndarray, train: ndarray = train) -> ndarray:
                return _simple(job, task.codes, task.groups, train[a], train[b])

            inner[i] = balanced_mean(*_inner_hits(folds, task.codes[train], told))
        if task.control is not None and job.way == "centroid":
            control[test] = _simple(job, task.control, task.groups, train, test)
    return Fit(predicted, inner, control, float("nan"))


def _empty(
    task: Task,
) -> tuple[Int[ndarray, " example"], Float[ndarray, " fold"], Int[ndarray, " _"]]:
    n = len(task.codes)
    control = np.full(n if task.control is not None else 0, -1)
    return np.full(n, -1), np.full(len(task.splits), np.nan), control


def _simple(
    job: Job,
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    train: Int[ndarray, " _"],
    test: Int[ndarray, " _"],
) -> Int[ndarray, " _"]:
    """Classifiers without a penalty: fitted on some examples, applied to others."""
    values = job.values
    if job.way == "rule":
        return FormRule().fit(values[train], codes[train], groups[train]).predict(values[test])
    made = CentroidClassifier() if job.way == "centroid" else majority()
    return np.asarray(made.fit(values[train], codes[train]).predict(values[test]))


def _inner_hits(
    folds: Parts,
    codes: Int[ndarray, " _"],
    predict: Callable[[ndarray, ndarray], ndarray],
) -> tuple[Float[ndarray, " scored"], Int[ndarray, " scored"]]:
    """What is right on all inner folds, and the labels there."""
    right = np.concatenate([predict(train, test) == codes[test] for train, test in folds])
    return right.astype(float), codes[np.concatenate([test for _, test in folds])]


def _bag(job: Job, task: Task) -> Fit:
    predicted, inner, control = _empty(task)
    for i, ((train, test), folds) in enumerate(zip(task.splits, task.inner, strict=True)):
        counts = word_counts().fit(job.values[train])
        fitted, codes = counts.transform(job.values[train]), task.codes[train]

        def told(C: float, a: ndarray, b: ndarray, x: Any = fitted, y: ndarray = codes) -> ndarray:
            return np.asarray(bag_of_words(C).fit(x[a], y[a]).predict(x[b]))

        best = USUAL_BAG_C
        if folds:
            hits = {C: _inner_hits(folds, codes, partial(told, C)) for C in BAG_C}
            # Of equals the weakest penalty: few words say much.
            best = max(BAG_C, key=lambda C: (hits[C][0].mean(), C))
            inner[i] = balanced_mean(*hits[best])
        made = bag_of_words(best).fit(fitted, codes)
        predicted[test] = made.predict(counts.transform(job.values[test]))
    return Fit(predicted, inner, control, float("nan"))


def _regressions(job: Job, task: Task, logistic: Logistic) -> Fit:
    """Every fold with every penalty on every inner fold, at once."""
    predicted, inner, control = _empty(task)
    values = np.stack(
        [_standardised(job.values, train, logistic.standardise) for train, _ in task.splits]
    )
    tried = logistic.C if len(logistic.C) > 1 and any(task.inner) else (logistic.C_untold,)
    n_inner = max(map(len, task.inner), default=0) if len(tried) > 1 or job.is_baseline else 0
    n, n_C = len(task.codes), len(tried)
    weights = np.zeros((len(task.splits), (n_inner + 1) * n_C, n))
    for i, ((train, _), folds) in enumerate(zip(task.splits, task.inner, strict=True)):
        parts = [train[a] for a, _ in folds[:n_inner]]
        parts += [train] * (n_inner + 1 - len(parts))  # a fold with fewer inner folds fits it again
        for j, part in enumerate(parts):
            weights[i, j * n_C : (j + 1) * n_C, part] = 1
    penalties = np.broadcast_to(np.tile(np.array(tried, dtype=float), n_inner + 1), weights.shape[:2])  # fmt: skip
    scores = fit_logistic(values, task.codes, weights, penalties, task.n_labels)
    said = scores.argmax(axis=3).reshape(len(task.splits), n_inner + 1, n_C, n)
    chosen = np.zeros(len(task.splits), dtype=int)
    for i, ((train, test), folds) in enumerate(zip(task.splits, task.inner, strict=True)):
        if n_inner and folds:
            at = [train[b] for _, b in folds]
            truth = task.codes[np.concatenate(at)]
            right = np.concatenate([said[i, j][:, b] for j, b in enumerate(at)], axis=1) == truth
            chosen[i] = int(right.mean(axis=1).argmax())
            inner[i] = float(balanced_mean(right[chosen[i]].astype(float), truth))
        elif logistic.C_untold in tried:
            chosen[i] = tried.index(logistic.C_untold)
        predicted[test] = said[i, -1, chosen[i], test]
    if task.control is not None:
        # With the penalty that the task itself chose: the same classifier, other labels.
        again = fit_logistic(
            values, task.control, weights[:, -1:], np.array(tried, dtype=float)[chosen][:, None], task.n_labels
        )  # fmt: skip
        for i, (_, test) in enumerate(task.splits):
            control[test] = again[i, 0, test].argmax(axis=1)
    bits = float("nan")
    if job.has_codelength and task.orders:
        whole = _standardised(job.values, np.arange(n), logistic.standardise)
        bits = codelength(whole, task.codes, task.orders, logistic.C, task.n_labels)
    return Fit(predicted, inner, control, bits)


def _standardised(
    values: Float[ndarray, "example dim"], fitted: Int[ndarray, " _"], standardise: bool
) -> Float[ndarray, "example dim"]:
    """By the mean and spread of what is fitted; numbers that never vary stay as they are."""
    if not standardise:
        return values.astype(np.float32)
    own = values[fitted].astype(np.float64)
    spread = own.std(axis=0)
    # As scikit-learn does: what varies only by rounding does not vary.
    spread[spread <= 10 * np.finfo(np.float64).eps * np.abs(own).max(axis=0)] = 1
    return ((values - own.mean(axis=0)) / spread).astype(np.float32)


def _file(checkpoint_dir: Path | None, job: Job, task: Task, logistic: Logistic) -> Path | None:
    """Where a fit is kept: the hash of all that decides it."""
    if checkpoint_dir is None:
        return None
    settings = (job.way, job.is_baseline, job.has_codelength, logistic, task.n_labels)
    digest = hashlib.sha256(repr((*settings, job.values.shape)).encode())
    orders = [order.examples for order in task.orders]
    for part in (job.values, task.codes, task.groups, task.control, *orders):
        digest.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())
    for train, test in task.splits:
        digest.update(train.tobytes() + b"|" + test.tobytes())
    return checkpoint_dir / f"{digest.hexdigest()[:32]}.npz"


def _kept(file: Path) -> Fit | None:
    """A stored fit, unless it is incomplete."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Fit(arrays["predicted"], arrays["inner"], arrays["control"], float(arrays["bits"]))  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(file: Path, fit: Fit) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as partial, partial.open("wb") as stream:
            np.savez(stream, predicted=fit.predicted, inner=fit.inner, control=fit.control, bits=fit.bits)  # fmt: skip
    except OSError as error:
        raise HeadwiseError(f"{file.parent}: fits cannot be kept there: {error}.") from error
