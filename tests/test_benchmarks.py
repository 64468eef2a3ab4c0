"""Every script of the benchmarks can still be begun; what they measure takes minutes and is run by hand."""

import importlib.util
import sys

import pytest

from helpers.paths import ROOT

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_can_be_begun(path, monkeypatch):
    """Its imports are there; a name that was moved is noticed here."""
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    spec = importlib.util.spec_from_file_location(f"begun_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module.__doc__


def test_every_benchmark_is_in_the_list():
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for path in SCRIPTS:
        assert f"benchmarks/{path.name}" in text, path.name
