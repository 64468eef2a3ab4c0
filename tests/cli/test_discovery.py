"""Analyses of one's own."""

import pytest

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


SMALL = """
import headwise

SUITE = None


def analyse(model, suite, *, seed=0, smoke=False):
    {body}
    return headwise.report.sections.compose(model, analysis="{name}", question="?", verdict="description", answer="Yes.", sections=[], seed=seed)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_that_fails_keeps_no_other_from_its_report(headwise, tmp_path, jobs):
    bodies = {"good": "pass", "bad": "raise headwise.HeadwiseError('No such thing.')"}
    for name, body in bodies.items():
        (tmp_path / f"{name}.py").write_text(SMALL.format(name=name, body=body))
    command = ("run", "bad.py", "good.py", "atlas", "--model", "burrow", "--smoke", "--jobs", jobs)
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 2
    assert "bad on burrow: No such thing." in " ".join(result.stderr.split())
    for name in ("good-burrow", "atlas-burrow"):
        assert (tmp_path / "reports" / name / "index.html").is_file()
        assert name in (tmp_path / "reports/index.html").read_text()


def test_what_analyse_must_return_and_where_it_goes(headwise, tmp_path):
    (tmp_path / "wrong.py").write_text(SMALL.format(name="wrong", body="return {'a': 1}"))
    result = headwise("run", "wrong.py", "--model", "burrow", cwd=tmp_path)
    assert result.returncode == 2
    assert "must return a headwise.Report; it returned dict" in " ".join(result.stderr.split())
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ok.py").write_text(SMALL.format(name="ok", body="pass"))
    for named in (("a/ok.py", "b/ok.py"), ("a/ok.py", "a/ok.py"), ("mole", "mole")):
        result = headwise("run", *named, "--model", "burrow", cwd=tmp_path)
        assert result.returncode == 2 and "Two reports of this run" in result.stderr


def test_an_analysis_without_analyse(headwise, tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("def analyse(:\n")
    assert "defines `def analyse" in refused(
        headwise("run", "empty.py", cwd=tmp_path), out=tmp_path
    )
    assert "broken.py:1: not valid Python" in refused(
        headwise("run", "broken.py", cwd=tmp_path), out=tmp_path
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_library\n", "own.py:1: reading it ended in ModuleNotFoundError"),
        ("x = 1\ny = 1 / 0\n", "own.py:2: reading it ended in ZeroDivisionError"),
        ("raise SystemExit(0)\n", "own.py:1: reading it ended in SystemExit"),
        ("\x00", "own.py: not valid Python|own.py:1: not valid Python"),
        ("def analyse(model, suite): pass\n", "is called as analyse"),
        (
            "def analyse(model, suite, *, seed, smoke, more): pass\n",
            "a default for every other one",
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, message):
    from headwise import HeadwiseError
    from headwise.cli.discovery import load_analysis

    (tmp_path / "own.py").write_text(text)
    with pytest.raises(HeadwiseError, match=message):
        load_analysis(tmp_path / "own.py")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_analysis_that_ends_the_program(headwise, tmp_path, jobs):
    for name, body in {"good": "pass", "gone": "import sys; sys.exit(0)"}.items():
        (tmp_path / f"{name}.py").write_text(SMALL.format(name=name, body=body))
    result = headwise("run", "gone.py", "good.py", "--model", "burrow", "--smoke", "--jobs", jobs, cwd=tmp_path)  # fmt: skip
    assert result.returncode == 2
    assert "ended the program" in " ".join(result.stderr.split())
    assert (tmp_path / "reports/good-burrow/index.html").is_file()


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_reports_of_one_name_are_said(headwise, tmp_path, jobs):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(SMALL.format(name="mine", body="pass"))
    result = headwise("run", "one.py", "two.py", "--model", "burrow", "--smoke", "--jobs", jobs, cwd=tmp_path)  # fmt: skip
    said = " ".join(result.stderr.split())
    assert result.returncode == 2
    assert "by the analysis" in said or "has the name of that of" in said


def test_a_folder_that_is_gone_is_not_looked_for_elsewhere(tmp_path, monkeypatch):
    from dataclasses import replace

    from headwise import HeadwiseError
    from headwise.cli import _executing

    monkeypatch.chdir(tmp_path)
    task = _executing.Task(None, tmp_path / "a.py", "gone", None, {}, True)
    with pytest.raises(HeadwiseError, match="'gone' is no longer there"):
        _executing._Loaded().load(task)
    assert replace(task, is_folder=False).title == "a on gone"
