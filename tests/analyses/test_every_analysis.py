"""Every analysis that ships runs as a script."""

import subprocess
import sys

import pytest

from helpers.paths import ROOT


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "analyses").glob("*.py")))
def test_every_script_runs(name, tmp_path):
    script = ROOT / "analyses" / f"{name}.py"
    result = subprocess.run(
        [sys.executable, str(script), "--model", "burrow", "--smoke", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / f"{name}-burrow" / "index.html").is_file()
