"""What is spilled to files is what would have been held, and a run that was killed goes on."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch

import headwise
from headwise import HeadCache, HeadwiseError
from headwise.activations import offload
from helpers.paths import ROOT

SENTENCES = ["a fluffy blue creature", "the forest", "the verdant creature roamed the blue forest"]
SITES = ["q", "k", "v", "scores", "pattern", "z", "residual", "update", "norms"]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def model(request):
    return request.getfixturevalue(request.param)


def test_spilled_is_what_would_have_been_held(model, tmp_path):
    texts = SENTENCES * 5
    held = headwise.capture(model, texts, SITES, batch_tokens=20)
    spilled = headwise.capture(
        model, texts, SITES, batch_tokens=20, budget="80KB", offload_dir=tmp_path / "s"
    )
    assert spilled.nbytes == 0 and len(spilled.shards) > 1
    again = HeadCache.open(tmp_path / "s")
    for site in SITES:
        for i in range(len(texts)):
            expected = held.sentence(i)[site, 1]
            assert torch.equal(again.sentence(i)[site, 1], spilled.sentence(i)[site, 1])
            torch.testing.assert_close(again.sentence(i)[site, 1], expected, atol=1e-5, rtol=0)
    assert again.to("cpu").nbytes > 0


def test_finished_shards_are_not_made_again(tiny_bert, tmp_path, monkeypatch):
    arguments = (tiny_bert, SENTENCES * 5, ["pattern"])
    options = {"batch_tokens": 20, "budget": "20KB", "offload_dir": tmp_path / "s"}
    first = headwise.capture(*arguments, **options)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()}
    victim = offload.shard_path(tmp_path / "s", 1)
    victim.unlink()
    with pytest.raises(HeadwiseError, match=f"1 of {len(first.shards)} shards are missing"):
        HeadCache.open(tmp_path / "s")
    written = []
    write = offload.write_shard
    monkeypatch.setattr(offload, "write_shard", lambda f, n, t: (written.append(n), write(f, n, t)))
    headwise.capture(*arguments, **options)
    assert written == [1]
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir()} == whole


KILLED = """
import sys, time
sys.path[:0] = [{tests!r}]
import headwise, conftest
from headwise.activations import offload
write = offload.write_shard
def slowly(folder, number, tensors):
    write(folder, number, tensors)
    print(number, flush=True)
    if number == {stop_after}:
        time.sleep(600)
offload.write_shard = slowly
model = headwise.load("minilm", device="cpu")
texts = ["one mole of gas number %d" % n for n in range(40)]
headwise.capture(model, texts, ["pattern", "z"], batch_tokens=24, budget="300KB", offload_dir=sys.argv[1])
"""


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path):
    def start(folder, stop_after=None):
        program = KILLED.format(tests=str(ROOT / "tests"), stop_after=stop_after)
        return subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True
        )

    victim = start(tmp_path / "killed", stop_after=3)
    done = [victim.stdout.readline() for _ in range(4)]
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    resumed, _ = start(tmp_path / "killed").communicate()
    untouched, _ = start(tmp_path / "whole").communicate()
    assert len(untouched.splitlines()) > 4
    assert [*done, *resumed.splitlines(keepends=True)] == untouched.splitlines(keepends=True)

    def content(folder):
        return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}

    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_folders_of_something_else_are_refused(tiny_bert, tiny_gpt2, tmp_path):
    options = {"budget": "20KB", "offload_dir": tmp_path / "s", "batch_tokens": 20}
    headwise.capture(tiny_bert, SENTENCES * 5, ["pattern"], **options)
    with pytest.raises(HeadwiseError, match="holds another capture"):
        headwise.capture(tiny_gpt2, SENTENCES * 5, ["pattern"], **options | {"budget": "9KB"})
    with pytest.raises(HeadwiseError, match="holds another capture"):
        headwise.capture(tiny_bert, SENTENCES * 5, ["pattern", "q"], **options)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    with pytest.raises(HeadwiseError, match="not empty and holds no capture"):
        headwise.capture(
            tiny_bert, SENTENCES * 5, ["pattern"], **options | {"offload_dir": tmp_path / "full"}
        )
    with pytest.raises(HeadwiseError, match="no capture here"):
        HeadCache.open(tmp_path / "full")


TEXTS = 8 * ["the mole dug", "a mole is shallow", "the spy"]


def spilled_to(folder):
    return {"sites": ["update"], "budget": "3KiB", "batch_tokens": 16, "offload_dir": folder}


def test_a_capture_killed_before_its_index_goes_on(tiny_bert, tmp_path, monkeypatch):
    asked = spilled_to(tmp_path / "c")
    real = offload._write_tensors

    def killed(path, tensors):
        raise KeyboardInterrupt

    monkeypatch.setattr(offload, "_write_tensors", killed)
    with pytest.raises(KeyboardInterrupt):
        headwise.capture(tiny_bert, TEXTS, **asked)
    monkeypatch.setattr(offload, "_write_tensors", real)
    found = headwise.capture(tiny_bert, TEXTS, **asked)
    expected = headwise.capture(tiny_bert, TEXTS, ["update"])
    torch.testing.assert_close(found["update", 0], expected["update", 0])


def _cut(content):
    return content[: len(content) // 2]


def _flipped(content):
    return content[:-3] + bytes([content[-3] ^ 64]) + content[-2:]


@pytest.mark.parametrize(
    "damage", [_cut, _flipped, lambda content: b"", lambda content: b"\xff" * 900]
)
@pytest.mark.parametrize("name", ["shard-00001.safetensors", "matrices.safetensors"])
def test_damaged_files_are_found_and_written_again(damage, name, tiny_bert, tmp_path):
    """Also where the numbers alone are other numbers."""
    asked = spilled_to(tmp_path / "c")
    expected = headwise.capture(tiny_bert, TEXTS, **asked)["update", 0].clone()
    path = tmp_path / "c" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(HeadwiseError, match=r"damaged: .* writes damaged files again"):
        cache = headwise.HeadCache.open(tmp_path / "c")
        [cache["update", layer] for layer in (0, 1)]
    torch.testing.assert_close(headwise.capture(tiny_bert, TEXTS, **asked)["update", 0], expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index["batches"].reverse(),
        lambda index: index["batches"][0].__setitem__(0, 117),
        lambda index: index["lengths"].reverse(),
        lambda index: index["layers"].update(updaate=index["layers"].pop("update")),
        lambda index: index["n_heads"].__setitem__("update", 3),
        lambda index: index.pop("crc32"),
    ],
)
def test_an_index_that_changed_by_a_digit_is_damaged(change, tiny_bert, tmp_path):
    """Each is an index by its form; the tensors it leads to are another sentence's or none."""
    asked = spilled_to(tmp_path / "c")
    headwise.capture(tiny_bert, TEXTS, **asked)
    path = tmp_path / "c" / "index.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    for again in (headwise.HeadCache.open, lambda _: headwise.capture(tiny_bert, TEXTS, **asked)):
        with pytest.raises(HeadwiseError, match=r"damaged, as its checksum .* Delete"):
            again(tmp_path / "c")


def test_an_index_of_a_newer_version(tiny_bert, tmp_path):
    asked = {"sites": ["z"], "budget": "3KiB", "batch_tokens": 16, "offload_dir": tmp_path / "c"}
    headwise.capture(tiny_bert, 8 * ["the mole dug"], **asked)
    path = tmp_path / "c" / "index.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"format": 2}, {"novelty": 1}):
        path.write_text(json.dumps(content | change), encoding="utf-8")
        with pytest.raises(HeadwiseError, match="newer headwise"):
            headwise.HeadCache.open(tmp_path / "c")
