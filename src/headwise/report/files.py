"""Files: a report's folder is written whole or not at all, and replaces no other report without `--overwrite`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise._atomic import replacing, trial
from headwise._files import write_text
from headwise._formatting import cell, encodable
from headwise.errors import HeadwiseError

from .html.render import render_index, render_report
from .schema import Report, load_report, slug_of


def check_writable(out: Path) -> None:
    """Makes sure that reports can be written, before any work is done.

    Raises:
        HeadwiseError: The folder cannot be made or written.
    """
    try:
        with trial(out):
            pass
    except OSError as error:
        raise HeadwiseError(
            f"Cannot write reports to {str(out)!r}: {error.strerror}. Choose another folder with --out."
        ) from error


@dataclass(frozen=True, slots=True)
class Place:
    """What is to be written where.

    Attributes:
        out: The folder that holds all reports.
        analysis: Name of the analysis.
        model: Name of the model.
        data: Name of the data; empty if none are used.
        options: Options of the analysis.
        smoke: Whether this is a smoke run; it may not take the place of a whole one.
        seed: The seed.
        dtype: Type of the weights.
        script: File of the analysis.
        weights: Hash of the model's weights; empty while it is not known.
        content: Hash of the data; empty if they have none.
    """

    out: Path
    analysis: str
    model: str
    data: str
    options: Mapping[str, str]
    smoke: bool
    seed: int = 0
    dtype: str = "float32"
    script: str = ""
    weights: str = ""
    content: str = ""

    def check(self) -> None:
        """Makes sure that the report's folder holds nothing but an earlier run of the same.

        Raises:
            HeadwiseError: It holds another report (of another model, other data or options, or a whole run), or something else.
        """
        folder = self.out / slug_of(self.analysis, self.model)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        rest = "Choose another folder with --out, or replace it with --overwrite."
        try:
            earlier = load_report(folder / "results.json")
        except HeadwiseError as error:
            raise HeadwiseError(
                f"{str(folder)!r} holds something that is not a report: {error} {rest}"
            ) from error
        if differs := self._differs(earlier):
            raise HeadwiseError(
                f"{str(folder)!r} holds another report: {', '.join(differs)}. {rest}"
            )

    def _differs(self, earlier: Report) -> list[str]:
        found = (
            [] if earlier.model == self.model else [f"of the model {_short(repr(earlier.model))}"]
        )
        origin = earlier.provenance
        if origin is None:
            return found
        if origin.seed != self.seed:
            found.append(f"with the seed {origin.seed}")
        if origin.dtype and origin.dtype != self.dtype:
            found.append(f"in {origin.dtype}")
        if origin.data.name != self.data:
            found.append(f"on other data ({_short(origin.data.name) or 'none'})")
        elif origin.seed == self.seed and _other(origin.data.sha256, self.content):
            found.append("on other data of that name")
        if not found and _other(origin.model.sha256, self.weights):
            found.append("of another model of that name, or of its weights before they changed")
        if _other(origin.script, self.script):
            found.append(f"by the analysis {_short(origin.script)}")
        if dict(self.options) != origin.options:
            told = "; ".join(f"{name} {value}" for name, value in origin.options.items())
            found.append(f"with other options ({_short(told) or 'none'})")
        if self.smoke and not origin.smoke:
            found.append("of a whole run, and this is a smoke run")
        return found


def _other(earlier: str, own: str) -> bool:
    """Whether both are known and differ."""
    return bool(earlier and own) and earlier != own


def write_report(report: Report, out: Path) -> Path:
    """Writes `index.html`, `results.json` and `tables/*.csv`, replacing what is there: see `Place.check`.

    Args:
        report: The report; it is rendered from its JSON, not from memory.
        out: The folder that holds all reports.

    Returns:
        Path of the page.

    Raises:
        HeadwiseError: The folder cannot be written; an earlier report is then untouched.
    """
    final = out / report.slug
    check_writable(out)
    with replacing(final) as fresh:
        (fresh / "tables").mkdir()
        results = fresh / "results.json"
        results.write_text(_json_of(report), encoding="utf-8")
        stored = load_report(results)
        (fresh / "index.html").write_text(render_report(stored), encoding="utf-8")
        for table in stored.tables:
            frame = table.to_frame().map(
                lambda value: cell(value) if isinstance(value, str) else value
            )
            frame.to_csv(fresh / "tables" / f"{table.name}.csv", index=False)
    return final / "index.html"


def _json_of(report: Report) -> str:
    try:
        return report.model_dump_json(indent=1) + "\n"
    except ValueError as error:  # of pydantic, when a text cannot be encoded
        raise HeadwiseError(
            f"The report {report.slug!r} holds a text that is none, such as half of a surrogate pair: {str(error)[:200]}. Replace it in what the analysis returns."
        ) from error


def render_again(path: Path) -> Path:
    """Renders the page of a report again, from its `results.json` alone.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        Path of the page, `index.html` beside the file.

    Raises:
        HeadwiseError: There is no such file, it cannot be read as a report, or the page cannot be written.
    """
    results = path / "results.json" if path.is_dir() else path
    report = load_report(results)
    return write_text(results.parent / "index.html", render_report(report))


def write_index(out: Path) -> Path:
    """Writes the page that compares every report in a folder, and names those that cannot be read."""
    found = {path: _readable(path) for path in sorted(out.glob("*/results.json"))}
    reports = [report for report in found.values() if report]
    damaged = [encodable(path.parent.name) for path, report in found.items() if report is None]
    return write_text(out / "index.html", render_index(reports, damaged))


def _readable(path: Path) -> Report | None:
    try:
        return load_report(path)
    except HeadwiseError:
        return None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}\N{HORIZONTAL ELLIPSIS}"
