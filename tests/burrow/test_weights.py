"""The embedded decoder, as it is shipped."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.model import registry

FIGURES = json.loads((registry.BURROW / "evaluation.json").read_text())


def test_what_is_known_of_burrow(burrow):
    assert (burrow.n_layers, burrow.n_heads, burrow.d_model, burrow.d_head) == (4, 8, 256, 32)
    assert burrow.is_causal and burrow.has_output_head and burrow.n_context == 256
    assert burrow.weights_sha256 == registry.BURROW_SHA256
    assert burrow.dtype == torch.float32 and burrow.license == "MIT"
    assert (registry.BURROW / "model.safetensors").stat().st_size < 12e6


def test_it_is_the_default_model():
    assert registry.default_names()[0] == "burrow"
    assert registry.known_names()[0] == "burrow"


def test_every_identity_holds(burrow):
    from headwise.model import identities

    found = identities.everything(burrow)
    assert found and all(identity.holds for identity in found)


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "burrow"
    shutil.copytree(registry.BURROW, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    monkeypatch.setattr(registry, "BURROW", folder)
    with pytest.raises(HeadwiseError, match=r"weights of 'burrow'.*Reinstall"):
        headwise.load("burrow")
    weights.write_bytes(content[:1000])
    with pytest.raises(HeadwiseError, match="expected"):
        headwise.load("burrow")
    weights.unlink()
    with pytest.raises(HeadwiseError, match=r"no model\.safetensors"):
        headwise.load("burrow")


@pytest.mark.parametrize(
    "text", ["naïve 日本 🙂", "  two  spaces\t", "The mole dug a deep tunnel."]
)
def test_characters_never_seen(burrow, text):
    tokens = burrow.tokenizer(text)["input_ids"]
    assert burrow.tokenizer.decode(tokens, skip_special_tokens=True) == text
    assert burrow.logits(torch.tensor([tokens])).isfinite().all()


def test_too_long_a_text_is_refused_by_name(burrow):
    tokens = torch.zeros(1, 257, dtype=torch.long)
    with pytest.raises(
        HeadwiseError, match="burrow takes at most 256 tokens at a time and got 257"
    ):
        burrow.logits(tokens)
    with pytest.raises(HeadwiseError, match="at most 256"):
        burrow.forward(tokens)
    burrow.forward(tokens[:, :256])


def test_the_shipped_figures_meet_what_was_asked():
    assert FIGURES["overall"]["closed"] >= 0.85
    rows = {row["question"]: row for row in FIGURES["accuracy"]}
    assert rows["sense"]["accuracy"] >= 0.95
    assert rows["mole"]["accuracy"] >= 0.95
    assert rows["pronoun"]["accuracy"] >= 0.95
    assert rows["3 suspects, by alibis"]["accuracy"] >= 0.90
    assert rows["3 suspects, by a trace and an alibi"]["accuracy"] >= 0.90


def test_the_card_tells_the_figures():
    card = (registry.BURROW / "README.md").read_text()
    assert f"{100 * FIGURES['overall']['closed']:.1f}%" in card
    for row in FIGURES["accuracy"]:
        assert re.search(rf"\| {row['question']} \|.* {100 * row['accuracy']:.1f}% \|", card)


@pytest.fixture(scope="module")
def measured():
    """Accuracy measured here, on other sentences than those of the card."""
    from training.evaluate import accuracy, read_model

    table = accuracy(read_model(registry.BURROW, "cpu"), n=60, seed=1)
    return table.set_index("question")


@pytest.mark.parametrize("question", ["sense", "pronoun", "mystery, 3 suspects", "agreement"])
def test_the_card_can_be_measured_again(measured, question):
    shipped = next(row for row in FIGURES["accuracy"] if row["question"] == question)
    row = measured.loc[question]
    spread = (
        np.sqrt(shipped["accuracy"] * (1 - shipped["accuracy"]) / row["points"]) + 1 / row["points"]
    )
    assert abs(row["accuracy"] - shipped["accuracy"]) < 4 * spread


def test_it_falls_to_chance_without_the_words_that_decide(measured):
    for question in ("sense", "mole", "mystery, 3 suspects"):
        row = measured.loc[question]
        assert row["without_causes"] < row["accuracy"] - 0.25


@pytest.fixture(scope="module")
def mole(burrow):
    data = headwise.burrow_sentences("mole", 400)
    return headwise.probe(
        burrow, data, label="mark", sites=["residual"], classifiers=["logistic"], n_null=0, draws=1
    )


def test_before_attention_every_mole_is_the_same(mole):
    """At layer 0 the probe is at the majority rate, within its interval."""
    table = mole.table.set_index(["site", "layer", "classifier"])
    start = table.loc[("residual", 0, "logistic")]
    assert start["accuracy_low"].item() <= 0.25 <= start["accuracy_high"].item()


def test_mole_takes_its_sense(mole):
    residual = mole.table[mole.table["site"] == "residual"]
    assert residual["accuracy"].max() >= 0.95
