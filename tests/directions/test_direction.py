"""Directions are what their names say, read by what they say, and good for one layer of one model only."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.covariance import ledoit_wolf

import headwise
from headwise import Direction, HeadwiseError
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data import unseen_words
from headwise.data.suite import Link, Pair, Sentence, Suite
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

LABELS = {"animal": "", "unit": "", "spy": ""}
CLUES = {"animal": "a furry", "unit": "one gram per", "spy": "some secret"}
OTHERS = {"animal": "the muddy", "unit": "five of each", "spy": "that sly"}
ENDS = {"positive": "a", "negative": "b", "layer": 1}
NAMES = ("Anna", "Ben", "Carla", "Doris", "Emil", "Frida", "Gustav", "Hilda")


def sentence(name, sense, clues=CLUES):
    return parse(f"{name} saw {clues[sense]} [mole|{sense}] today", LABELS, f"{sense} {name}")


SUITE = Suite("s", "?", tuple(sentence(n, sense) for sense in LABELS for n in NAMES), LABELS, sha256="a" * 64)  # fmt: skip


def pairs(turned=()):
    both = [(sentence(name, "unit"), sentence(name, "animal")) for name in NAMES]
    found = tuple(Pair(*(b[::-1] if i in turned else b)) for i, b in enumerate(both))
    return Suite("p", "?", tuple(s for p in found for s in (p.clean, p.corrupted)), pairs=found)


def streams(model, layer, sentences, final=False):
    """The stream at every marked word, sentence by sentence."""
    found = []
    for own in sentences:
        (alignment,) = words.align(model, [own])
        with hooks.capture(model, ["residual"], [layer]) as seen:
            end = model.forward(torch.tensor([alignment.tokens]))
        at = [i for i, word in enumerate(alignment.words) if word == own.marks[-1].word]
        found.append((end if final else seen["residual", layer])[0, at].mean(0).numpy())
    return np.stack(found).astype(float)


def refused(*asked):
    for ask, message in asked:
        with pytest.raises(HeadwiseError, match=message):
            ask()


@pytest.fixture(params=["tiny_gpt2", "tiny_bert"])
def model(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def burrow():
    return headwise.load("burrow", device="cpu", verify=False)


def test_means_of_classes_by_hand(model):
    x = streams(model, 1, SUITE.sentences)
    found = from_classes(model, SUITE, "animal", "unit", layer=1)
    step = x[:8].mean(0) - x[8:16].mean(0)
    np.testing.assert_allclose(found.vector, step, atol=1e-5)
    np.testing.assert_allclose(found.push(x), x @ step / np.linalg.norm(step), atol=1e-5)
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
    found = from_classes(model, SUITE, "animal", "unit", layer=1, inner="whitened")
    expected = np.linalg.solve(covariance, found.vector)
    expected /= np.sqrt(found.vector @ expected)
    np.testing.assert_allclose(found.reader, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found.vector, x[:8].mean(0) - x[8:].mean(0), atol=1e-5)


@pytest.mark.skipif(find_spec("concept_erasure") is None, reason="needs concept-erasure")
def test_it_reads_what_leace_erases(model):
    x = streams(model, 2, SUITE.sentences[:16])
    found = from_classes(model, SUITE, "animal", "unit", layer=2, eraser=True)
    rng = np.random.default_rng(0)
    (eraser,) = erasure.erasers(x, (np.arange(16) < 8).astype(int), 0, rng)
    fresh = x + rng.standard_normal(x.shape)
    moved = fresh - eraser(torch.from_numpy(fresh)).numpy()
    read = found.push(fresh) - found.push(x.mean(0))
    assert np.abs(moved - np.outer(read, moved[0] / read[0])).max() < 1e-4 * np.abs(moved).max()
    np.testing.assert_allclose(found.vector, x[:8].mean(0) - x[8:].mean(0), atol=1e-5)
    assert found.push(found.vector) == pytest.approx(np.linalg.norm(found.vector))


def test_lengths_and_angles_in_a_metric(tiny_bert):
    root, (vector, other) = (np.random.default_rng(0).standard_normal(n) for n in ((32, 32), (2, 32)))  # fmt: skip
    found = Direction.of(tiny_bert, vector, **ENDS, inner="causal", metric=root @ root.T)
    length, far = (np.linalg.norm(x @ root) for x in (vector, other))
    several = np.stack([vector, other, -3 * other, 0 * other])
    along = (other @ root) @ (vector @ root) / length
    np.testing.assert_allclose(found.push(several), [length, along, -3 * along, 0])
    np.testing.assert_allclose(found.cosine(several), [1, along / far, -along / far, np.nan])
    np.testing.assert_allclose(found.readers(5 * vector[None])[0], found.reader)


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
    for other, codes in (("unit", [unit]), (None, [unit, animal])):
        found = from_probe(tiny_bert, probe, "spy", other)
        rise = probe.scores(x + found.vector) - probe.scores(x)
        np.testing.assert_allclose(rise[:, spy] - rise[:, codes].mean(1), 1, atol=1e-9)
        assert found.negative == (other or "others") and found.layer == 1
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
    ratio = found.push(ends) @ true / (true @ true)
    assert ratio > 0 and np.abs(true).max() > 1 and len(told) > 10
    assert np.abs(found.push(ends) / ratio - true).max() < 1e-4
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
        edited = hooks.edit(model, "residual", change, [layer])
        with edited, hooks.capture(model, ["z"], [layer]) as seen:
            model.forward(row)
        return seen["z", layer][0, 0, 3] @ model.attention(layer=layer).W_O[3]

    own = written(lambda x, _: embedding if layer else x)  # layer 0 is as it is
    np.testing.assert_allclose(found.vector, own - written(lambda x, _: 0 * x), atol=1e-5)
    assert found.layer == layer + 1 and found.name == "blue - nothing"


def test_saved_and_loaded_it_is_the_same(burrow, tiny_bert, tmp_path):
    for model, inner in ((tiny_bert, "whitened"), (tiny_bert, "plain"), (burrow, "causal")):
        found = from_classes(model, SUITE, "spy", "unit", layer=2, inner=inner)
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
        (lambda: Direction.load(short), "it lacks a vector or its reader"),
        (lambda: Direction.load(torn), "a damaged direction"),
        (lambda: found.save(path / "inside"), "cannot be written"),
    )


def test_it_is_of_one_model_layer_and_part_of_the_data(burrow):
    fitting, _ = SUITE.split()
    found = from_classes(burrow, fitting, "animal", "unit", layer=2)
    assert found.require_layer(None) == found.require_layer(2) == 2 and found.weights
    refused(
        (lambda: replace(found, weights="0" * 64).require(burrow), "on other weights of burrow"),
        (lambda: replace(found, layer=9).require(burrow), "no residual, layer 9 of width"),
        (lambda: found.require_layer(3), "is of layer 2, and layer 3 was asked for"),
        (lambda: found.require_unseen(SUITE), r"fitted on 8 of the 24 groups of 's' \('animal"),
    )


def test_what_is_unseen_goes_by_words_and_not_by_names(burrow):
    """Other sentences of another suite are no evidence if they tell by the same words; by other words they are."""
    fitting, testing = SUITE.split()
    found = from_classes(burrow, fitting, "animal", "unit", layer=2)
    renamed = replace(testing, name="another", sha256="b" * 64)
    refused(
        (
            lambda: found.require_unseen(renamed),
            "In 8 of the 12 sentences of 'another'.* a word decides that decided",
        )
    )
    told = tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES)
    found.require_unseen(replace(renamed, sentences=told))
    assert found.unseen(replace(renamed, sentences=(*testing.sentences[:1], *told))) == [False] + 24 * [True]  # fmt: skip
    both = replace(SUITE, sentences=(*SUITE.sentences, *told))
    left, n_out = unseen_words.apart(both, renamed)
    assert n_out == 24 and left.sentences == told


def test_words_that_decide():
    """What a link beyond syntax says, what differs in a pair, and else what stands with one label only."""
    linked = replace(SUITE.sentences[0], links=(Link(3, 4, "clue"), Link(2, 4, "det")))
    assert unseen_words.deciding_words(replace(SUITE, sentences=(linked,))) == [
        frozenset({"furry"})
    ]
    alike = Pair(sentence("Anna", "animal"), sentence("Anna", "animal", OTHERS))
    of_pair = replace(SUITE, sentences=(alike.clean, alike.corrupted), pairs=(alike,))
    assert unseen_words.deciding_words(of_pair) == [
        frozenset({"a", "furry"}),
        frozenset({"the", "muddy"}),
    ]
    assert unseen_words.deciding_words(SUITE)[0] is None
    assert unseen_words.Told.by(SUITE).decide == {
        "a",
        "furry",
        "one",
        "gram",
        "per",
        "some",
        "secret",
    }


def test_blocks_of_words_are_not_divided():
    """Sentences with a deciding word in common stay together, whatever their groups; parts have every label."""
    told = tuple(
        replace(s, group=s.text, links=(Link(3, s.marks[0].word, "clue"),))
        for clues in (CLUES, OTHERS)
        for sense in LABELS
        for n in NAMES
        for s in [sentence(n, sense, clues)]
    )
    suite = replace(SUITE, sentences=told)
    fold = unseen_words.folds_of(suite, 2)
    of_word = {}
    for own, told_by in zip(fold, unseen_words.deciding_words(suite), strict=True):
        for word in told_by:
            assert of_word.setdefault(word, own) == own
    for k in (0, 1):
        assert {s.marks[0].label for s, own in zip(told, fold, strict=True) if own == k} == set(
            LABELS
        )
    assert unseen_words.folds_of(suite, 3) is None


def test_bad_questions(tiny_gpt2, tiny_bert, byte_level, wordpiece, burrow):
    mixed = replace(pairs(), pairs=(*pairs().pairs, Pair(sentence("Ivan", "spy"), sentence("Ivan", "unit"))))  # fmt: skip
    refused(
        (lambda: Direction.of(tiny_gpt2, np.zeros(32), **ENDS), "the two lie at one point"),
        (lambda: Direction.of(tiny_gpt2, np.full(32, np.nan), **ENDS), "32 finite numbers; got 32, 0 of"),
        (lambda: Direction.of(tiny_gpt2, np.ones(5), **ENDS), "32 finite numbers; got 5"),
        (lambda: Direction.of(tiny_gpt2, np.ones(32), **ENDS | {"layer": 3}), "no layer 3"),
        (lambda: from_classes(tiny_gpt2, replace(SUITE, sentences=SUITE.sentences[7:16]), "animal", "unit", layer=1), r"'animal' of 's' has 1 example\(s\)"),
        (lambda: from_classes(tiny_gpt2, SUITE, "spy", "mark", layer=1), "no label 'mark'"),
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
