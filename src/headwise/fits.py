"""Many fits of one task, side by side, and each kept where that is asked for.

A fit is named by the hash of everything that decides it, so a run that was stopped goes on with the fits
that are missing, and a run with anything changed fits what that concerns.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from .classifiers import CentroidClassifier, Logistic, bag_of_words, chosen_C, majority
from .errors import HeadwiseError

Way = Literal["centroid", "logistic", "bag of words", "majority"]

PREFIXES = (0.125, 0.25, 0.5)  # of the data, for the codelength; each is doubled by the next
SMOOTHING = 0.01
WORTH_A_PROCESS = 3e7  # numbers times fits; below, starting processes takes longer than fitting


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be read of every example, and from which others.

    Attributes:
        codes: Labels.
        groups: Groups, which penalties and codelengths keep whole.
        splits: Fitted and scored examples of each fold.
        control: Labels of the control task, if there is one.
        order: Examples as the codelength meets them, whole groups one after the other; empty to leave it out.
        n_labels: How many labels there are.
        inner: For each fold, the inner folds of what it fits, on which penalties are chosen.
    """

    codes: Int[ndarray, " example"]
    groups: Int[ndarray, " example"]
    splits: tuple[tuple[Int[ndarray, " _"], Int[ndarray, " _"]], ...]
    control: Int[ndarray, " example"] | None
    order: Int[ndarray, " _"]
    n_labels: int
    inner: tuple[list[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]], ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """What came of one classifier on one set of vectors.

    Attributes:
        predicted: Label of each example when it was not fitted; -1 where it never was scored.
        control: The same for the control task; empty without one.
        bits: Online codelength of all labels, in bits; NaN without one.
    """

    predicted: Int[ndarray, " example"]
    control: Int[ndarray, " _"]
    bits: float


@dataclass(frozen=True, eq=False)
class Job:
    """Vectors (or texts) and how they are classified."""

    values: ndarray
    way: Way


def group_order(groups: Int[ndarray, " example"], seed: int) -> Int[ndarray, " example"]:
    """Examples in an order that keeps groups together and is otherwise chance's."""
    rank = np.random.default_rng(seed).permutation(int(groups.max(initial=-1)) + 1)
    return np.argsort(rank[groups], kind="stable")


def fit_all(
    jobs: Sequence[Job],
    task: Task,
    logistic: Logistic,
    *,
    n_jobs: int | None = None,
    resume: Path | None = None,
) -> Iterator[tuple[int, Fit]]:
    """Fits every job and gives each with its number, as it is done.

    Args:
        jobs: What is fitted.
        task: What is read.
        logistic: How logistic regression is fitted.
        n_jobs: Processes; by default as many as there are cores, and one where there is little to do.
        resume: Folder in which fits are kept, and looked for.

    Raises:
        HeadwiseError: The folder cannot be written.
    """
    from joblib import Parallel, delayed

    missing: list[int] = []
    files = [_file(resume, job, task, logistic) for job in jobs]
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
    predicted = np.full(len(task.codes), -1)
    control = np.full(len(task.codes) if task.control is not None else 0, -1)
    penalty = logistic.C[0]
    for (train, test), inner in zip(task.splits, task.inner, strict=True):
        made = _make(job.way, logistic, inner)
        made.fit(job.values[train], task.codes[train])
        predicted[test] = made.predict(job.values[test])
        if job.way == "logistic":
            penalty = chosen_C(made)
        if task.control is not None and job.way != "majority":
            # With the penalty that the task itself chose: the same classifier, other labels.
            same = Logistic(logistic.standardise, (penalty,))
            made = _make(job.way, same, [])
            control[test] = made.fit(job.values[train], task.control[train]).predict(
                job.values[test]
            )
    bits = float("nan")
    if job.way == "logistic" and len(task.order):
        bits = codelength(job.values, task, Logistic(logistic.standardise, (penalty,)))
    return Fit(predicted, control, bits)


def _make(way: Way, logistic: Logistic, inner: Sequence[Any]) -> Any:
    if way == "logistic":
        return logistic.made(inner)
    return {"centroid": CentroidClassifier, "bag of words": bag_of_words, "majority": majority}[
        way
    ]()


def codelength(values: ndarray, task: Task, logistic: Logistic) -> float:
    """Bits it takes to send all labels to somebody who has the vectors and learns on the way.

    The first eighth is sent as it is, `log2(n_labels)` bits each; what follows with the probabilities of a
    classifier fitted on everything before, in portions that double. Voita and Titov 2020, Information-theoretic
    probing with minimum description length (online code). Probabilities are mixed with 1% of chance.
    """
    order = task.order
    ends = [_group_end(task.groups[order], round(share * len(order))) for share in (*PREFIXES, 1.0)]
    bits = ends[0] * np.log2(task.n_labels)
    for start, end in pairwise(ends):
        if start == end:
            continue
        train, sent = order[:start], order[start:end]
        chances = np.full((len(sent), task.n_labels), SMOOTHING / task.n_labels)
        seen = np.unique(task.codes[train])
        if len(seen) == 1:
            chances[:, seen[0]] += 1 - SMOOTHING
        else:
            made = logistic.made([]).fit(values[train], task.codes[train])
            chances[:, seen] += (1 - SMOOTHING) * made.predict_proba(values[sent])
        bits -= np.log2(chances[np.arange(len(sent)), task.codes[sent]]).sum()
    return float(bits)


def _group_end(groups: Int[ndarray, " example"], place: int) -> int:
    """The first place from here on at which a group ends."""
    while 0 < place < len(groups) and groups[place] == groups[place - 1]:
        place += 1
    return max(1, place)


def _file(resume: Path | None, job: Job, task: Task, logistic: Logistic) -> Path | None:
    """Where a fit is kept: the hash of all that decides it."""
    if resume is None:
        return None
    digest = hashlib.sha256(repr((job.way, logistic, task.n_labels, job.values.shape)).encode())
    for part in (job.values, task.codes, task.groups, task.control, task.order):
        digest.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())
    for train, test in task.splits:
        digest.update(train.tobytes() + b"|" + test.tobytes())
    return resume / f"{digest.hexdigest()[:32]}.npz"


def _kept(file: Path) -> Fit | None:
    """A fit that was kept, unless it was cut short."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Fit(arrays["predicted"], arrays["control"], float(arrays["bits"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(file: Path, fit: Fit) -> None:
    partial = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez(stream, predicted=fit.predicted, control=fit.control, bits=fit.bits)
        partial.replace(file)
    except OSError as error:
        raise HeadwiseError(f"{file.parent}: fits cannot be kept there: {error}.") from error
