"""Models from folders, from memory, by name; and what is no model."""

import hashlib
import json

import pytest
import torch

import headwise
from headwise import HeadwiseError


@pytest.fixture
def folder(tmp_path, raw, byte_level):
    import copy

    copy.deepcopy(raw["GPT2LMHeadModel"]).save_pretrained(tmp_path / "tiny")
    byte_level.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_folder(folder, tiny_gpt2):
    model = headwise.load(folder, device="cpu")
    assert model.name == "tiny"
    assert model.is_causal and model.has_output_head
    tokens, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long)
    assert torch.equal(model.forward(tokens, mask), tiny_gpt2.forward(tokens, mask))
    assert (
        model.weights_sha256
        == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    )


def test_dtype_of_a_folder(folder):
    model = headwise.load(folder, device="cpu", dtype="bfloat16")
    assert model.dtype is torch.bfloat16


def test_folders_that_are_no_model(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(HeadwiseError, match=r"no config\.json"):
        headwise.load(tmp_path / "empty")
    with pytest.raises(HeadwiseError, match="no model folder"):
        headwise.load(tmp_path / "absent")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(HeadwiseError, match="safetensors only"):
        headwise.load(folder)


def test_damaged_weights_and_config(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(HeadwiseError, match="cannot be loaded as a model"):
        headwise.load(folder, device="cpu")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config)[:40])
    with pytest.raises(HeadwiseError, match="cannot be loaded as a model"):
        headwise.load(folder, device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name_or_model": "minilmm"}, "Did you mean 'minilm'"),
        ({"name_or_model": "minilm", "dtype": "float99"}, "Unknown dtype 'float99'"),
        ({"name_or_model": "minilm", "device": "abacus"}, "Cannot use device 'abacus'"),
        ({"name_or_model": "minilm", "revision": "main"}, "only applies to a hub id"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(HeadwiseError, match=message):
        headwise.load(**arguments)


def test_a_model_the_hub_does_not_give():
    with pytest.raises(HeadwiseError, match=r"No model called 'nobody/nothing'.*headwise models"):
        headwise.load("nobody/nothing")


def test_a_model_in_memory_needs_a_tokenizer(raw):
    with pytest.raises(HeadwiseError, match="pass load"):
        headwise.load(raw["GPT2LMHeadModel"])
