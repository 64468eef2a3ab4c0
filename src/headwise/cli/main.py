"""The command line: `headwise run`, `render`, `check`, `models` and `sentences`, and those of `claims`."""

import io
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headwise import __version__
from headwise._validate import MOST
from headwise.errors import HeadwiseError

from . import claims
from ._options import Device, Dtype, Models, Out, Overwrite, Seed, Smoke

if TYPE_CHECKING:
    from headwise.report.schema import Report

app = typer.Typer(
    name="headwise",
    help="Does this attention head do what you think it does, and does it matter?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: an error of the user's, or of the machine's, ends in one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A name that is no text, or a sign that the locale has not, may not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
        sys.stdout.flush()
    except HeadwiseError as error:
        _refuse(str(error))
    except MemoryError:
        _refuse("There is not enough memory. Choose a smaller model, or --dtype bfloat16.")
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        _refuse(
            "There is not enough memory on the device. Choose a smaller model, or --dtype bfloat16."
        )
    except OSError as error:
        # What is left when every file has its own message: an output that is full or closed.
        sys.stdout = io.StringIO()  # or Python would try once more to write what is left
        _refuse(f"{error.filename or 'The output'}: {error.strerror or error}.")


def _refuse(message: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(2)


def script(path: str) -> None:
    """Runs an analysis file as a program: `python analyses/mole.py --model minilm`."""
    sys.argv[1:1] = ["run", path]
    main()


def _show_version(value: bool | None) -> None:
    if value:
        print(f"headwise {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = None,
) -> None:
    """Does this attention head do what you think it does, and does it matter?"""


@app.command()
def run(
    analyses: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or files of analyses; all of them by default.", metavar="ANALYSIS"
        ),
    ] = None,
    model: Models = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A .toml suite, .conllu file or CoarseWSD-20 folder that replaces the analysis's own suite."
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="A .toml suite of minimal pairs for the ablation of heads."),
    ] = None,
    relation: Annotated[
        list[str] | None,
        typer.Option(
            help="A relation to test, such as 'amod: governor->dependent'; may be repeated."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="For the analysis mole: the label to decode, mark (any mark) or 'part of speech'."
        ),
    ] = None,
    position: Annotated[
        str | None,
        typer.Option(
            help="For the analysis mole: the probed word, as a distance from the marked one (-1) or a relation."
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            help="For the analysis parameters: a shape instead of a model, gpt3, ... or d_model=768,n_layers=12,n_heads=12."
        ),
    ] = None,
    out: Out = Path("reports"),
    overwrite: Overwrite = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    seed: Seed = 0,
    smoke: Smoke = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Analyses that run at once, each in a process that holds the model; by default up to 4 for burrow and minilm on a CPU, else 1.",
        ),
    ] = None,
) -> None:
    """Run analyses and write one offline HTML report for each."""
    from .runner import Request
    from .runner import run as run_request

    options = {
        "relations": relation,
        "label": label,
        "position": _position(position),
        "shape": shape,
    }
    request = Request(
        analyses=analyses or [],
        models=model or [],
        data=data,
        pairs=pairs,
        options={name: value for name, value in options.items() if value not in (None, [])},
        out=out,
        overwrite=overwrite,
        device=device,
        dtype=dtype,
        seed=seed,
        smoke=smoke,
        jobs=jobs,
        command=shlex.join(["headwise", *sys.argv[1:]]),
    )
    console = Console(highlight=False)
    pages: list[Path] = []
    for report, page in run_request(request):
        show_report(console, report)
        console.print(f"[dim]{escape(str(page))}[/]\n", soft_wrap=True)
        pages.append(page)
    if len(pages) > 1:
        console.print(f"All reports: {escape(str(out / 'index.html'))}", soft_wrap=True)


def show_report(console: Console, report: "Report") -> None:
    """The question, the answer and what the controls reach."""
    colour = {"supported": "green", "not supported": "red", "description": "blue"}.get(
        report.verdict, "yellow"
    )
    console.print(f"[bold]{escape(report.question)}[/] [dim]{escape(report.model)}[/]")
    console.print(f"[{colour}]{report.verdict}[/]: {escape(report.answer)}")
    if report.controls:
        console.print(escape(report.controls), style="dim")


def _position(given: str | None) -> int | str | None:
    """A number of words, or the name of a relation."""
    is_number = given is not None and given.removeprefix("-").removeprefix("+").isdecimal()
    return int(given) if given is not None and is_number else given


@app.command()
def render(
    reports: Annotated[
        list[Path],
        typer.Argument(help="results.json files, folders of reports, or a folder of such folders."),
    ],
) -> None:
    """Render the pages of reports again from their results.json."""
    from headwise.report import render_again, write_index

    damaged: list[str] = []
    for path in reports:
        inside = sorted(path.glob("*/results.json")) if path.is_dir() else []
        if not path.exists() or (
            path.is_dir() and not inside and not (path / "results.json").exists()
        ):
            raise HeadwiseError(
                f"There is no report in {str(path)!r}: expected a results.json, or folders that hold one. "
                "headwise run makes them."
            )
        for results in inside or [path]:
            try:
                print(render_again(results))
            except HeadwiseError as error:
                damaged.append(str(error))
        if inside:
            print(write_index(path))
    if damaged:
        raise HeadwiseError("\n".join(damaged))


@app.command()
def check(
    model: Annotated[
        str, typer.Argument(help="A model: burrow, minilm, a folder or a hub id.", metavar="MODEL")
    ],
    device: Device = "auto",
    dtype: Dtype = "float32",
) -> None:
    """Check that a model gives the same results with hooks; exit code 1 if an identity fails."""
    from headwise._progress import waiting

    with waiting(f"loading {model}"):
        from headwise.model import identities as checks
        from headwise.model import loading

        loaded = loading.load(model, device=device, dtype=dtype, verify=False)
    identities = checks.everything(loaded)
    table = Table(box=None, pad_edge=False)
    table.add_column("identity")
    table.add_column("error", justify="right")
    table.add_column("tolerance", justify="right")
    table.add_column("")
    for identity in identities:
        verdict = "[green]holds[/]" if identity.holds else "[bold red]fails[/]"
        table.add_row(identity.name, f"{identity.error:.1e}", f"{identity.tolerance:.0e}", verdict)
    console = Console(highlight=False)
    console.print(escape(repr(loaded)))
    console.print(table)
    if not all(identity.holds for identity in identities):
        raise typer.Exit(1)


@app.command()
def sentences(
    phenomenon: Annotated[
        str,
        typer.Argument(
            help="adjectives, senses, mysteries, ... or an ambiguous word such as mole."
        ),
    ],
    n: Annotated[int, typer.Option("-n", max=1_000_000, help="Number of passages.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Random seed of the sentences.")] = 0,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out", help="Only combinations of words that are held out of training."
        ),
    ] = False,
    relation: Annotated[
        list[str] | None,
        typer.Option(
            help="Relation whose links are written into a .toml suite; amod by default if no word is marked."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A .toml or .conllu file; without it the sentences are printed."
        ),
    ] = None,
) -> None:
    """Generate annotated sentences of burrow's English."""
    from headwise.burrow.grammar.annotation import write_suite
    from headwise.burrow.grammar.sentences import burrow_sentences

    suite = burrow_sentences(phenomenon, n, seed=seed, held_out=held_out)
    if out is None:
        for sentence in suite.sentences:
            print(sentence.text)
    else:
        is_marked = any(sentence.marks for sentence in suite.sentences)
        n_written = write_suite(suite, out, relation or (() if is_marked else ("amod",)))
        print(f"{n_written} passages: {out}")


app.command()(claims.new)
app.command()(claims.register)
app.command()(claims.test)
app.command()(claims.replicate)


@app.command()
def models() -> None:
    """List the models that are available without a download."""
    from headwise.model import registry

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "what it is", "licence"):
        table.add_column(heading)
    for source in registry.available():
        table.add_row(
            *map(escape, (source.name, source.description, source.license or "not stated"))
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("\nAlso: any hub id (gpt2, EleutherAI/pythia-70m) or a folder with safetensors.")


if __name__ == "__main__":
    main()
