"""What is installed: one import name, with a copy of the suites and analyses as data."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from helpers.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv to build the wheel; run the tests with `uv run pytest`")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)], check=True
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds the installed package alone."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_makes_one_name_importable(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"headwise"}
    assert "headwise/py.typed" in names
    assert "headwise/_data/probes/mole.toml" in names
    assert "headwise/_data/analyses/mole.py" in names
    assert "headwise/report/static/report.css" in names
    assert "headwise/report/static/js/core/dom.js" in names
    assert "headwise/burrow/weights/model.safetensors" in names
    assert "headwise/burrow/grammar/data/nouns.toml" in names
    assert wheel.stat().st_size < 16e6


def test_an_installed_package_runs_in_an_empty_folder(installed, tmp_path):
    """As after `pip install`: no checkout is near, suite and analysis come with the package."""
    result = subprocess.run(
        [sys.executable, "-m", "headwise.cli", "run", "creature", "--smoke", "--model", "minilm"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "reports/creature-minilm/index.html").read_text()
    assert "an installed package, not a checkout" in page


def test_importing_costs_nothing(tmp_path):
    code = "import sys, headwise; assert not {'torch', 'pandas', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_every_public_name_exists():
    import headwise

    for name in headwise.__all__:
        assert getattr(headwise, name) is not None


def test_the_readme_is_true():
    """Its Python runs as a program, and its test command is the one that CI calls."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    # On some of the sentences: what is tested is that every line runs, not what comes out.
    few = "import headwise\nread = headwise.read_suite\nheadwise.read_suite = lambda path: read(path).sample_groups(12, 1)\n"
    run = subprocess.run(
        [sys.executable, "-c", few + code], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert "torch.Size([12, " in run.stdout
    test_command = "python3 -m pip install uv && python3 -m uv run pytest"
    assert test_command in readme
    assert test_command in (ROOT / ".ci/run").read_text()
