"""What runs on the CPU runs on a GPU, and says the same."""

import pytest
import torch

import headwise
from headwise.activations import hooks
from headwise.model import identities

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SENTENCES = [
    "a fluffy blue creature roamed the forest",
    "one mole of carbon dioxide",
    "the mole dug",
]
SITES = ["q", "k", "v", "scores", "pattern", "z", "residual", "update", "norms"]


@pytest.fixture(scope="module")
def on_gpu():
    return headwise.load("minilm", device="cuda")


def test_auto_takes_the_gpu():
    assert headwise.load("minilm").device.type == "cuda"


def test_identities_hold(on_gpu):
    assert all(identity.holds for identity in identities.everything(on_gpu))


def test_captures_live_on_the_gpu_and_equal_the_cpus(on_gpu, minilm):
    found = headwise.capture(on_gpu, SENTENCES, SITES)
    expected = headwise.capture(minilm, SENTENCES, SITES)
    for site in SITES:
        assert found[site, 3].device.type == "cuda"
        difference = (found[site, 3].cpu() - expected[site, 3]).nan_to_num(0).abs()
        assert difference[expected[site, 3] > -1e30].max() < 1e-3
        assert found.words(0)[site, 3].device.type == "cuda" if site != "scores" else True
    assert found.to("cpu")["z", 0].device.type == "cpu"


def test_spills_and_edits(on_gpu, tmp_path):
    held = headwise.capture(on_gpu, SENTENCES, ["pattern", "norms"])
    spilled = headwise.capture(
        on_gpu,
        SENTENCES,
        ["pattern", "norms"],
        budget="150KB",
        offload_dir=tmp_path / "s",
        batch_tokens=12,
    )
    torch.testing.assert_close(
        spilled.sentence(1)["norms", 2], held.sentence(1)["norms", 2].cpu(), atol=1e-4, rtol=0
    )
    tokens = torch.tensor([[101, 2003, 102]])
    with hooks.edit(on_gpu, "z", lambda z, site: 0 * z, layers=[0], heads=[1], positions=[2]):
        changed = on_gpu.forward(tokens)
    assert (changed - on_gpu.forward(tokens)).abs().max() > 1e-4


def test_weights_are_read_where_they_are(on_gpu, minilm):
    found, expected = (headwise.read_circuits(m, n_null=0) for m in (on_gpu, minilm))
    for column in ("norm", "top", "effective_rank"):
        assert (found.table[column] / expected.table[column] - 1).abs().max() < 1e-3
    assert (found.table["copying"] - expected.table["copying"]).abs().max() < 1e-3
    assert (headwise.top_tokens(on_gpu, 2, 1)["token"] != "").all()


def test_running_out_of_memory_halves_the_batch(on_gpu):
    """A batch that cannot fit: patterns of many long sentences, on a device told to have little."""
    texts = ["creature " * 500] * 48
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2 * 2**30 / total))
    try:
        kept = headwise.reduce(
            on_gpu, texts, ["pattern"], step=lambda n, seen, batch: n + len(batch.indices), initial=0, layers=[0],
            batch_tokens=10**6,
        )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert kept == 48


@pytest.mark.parametrize("name", ["adjective_noun", "mole"])
def test_analyses(name, tmp_path, monkeypatch):
    from headwise.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["headwise", "run", name, "--smoke", "--device", "cuda"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert (tmp_path / f"reports/{name}-minilm/index.html").is_file()
