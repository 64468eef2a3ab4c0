"""Analyses are written with what a user's own can use: names that packages declare."""

import ast
import importlib
import re

import pytest

from helpers.paths import ROOT


@pytest.mark.parametrize(
    "path", sorted((ROOT / "analyses").glob("*.py")), ids=lambda path: path.stem
)
def test_only_public_names_are_imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("headwise"):
            package = importlib.import_module(node.module)
            assert hasattr(package, "__path__"), f"{node.module} is no package"
            unknown = {name.name for name in node.names} - set(package.__all__)
            assert not unknown, f"{node.module} does not declare {unknown}"
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names if name.name.startswith("headwise")]
            assert not set(names) - {"headwise"}


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem
)
def test_documented_imports_work(path):
    """What a page of the documentation imports from the package is there."""
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
    for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headwise"):
            module = importlib.import_module(node.module or "")
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing, f"{node.module} has no {missing}"
