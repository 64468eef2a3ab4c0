"""Parameters of a shape and of a model."""


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
    assert table.loc["attention, these together", "per_block"] == 603_979_776
    assert table.loc["all matrices, unembedding counted separately", "total"] == 175_181_291_520
    page = (folder / "index.html").read_text()
    assert "175,181,291,520" in page and "intervals over groups" not in page
    numbers = "d_model=100,n_layers=2,n_heads=3,d_head=20"
    result = headwise("run", "parameters", "--shape", numbers, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "reports/parameters-d_model-100-n_layers-2-n_heads-3-d_head-20"
    assert "counted as given" in load_report(folder / "results.json").findings[0]


def test_parameters_of_a_model(headwise, tmp_path):
    from headwise.report.schema import load_report

    for name, total in (("burrow", "4,273,664"), ("minilm", "22,713,216")):
        command = ("run", "parameters", "--model", name, "--smoke")
        result = headwise(*command, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        report = load_report(tmp_path / f"reports/parameters-{name}/results.json")
        assert f"{name} stores {total} parameters" in report.answer
        assert {table.name for table in report.tables} == {"parameters", "context", "circuits"}
        titles = [figure.title for figure in report.figures]
        assert titles[:3] == ["Copying score", "Effective rank of QK", "Effective rank of OV"]
        assert report.provenance.data.name == "" and report.provenance.model.sha256
