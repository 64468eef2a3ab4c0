"""Every analysis that ships is a script: it asks the command line to run itself, and the main job runs them all."""

import runpy
import subprocess
import sys

import pytest

from headwise.cli import main as command
from helpers.paths import ROOT

SCRIPTS = sorted((ROOT / "analyses").glob("*.py"))
ALONE = "atlas"  # run as a program in every run of the tests; what differs between scripts runs in `cli/test_runner.py`


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_asks_to_be_run(script, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "main", lambda: asked.append(sys.argv[1:]))
    monkeypatch.setattr(sys, "argv", [str(script), "--model", "burrow"])
    runpy.run_path(str(script), run_name="__main__")
    assert asked == [["run", str(script), "--model", "burrow"]]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[] if path.stem == ALONE else pytest.mark.slow)
        for path in SCRIPTS
    ],
)
def test_every_script_runs(name, tmp_path):
    script = ROOT / "analyses" / f"{name}.py"
    result = subprocess.run(
        [sys.executable, str(script), "--model", "burrow", "--smoke", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / f"{name}-burrow" / "index.html").is_file()
