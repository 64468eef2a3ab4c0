import numpy as np
import pytest

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.activations.alignment import batches
from headwise.data.suite import Suite
from headwise.data.toml import parse
from headwise.probing import _downstream, erasure

LABELS = {"unit": "", "animal": "", "spy": ""}
CLUES = {"unit": "one gram per", "animal": "a furry little", "spy": "some secret agent"}


def suite(n=12, labels=("unit", "animal")):
    """The sense is told before the word, so that it is in its vector after attention."""
    sentences = [
        parse(f"{name} saw {CLUES[sense]} [mole|{sense}] today", LABELS, f"{sense}{i}")
        for sense in labels
        for i, name in enumerate(
            ("Anna", "Ben", "Carla", "Doris", "Emil", "Frida", "Gustav", "Hilda", "Ivan", "Jo",
             "Karl", "Lea", "Max", "Nina", "Otto", "Paula")[:n]
        )
    ]  # fmt: skip
    return Suite("s", "?", tuple(sentences), dict.fromkeys(labels, ""))


def test_what_is_erased_cannot_be_read(minilm, shared):
    """Real sentences: within 2 points of the most frequent label, and a random subspace far from it."""
    data = headwise.read_suite(shared / "data/coarsewsd20/mole")
    result = headwise.erase(minilm, data, layers=[4], n_null=3)
    assert result.folds == 0 and result.rank == len(result.labels) - 1
    row = result.row(layer=4, measure="accuracy")
    assert abs(row["erased"] - row["chance"]) <= 0.02
    assert row["clean"] > 0.9 and row["random"] > 0.85
    assert row["difference_high"] < -0.3
    # Nearest to the wrong mean where the model ends: later layers do not make up for it.
    margin = result.row(layer=4, measure="margin")
    assert margin["erased"] < margin["as_far"] < margin["clean"] + 1e-9


@pytest.mark.parametrize("layer", [0, 1, 3, 6])
def test_nothing_is_left_at_any_layer(minilm, layer):
    labels = ("unit", "animal", "spy")
    result = headwise.erase(minilm, suite(labels=labels), layers=[layer], n_null=1, folds=4)
    row = result.row(layer=layer, measure="accuracy")
    assert row["erased"] == pytest.approx(row["chance"], abs=0.02)


def test_a_decoder_says_something_else():
    """What follows mole in burrow's English hangs on its sense at the end, where nothing can be looked up again."""
    model = headwise.load("burrow")
    data = headwise.burrow_sentences("mole", 160)
    result = headwise.erase(model, data, layers=[0, model.n_layers], n_null=2)
    start, end = (result.row(layer=layer, measure="continuation") for layer in (0, model.n_layers))
    assert start["clean"] == end["clean"] > 0.95
    assert start["erased"] > 0.95  # the context is still there, and attention reads it
    assert end["erased"] < 0.6 < end["as_far"]
    assert end["difference_high"] < 0
    assert result.row(layer=0, measure="kl")["clean"] == 0
    assert (
        result.row(layer=model.n_layers, measure="kl")["erased"]
        > result.row(layer=model.n_layers, measure="kl")["random"]
    )
    assert "margin" not in set(result.table.loc[result.table["layer"] == model.n_layers, "measure"])


def test_the_vector_is_moved_where_it_is_said(tiny_gpt2):
    """At the end of the stack the move is all there is: what is seen there is the erased vector."""
    data = suite()
    examples = _downstream.Examples.of(tiny_gpt2, data, "mark", 0)
    batch = next(batches(tiny_gpt2, examples.alignments))
    rows = np.array([list(examples.sentences).index(i) for i in batch.indices])
    in_batch = np.arange(len(rows))
    pieces = batch.pieces[in_batch, examples.positions[rows]]
    assert (pieces.sum(1) > 1).any()  # words of several pieces
    torch = _downstream.torch
    shift = torch.randn(len(rows), tiny_gpt2.d_model)
    with _downstream._skip_blocks.keeping(tiny_gpt2, [1, 2]) as kept:
        intact = _downstream._run_on(tiny_gpt2, batch, pieces, in_batch, True)
    with _downstream._moved_at(tiny_gpt2, kept[2], pieces, in_batch, shift):
        moved = _downstream._run_on(tiny_gpt2, batch, pieces, in_batch, True)
    np.testing.assert_allclose(moved.ends - intact.ends, shift.numpy(), atol=1e-5)
    changed = (moved.log_p - intact.log_p).abs().amax(-1) > 1e-6
    assert torch.equal(changed, pieces > 0)  # nothing is computed after the end
    # Going on from layer 1 is running the whole with the same change there.
    with _downstream._moved_at(tiny_gpt2, kept[1], pieces, in_batch, shift):
        short = _downstream._run_on(tiny_gpt2, batch, pieces, in_batch, True)
    add = torch.einsum("ep,ed->epd", pieces, shift)
    order = torch.tensor(in_batch)
    with hooks.edit(tiny_gpt2, "residual", lambda x, _: x.index_add(0, order, add), layers=[1]):
        whole = _downstream._run_on(tiny_gpt2, batch, pieces, in_batch, True)
    torch.testing.assert_close(short.log_p, whole.log_p, atol=1e-5, rtol=1e-5)
    last = torch.tensor([int(np.flatnonzero(p)[-1]) for p in pieces])
    nats = _downstream._divergence(intact.log_p, moved.log_p, batch.mask, in_batch, last)
    by_hand = [
        torch.nn.functional.kl_div(moved.log_p[k, at], intact.log_p[k, at], log_target=True, reduction="sum")
        / int(batch.mask[k, at:].sum())
        for k, at in enumerate(last.tolist())
    ]  # fmt: skip
    np.testing.assert_allclose(nats, by_hand, rtol=1e-4, atol=1e-6)


def test_a_vector_that_never_varies(tiny_bert):
    """With nothing to read, nothing is erased, and nothing is not a number."""
    same = tuple(
        parse(f"[mole|{sense}] {i}", LABELS, f"{sense}{i}")
        for sense in ("unit", "animal")
        for i in range(8)
    )
    result = headwise.erase(tiny_bert, Suite("s", "?", same, LABELS), layers=[0], n_null=1)
    row = result.row(layer=0, measure="accuracy")
    assert row["clean"] == row["erased"] == row["chance"]
    assert result.rank == 0 and result.row(layer=0, measure="moved")["erased"] == 0


def test_bad_questions(tiny_bert, monkeypatch):
    with pytest.raises(HeadwiseError, match="n_null=0"):
        headwise.erase(tiny_bert, suite(), n_null=0)
    with pytest.raises(HeadwiseError, match="no layer 9"):
        headwise.erase(tiny_bert, suite(), layers=[9])
    monkeypatch.setattr(erasure, "is_installed", lambda: False)
    with pytest.raises(HeadwiseError, match=r"pip install 'headwise\[erasure\]'"):
        headwise.erase(tiny_bert, suite())
