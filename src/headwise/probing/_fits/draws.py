"""The same fits with several draws of folds: which sentences are fitted together is chance, and one draw of it decides nothing."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from headwise._progress import track
from headwise.probing.classifiers import Logistic

from .fitting import Fit, Job, Task, fit_all


def fit_draws(
    jobs: Sequence[Job],
    tasks: Sequence[Task],
    logistic: Logistic,
    what: str,
    *,
    once: Collection[int] = (),
    n_jobs: int | None = None,
    checkpoint_dir: Path | None = None,
) -> list[list[Fit]]:
    """Fits every job on every task.

    Args:
        jobs: What is fitted.
        tasks: The same labels with the folds of each draw.
        logistic: How logistic regression is fitted.
        what: What is done, for messages of progress.
        once: Jobs that are fitted on the first task only, by number.
        n_jobs: As in `fit_all`.
        checkpoint_dir: As in `fit_all`.

    Returns:
        The fits of each job, by draw.

    Raises:
        HeadwiseError: As in `fit_all`.
    """
    fits: list[list[Fit]] = [[] for _ in jobs]

    def one_by_one() -> Iterator[None]:
        for draw, task in enumerate(tasks):
            numbers = [i for i in range(len(jobs)) if draw == 0 or i not in once]
            own = [jobs[i] for i in numbers]
            for i, fit in fit_all(own, task, logistic, n_jobs=n_jobs, checkpoint_dir=checkpoint_dir):  # fmt: skip
                fits[numbers[i]].append(fit)
                yield

    total = len(jobs) + (len(tasks) - 1) * (len(jobs) - len(once))
    for _ in track(one_by_one(), total, what):
        pass
    return fits
