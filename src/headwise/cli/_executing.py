"""Runs analyses: one after the other on a model that stays, or several at once."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwise._formatting import encodable
from headwise._progress import waiting
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model import registry
from headwise.report import Place, write_index, write_report
from headwise.report.schema import Report

from . import discovery
from ._at_once import MOST, at_once

if TYPE_CHECKING:
    from headwise.activations.alignment import Remembered
    from headwise.model.model import Model

LONG = ("mole", "adjective_noun", "matters")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the user.

    Attributes:
        analyses: Names or paths; all known analyses if empty.
        models: Names; the models of this machine if empty, and none where a shape stands in their place.
        data: A suite that replaces the analysis's own.
        pairs: A suite of minimal pairs that replaces the analysis's own.
        options: Parameters of analyses that have them: `relations`, `label`, `position`, `shape`.
        out: Folder for reports.
        overwrite: Whether another report there may be replaced.
        device: Torch device or `auto`.
        dtype: Type of the weights.
        seed: Fixes every figure.
        smoke: Whether to use a few sentences only.
        jobs: How many analyses run at once; by default what suits the models.
        command: The command line, for the record.
    """

    analyses: Sequence[str]
    models: Sequence[str]
    data: Path | None
    pairs: Path | None
    options: Mapping[str, Any]
    out: Path
    overwrite: bool
    device: str
    dtype: str
    seed: int
    smoke: bool
    jobs: int | None
    command: str

    def told(self) -> dict[str, str]:
        """The options of an analysis, for its provenance."""
        pairs = {"pairs": self.pairs.name} if self.pairs else {}
        return pairs | {
            name: "; ".join(value) if isinstance(value, list) else str(value)
            for name, value in self.options.items()
        }


@dataclass(frozen=True, slots=True)
class Task:
    """One analysis on one model, as it is sent to a process.

    Attributes:
        request: The request it is part of.
        analysis: File of the analysis.
        model: Name of the model; empty for none.
        suite: Sentences, if it uses any.
        options: Arguments of the analysis.
        is_folder: Whether the model's name is that of a folder.
    """

    request: Request
    analysis: Path
    model: str
    suite: Suite | None
    options: Mapping[str, Any]
    is_folder: bool = False

    @property
    def title(self) -> str:
        """Its analysis and model, for messages."""
        return f"{self.analysis.stem} on {self.model}" if self.model else self.analysis.stem

    def check_place(self, model: str, analysis: str = "", weights: str = "") -> None:
        """Makes sure that the report, under the names that it gives itself, does not replace another one.

        Args:
            model: Name of the model.
            analysis: Name of the analysis, if it is not that of its file.
            weights: Hash of the model's weights, once they are loaded.

        Raises:
            HeadwiseError: It would.
        """
        request = self.request
        if not request.overwrite:
            data = self.suite.name if self.suite else ""
            name = analysis or self.analysis.stem
            Place(
                request.out,
                name,
                model,
                data,
                request.told(),
                request.smoke,
                request.seed,
                request.dtype,
                self.analysis.name,
                weights,
                self.suite.sha256 if self.suite else "",
            ).check()


Outcome = tuple[Task, tuple[Report, Path] | Exception]


def execute(tasks: Sequence[Task]) -> Iterator[tuple[Report, Path]]:
    """Runs tasks of one request, and writes an index of more than one report. One that fails keeps no other from its report.

    Yields:
        Each report with the path of its page, as soon as it is written.

    Raises:
        HeadwiseError: In the end, what loading and analyses raised, by name where there were several; or a process was stopped from outside.
    """
    n_jobs = min(tasks[0].request.jobs or _n_jobs(tasks), len(tasks))
    if n_jobs > 1:
        # Begun last, a long one would keep a single process busy when all others are done.
        tasks = sorted(tasks, key=lambda task: task.analysis.stem not in LONG)
        outcomes = at_once(_in_process, tasks, n_jobs)
    else:
        outcomes = _one_by_one(tasks)
    failed: list[tuple[Task, Exception]] = []
    written: dict[Path, Task] = {}
    try:
        for task, outcome in outcomes:
            if isinstance(outcome, Exception):
                failed.append((task, outcome))
            elif (earlier := written.get(outcome[1])) is not None:
                message = f"its report has the name of that of {earlier.title}, which it replaced. Give each analysis a name of its own, and run both again."
                failed.append((task, HeadwiseError(message)))
            else:
                written[outcome[1]] = task
                yield outcome
    finally:  # also of a run that is interrupted
        if written and len(tasks) > 1:
            write_index(tasks[0].request.out)
    if failed:
        _raise(failed, of_several=len(tasks) > 1)


def _one_by_one(tasks: Sequence[Task]) -> Iterator[Outcome]:
    loaded = _Loaded()
    for task in tasks:
        try:
            yield task, _report_of(task, loaded)
        except Exception as error:
            yield task, error


def _raise(failed: Sequence[tuple[Task, Exception]], *, of_several: bool) -> None:
    """What went wrong: faults of the program first, as they are; faults of the input in one message."""
    lines = [f"{task.title}: {error}" for task, error in failed if isinstance(error, HeadwiseError)]
    for task, error in failed:
        if not isinstance(error, HeadwiseError):
            error.add_note("\n".join([f"In {task.title}.", *lines]))
            raise error
    if not of_several:
        raise failed[0][1]
    raise HeadwiseError("\n".join(lines)) from failed[0][1]


def _n_jobs(tasks: Sequence[Task]) -> int:
    """More than one where all models are small and computed by cores."""
    if len(tasks) == 1 or not {task.model for task in tasks} <= set(registry.known_names()):
        return 1
    with waiting("loading libraries"):
        from headwise.model._placing import parse_dtype, resolve_device
    request = tasks[0].request
    parse_dtype(request.dtype)  # refused here rather than in every process
    is_cpu = resolve_device(request.device).type == "cpu"
    return min(os.cpu_count() or 1, MOST) if is_cpu else 1


@dataclass
class _Loaded:
    """The model that was used last, and the sentences that were tokenized for it.

    Attributes:
        name: Name of the model.
        model: The model; none for analyses without one.
        memory: Alignments, shared by all analyses of the model.
    """

    name: str = ""
    model: "Model | None" = None
    memory: "Remembered | None" = None

    def load(self, task: Task) -> None:
        """Takes the model of a task in place of the last one.

        Raises:
            HeadwiseError: It cannot be loaded, or its folder, which was there, is gone: no hub's model of that name stands for it.
        """
        if task.model == self.name:
            return
        if task.is_folder and registry.find(task.model).folder is None:
            raise HeadwiseError(f"The folder {task.model!r} is no longer there.")
        self.name, self.model, self.memory = "", None, None  # gone before the next one comes
        with waiting("loading libraries"):
            from headwise.model import loading
        with waiting(f"loading {task.model}"):
            request = task.request
            self.model = loading.load(task.model, device=request.device, dtype=request.dtype)
        self.name = task.model


_LOADED = _Loaded()  # of a process that runs several analyses


def _in_process(task: Task) -> tuple[Report, Path]:
    return _report_of(task, _LOADED)


def _report_of(task: Task, loaded: _Loaded) -> tuple[Report, Path]:
    """Runs one analysis and writes its report."""
    with waiting("loading libraries"):
        from headwise.activations.alignment import Remembered, remembered

        from . import provenance

        analysis = discovery.load_analysis(task.analysis)
    loaded.load(task)
    loaded.memory = loaded.memory or Remembered()
    request, model = task.request, loaded.model
    if model is not None:  # a folder's name, and what its weights are, is known by now
        task.check_place(model.name, weights=model.weights_sha256)
    start = time.monotonic()
    with remembered(loaded.memory):  # analyses of a model tokenize a sentence once
        try:
            report = analysis.analyse(
                model, task.suite, seed=request.seed, smoke=request.smoke, **task.options
            )
        except SystemExit as error:
            raise HeadwiseError(
                f"{task.analysis}: analyse ended the program (sys.exit); it must return a headwise.Report. See docs/analyses.md."
            ) from error
    if not isinstance(report, Report):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise HeadwiseError(
            f"{task.analysis}: analyse must return a headwise.Report; it returned {type(report).__name__}. See docs/analyses.md."
        )
    origin = provenance.collect(
        model or report.model,
        task.suite,
        command=request.command,
        seed=request.seed,
        smoke=request.smoke,
        seconds=time.monotonic() - start,
    )
    origin = origin.model_copy(
        update={"options": request.told(), "script": encodable(task.analysis.name)}
    )
    report = report.model_copy(update={"provenance": origin})
    if model is None or report.analysis != task.analysis.stem:
        weights = model.weights_sha256 if model else ""
        task.check_place(report.model, report.analysis, weights)
    return report, write_report(report, request.out)
