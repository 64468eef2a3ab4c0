"""Directions are what their names say, read by what they say, and good for one layer of one model only."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import headwise
from headwise import Direction
from headwise.data.suite import Pair, Sentence
from headwise.directions.constructors import (
    from_classes,
    from_pairs,
    from_unembedding,
    from_value_up,
)
from helpers.architectures import load
from helpers.moles import ENDS, SUITE, pairs, refused, sentence


@pytest.fixture(params=["tiny_gpt2", "tiny_bert"])
def model(request):
    return request.getfixturevalue(request.param)


def test_lengths_and_angles_in_a_metric(tiny_bert):
    root, (vector, other) = (np.random.default_rng(0).standard_normal(n) for n in ((32, 32), (2, 32)))  # fmt: skip
    found = Direction.of(tiny_bert, vector, **ENDS, inner="causal", metric=root @ root.T)
    length, far = (np.linalg.norm(x @ root) for x in (vector, other))
    several = np.stack([vector, other, -3 * other, 0 * other])
    along = (other @ root) @ (vector @ root) / length
    np.testing.assert_allclose(found.project(several), [length, along, -3 * along, 0])
    np.testing.assert_allclose(found.cosine(several), [1, along / far, -along / far, np.nan])
    np.testing.assert_allclose(found.readers(5 * vector[None])[0], found.reader)


def test_saved_and_loaded_it_is_the_same(burrow, tiny_bert, tmp_path):
    for model, inner in ((tiny_bert, "whitened"), (tiny_bert, "plain"), (burrow, "causal")):
        found = from_classes(model, SUITE, ("spy", "unit"), layer=2, inner=inner)
        path = found.save(tmp_path / "deep" / inner)
        np.testing.assert_equal(vars(Direction.load(path, model)), vars(found))
    assert len(list((tmp_path / "deep").iterdir())) == 3  # and nothing half written
    probe = headwise.fit_probe(tiny_bert, SUITE, layer=1)
    other, short, torn = (tmp_path / name for name in ("other", "short", "torn"))
    assert np.array_equal(headwise.Probe.load(probe.save(other)).weight, probe.weight)
    with safe_open(path, framework="numpy") as file:
        save_file({"vector": found.vector}, short, metadata=file.metadata())
    torn.write_bytes(path.read_bytes()[:-40])
    refused(
        (lambda: Direction.load(path, tiny_bert), "was fitted on burrow, not on "),
        (lambda: Direction.load(tmp_path / "none"), "There is no saved direction"),
        (lambda: Direction.load(other), "not a direction saved by Headwise"),
        (lambda: headwise.Probe.load(path), "not a probe saved by Headwise"),
        (lambda: Direction.load(short), "does not hold what was written"),
        (lambda: Direction.load(torn), "a damaged direction"),
        (lambda: found.save(path / "inside"), "cannot be written"),
    )


def test_it_is_of_one_model_layer_and_part_of_the_data(burrow):
    fitting, _ = SUITE.split()
    found = from_classes(burrow, fitting, ("animal", "unit"), layer=2)
    assert found.require_layer(None) == found.require_layer(2) == 2 and found.weights
    refused(
        (lambda: replace(found, weights="0" * 64).require(burrow), "on other weights of burrow"),
        (lambda: replace(found, layer=9).require(burrow), "no residual, layer 9 of width"),
        (lambda: found.require_layer(3), "is of layer 2, and layer 3 was requested"),
        (lambda: found.require_unseen(SUITE), r"fitted on 8 of the 24 groups of 's' \('animal"),
    )


def test_bad_questions(tiny_gpt2, tiny_bert, byte_level, wordpiece, burrow):
    mixed = replace(pairs(), pairs=(*pairs().pairs, Pair(sentence("Ivan", "spy"), sentence("Ivan", "unit"))))  # fmt: skip
    refused(
        (lambda: Direction.of(tiny_gpt2, np.zeros(32), **ENDS), "the two lie at one point"),
        (lambda: Direction.of(tiny_gpt2, np.full(32, np.nan), **ENDS), "32 finite numbers; got 32, 0 of"),
        (lambda: Direction.of(tiny_gpt2, np.ones(5), **ENDS), "32 finite numbers; got 5"),
        (lambda: Direction.of(tiny_gpt2, np.ones(32), **ENDS | {"layer": 3}), "no layer 3"),
        (lambda: from_classes(tiny_gpt2, replace(SUITE, sentences=SUITE.sentences[7:16]), ("animal", "unit"), layer=1), r"'animal' of 's' has 1 example\(s\)"),
        (lambda: from_classes(tiny_gpt2, SUITE, ("spy", "mark"), layer=1), "no label 'mark'"),
        (lambda: from_classes(load("Llama", byte_level, wordpiece), SUITE, "spy", layer=0), "At layer 0 a word is the same"),
        (lambda: from_pairs(tiny_gpt2, [("blue", "forest")], layer=1), "needs two at least"),
        (lambda: from_pairs(tiny_gpt2, mixed, layer=1), "as well as of 'spy' and 'unit'"),
        (lambda: from_pairs(tiny_gpt2, replace(pairs(), pairs=(Pair(Sentence.of("the"), SUITE.sentences[0]),) * 2), layer=1), "marks no word to be compared"),
        (lambda: from_pairs(tiny_gpt2, [("a", "b")] * 2, layer=1, template="the"), "written {}"),
        (lambda: from_unembedding(tiny_bert, "mole", "spy"), "is an encoder, and only a decoder"),
        (lambda: from_unembedding(burrow, "mole", "mole"), "with the same token"),
        (lambda: from_unembedding(burrow, "mole", "zebras"), "expected a word that is one token"),
        (lambda: from_unembedding(burrow, "mole", "forest", inner="whitened"), "plain or causal"),
        (lambda: from_value_up(burrow, "L9H0", "mole"), "no layer 9; expected 0 to 3"),
        (lambda: from_value_up(load("T5", byte_level, wordpiece), "cross.L0H0", "blue"), "models of one stack only"),
    )  # fmt: skip
