"""Mole with other labels, read at other words."""

from helpers.command import in_process_of_its_own


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
    assert report.question == "From which layer on can the part of speech of a word be decoded?"
    assert (
        "the part of speech of a word can be decoded" in report.answer
        or "inconclusive" in report.answer
    )
    other = ("run", "mole", "--model", "burrow", "--position", "sense", "--smoke")
    result = headwise(*other, cwd=tmp_path)
    assert result.returncode == 2 and "with other options (label part of speech)" in result.stderr
    result = in_process_of_its_own(*other, "--overwrite", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = load_report(tmp_path / "reports/mole-burrow/results.json")
    assert "of the dependent of mole (sense)" in report.answer
    assert {table.name for table in report.tables} == {
        "layers",
        "confusion",
        "probed_heads",
        "erasure",
    }
