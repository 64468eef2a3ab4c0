"""The tree of files: the map of it is true, and tests lie where modules lie."""

import ast
import re

from helpers.paths import ROOT


def test_the_map_is_the_tree():
    """CONTRIBUTING has a line for every module, which is the first of its docstring."""
    written = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "headwise"
    for path in sorted(package.rglob("*.py")):
        name = path.parent.name + "/" if path.name == "__init__.py" else path.stem
        if (path.parent == package and path.name == "__init__.py") or path.stem == "__main__":
            continue
        line = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
        assert re.search(rf"^ *{re.escape(name)} +{re.escape(line)}$", written, re.M), path


def test_every_public_module_has_its_test_file():
    """`weights/low_rank.py` is tested in `tests/weights/test_low_rank.py`; private modules may have theirs."""
    package = ROOT / "src" / "headwise"
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if not any(part.startswith("_") for part in inside.parts):
            assert (ROOT / "tests" / inside.parent / f"test_{inside.name}").is_file(), inside


def test_files_are_short():
    """A file is one room; past 400 lines there is a second in it."""
    for folder in ("src", "tests", "analyses", "benchmarks", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_every_shape_is_checked():
    """Each module whose signatures have shapes is one of those that tests call through the checker."""
    options = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (names,) = re.findall(r"--jaxtyping-packages=([\w.,]+)", options)
    checked = names.split(",")[:-1]
    for path in sorted((ROOT / "src" / "headwise").rglob("*.py")):
        if re.search(r"\b(Float|Int|Bool|Shaped)\[", path.read_text(encoding="utf-8")):
            module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
            assert any(f"{module}.".startswith(f"{name}.") for name in checked), module


def test_folders_are_not_crowded():
    """No folder of the package holds more than 16 modules side by side."""
    for folder in (ROOT / "src").rglob("*/"):
        modules = [path for path in folder.glob("*.py") if not path.stem.startswith("__")]
        assert len(modules) <= 16, folder
