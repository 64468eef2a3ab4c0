"""Steps that carry over, words that are collected, towers, and what is said of heads that move words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, evidence
from headwise.activations import hooks
from headwise.data.suite import Link, Mark, Pair, Sentence, Suite
from headwise.directions import contributions, controls, ov_alignment, ov_images, transfer
from headwise.interventions.steering import doses, one_vs_rest, steering
from headwise.model.loading import random_like
from helpers.architectures import make
from helpers.paths import PROBES

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
        found = transfer.transfer_test(minilm, suite, "royalty")
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
        one = transfer.transfer_test(minilm, steps(), "royalty")
        other = transfer.transfer_test(
            minilm, steps(swap=("royalty-prince", "family-uncle")), "royalty"
        )
        np.testing.assert_allclose(one.table["step"], other.table["step"], rtol=1e-4)
        assert one.layer == other.layer

    def test_random_weights_have_no_common_step(self, tiny):
        found = transfer.transfer_test(tiny, steps(), "royalty")
        rows = found.table[found.table["field"] == "family"]
        assert (rows["p_fwer"] > 0.05).all() or rows["p_fwer"].isna().all()
        assert found.said("family") == "inconclusive"  # five word pairs

    def test_minilm_takes_one_step(self, minilm):
        """Further than never-trained models and than its own embeddings; uniform attention and random weights do not pass."""
        suite = headwise.read_suite(PROBES / "gender_steps.toml")
        found = transfer.transfer_test(minilm, suite, "royalty", n_random=200, n_controls=2)
        for field in found.fields[1:]:
            row = found.row(field)
            assert 0.5 < row["right_low"] < row["right_high"] <= 1 and row["p_random"] < 0.05
            assert row["right_low"] < 1 and row["t"] > row["control_t"]
            assert found.said(field) == "yes"
        with hooks.edit(minilm, "pattern", contributions.alike):
            even = transfer.transfer_test(minilm, suite, "royalty", n_random=50, n_controls=1)
        assert {even.said(f) for f in even.fields} <= {"inconclusive", "no"}
        without = transfer.transfer_test(minilm, suite, "royalty", n_random=50, n_controls=0)
        assert "yes" not in {without.said(f) for f in without.fields}

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
            transfer.transfer_test(minilm, suite, "royalty")


def described(texts):
    """Sentences in which adjectives stand right before the last word; groups of two."""
    found = []
    for i, text in enumerate(texts):
        n = len(Sentence.of(text).words) - 1
        found.append(marked(text, n, "noun", f"g{i // 2}", (Link(n - 1, n, "amod"),)))
    return Suite("described", "?", tuple(found))


NOUNS = ["cat", "dog", "house", "tree", "road", "bird"]
TEXTS = [f"the {a} {noun}" for noun in NOUNS for a in ("blue", "old")]
MANY = [
    f"the {a} {noun}"
    for noun in (*NOUNS, "man", "woman", "king", "queen", "day", "street")
    for a in ("blue", "old")
]


def planted(wordpiece):
    """GPT-2 whose heads of the first block, but one, write the same of every word, more or less of it."""
    hf = make("GPT2", len(wordpiece))
    model = headwise.load(hf, tokenizer=wordpiece)
    d = model.d_model
    with torch.no_grad():
        hf.transformer.wpe.weight.zero_()
        values = hf.transformer.h[0].attn.c_attn.weight[:, 2 * d :]
        size = d // model.n_heads
        for head in (h for h in range(model.n_heads) if h != 1):
            own = values[:, head * size : (head + 1) * size]
            own[:, 1:] = 0
    return model


def attend(pattern, _):
    """Head 1 to the word before, all others everywhere alike."""
    n = pattern.shape[-1]
    even = torch.ones(n, n).tril()
    given = (even / even.sum(-1, keepdim=True)).expand_as(pattern).clone()
    given[:, 1] = torch.eye(n).roll(-1, dims=1).tril() + torch.eye(n)[:1].T @ torch.eye(n)[:1]
    return given


class TestImages:
    @pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX", "Bert"])
    def test_are_what_a_head_writes_of_a_word(self, name, wordpiece):
        """At layer 0 of a single token all attention is on it; an embedding of zeros gives what is added whatever comes."""
        hf = make(name, len(wordpiece))
        model = headwise.load(hf, tokenizer=wordpiece)
        token = ov_images.token_of(model, "blue")
        found = ov_images.value_up_images(model, ["blue"])[0, :, 0]
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
            ov_images.token_of(minilm, "kilojoulesque")


class TestCollecting:
    def test_a_head_that_collects_is_found(self, wordpiece):
        """Head 1 of layer 0 attends to the word before and writes its value; others attend everywhere alike, and write the same of every word."""
        model = planted(wordpiece)
        with hooks.edit(model, "pattern", attend, [0]):
            found = ov_alignment.ov_alignment_test(model, described(MANY), n_controls=2)
            said = evidence.collects(found).set_index(["layer", "head"])
        best = found.table.loc[found.table["effect"].idxmax()]
        assert best["name"] == "L0H1" and best["own"] == pytest.approx(1.0, abs=1e-3)
        assert "L0H1" in found.collecting and said.loc[(0, 1), "moves"] == "yes"
        assert best["t"] > best["control_t"] >= max(found.random_t, found.mismatched_t)
        with hooks.edit(model, "pattern", attend, [0]):  # without a control nothing is a yes
            alone = ov_alignment.ov_alignment_test(model, described(MANY), n_controls=0)
        assert "yes" not in set(evidence.collects(alone)["moves"])

    def test_attention_of_a_neighbour_is_not_its_own(self, wordpiece):
        """The same head's values under uniform attention, and its attention given to a neighbour: neither collects."""
        model = planted(wordpiece)
        for change in (contributions.alike, lambda p, site: attend(p, site).roll(1, dims=1)):
            with hooks.edit(model, "pattern", change, [0]):
                found = ov_alignment.ov_alignment_test(model, described(MANY), n_controls=1)
            assert found.collecting == []
            assert "yes" not in set(evidence.collects(found)["moves"])

    def test_excesses_by_hand(self, tiny):
        """Of the attention of each head of a layer with the values of each, from plain passes."""
        suite = described(TEXTS)
        found = ov_alignment.ov_alignment_test(tiny, suite, n_controls=0)
        row = found.table.iloc[2]
        words_ = sorted({t.split()[1] for t in TEXTS})
        image = ov_images.value_up_images(tiny, words_, [0])[0].double()
        z = np.empty((tiny.n_heads + 1, tiny.n_heads, len(TEXTS)))
        for k, sentence in enumerate(suite.sentences):
            ids = tiny.tokenizer(sentence.text, return_tensors="pt", add_special_tokens=False)["input_ids"]  # fmt: skip
            (alignment,) = headwise.activations.alignment.align(tiny, [sentence])
            ids = torch.tensor([alignment.tokens])
            at = [i for i, w in enumerate(alignment.words) if w == 2]
            with hooks.capture(tiny, ["pattern", "v"], [0]) as seen:
                tiny.forward(ids)
            p = seen["pattern", 0][0][:, at].mean(1).double()
            even = torch.stack([torch.arange(ids.shape[1]) <= i for i in at]).double()
            p = torch.cat([p, (even / even.sum(1, keepdim=True)).mean(0)[None]])
            v = seen["v", 0][0].repeat_interleave(tiny.n_heads // seen["v", 0].shape[2], 1).double()
            own = words_.index(sentence.words[1])
            other = words_.index(suite.sentences[k ^ 1].words[1])
            for h in range(tiny.n_heads):
                update = (p @ v[:, h]) @ tiny.attention(layer=0).W_O[h].double()
                near = torch.cosine_similarity(update[:, None], image[h][None], dim=-1)
                z[:, h, k] = near[:, own] - near[:, other]
        z = z.mean(-1)
        h, rest = 2, [i for i in range(tiny.n_heads) if i != 2]
        assert row["difference"] == pytest.approx(z[h, h], abs=1e-5)
        assert row["over_uniform"] == pytest.approx(z[h, h] - z[-1, h], abs=1e-5)
        assert row["over_attention"] == pytest.approx(z[h, h] - z[rest, h].mean(), abs=1e-5)
        assert row["over_values"] == pytest.approx(z[h, h] - z[h, rest].mean(), abs=1e-5)

    def test_random_weights_collect_nothing(self, minilm):
        """Of the shape of minilm, on the sentences of creature, where 72 of 72 heads did by the difference alone."""
        suite = headwise.read_suite(PROBES / "creature.toml").sample_groups(16)
        for seed in (0, 1):
            found = ov_alignment.ov_alignment_test(random_like(minilm, seed), suite, n_controls=2)
            assert (found.table["difference"] > 0).mean() > 0.9
            assert found.collecting == []
            assert "yes" not in set(evidence.collects(found)["moves"])

    def test_sentences_with_the_same_adjectives_cannot_be_compared(self, tiny):
        suite = described(TEXTS)
        shuffled = [suite.sentences[i] for i in (0, 0, 3, 3, 4, 4)]
        with pytest.raises(HeadwiseError, match="nothing to compare with"):
            ov_alignment.ov_alignment_test(tiny, replace(suite, sentences=tuple(shuffled)))

    def test_what_minilm_collects_any_attention_would(self, minilm):
        """By the difference alone nearly all heads do, as any attention would; beyond the controls none does."""
        found = ov_alignment.ov_alignment_test(
            minilm, headwise.read_suite(PROBES / "creature.toml"), n_controls=1
        )
        assert found.collecting == [] and "yes" not in set(evidence.collects(found)["moves"])
        assert (found.table["wins"] > 0.5).mean() > 0.9

    def test_a_word_is_not_compared_with_what_it_has_itself(self, minilm):
        """With own and others' adjectives dealt out by chance nothing is left: here both sentences of a group say the same of each other."""
        suite = described(TEXTS)
        found = ov_alignment.ov_alignment_test(minilm, suite, n_controls=0)
        own, others = found.cosines, found.others
        # In a pair of sentences the others' adjective of one is the own of the other, under another noun's update.
        assert own.shape == others.shape == (72, 12)
        assert not np.allclose(own, others)
        np.testing.assert_allclose(found.table["difference"], (own - others).mean(axis=1))

    @pytest.mark.parametrize(("relation", "says"), [("nsubj", "no relation 'nsubj'")])
    def test_refuses(self, minilm, relation, says):
        with pytest.raises(HeadwiseError, match=says):
            ov_alignment.ov_alignment_test(minilm, described(TEXTS), relation)

    def test_an_encoder_decoder_is_refused(self, wordpiece):
        model = headwise.load(make("T5", len(wordpiece)), tokenizer=wordpiece)
        with pytest.raises(HeadwiseError, match="one stack"):
            ov_alignment.ov_alignment_test(model, described(TEXTS))


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
        way = headwise.directions.from_unembedding(
            burrow, "Paris", ["Lisbon", "Moscow"], first_token=True
        )
        found = contributions.direction_test(
            burrow, places, way, ("eiffel", "bare"), n_shuffles=200, n_random=50
        )
        assert found.whole["low"] > 0 and found.whole["separated"] > 0.95
        best = found.sources[found.sources["source"] == "key words"].iloc[0]
        assert best["share"] > 0.8


def test_moves_is_said_by_its_rule(burrow):
    """Yes beyond every control, no by equivalence, and the unit of all is the share of the distance."""
    fitted = headwise.burrow_sentences("mole", 200)
    asked = headwise.burrow_pairs("mole", 80, 1, held_out=True)
    results = one_vs_rest.towards_each(burrow, fitted, asked, n_controls=2)
    said = evidence.moves(results)
    yes, no = said[said["moves"] == "yes"], said[said["moves"] == "no"]
    assert len(yes) and len(no)
    assert (yes["moves_effect"] >= 0.05).all() and (yes["moves_t"] > yes["moves_control_t"]).all()
    assert (yes["moves_p"] < 0.05).all() and (yes["moves_low"] > 0).all()
    assert (no[["moves_low", "moves_high"]].abs() < 0.05).all(axis=None)
    assert said["moves_detectable"].min() >= 0.05
    few = [replace(r, clusters=9) for r in results]
    assert set(evidence.moves(few)["moves"]) == {"inconclusive"}
    uncontrolled = [replace(r, control=controls.NONE) for r in results]
    assert "yes" not in set(evidence.moves(uncontrolled)["moves"])
    assert set(evidence.whole_moves(results)) == {"yes"}


def test_every_class_and_every_two_classes(burrow):
    """A direction to each sense, and steering between the senses of which there are pairs; never by words that were fitted."""
    fitted = headwise.burrow_sentences("mole", 160)
    pairs = headwise.burrow_pairs("mole", 60, 1, held_out=True)
    found = one_vs_rest.towards_each(burrow, fitted, pairs, n_controls=1)
    labels = {mark.label for s in pairs.sentences for mark in s.marks}
    assert {r.between for r in found} == {(name, "others") for name in labels}
    assert all(r.direction.layer == 4 and r.whole["effect"] > 0 for r in found)
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=True)
    steered = one_vs_rest.steer_between(burrow, fitted, pairs, elsewhere, n_random=1)
    ways = [{steering.read_label(p.clean), steering.read_label(p.corrupted)} for p in pairs.pairs]
    asked = [{r.direction.positive, r.direction.negative} for r in steered]
    assert all(ways.count(way) >= 2 for way in asked)
    assert sum(len(r.groups) for r in steered) <= sum(way in asked for way in ways)
    assert not one_vs_rest.towards_each(
        burrow, fitted, replace(fitted, sentences=fitted.sentences[:1])
    )


def test_directions_that_saw_every_word_are_refused(burrow):
    """All of one block: nothing is left to fit on, whatever the suites are called."""
    suite = headwise.burrow_sentences("mole", 40)
    alike = replace(suite, name="another", sentences=tuple(replace(s, group="one") for s in suite.sentences))  # fmt: skip
    with pytest.raises(one_vs_rest.SeenWords, match="fewer than 20 sentences"):
        one_vs_rest.towards_each(burrow, suite, alike)


def test_blocks_that_were_all_fitted_are_cross_fitted(burrow):
    """The same sentences as both: each part is asked along directions that were fitted without its words."""
    suite = headwise.burrow_sentences("mole", 240)
    found = one_vs_rest.towards_each(burrow, suite, replace(suite, name="another"), n_controls=1)
    assert {r.n_folds for r in found} != {1}
    assert all(r.error < 1e-5 and 0 < r.left_out < 240 for r in found)


def test_pooled_steering_is_the_mean_over_sentences(burrow):
    fitted, asked = (
        headwise.burrow_sentences("mole", 160),
        headwise.burrow_pairs("mole", 40, 1, held_out=True),
    )
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=True)
    results = one_vs_rest.steer_between(burrow, fitted, asked, elsewhere, n_random=2)
    right = [r.intact["logit difference"] > 0 for r in results]
    at = results[0].doses.index(1.0)
    flipped = [
        r.values["logit difference"][0, at, ok] <= 0 for r, ok in zip(results, right, strict=True)
    ]
    row = doses.pooled(results).iloc[at]
    assert row["flipped"] == pytest.approx(np.concatenate(flipped).mean())
    assert row["sentences"] == sum(ok.sum() for ok in right)
