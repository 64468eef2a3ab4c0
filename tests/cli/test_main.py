"""The command line as a user types it, with every kind of bad input."""

import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from helpers.paths import ROOT

MOLE = (ROOT / "probes/mole.toml").read_text(encoding="utf-8")


class Outcome(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def in_process_of_its_own(*arguments, cwd):
    """Runs the command as a shell would."""
    result = subprocess.run(
        [sys.executable, "-m", "headwise.cli.main", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    return Outcome(result.returncode, result.stdout, result.stderr)


@pytest.fixture
def headwise(monkeypatch, capsys):
    """Runs the command in this process, where the libraries are loaded already."""
    from headwise.cli.main import main

    def run(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["headwise", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *capsys.readouterr())

    return run


def refused(result, *, out):
    """The message of a run that was refused: exit code 2, no traceback, nothing left behind."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert not list(out.glob("**/*.html")) and not list(out.glob("**/results.json"))
    return " ".join(result.stderr.replace("\u2502", " ").split())


def assert_no_torch(arguments, code, cwd):
    program = (
        "import sys, headwise.cli.main\n"
        "try: headwise.cli.main.main()\n"
        "except SystemExit as stop: print('code', stop.code)\n"
        "loaded = {'torch', 'sklearn', 'matplotlib', 'transformers'} & set(sys.modules)\n"
        "print('loaded', sorted(loaded))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert f"code {code}\nloaded []" in result.stdout, result.stdout + result.stderr


def test_help_needs_no_torch(tmp_path):
    assert_no_torch(["--help"], 0, tmp_path)


def test_models_lists_what_is_here(headwise, tmp_path):
    result = headwise("models", cwd=tmp_path)
    assert result.returncode == 0
    assert "minilm" in result.stdout and "Apache-2.0" in result.stdout
    assert "burrow" in result.stdout and "MIT" in result.stdout


def test_check_shows_every_identity(headwise, tmp_path):
    result = headwise("check", "minilm", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.count("holds") == 7
    assert "pattern @ v == z" in result.stdout


def test_check_fails_with_exit_code_1(headwise, tmp_path, monkeypatch):
    from headwise.model import identities

    monkeypatch.setitem(identities.TOLERANCES, __import__("torch").float32, 0.0)
    result = headwise("check", "minilm", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 1
    assert "fails" in result.stdout


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return in_process_of_its_own("run", "--smoke", "--seed", "3", cwd=folder), folder


def test_the_main_job(smoke_run):
    result, folder = smoke_run
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # silent when not a terminal
    for name in ("adjective_noun-burrow", "mole-burrow", "adjective_noun-minilm", "mole-minilm"):
        assert (folder / "reports" / name / "index.html").is_file()
        assert (folder / "reports" / name / "results.json").is_file()
        assert list((folder / "reports" / name / "tables").glob("*.csv"))
    assert "mole-minilm/index.html" in (folder / "reports/index.html").read_text()


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


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "analyses").glob("*.py")))
def test_every_script_runs(name, tmp_path):
    script = ROOT / "analyses" / f"{name}.py"
    result = subprocess.run(
        [sys.executable, str(script), "--model", "burrow", "--smoke", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / f"{name}-burrow" / "index.html").is_file()


def test_a_shape_needs_no_model(headwise, tmp_path):
    import pandas as pd

    from headwise.report.schema import load_report

    result = headwise("run", "parameters", "--shape", "gpt3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "reports/parameters-gpt3"
    report = load_report(folder / "results.json")
    assert "175,181,291,520 in matrices" in report.answer
    assert "4,194,304 scores in each of 9,216 heads" in report.answer
    assert report.verdict == "description" and not report.figures
    assert report.provenance.model.note == "a shape: sizes only, no weights"
    assert report.provenance.data.name == "" and report.provenance.dtype == ""
    table = pd.read_csv(folder / "tables/parameters.csv").set_index("part")
    assert table.loc["value-up", "per_head"] == 1_572_864
    assert table.loc["= attention, these together", "per_block"] == 603_979_776
    assert table.loc["= all matrices, unembedding counted apart", "total"] == 175_181_291_520
    page = (folder / "index.html").read_text()
    assert "175,181,291,520" in page and "intervals over groups" not in page
    numbers = "d_model=100,n_layers=2,n_heads=3,d_head=20"
    result = headwise("run", "parameters", "--shape", numbers, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "reports/parameters-d_model-100-n_layers-2-n_heads-3-d_head-20"
    assert "counted as given" in load_report(folder / "results.json").not_found[0]


def test_parameters_of_a_model(headwise, tmp_path):
    from headwise.report.schema import load_report

    for name, total in (("burrow", "4,273,664"), ("minilm", "22,713,216")):
        command = ("run", "parameters", "--model", name, "--smoke")
        result = headwise(*command, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        report = load_report(tmp_path / f"reports/parameters-{name}/results.json")
        assert f"{name} stores {total} numbers" in report.answer
        assert {table.name for table in report.tables} == {"parameters", "context", "circuits"}
        titles = [figure.title for figure in report.figures]
        assert titles[:3] == ["Copying", "Effective rank of QK", "Effective rank of OV"]
        assert report.provenance.data.name == "" and report.provenance.model.sha256


def test_ones_own_analysis_and_suite(headwise, tmp_path):
    (tmp_path / "analyses").mkdir()
    (tmp_path / "probes").mkdir()
    suite = (ROOT / "probes/creature.toml").read_text(encoding="utf-8")
    (tmp_path / "probes/mine.toml").write_text(suite.replace('"creature"', '"mine"', 1))
    source = (ROOT / "analyses/creature.py").read_text(encoding="utf-8")
    source = source.replace('SUITE = "creature"', 'SUITE = "mine"')
    (tmp_path / "analyses/foo.py").write_text(source.replace('="creature"', '="foo"'))
    result = headwise("run", "foo", "--smoke", "--model", "minilm", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "reports/foo-minilm/index.html").is_file()


def test_a_run_on_given_data(headwise, tmp_path, shared):
    import pandas as pd

    from headwise.report.schema import load_report

    data = shared / "data/en_ewt-ud-dev.conllu"
    command = ("run", "adjective_noun", "--model", "minilm", "--data", data, "--smoke")
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/adjective_noun-minilm/results.json")
    assert report.provenance.data.path.endswith("en_ewt-ud-dev.conllu")
    table = pd.read_csv(tmp_path / "reports/adjective_noun-minilm/tables/heads.csv")
    assert len(table) == 3 * 72 and (table["pairs"] > 50).all()


def test_a_report_on_burrow_says_what_it_read_and_what_it_cannot_see(smoke_run):
    from headwise.report.schema import load_report

    _, folder = smoke_run
    for name, phenomenon in (("mole", "mole"), ("adjective_noun", "adjectives")):
        report = load_report(folder / f"reports/{name}-burrow/results.json")
        method = " ".join(report.method)
        assert "written by the grammar that burrow was trained on" in method
        assert "nothing looks ahead" in method
        assert f"burrow_sentences('{phenomenon}', 400, seed=3" in report.provenance.data.path


def test_sentences_are_written(headwise, tmp_path):
    result = headwise("sentences", "mole", "-n", "3", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.count("\n") == 3
    for name in ("mole.toml", "mole.conllu"):
        result = headwise("sentences", "mole", "-n", "120", "--out", name, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert f"120 passages: {name}" in result.stdout
    command = ("run", "mole", "--model", "burrow", "--smoke", "--data", "mole.toml")
    assert headwise(*command, cwd=tmp_path).returncode == 0


def test_other_labels_at_other_words(headwise, tmp_path):
    """Parts of speech of a treebank, and the sense at the word that gives it."""
    from headwise.report.schema import load_report

    result = headwise("sentences", "adjectives", "-n", "16", "--out", "adj.conllu", cwd=tmp_path)
    command = (
        "run",
        "mole",
        "--model",
        "burrow",
        "--data",
        "adj.conllu",
        "--label",
        "part of speech",
        "--smoke",
    )
    result = in_process_of_its_own(*command, cwd=tmp_path)  # thousands of fits: unchecked
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/mole-burrow/results.json")
    assert report.question == "From which layer on can the part of speech of a word be read?"
    assert (
        "the part of speech of a word can be read" in report.answer
        or "inconclusive" in report.answer
    )
    other = ("run", "mole", "--model", "burrow", "--position", "sense", "--smoke")
    result = headwise(*other, cwd=tmp_path)
    assert result.returncode == 2 and "with other options (label part of speech)" in result.stderr
    result = headwise(*other, "--overwrite", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/mole-burrow/results.json")
    assert "of the word that mole needs (sense)" in report.answer
    assert {table.name for table in report.tables} == {"layers", "confusion", "heads", "erasure"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mole", "--model", "minilmm"], "Did you mean 'minilm'"),
        (["run", "mole", "--model", "nobody/nothing"], "No model called 'nobody/nothing'"),
        (["run", "mole", "--model", "./nowhere"], "no model folder './nowhere'"),
        (["run", "moles"], "no analysis called 'moles'"),
        (["run", "./moles.py"], "no analysis file './moles.py'"),
        (["run", "--colour"], "No such option"),
        (["run", "mole", "--dtype", "float99"], "Unknown dtype 'float99'"),
        (["run", "mole", "--device", "abacus"], "Cannot use device 'abacus'"),
        (["run", "mole", "--data", "nowhere.toml"], "no file or folder 'nowhere.toml'"),
        (["run", "--data", str(ROOT / "probes/mole.toml")], "--data replaces the suite of one analysis"),
        (["run", "mole", "--seed", "-1"], "greater than or equal to 0"),
        (["run", "adjective_noun", "--data", str(ROOT / "probes/mole.toml")], "links no words"),
        (["frobnicate"], "No such command"),
        (["check", "minilmm"], "Did you mean 'minilm'"),
        (["run", "mole", "--model", "burow"], "Did you mean 'burrow'"),
        (["run", "mole", "--relation", "amod"], "mole asks a question of its own and takes no --relation"),
        (["run", "relations", "--model", "burrow", "--relation", "amood"], "Nearest: amod"),
        (["run", "relations", "--model", "burrow", "--relation", "amod: dependent->governor"], "cannot be asked of burrow"),
        (["run", "relations", "--label", "mark"], "relations asks a question of its own and takes no --label"),
        (["run", "mole", "--model", "burrow", "--label", "upos"], "Unknown label 'upos'; known are 'mark'"),
        (["run", "mole", "--model", "minilm", "--label", "part of speech", "--data", str(ROOT / "probes/gender.toml")], "has no parts of speech"),
        (["run", "mole", "--model", "burrow", "--position", "sens"], "is no relation of the suite"),
        (["run", "atlas", "--pairs", str(ROOT / "probes/mole_pairs.toml")], "atlas asks no pairs"),
        (["run", "mole", "--pairs", str(ROOT / "probes/mole.toml")], "holds no pairs"),
        (["run", "mole", "--pairs", "nowhere.toml"], "no file or folder 'nowhere.toml'"),
        (["run", "matters", "--model", "burrow", "--data", str(ROOT / "probes/mole.toml")], "needs minimal pairs"),
        (["run", "parameters", "--shape", "gpt-3"], "no shape called 'gpt-3'; known are gpt3, gpt2,"),
        (["run", "parameters", "--shape", "d_model=8,n_layers=1"], "n_heads is missing"),
        (["run", "parameters", "--shape", "d_model=8,n_layers=1,n_heads=9"], "d_head=0"),
        (["run", "eiffel_tower", "--model", "minilm", "--data", str(ROOT / "probes/mole.toml")], "labelled bare, eiffel, miniature"),
        (["run", "gender", "--model", "minilm", "--data", str(ROOT / "probes/mole.toml")], "needs minimal pairs"),
        (["run", "gender", "--model", "minilm", "--data", str(ROOT / "probes/mole_pairs.toml")], "labelled male and female"),
        (["run", "gender", "--model", "minilm", "--data", str(ROOT / "probes/gender_pairs.toml")], "groups named 'royalty-...'"),
        (["run", "creature", "--model", "minilm", "--data", str(ROOT / "probes/mole.toml")], "no relation 'amod'"),
        (["run", "parameters", "--shape", "gpt2", "--model", "burrow"], "stands in place of a model"),
        (["run", "mole", "--shape", "gpt3"], "mole asks a question of its own and takes no --shape"),
        (["run", "--shape", "gpt3"], "takes no --shape. Name an analysis that does, as in: headwise run parameters --shape 'gpt3'"),
        (["run", "parameters", "--data", str(ROOT / "probes/mole.toml")], "parameters asks no sentences"),
        (["sentences", "moles"], "Did you mean 'mole'"),
        (["sentences", "mole", "-n", "0"], "at least 1; got 0"),
        (["sentences", "mole", "--out", "mole.txt"], "ends in .toml or .conllu"),
        (["sentences", "mole", "--out", "no/such/folder/mole.toml"], "cannot be written"),
    ],
)  # fmt: skip
def test_bad_requests(headwise, arguments, message, tmp_path):
    assert message in refused(headwise(*arguments, cwd=tmp_path), out=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[mole|unit]", "[mole|unit", "never closed"),
        ("[mole|unit]", "[mole|moon]", "Unknown sense or label 'moon'"),
        ("[mole|unit]", "[\u200b|unit]", "drops the word"),
        ('"One [mole|unit] of carbon dioxide.", tags = "NUM NOUN ADP NOUN NOUN PUNCT"', '"American true [mole|unit].", tags = "ADJ ADJ NOUN PUNCT"', "stands twice"),
        ('name = "animal-lawn"\nsentences = [', 'name = "x"\nsentences = []\n[[groups]]\nname = "y"\nsentences = [', "group 'x' is empty"),
    ],
)  # fmt: skip
def test_bad_suites(headwise, old, new, message, tmp_path):
    assert old in MOLE
    path = tmp_path / "bad.toml"
    path.write_text(MOLE.replace(old, new, 1), encoding="utf-8")
    command = ("run", "mole", "--model", "minilm", "--data", path)
    error = refused(headwise(*command, cwd=tmp_path), out=tmp_path)
    assert message in error and "bad.toml" in error


def test_bad_treebank(headwise, tmp_path):
    (tmp_path / "bad.conllu").write_text("1\tGo\t_\n\n")
    result = headwise("run", "adjective_noun", "--data", "bad.conllu", cwd=tmp_path)
    assert "bad.conllu:1: a CoNLL-U line has 10 tab-separated columns, this one has 3" in refused(
        result, out=tmp_path
    )


def test_bad_word_folder(headwise, tmp_path):
    folder = tmp_path / "mole"
    folder.mkdir()
    for name, text in {
        "classes_map.txt": '{"0": "a"}',
        "train.data.txt": "0\tmole\n0\tmole\n",
        "train.gold.txt": "0\n",
        "test.data.txt": "",
        "test.gold.txt": "",
    }.items():
        (folder / name).write_text(text)  # fmt: skip
    result = headwise("run", "mole", "--data", folder, cwd=tmp_path)
    assert "train.data.txt has 2 lines and train.gold.txt has 1" in refused(result, out=tmp_path)


def test_unwritable_output(headwise, tmp_path):
    (tmp_path / "taken").write_text("a file")
    result = headwise("run", "mole", "--smoke", "--out", "taken/reports", cwd=tmp_path)
    assert "Choose another folder with --out" in refused(result, out=tmp_path)


def test_an_analysis_without_analyse(headwise, tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("def analyse(:\n")
    assert "defines `def analyse" in refused(
        headwise("run", "empty.py", cwd=tmp_path), out=tmp_path
    )
    assert "broken.py:1: not valid Python" in refused(
        headwise("run", "broken.py", cwd=tmp_path), out=tmp_path
    )


def test_bad_input_is_told_before_libraries_are_loaded(tmp_path):
    (tmp_path / "bad.toml").write_text("format = 2\n")
    for arguments in (["run", "nothing"], ["run", "mole", "--data", "bad.toml"]):
        assert_no_torch(arguments, 2, tmp_path)


def test_a_decoder_from_a_folder(headwise, tmp_path, raw, byte_level):
    """Both analyses on a causal model: what cannot be seen is said, not counted."""
    import copy

    from headwise.report.schema import load_report

    copy.deepcopy(raw["GPT2LMHeadModel"]).save_pretrained(tmp_path / "tiny")
    byte_level.save_pretrained(tmp_path / "tiny")
    result = headwise("run", "--model", "./tiny", "--smoke", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/adjective_noun-tiny/results.json")
    assert any("where this decoder cannot look" in line for line in report.not_found)
    assert any("decoder" in paragraph for paragraph in report.method)
    assert (tmp_path / "reports/mole-tiny/index.html").is_file()


def test_pages_are_drawn_again(headwise, tmp_path):
    result = headwise("run", "parameters", "--shape", "gpt3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    page = tmp_path / "reports/parameters-gpt3/index.html"
    before = page.read_bytes()
    page.write_text("spoiled")
    result = headwise("render", "reports", cwd=tmp_path)
    assert result.returncode == 0 and "index.html" in result.stdout
    assert page.read_bytes() == before
    results = page.parent / "results.json"
    results.write_bytes(results.read_bytes()[:1000])  # cut short
    for command in (("render", "reports"), ("run", "parameters", "--shape", "gpt3")):
        result = headwise(*command, cwd=tmp_path)
        assert result.returncode == 2 and "cannot be read as a report" in result.stderr
        assert "Traceback" not in result.stderr and page.read_bytes() == before
    result = headwise("run", "parameters", "--shape", "gpt3", "--overwrite", cwd=tmp_path)
    assert result.returncode == 0 and page.read_bytes() != b"spoiled"
    result = headwise("render", "nowhere", cwd=tmp_path)
    assert result.returncode == 2 and "There is no report in 'nowhere'" in result.stderr
