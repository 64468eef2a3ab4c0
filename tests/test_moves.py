"""Steps that carry over, words that are collected, towers, and what is said of heads that move words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_architectures import make

import headwise
from headwise import HeadwiseError, evidence, hooks
from headwise.directions import collecting, images, pushes, several, steering, transfer
from headwise.suites import Link, Mark, Pair, Sentence, Suite

PROBES = Path(__file__).resolve().parent.parent / "probes"
FIELDS = {
    "royalty": [("king", "queen"), ("prince", "princess"), ("duke", "duchess"), ("lord", "lady"), ("baron", "baroness")],
    "family": [("father", "mother"), ("uncle", "aunt"), ("brother", "sister"), ("son", "daughter"), ("nephew", "niece")],
}  # fmt: skip


@pytest.fixture(scope="module")
def burrow():
    return headwise.load("burrow", device="cpu")


@pytest.fixture(scope="module")
def tiny(wordpiece):
    return headwise.load(make("Llama", len(wordpiece)), tokenizer=wordpiece)


def marked(text, word, label, group, links=()):
    plain = Sentence.of(text)
    return Sentence(plain.words, plain.spaces, group=group, marks=(Mark(word, label),), links=links)


def steps(fields=FIELDS, swap=()):
    """One pair of sentences for every pair of words; those of some groups the other way round."""
    pairs = []
    for field, words in fields.items():
        for man, woman in words:
            group = f"{field}-{man}"
            both = [marked(f"the {w} left", 1, k, group) for w, k in ((man, "male"), (woman, "female"))]  # fmt: skip
            pairs.append(Pair(*(both[::-1] if group in swap else both)))
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    return Suite("steps", "?", sentences, pairs=tuple(pairs))


class TestTransfer:
    def test_measures_what_it_says(self, minilm):
        """At layer 0, by hand: left-out pairs along the mean of the others, other fields along the mean of all."""
        suite = steps()
        found = transfer.test_transfer(minilm, suite, "royalty")
        x = []
        for sentence in suite.sentences:
            ids = minilm.tokenizer(sentence.text, return_tensors="pt")["input_ids"]
            with hooks.capture(minilm, ["residual"], [0]) as seen:
                minilm.forward(ids)
            n = ids.shape[1] - 2  # [CLS] the ... left [SEP]
            x.append(seen["residual", 0][0, 2:n].double().mean(0).numpy())
        step = np.array(x)[::2] - np.array(x)[1::2]
        royal = step[:5].mean(axis=0)
        family = step[5:] @ royal / (royal @ royal)
        row = found.row("family", 0)
        assert row["step"] == pytest.approx(family.mean(), rel=1e-4)
        assert row["right"] == (family > 0).mean()
        others = [np.delete(step[:5], i, axis=0).mean(axis=0) for i in range(5)]
        left_out = [s @ o / (o @ o) for s, o in zip(step, others, strict=False)]
        assert found.row("royalty", 0)["step"] == pytest.approx(np.mean(left_out), rel=1e-4)

    def test_order_of_a_pair_does_not_matter(self, minilm):
        one = transfer.test_transfer(minilm, steps(), "royalty")
        other = transfer.test_transfer(
            minilm, steps(swap=("royalty-prince", "family-uncle")), "royalty"
        )
        np.testing.assert_allclose(one.table["step"], other.table["step"], rtol=1e-4)
        assert one.layer == other.layer

    def test_random_weights_have_no_common_step(self, tiny):
        found = transfer.test_transfer(tiny, steps(), "royalty")
        rows = found.table[found.table["field"] == "family"]
        assert (rows["p_family"] > 0.05).all()

    def test_minilm_takes_one_step(self, minilm):
        suite = headwise.read(PROBES / "gender_steps.toml")
        found = transfer.test_transfer(minilm, suite, "royalty", n_random=200)
        for field in found.fields:
            assert found.row(field)["right_low"] > 0.9 and found.row(field)["p_random"] < 0.05

    @pytest.mark.parametrize(
        ("suite", "says"),
        [
            (steps({"royalty": FIELDS["royalty"]}), "another field"),
            (steps({"royalty": FIELDS["royalty"][:2], "family": FIELDS["family"]}), "expected 3 or more"),
            (replace(steps(), pairs=()), "it has none"),
        ],
    )  # fmt: skip
    def test_refuses(self, minilm, suite, says):
        with pytest.raises(HeadwiseError, match=says):
            transfer.test_transfer(minilm, suite, "royalty")


def described(texts):
    """Sentences in which adjectives stand right before the last word; groups of two."""
    found = []
    for i, text in enumerate(texts):
        n = len(Sentence.of(text).words) - 1
        found.append(marked(text, n, "noun", f"g{i // 2}", (Link(n - 1, n, "amod"),)))
    return Suite("described", "?", tuple(found))


NOUNS = ["cat", "dog", "house", "tree", "road", "bird"]
TEXTS = [f"the {a} {noun}" for noun in NOUNS for a in ("blue", "old")]


class TestImages:
    @pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX", "Bert"])
    def test_are_what_a_head_writes_of_a_word(self, name, wordpiece):
        """At layer 0 of a single token all attention is on it; an embedding of zeros gives what is added whatever comes."""
        hf = make(name, len(wordpiece))
        model = headwise.load(hf, tokenizer=wordpiece)
        token = images.token_of(model, "blue")
        found = images.value_up_images(model, ["blue"])[0, :, 0]
        embedding = hf.get_input_embeddings()(torch.tensor([[token]])).detach()
        if name == "Bert":
            embedding = hf.bert.embeddings.LayerNorm(embedding).detach()
        wrote = []
        for stream in (embedding, 0 * embedding):
            with (
                hooks.edit(model, "residual", lambda x, _, s=stream: s.expand_as(x), [0]),
                hooks.capture(model, ["z"], [0]) as seen,
            ):
                model.forward(torch.tensor([[token]]))
                wrote.append(torch.einsum("hd,hdm->hm", seen["z", 0][0, 0], model.attention().W_O))
        torch.testing.assert_close(found, wrote[0] - wrote[1], atol=1e-5, rtol=1e-4)

    def test_words_of_several_tokens_are_refused(self, minilm):
        with pytest.raises(HeadwiseError, match="one token"):
            images.token_of(minilm, "kilojoulesque")


class TestCollecting:
    def test_a_head_that_copies_its_adjective_is_found(self, wordpiece):
        """Head 1 of layer 0 attends to the word before and writes its value; all others attend everywhere alike."""
        hf = make("GPT2", len(wordpiece))
        model = headwise.load(hf, tokenizer=wordpiece)

        def attend(pattern, _):
            n = pattern.shape[-1]
            even = torch.ones(n, n).tril()
            given = (even / even.sum(-1, keepdim=True)).expand_as(pattern).clone()
            given[:, 1] = (
                torch.eye(n).roll(-1, dims=1).tril() + torch.eye(n)[:1].T @ torch.eye(n)[:1]
            )
            return given

        with torch.no_grad():
            hf.transformer.wpe.weight.zero_()
        with hooks.edit(model, "pattern", attend, [0]):
            found = collecting.test_collecting(model, described(TEXTS))
        best = found.table.loc[found.table["effect"].idxmax()]
        assert best["name"] == "L0H1" and best["own"] == pytest.approx(1.0, abs=1e-3)
        assert "L0H1" in found.collecting

    def test_sentences_with_the_same_adjectives_cannot_be_compared(self, tiny):
        suite = described(TEXTS)
        shuffled = [suite.sentences[i] for i in (0, 0, 3, 3, 4, 4)]
        with pytest.raises(HeadwiseError, match="nothing to compare with"):
            collecting.test_collecting(tiny, replace(suite, sentences=tuple(shuffled)))

    def test_minilm_collects(self, minilm):
        found = collecting.test_collecting(minilm, headwise.read(PROBES / "creature.toml"))
        assert {"L1H11", "L2H1"} <= set(found.collecting)
        assert (found.table["wins"] > 0.5).mean() > 0.9

    def test_a_word_is_not_compared_with_what_it_has_itself(self, minilm):
        """With own and others' adjectives dealt out by chance nothing is left: here both sentences of a group say the same of each other."""
        suite = described(TEXTS)
        found = collecting.test_collecting(minilm, suite)
        own, others = found.cosines, found.others
        # In a pair of sentences the others' adjective of one is the own of the other, under another noun's update.
        assert own.shape == others.shape == (72, 12)
        assert not np.allclose(own, others)
        again = found.among(np.unique(found.groups).tolist())
        np.testing.assert_allclose(again["effect"], (own - others).mean(axis=1))

    @pytest.mark.parametrize(("relation", "says"), [("nsubj", "no relation 'nsubj'")])
    def test_refuses(self, minilm, relation, says):
        with pytest.raises(HeadwiseError, match=says):
            collecting.test_collecting(minilm, described(TEXTS), relation)

    def test_an_encoder_decoder_is_refused(self, wordpiece):
        model = headwise.load(make("T5", len(wordpiece)), tokenizer=wordpiece)
        with pytest.raises(HeadwiseError, match="one stack"):
            collecting.test_collecting(model, described(TEXTS))


class TestTowers:
    def test_the_frame_is_the_same(self):
        suite = headwise.burrow_sentences("towers", 60, 1)
        assert len(suite) == 60 and set(suite.labels) == {"bare", "eiffel", "miniature"}
        for group in suite.groups:
            told = {s.marks[0].label: s for s in suite.sentences if s.group == group}
            bare, eiffel, miniature = (told[k].words for k in ("bare", "eiffel", "miniature"))
            assert tuple(w for w in eiffel if w != "Eiffel") == bare
            assert tuple(w for w in miniature if w not in ("miniature", "Eiffel")) == bare
            assert told["eiffel"].marks[0].word == len(eiffel) - 1
            named = {told["miniature"].words[k.dependent] for k in told["miniature"].links}
            assert named == {"miniature", "Eiffel"}

    def test_burrow_knows_where_it_is(self, burrow):
        """The Eiffel tower lies further towards Paris than a bare one, by what heads took from its name."""
        suite = headwise.burrow_sentences("towers", 120)
        places = replace(
            suite, sentences=tuple(s for s in suite.sentences if s.group.startswith("place"))
        )
        way = headwise.Direction.of_unembedding(
            burrow, "Paris", ["Lisbon", "Moscow"], first_token=True
        )
        found = pushes.test_direction(
            burrow, places, way, ("eiffel", "bare"), n_shuffles=200, n_random=50
        )
        assert found.whole["low"] > 0 and found.whole["separated"] > 0.95
        best = found.sources[found.sources["source"] == "key words"].iloc[0]
        assert best["share"] > 0.8


def test_moves_is_said_by_its_rule(burrow):
    fitted = headwise.burrow_pairs("mole", 120, 0, held_out=False)
    asked = headwise.burrow_pairs("mole", 120, 1, held_out=True)
    results = []
    for name, other in (("animal", "mark"), ("mark", "animal")):
        way = headwise.Direction.of_classes(burrow, fitted, name, other, layer=4)
        results.append(
            pushes.test_direction(burrow, asked, way, n_shuffles=400, n_random=200, n_traced=0)
        )
    said = evidence.moves(results).set_index(["layer", "head"])
    for layer, head in ((2, 5), (3, 6), (3, 7)):
        assert said.loc[(layer, head), "moves"] == "yes"
        assert said.loc[(layer, head), "moves_effect"] > 0.05
    assert said.loc[(1, 0), "moves"] == "no"


def test_every_class_and_every_two_classes(burrow):
    """A direction to each sense, and steering between the senses of which there are pairs."""
    fitted = headwise.burrow_sentences("mole", 80)
    pairs = headwise.burrow_pairs("mole", 60, 1, held_out=False)
    found = several.towards_each(burrow, fitted, pairs)
    assert {r.between for r in found} == {(name, "others") for name in fitted.labels}
    assert all(r.direction.layer == 4 and r.whole["low"] > 0 for r in found)
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=False)
    steered = several.steer_between(burrow, fitted, pairs, elsewhere, n_random=1)
    ways = [{steering.read_label(p.clean), steering.read_label(p.corrupted)} for p in pairs.pairs]
    asked = [{r.direction.positive, r.direction.negative} for r in steered]
    assert all(ways.count(way) >= 2 for way in asked)
    assert sum(len(r.groups) for r in steered) == sum(way in asked for way in ways)
    assert not several.towards_each(burrow, fitted, replace(fitted, sentences=fitted.sentences[:1]))


def test_pooled_steering_is_the_mean_over_sentences(burrow):
    fitted = headwise.burrow_pairs("mole", 120, 0, held_out=False)
    asked = headwise.burrow_pairs("mole", 60, 1, held_out=True)
    results = [
        steering.steer(
            burrow, asked, headwise.Direction.of_classes(burrow, fitted, a, b, layer=4), doses=(1.0,), n_random=2
        )
        for a, b in (("animal", "mark"), ("spy", "mark"))
    ]  # fmt: skip
    right = [r.intact["logit difference"] > 0 for r in results]
    turned = [
        r.values["logit difference"][0, 0, ok] <= 0 for r, ok in zip(results, right, strict=True)
    ]
    (row,) = steering.pooled(results).to_dict(orient="records")
    assert row["flipped"] == pytest.approx(np.concatenate(turned).mean())
    assert row["sentences"] == sum(ok.sum() for ok in right)
