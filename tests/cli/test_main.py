"""The command line as a user types it, with every kind of bad input."""

import pytest

from helpers.command import assert_no_torch, refused
from helpers.paths import ROOT

MOLE = (ROOT / "probes/mole.toml").read_text(encoding="utf-8")


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
    assert result.stdout.count("holds") == 8
    assert "pattern @ v == z" in result.stdout


def test_check_fails_with_exit_code_1(headwise, tmp_path, monkeypatch):
    from headwise.model import identities

    monkeypatch.setitem(identities.TOLERANCES, __import__("torch").float32, 0.0)
    result = headwise("check", "minilm", "--device", "cpu", cwd=tmp_path)
    assert result.returncode == 1
    assert "fails" in result.stdout


def test_sentences_are_written(headwise, tmp_path):
    result = headwise("sentences", "mole", "-n", "3", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.count("\n") == 3
    for name in ("mole.toml", "mole.conllu"):
        result = headwise("sentences", "mole", "-n", "120", "--out", name, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert f"120 passages: {name}" in result.stdout
    command = ("run", "mole", "--model", "burrow", "--smoke", "--data", "mole.toml")
    assert headwise(*command, cwd=tmp_path).returncode == 0


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
        (["run", "adjective_noun", "--model", "minilm", "--data", str(ROOT / "probes/mole.toml")], "links no words"),
        (["frobnicate"], "No such command"),
        (["check", "minilmm"], "Did you mean 'minilm'"),
        (["run", "mole", "--model", "burow"], "Did you mean 'burrow'"),
        (["run", "mole", "--relation", "amod"], "mole takes no --relation"),
        (["run", "relations", "--model", "burrow", "--relation", "amood"], "Nearest: amod"),
        (["run", "relations", "--model", "burrow", "--relation", "amod: dependent->governor"], "cannot be tested on burrow"),
        (["run", "relations", "--label", "mark"], "relations takes no --label"),
        (["run", "mole", "--model", "burrow", "--label", "upos"], "Unknown label 'upos'; known are 'mark'"),
        (["run", "mole", "--model", "minilm", "--label", "part of speech", "--data", str(ROOT / "probes/gender.toml")], "has no parts of speech"),
        (["run", "mole", "--model", "burrow", "--position", "sens"], "is no relation of the suite"),
        (["run", "atlas", "--pairs", str(ROOT / "probes/mole_pairs.toml")], "atlas takes no pairs"),
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
        (["run", "parameters", "--shape", "gpt2", "--model", "burrow"], "replaces a model"),
        (["run", "mole", "--shape", "gpt3"], "mole takes no --shape"),
        (["run", "--shape", "gpt3"], "takes no --shape. Name an analysis that does, as in: headwise run parameters --shape 'gpt3'"),
        (["run", "parameters", "--data", str(ROOT / "probes/mole.toml")], "parameters uses no sentences"),
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


def test_bad_input_is_told_before_libraries_are_loaded(tmp_path):
    (tmp_path / "bad.toml").write_text("format = 2\n")
    for arguments in (["run", "nothing"], ["run", "mole", "--data", "bad.toml"]):
        assert_no_torch(arguments, 2, tmp_path)


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
