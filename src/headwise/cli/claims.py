"""Hypotheses on the command line: `headwise new`, `register`, `test` and `replicate`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from headwise._progress import waiting
from headwise._validate import MOST
from headwise.errors import HeadwiseError

from ._options import Device, Dtype, Models, Out, Overwrite, Seed, Smoke

File = Annotated[Path, typer.Argument(help="A hypothesis, as headwise new writes one.", metavar="FILE")]  # fmt: skip


def new(
    name: Annotated[str, typer.Argument(help="Its name: letters, digits, dashes, underscores.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; NAME.toml by default.")
    ] = None,
) -> None:
    """Write a hypothesis that runs as it stands, to be changed into your own."""
    from headwise._files import write_text
    from headwise.hypotheses import template

    name = name.removesuffix(".toml")
    path = out or Path(f"{name}.toml")
    text = template(name)
    if path.exists():
        raise HeadwiseError(f"{str(path)!r} is there already. Choose another name, or another file with --out.")  # fmt: skip
    print(write_text(path, text))
    print(f"headwise test {shlex.quote(str(path))} --model burrow")


def register(
    file: File,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier registration.")
    ] = False,
) -> None:
    """Put a hypothesis on record before it is tested: thresholds, sentences, version, commit and date."""
    with waiting("loading libraries"):
        from headwise.hypotheses import Hypothesis
        from headwise.hypotheses import register as put_on_record

        from .provenance import commit

    print(put_on_record(Hypothesis.read(file), commit=commit()[0], overwrite=overwrite))


def test(
    file: File,
    model: Models = None,
    data: Annotated[
        Path | None, typer.Option(help="Sentences in place of the hypothesis's own.")
    ] = None,
    out: Out = Path("reports"),
    overwrite: Overwrite = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    seed: Seed = 0,
    smoke: Smoke = False,
) -> None:
    """Test a hypothesis on every head of a model, by each kind of evidence that it names."""
    from headwise.model import registry
    from headwise.report import check_writable, write_index, write_report

    from .main import show_report

    with waiting("loading libraries"):
        from headwise.hypotheses import Hypothesis

        from ._claim_runs import Run

    hypothesis = Hypothesis.read(file)
    names = model or registry.default_names()
    for name in names:
        registry.find(name)
    check_writable(out)
    run = Run(hypothesis, out, data, device, dtype, seed, smoke, overwrite)
    places = [run.prepare(name) for name in names]
    console = Console(highlight=False)
    for name, suites in zip(names, places, strict=True):
        report = run.test(name, suites)
        page = write_report(report, out)
        show_report(console, report)
        console.print(f"[dim]{escape(str(page))}[/]\n", soft_wrap=True)
    if len(names) > 1:
        console.print(f"All reports: {escape(str(write_index(out)))}", soft_wrap=True)


def replicate(
    report: Annotated[
        Path,
        typer.Argument(
            help="A report of headwise test: its folder or results.json.", metavar="REPORT"
        ),
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model; by default the same.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Other sentences; by default the same.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MOST, help="Another seed; by default the next one."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="The hypothesis, if its sentences stand beside it in another folder."),
    ] = None,
    out: Out = Path("replications"),
    overwrite: Overwrite = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
) -> None:
    """Test the hypothesis of a report again, with another seed, model or sentences, and say what is replicated."""
    from headwise.model import registry
    from headwise.report import check_writable, write_report

    from .main import show_report

    with waiting("loading libraries"):
        from headwise import replicate as compared
        from headwise.hypotheses.replication import section

        from ._claim_runs import Run
        from ._second_runs import Earlier

    earlier = Earlier.read(report, file)
    origin = earlier.report.provenance
    assert origin is not None
    name = model or earlier.report.model
    registry.find(name)
    check_writable(out)
    run = Run(
        earlier.hypothesis, out, data, device, dtype, origin.seed + 1 if seed is None else seed,
        origin.smoke, overwrite,
    )  # fmt: skip
    suites = run.prepare(name)
    if data is None:
        earlier.check(name, next(iter(suites.values())))
    second = run.test(name, suites)
    result = compared(earlier.report, second, smallest=earlier.file.smallest)
    more = {
        "sections": [section(result), *second.sections],
        "controls": f"{result.sentence} {second.controls}",
    }
    second = second.model_copy(update=more)
    page = write_report(second, out)
    console = Console(highlight=False)
    show_report(console, second)
    console.print(f"[bold]{escape(result.sentence)}[/]")
    console.print(f"[dim]{escape(str(page))}[/]", soft_wrap=True)
