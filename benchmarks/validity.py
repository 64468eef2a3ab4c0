"""How often does the whole pipeline support something where there is nothing?

    uv run benchmarks/validity.py                       # 30 random-weight models of burrow's shape, 15 of minilm's, uniform attention
    uv run benchmarks/validity.py --quick               # three of burrow's shape, two analyses

Analyses run exactly as `headwise run` runs them, on models of the same shape whose weights were drawn and never trained, and on trained models
whose attention is replaced by uniform attention. Counted are models of which anything is supported: by the answer of the report, by each kind of evidence
on any head, and by the verdict on any head. Beside each share stands its exact 95% interval (Clopper and Pearson 1934). The kinds apart, planted
heads, power and coverage: `validity_looks.py`, `validity_carries.py`, `validity_matters.py`, `validity_moves.py`, `validity_stats.py`.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from scipy import stats

import headwise
from headwise.activations import hooks
from headwise.cli import discovery, runner
from headwise.model.loading import random_like
from headwise.report.schema import Report

console = Console(width=140)
ANALYSES = ("relations", "adjective_noun", "mole", "creature")
FIRST_SEED = 1000  # none of those from which the analyses draw their own controls


@dataclass(frozen=True)
class Run:
    """One analysis on one model without a trained head."""

    shape: str
    analysis: str
    kind: str
    seed: int


def uniform(pattern: torch.Tensor, site: hooks.Site) -> torch.Tensor:
    """Equal attention to everything that is seen."""
    seen = (pattern > 0).to(pattern.dtype)
    return seen / seen.sum(dim=-1, keepdim=True)


def report_of(run: Run) -> Report:
    """The report that `headwise run` would write."""
    analysis = discovery.load_analysis(discovery.find_analysis(run.analysis))
    suite = runner.suite_of(analysis, run.shape, run.seed)
    options: dict[str, Any] = {}
    if "pairs" in analysis.options:
        options["pairs"] = runner.pairs_of(analysis, run.shape, None, run.seed)
    model = headwise.load(run.shape)
    with ExitStack() as stack:
        if run.kind == "random weights":
            model = random_like(model, FIRST_SEED + run.seed)
        else:
            stack.enter_context(hooks.edit(model, "pattern", uniform))
        return analysis.analyse(model, suite, seed=run.seed, **options)


def found_in(run: Run) -> dict[str, Any]:
    """Whether anything is supported, by whom, and how long it took."""
    torch.set_num_threads(1)
    start = time.monotonic()
    report = report_of(run)
    said: dict[str, bool | None] = {"answer": report.verdict == "supported"}
    for kind in ("looks", "carries", "matters", "moves"):
        own = [m for m in (report.heads.measures if report.heads else []) if m.kind == kind]
        said[kind] = "y" in own[0].answers if own else None
    letters = report.heads.verdicts if report.heads else ""
    said["verdict"] = "s" in letters if letters else None
    return {**run.__dict__, **said, "seconds": time.monotonic() - start, "text": report.answer}


def runs(shapes: dict[str, int], analyses: tuple[str, ...]) -> Iterator[Run]:
    """All runs; whatever is done when it is stopped says something of every analysis."""
    for shape in shapes:
        for analysis in analyses:
            yield Run(shape, analysis, "uniform attention", 0)
    for seed in range(max(shapes.values(), default=0)):
        for shape, n in shapes.items():
            if seed < n:
                yield from (Run(shape, a, "random weights", seed) for a in analyses)


def run_of(found: dict[str, Any]) -> Run:
    """The run that a line of the file is about."""
    return Run(found["shape"], found["analysis"], found["kind"], found["seed"])


def earlier(out: Path | None, todo: list[Run]) -> list[dict[str, Any]]:
    """What a file already holds of these runs, so that a stopped command goes on where it was."""
    if out is None or not out.exists():
        return []
    return [found for line in out.read_text(encoding="utf-8").splitlines() if run_of(found := json.loads(line)) in todo]  # fmt: skip


def share(flags: list[bool]) -> str:
    """How many of how many, with an exact interval."""
    if not flags:
        return "-"
    k, n = sum(flags), len(flags)
    exact = stats.binomtest(k, n).proportion_ci(method="exact")
    return f"{k}/{n} [{100 * exact.low:.0f}, {100 * exact.high:.0f}%]"


def main(
    burrow: Annotated[int, typer.Option(help="Random models of burrow's shape.")] = 30,
    minilm: Annotated[int, typer.Option(help="Random models of minilm's shape.")] = 15,
    analyses: Annotated[str, typer.Option(help="Which, with commas.")] = ",".join(ANALYSES),
    jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
    quick: Annotated[bool, typer.Option(help="Three models, two analyses.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A line of JSON for every run; those in it are not run again."),
    ] = None,
) -> None:
    """Prints, for each analysis, in how many models anything is supported."""
    shapes = {"burrow": burrow, "minilm": minilm}
    chosen = tuple(analyses.split(","))
    if quick:
        shapes, chosen = {"burrow": 3}, ("relations", "creature")
    todo = list(runs({k: n for k, n in shapes.items() if n}, chosen))
    done = earlier(out, todo)
    todo = [run for run in todo if run not in map(run_of, done)]
    total = len(done) + len(todo)
    with get_context("spawn").Pool(jobs, maxtasksperchild=8) as pool:
        for found in pool.imap_unordered(found_in, todo):
            done.append(found)
            if out:
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
            console.print(f"{len(done)}/{total} {found['shape']} {found['analysis']} {found['kind']} {found['seed']}: {found['seconds']:.0f} s", style="dim")  # fmt: skip
    columns = ("answer", "looks", "carries", "matters", "moves", "verdict")
    table = Table(title="Models of which anything is supported")
    for name in ("shape", "analysis", "kind", *columns, "s a run"):
        table.add_column(name)
    for shape in shapes:
        for analysis in chosen:
            for kind in ("random weights", "uniform attention"):
                own = [d for d in done if (d["shape"], d["analysis"], d["kind"]) == (shape, analysis, kind)]  # fmt: skip
                if own:
                    cells = [share([d[c] for d in own if d[c] is not None]) for c in columns]
                    seconds = sum(d["seconds"] for d in own) / len(own)
                    table.add_row(shape, analysis, kind, *cells, f"{seconds:.0f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
