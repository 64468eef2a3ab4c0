"""Where output cannot be as it was meant: one message, nothing lost, exit code 2."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwise._formatting import cell, encodable, of_cell
from headwise.data import shipped
from headwise.report.schema import load_report

SHAPE = ("run", "parameters", "--shape", "gpt2")


def test_a_folder_whose_name_is_no_text(headwise, tmp_path):
    """A name in Latin-1: the report is written there, and says so in characters that UTF-8 has."""
    folder = os.fsdecode(b"caf\xe9")
    result = headwise(*SHAPE, "--out", folder, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / folder / "parameters-gpt2" / "results.json")
    assert report.provenance.command.endswith(r"--out 'caf\xe9'")


def test_a_name_that_the_locale_does_not_know(headwise, tmp_path):
    """Under the C locale Python holds the bytes of a name; they are written as the characters that they are."""
    folder = "dépôt".encode().decode("ascii", "surrogateescape")
    result = headwise(*SHAPE, "--out", folder, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (results,) = tmp_path.glob("*/parameters-gpt2/results.json")
    assert load_report(results).provenance.command.endswith("--out 'dépôt'")


def test_texts_that_utf8_cannot_hold():
    for given, written in (
        ("plain é", "plain é"),
        ("caf\udce9", r"caf\xe9"),
        ("a\ud800b", r"a\ud800b"),
    ):
        assert encodable(given) == written
        written.encode("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_is_full(tmp_path):
    with Path("/dev/full").open("w") as full:
        run = [sys.executable, "-m", "headwise.cli.main", "models"]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


def test_a_current_folder_that_was_deleted(tmp_path, monkeypatch):
    def gone(kind=None):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", gone)
    assert "mole" in shipped.names("probes")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")],
)
def test_memory_that_ran_out(error, headwise, tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr("headwise.cli.runner.run", fails)
    result = headwise(*SHAPE, cwd=tmp_path)
    assert result.returncode == 2 and "not enough memory" in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "'=1",
        "'",
        "''a",
        "plain",
        "",
        "a=b",
        "\N{MINUS SIGN}1",
    ],
)
def test_no_cell_is_a_formula(text):
    assert of_cell(cell(text)) == text
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_tables_of_a_report_hold_no_formula(tmp_path):
    from headwise.report.files import write_report
    from helpers import pages

    report = pages.whole()
    table = next(
        table
        for table in report.tables
        if any(isinstance(x, str) for row in table.rows for x in row)
    )
    (at,) = [i for i, x in enumerate(table.rows[0]) if isinstance(x, str)][:1]
    table.rows[0][at] = "=HYPERLINK(1)"
    page = write_report(report, tmp_path)
    with (page.parent / "tables" / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1][at] == "'=HYPERLINK(1)"
