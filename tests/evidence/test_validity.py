"""Where there is nothing to find, nothing is supported: the benchmark of that, in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

VALIDITY = Path(__file__).parents[2] / "benchmarks" / "validity.py"


@pytest.mark.parametrize(
    ("analyses", "models"),
    [("creature", 1), pytest.param("relations,adjective_noun,mole,creature", 3, marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_model_that_never_learnt_supports_nothing(analyses, models, tmp_path):
    """Random weights of burrow's shape, and burrow with uniform attention, through the whole of an analysis."""
    out = tmp_path / "runs.jsonl"
    command = [sys.executable, str(VALIDITY), "--analyses", analyses, "--burrow", str(models)]
    command += ["--minilm", "0", "--jobs", "1", "--out", str(out)]
    # Where the package has no shape checks, which take longer than the sums.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    kinds = [run["kind"] for run in found]
    n_analyses = len(analyses.split(","))
    assert kinds.count("uniform attention") == n_analyses
    assert kinds.count("random weights") == models * n_analyses
    for run in found:
        said = [run[part] for part in ("answer", "looks", "carries", "matters", "moves", "verdict")]
        assert any(one is not None for one in said) and not any(said), run["text"]
