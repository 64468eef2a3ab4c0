"""Files: a report's folder appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import HeadwiseError
from ..results import Report, load_report
from .render import render_index, render_report


def check_writable(out: Path) -> None:
    """Makes sure that reports can be written, before any work is done.

    Raises:
        HeadwiseError: The folder cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".headwise-"):
            pass
    except OSError as error:
        raise HeadwiseError(
            f"Cannot write reports to {str(out)!r}: {error.strerror}. Choose another folder with --out."
        ) from error


def write_report(report: Report, out: Path) -> Path:
    """Writes `index.html`, `results.json` and `tables/*.csv`, replacing an earlier run's folder.

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
    workspace = Path(tempfile.mkdtemp(dir=out, prefix=f".{report.slug}-"))
    try:
        fresh = workspace / "fresh"
        (fresh / "tables").mkdir(parents=True)
        results = fresh / "results.json"
        results.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        stored = load_report(results)
        (fresh / "index.html").write_text(render_report(stored), encoding="utf-8")
        for table in stored.tables:
            table.to_frame().to_csv(fresh / "tables" / f"{table.name}.csv", index=False)
        if final.exists():
            final.rename(workspace / "replaced")
        fresh.rename(final)
    except OSError as error:
        raise HeadwiseError(
            f"Cannot write the report to {str(final)!r}: {error.strerror}."
        ) from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return final / "index.html"


def write_index(out: Path) -> Path:
    """Writes the page that lists every readable report in a folder."""
    reports: Sequence[Report] = [
        report for path in sorted(out.glob("*/results.json")) if (report := _readable(path))
    ]
    with tempfile.NamedTemporaryFile(
        "w", dir=out, prefix=".index-", suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        file.write(render_index(reports))
    return Path(file.name).replace(out / "index.html")


def _readable(path: Path) -> Report | None:
    try:
        return load_report(path)
    except HeadwiseError:
        return None
