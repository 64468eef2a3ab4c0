"""Analyses of one's own."""

from helpers.command import refused
from helpers.paths import ROOT


def test_ones_own_analysis_and_suite(headwise, tmp_path):
    (tmp_path / "analyses").mkdir()
    (tmp_path / "probes").mkdir()
    suite = (ROOT / "probes/creature.toml").read_text(encoding="utf-8")
    (tmp_path / "probes/mine.toml").write_text(suite.replace('"creature"', '"mine"', 1))
    source = (ROOT / "analyses/creature.py").read_text(encoding="utf-8")
    source = source.replace('SUITE = "creature"', 'SUITE = "mine"')
    (tmp_path / "analyses/foo.py").write_text(
        source.replace('"analysis": "creature"', '"analysis": "foo"')
    )
    result = headwise("run", "foo", "--smoke", "--model", "minilm", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "reports/foo-minilm/index.html").is_file()


def test_an_analysis_without_analyse(headwise, tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("def analyse(:\n")
    assert "defines `def analyse" in refused(
        headwise("run", "empty.py", cwd=tmp_path), out=tmp_path
    )
    assert "broken.py:1: not valid Python" in refused(
        headwise("run", "broken.py", cwd=tmp_path), out=tmp_path
    )
