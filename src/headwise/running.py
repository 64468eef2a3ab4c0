"""The main job: every analysis asked for, on every model, each into its own folder."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import catalogue, workspace
from .errors import HeadwiseError
from .progress import waiting
from .report import check_writable, write_index, write_report
from .results import Report
from .suites import Suite, read


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        analyses: Names or paths; all known analyses if empty.
        models: Names; the models of this machine if empty.
        data: A suite that replaces the analysis's own.
        out: Folder for reports.
        device: Torch device or `auto`.
        dtype: Type of the weights.
        seed: Fixes every figure.
        smoke: Whether to use a few sentences only.
        command: The command line, for the record.
    """

    analyses: Sequence[str]
    models: Sequence[str]
    data: Path | None
    out: Path
    device: str
    dtype: str
    seed: int
    smoke: bool
    command: str


def run(request: Request) -> Iterator[tuple[Report, Path]]:
    """Runs a request; everything that can be wrong is looked at before the first model is loaded.

    Yields:
        Each report with the path of its page, as soon as it is written.

    Raises:
        HeadwiseError: Something asked for does not exist or cannot be used.
    """
    paths = [workspace.find_analysis(name) for name in request.analyses or _all_analyses()]
    if request.data is not None and len(paths) != 1:
        raise HeadwiseError(
            f"--data replaces the suite of one analysis, and {len(paths)} are to run. Name one, as in: "
            f"headwise run {paths[0].stem} --data {request.data}"
        )
    given = read(request.data) if request.data is not None else None
    model_names = list(request.models) or catalogue.default_names()
    if not model_names:
        raise HeadwiseError(
            "No model is installed here. Run: pip install 'headwise[minilm]', or name one with --model."
        )
    for name in model_names:
        catalogue.find(name)
    check_writable(request.out)
    with waiting("loading libraries"):
        analyses = [workspace.load_analysis(path) for path in paths]
    suites = [given or read(workspace.find_suite(analysis.suite)) for analysis in analyses]
    if request.smoke:
        suites = [suite.head(40) for suite in suites]
    return _run(request, analyses, suites, model_names)


def _run(
    request: Request,
    analyses: Sequence[workspace.Analysis],
    suites: Sequence[Suite],
    model_names: Sequence[str],
) -> Iterator[tuple[Report, Path]]:
    with waiting("loading libraries"):
        from . import loading, provenance
    for name in model_names:
        with waiting(f"loading {name}"):
            model = loading.load(name, device=request.device, dtype=request.dtype)
        for analysis, suite in zip(analyses, suites, strict=True):
            start = time.monotonic()
            report = analysis.analyse(model, suite, seed=request.seed, smoke=request.smoke)
            origin = provenance.collect(
                model,
                suite,
                command=request.command,
                seed=request.seed,
                smoke=request.smoke,
                seconds=time.monotonic() - start,
            )
            report = report.model_copy(update={"provenance": origin})
            yield report, write_report(report, request.out)
    if len(analyses) * len(model_names) > 1:
        write_index(request.out)


def _all_analyses() -> list[str]:
    found = list(workspace.names("analyses"))
    if not found:
        raise HeadwiseError("There are no analyses here, in the checkout or in the package.")
    return found
