"""Where a result came from, told as it is."""

import shutil
import subprocess

import pytest

from headwise.cli import provenance
from headwise.data import shipped
from headwise.data.suite import Suite

RAN = {"command": "headwise run x", "seed": 7, "smoke": False, "seconds": 1.23456}


def test_model_and_data_by_name_sum_and_size(burrow):
    suite = Suite.from_texts(["a mole dug", "a spy hid"])
    found = provenance.collect(burrow, suite, **RAN)
    assert (found.command, found.seed, found.smoke, found.seconds) == ("headwise run x", 7, False, 1.23)  # fmt: skip
    assert (found.device, found.dtype) == ("cpu", "float32")
    assert found.model.sha256 == burrow.weights_sha256 and found.model.license == "MIT"
    assert found.model.note == f"{burrow.n_layers} layers x {burrow.n_heads} heads, decoder"
    assert found.data.name == suite.name and found.data.note.startswith("2 sentences in ")
    assert {"headwise", "python", *provenance.PACKAGES} == set(found.versions)


def test_a_shape_has_no_weights_and_no_data():
    found = provenance.collect("gpt3", None, **RAN)
    assert found.model.note == "a shape: sizes only, no weights" and not found.model.sha256
    assert (found.data.name, found.dtype) == ("", "")


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_and_whether_files_differ_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "checkout", lambda: tmp_path)
    assert provenance.collect("gpt3", None, **RAN).commit == ""  # no repository yet

    def git(*arguments):
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *name, *arguments], check=True, capture_output=True)

    git("init")
    assert provenance.collect("gpt3", None, **RAN).commit == ""  # no commit yet
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    clean = provenance.collect("gpt3", None, **RAN)
    assert len(clean.commit) == 40 and clean.dirty is False
    (tmp_path / "file").write_text("two")
    changed = provenance.collect("gpt3", None, **RAN)
    assert changed.commit == clean.commit and changed.dirty is True
