"""The main job: every analysis on every model."""

import json

import pytest

from helpers.command import in_process_of_its_own
from helpers.paths import ROOT


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return in_process_of_its_own("run", "--smoke", "--seed", "3", cwd=folder), folder


def test_the_main_job(smoke_run):
    result, folder = smoke_run
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # silent when not a terminal
    analyses = sorted(path.stem for path in (ROOT / "analyses").glob("*.py"))
    assert {"adjective_noun", "mole"} <= set(analyses)
    for name in (f"{analysis}-{model}" for analysis in analyses for model in ("burrow", "minilm")):
        assert (folder / "reports" / name / "index.html").is_file()
        assert (folder / "reports" / name / "results.json").is_file()
        assert list((folder / "reports" / name / "tables").glob("*.csv"))
        assert f"{name}/index.html" in (folder / "reports/index.html").read_text()


def test_a_report_is_the_same_when_nothing_runs_beside_it(smoke_run, headwise, tmp_path):
    _, folder = smoke_run
    command = ("run", "atlas", "--model", "burrow", "--smoke", "--seed", "3", "--jobs", "1")
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = [
        json.loads((place / "reports/atlas-burrow/results.json").read_text(encoding="utf-8"))
        for place in (folder, tmp_path)
    ]
    for report in found:
        del report["provenance"]
    assert found[0] == found[1]
    assert not (tmp_path / "reports/index.html").exists()


def test_a_report_says_where_it_came_from(smoke_run):
    import hashlib

    from headwise.model.registry import MINILM_SHA256
    from headwise.report.schema import load_report

    _, folder = smoke_run
    origin = load_report(folder / "reports/mole-minilm/results.json").provenance
    assert origin.command == "headwise run --smoke --seed 3"
    assert (origin.seed, origin.smoke, origin.device, origin.dtype) == (3, True, "cpu", "float32")
    assert origin.model.sha256 == MINILM_SHA256
    assert (
        origin.data.sha256 == hashlib.sha256((ROOT / "probes/mole.toml").read_bytes()).hexdigest()
    )
    assert {"torch", "transformers", "transformer-lens", "python"} <= set(origin.versions)
    assert origin.seconds > 0
    if (ROOT / ".git").exists():
        assert len(origin.commit) == 40
    page = (folder / "reports/mole-minilm/index.html").read_text()
    assert MINILM_SHA256 in page and "smoke run" in page


def test_a_run_on_given_data(headwise, tmp_path, shared):
    import pandas as pd

    from headwise.report.schema import load_report

    data = shared / "data/en_ewt-ud-dev.conllu"
    command = ("run", "adjective_noun", "--model", "minilm", "--data", data, "--smoke")
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/adjective_noun-minilm/results.json")
    assert report.provenance.data.path.endswith("en_ewt-ud-dev.conllu")
    table = pd.read_csv(tmp_path / "reports/adjective_noun-minilm/tables/attention.csv")
    assert len(table) == 3 * 72 and (table["pairs"] > 50).all()


def test_a_report_on_burrow_says_what_it_read_and_what_it_cannot_see(smoke_run):
    from headwise.report.schema import load_report

    _, folder = smoke_run
    for name, phenomenon in (("mole", "mole"), ("adjective_noun", "adjectives")):
        report = load_report(folder / f"reports/{name}-burrow/results.json")
        method = " ".join(report.method)
        assert "written by the grammar that burrow was trained on" in method
        assert "model is a decoder" in method
        assert f"burrow_sentences('{phenomenon}', 400, seed=3" in report.provenance.data.path


def test_a_decoder_from_a_folder(headwise, tmp_path, raw, byte_level):
    """Both analyses on a causal model: what cannot be seen is said, not counted."""
    import copy

    from headwise.report.schema import load_report

    copy.deepcopy(raw["GPT2LMHeadModel"]).save_pretrained(tmp_path / "tiny")
    byte_level.save_pretrained(tmp_path / "tiny")
    result = headwise("run", "--model", "./tiny", "--smoke", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/adjective_noun-tiny/results.json")
    assert any("a decoder attends only backwards" in line for line in report.findings)
    assert any("decoder" in paragraph for paragraph in report.method)
    assert (tmp_path / "reports/mole-tiny/index.html").is_file()
