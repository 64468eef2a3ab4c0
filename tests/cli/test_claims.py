"""`headwise new`, `register` and `test`: from nothing to a report."""

import json

from helpers.paths import ROOT


def test_from_nothing_to_a_report(headwise, tmp_path):
    assert headwise("new", "mine", cwd=tmp_path).returncode == 0
    again = headwise("new", "mine", cwd=tmp_path)
    assert again.returncode == 2 and "is there already" in again.stderr
    text = (tmp_path / "mine.toml").read_text().replace("[matters]", "[none]").split("[none]")[0]
    (tmp_path / "mine.toml").write_text(text)
    assert headwise("register", "mine.toml", cwd=tmp_path).returncode == 0
    command = ("test", "mine.toml", "--model", "burrow", "--smoke")
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "reports/mine-burrow/results.json").read_text())
    assert report["provenance"]["script"] == "mine.toml"
    assert "Registered on " in report["sections"][-1]["findings"][0]
    (tmp_path / "mine.toml").write_text(text.replace("smallest = 0.05", "smallest = 0.2"))
    result = headwise(*command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "reports/mine-burrow/results.json").read_text())
    assert "looks.smallest was 0.05 and is 0.2" in report["sections"][-1]["findings"][0]
    result = headwise("replicate", "reports/mine-burrow", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "The claim: nothing to replicate" in " ".join(result.stdout.split())
    elsewhere = headwise("test", "mine.toml", "--model", "minilm", "--smoke", "--data", str(ROOT / "probes/creature.toml"), cwd=tmp_path)  # fmt: skip
    assert elsewhere.returncode == 0, elsewhere.stderr
    refused = headwise("replicate", "reports/mine-minilm", cwd=tmp_path)
    assert refused.returncode == 2 and "Name the sentences with --data" in " ".join(refused.stderr.split())  # fmt: skip
    second = json.loads((tmp_path / "replications/mine-burrow/results.json").read_text())
    assert second["provenance"]["seed"] == 1 and second["sections"][0]["title"] == "Replication"


def test_bad_requests(headwise, tmp_path):
    (tmp_path / "bad.toml").write_text("format = 1\n")
    for command, message in (
        (("test", "none.toml"), "headwise new none writes one"),
        (("test", "bad.toml"), "the key 'name' is missing"),
        (("register", "bad.toml"), "the key 'name' is missing"),
        (("new", "a b"), "cannot be the name"),
        (("replicate", "none"), "cannot be read as a report"),
        (("replicate", "bad.toml"), "cannot be read as a report"),
        (("test", "bad.toml", "--seed", "-1"), "seed"),
    ):
        result = headwise(*command, cwd=tmp_path)
        assert result.returncode == 2 and message in " ".join(result.stderr.split()), result.stderr
        assert "Traceback" not in result.stderr
