"""Models from folders, from memory, by name; and what is no model."""

import hashlib
import io
import json
import re
import sys

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.model._weight_files import weight_files


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


def sharded(folder, names):
    """An index in which one weight is in each of some files."""
    weights = {f"weight.{i}": name for i, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def test_the_hash_is_of_the_files_that_are_loaded(tmp_path):
    """An index decides what is read; another safetensors file beside it is no part of the model."""
    for name in ("a.safetensors", "b.safetensors", "decoy.safetensors"):
        (tmp_path / name).write_bytes(name.encode())
    sharded(tmp_path, ["b.safetensors", "a.safetensors", "b.safetensors"])
    assert [path.name for path in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["weights.bin"], "names 'weights.bin'"),
        (["../outside.safetensors"], "of the folder itself only"),
        (["/etc/x.safetensors"], "of the folder itself only"),
        ([3], "names 3"),
        ([], "names no file"),
        (["absent.safetensors"], "and not there"),
        (["link.safetensors"], "a link that leads out of the folder"),
    ],
)
def test_weights_are_safetensors_of_the_folder_only(tmp_path, names, says):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "decoy.safetensors").touch()
    (folder / "weights.bin").touch()
    (tmp_path / "outside.safetensors").touch()
    (folder / "link.safetensors").symlink_to(tmp_path / "outside.safetensors")
    sharded(folder, names)
    with pytest.raises(HeadwiseError, match=re.escape(says)):
        weight_files(folder)


@pytest.mark.parametrize(
    "index", ["[]", "{", '{"weight_map": 3}', '{"weight_map": {"a": ["b"]}}', "[" * 10**5]
)
def test_an_index_that_is_none(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(HeadwiseError):
        weight_files(tmp_path)


def test_the_hub_cache_links_to_its_blobs(tmp_path):
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "123").touch()
    (snapshot / "model.safetensors").symlink_to(tmp_path / "blobs" / "123")
    assert weight_files(snapshot) == [snapshot / "model.safetensors"]


def test_code_that_a_folder_brings_is_not_run(tmp_path, monkeypatch):
    """Not even when standard input would agree to everything that is asked."""
    ran = tmp_path / "ran"
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "model_type": "unheard-of",
                "auto_map": {"AutoConfig": "mine.Mine", "AutoModel": "mine.Body"},
            }
        )
    )
    (tmp_path / "mine.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    with pytest.raises(HeadwiseError, match="trust_remote_code=True"):
        headwise.load(tmp_path)
    assert not ran.exists()


def test_float16_on_a_cpu_is_said_to_be_slow():
    with pytest.warns(UserWarning, match="float16 on a CPU takes many times as long .* bfloat16"):
        headwise.load("burrow", device="cpu", dtype="float16", verify=False)


def test_layers_that_config_does_not_know_are_not_dropped(folder):
    """A checkpoint of two layers is no model of one, and what stands in a block and is not read is no part of the model."""
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layer": config["n_layer"] - 1}))
    with pytest.raises(
        HeadwiseError, match=r"does not read, '.*h\.\d\..*' among them: more layers"
    ):
        headwise.load(folder)
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    more = {"transformer.h.0.attn.adapter.weight": torch.ones(2, 2)}
    save_file(weights | more, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        HeadwiseError, match=r"'transformer\.h\.0\.attn\.adapter\.weight' among them"
    ):
        headwise.load(folder)
    others = {"classifier.weight": torch.ones(2, 2), "transformer.h.0.attn.bias": torch.ones(2)}
    save_file(weights | others, folder / "model.safetensors", metadata={"format": "pt"})
    assert headwise.load(folder, device="cpu").has_output_head


def test_weights_that_are_not_finite_are_refused(folder):
    """One that a few tokens do not read, too: later sentences may."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    for value in (float("nan"), float("inf")):
        weights["transformer.wte.weight"][-1, 0] = value
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(
            HeadwiseError, match=r"transformer\.wte\.weight holds numbers that are not"
        ):
            headwise.load(folder, device="cpu")


def test_a_device_without_numbers(folder):
    with pytest.raises(HeadwiseError, match="holds no numbers"):
        headwise.load(folder, device="meta", verify=False)
