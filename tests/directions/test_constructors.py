"""Directions are what their names say."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf

import headwise
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data.toml import parse
from headwise.directions.constructors import (
    from_classes,
    from_pairs,
    from_probe,
    from_unembedding,
    from_value_up,
)
from headwise.probing import erasure
from helpers.architectures import load
from helpers.moles import LABELS, SUITE, pairs, refused, streams


@pytest.fixture(params=["tiny_gpt2", "tiny_bert"])
def model(request):
    return request.getfixturevalue(request.param)


def test_means_of_classes_by_hand(model):
    x = streams(model, 1, SUITE.sentences)
    found = from_classes(model, SUITE, ("animal", "unit"), layer=1)
    step = x[:8].mean(0) - x[8:16].mean(0)
    np.testing.assert_allclose(found.vector, step, atol=1e-5)
    np.testing.assert_allclose(found.project(x), x @ step / np.linalg.norm(step), atol=1e-5)
    assert found.name == "animal - unit" and found.place == "residual, layer 1"
    assert found.groups == tuple(sorted(SUITE.groups[:16]))
    assert (found.model, found.suite, found.suite_sha256) == (model.name, "s", "a" * 64)
    rest = from_classes(model, SUITE, "spy", layer=1)
    np.testing.assert_allclose(rest.vector, x[16:].mean(0) - x[:16].mean(0), atol=1e-5)
    assert rest.negative == "others" and len(rest.groups) == 24
    # Where the data have parts of their own, those to train on are fitted.
    split = tuple(replace(s, split="test" if s.words[0] < "D" else "train") for s in SUITE.sentences)  # fmt: skip
    part = from_classes(model, replace(SUITE, sentences=split), "spy", layer=1)
    x = x.reshape(3, 8, -1)[:, 3:]
    np.testing.assert_allclose(part.vector, x[2].mean(0) - x[:2].mean((0, 1)), atol=1e-5)
    assert len(part.groups) == 15


def test_whitened_by_hand(model):
    x = streams(model, 1, SUITE.sentences[:16])
    within = x - x.reshape(2, 8, -1).mean(1).repeat(8, axis=0)
    covariance, _ = ledoit_wolf(within, assume_centered=True)
    found = from_classes(model, SUITE, ("animal", "unit"), layer=1, inner="whitened")
    expected = np.linalg.solve(covariance, found.vector)
    expected /= np.sqrt(found.vector @ expected)
    np.testing.assert_allclose(found.reader, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found.vector, x[:8].mean(0) - x[8:].mean(0), atol=1e-5)


@pytest.mark.skipif(find_spec("concept_erasure") is None, reason="needs concept-erasure")
def test_it_reads_what_leace_erases(model):
    x = streams(model, 2, SUITE.sentences[:16])
    found = from_classes(model, SUITE, ("animal", "unit"), layer=2, eraser=True)
    rng = np.random.default_rng(0)
    (eraser,) = erasure.erasers(x, (np.arange(16) < 8).astype(int), 0, rng)
    fresh = x + rng.standard_normal(x.shape)
    moved = fresh - eraser(torch.from_numpy(fresh)).numpy()
    read = found.project(fresh) - found.project(x.mean(0))
    assert np.abs(moved - np.outer(read, moved[0] / read[0])).max() < 1e-4 * np.abs(moved).max()
    np.testing.assert_allclose(found.vector, x[:8].mean(0) - x[8:].mean(0), atol=1e-5)
    assert found.project(found.vector) == pytest.approx(np.linalg.norm(found.vector))


def test_steps_of_pairs(model):
    given = [("blue", "verdant"), ("creature", "forest"), ("creature", "zebra")]
    found = from_pairs(model, given, layer=1, template="the fluffy {} roamed")
    texts = [f"the fluffy [{word}|spy] roamed" for pair in given for word in pair]
    x = streams(model, 1, [parse(text, LABELS, "g") for text in texts])
    np.testing.assert_allclose(found.vector, (x[::2] - x[1::2]).mean(0), atol=1e-5)
    assert (found.positive, found.negative) == ("first", "second") and len(found.groups) == 3
    x = streams(model, 2, pairs().sentences)
    step = (x[::2] - x[1::2]).mean(0)
    # Pairs may be told the other way round.
    for turned, sign in (((), 1), ((2, 3, 7), 1), (range(8), -1)):
        found = from_pairs(model, pairs(turned), layer=2)
        np.testing.assert_allclose(found.vector, sign * step, atol=1e-5)
        assert found.name == ("unit - animal" if sign == 1 else "animal - unit")


def test_a_step_of_a_probe_is_one_of_its_log_odds(tiny_bert):
    probe = headwise.fit_probe(tiny_bert, SUITE, layer=1)
    x = streams(tiny_bert, 1, SUITE.sentences)
    spy, unit, animal = (probe.labels.index(name) for name in ("spy", "unit", "animal"))
    for between, codes in ((("spy", "unit"), [unit]), ("spy", [unit, animal])):
        found = from_probe(tiny_bert, probe, between)
        rise = probe.scores(x + found.vector) - probe.scores(x)
        np.testing.assert_allclose(rise[:, spy] - rise[:, codes].mean(1), 1, atol=1e-9)
        assert found.negative == ("others" if between == "spy" else "unit") and found.layer == 1
    z = replace(probe, site="z", head=0, weight=probe.weight[:, :8])
    refused((lambda: from_probe(tiny_bert, z, "spy"), "is of z, layer 1, head 0"))
    refused((lambda: from_probe(tiny_bert, probe, "king"), "animal, unit, spy; got 'king'"))


@pytest.mark.parametrize("inner", ["plain", "causal"])
def test_an_unembedding_reads_what_the_model_says(burrow, inner):
    asked = headwise.burrow_pairs("mole", 20, held_out=True)
    right, wrong = asked.pairs[0].right, asked.pairs[0].wrong
    found = from_unembedding(burrow, right, wrong, inner=inner)
    assert found.normed and found.place == "residual, layer 4, after the final norm"
    a, b = burrow.tokenizer.convert_tokens_to_ids([f"Ġ{right}", f"Ġ{wrong}"])
    told = [s for s in asked.sentences if s.marks[-1].word == len(s.words) - 1]
    ends = streams(burrow, 4, told, final=True)
    true = np.array([float(burrow.logits(torch.tensor([own.tokens]))[0, -1, [b, a]].diff()) for own in words.align(burrow, told)])  # fmt: skip
    ratio = found.project(ends) @ true / (true @ true)
    assert ratio > 0 and np.abs(true).max() > 1 and len(told) > 10
    assert np.abs(found.project(ends) / ratio - true).max() < 1e-4
    table = burrow.hf.get_output_embeddings().weight.detach().double().numpy()
    np.testing.assert_allclose((ends + found.vector) @ (table[a] - table[b]) - true, 1, atol=1e-4)


@pytest.mark.parametrize(("name", "layer"), [("GPT2", 0), ("Llama", 0), ("Llama", 1)])
def test_a_value_up_image_is_what_a_head_writes_of_one_word(name, layer, byte_level, wordpiece):
    """A row of one token attends to itself alone; no position, and nothing that a stream of zeros would give."""
    model = load(name, byte_level, wordpiece)
    if name == "GPT2":
        model.hf.transformer.wpe.weight.data.zero_()
        for parameter in model.hf.transformer.h[0].parameters():
            parameter.data += 0.1  # biases, too
    found = from_value_up(model, f"L{layer}H3", "blue")
    row = torch.tensor([[byte_level("the blue")["input_ids"][-1]]])
    embedding = model.hf.get_input_embeddings()(row).detach()

    def written(change):
        edited = hooks.edit(model, "residual", change, layers=[layer])
        with edited, hooks.capture(model, ["z"], layers=[layer]) as seen:
            model.forward(row)
        return seen["z", layer][0, 0, 3] @ model.attention(layer=layer).W_O[3]

    own = written(lambda x, _: embedding if layer else x)  # layer 0 is as it is
    np.testing.assert_allclose(found.vector, own - written(lambda x, _: 0 * x), atol=1e-5)
    assert found.layer == layer + 1 and found.name == "blue - nothing"
