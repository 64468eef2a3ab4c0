"""A head that collects what belongs to a word is found; any attention would do is no finding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, evidence
from headwise.activations import hooks
from headwise.data.suite import Link, Sentence, Suite
from headwise.directions import contributions, ov_alignment, ov_images
from headwise.model.loading import random_like
from helpers.architectures import make
from helpers.paths import PROBES
from helpers.steps import marked


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


class TestCollecting:
    def test_a_head_that_collects_is_found(self, wordpiece):
        """Head 1 of layer 0 attends to the word before and writes its value; others attend everywhere alike, and write the same of every word."""
        model = planted(wordpiece)
        with hooks.edit(model, "pattern", attend, layers=[0]):
            found = ov_alignment.ov_alignment_test(model, described(MANY), n_null=2)
            said = evidence.collects(found).set_index(["layer", "head"])
        best = found.table.loc[found.table["effect"].idxmax()]
        assert best["name"] == "L0H1" and best["own"] == pytest.approx(1.0, abs=1e-3)
        assert "L0H1" in set(found.significant()["name"]) and said.loc[(0, 1), "moves"] == "yes"
        assert best["t"] > best["control_t"] >= max(found.random_t, found.mismatched_t)
        with hooks.edit(model, "pattern", attend, layers=[0]):  # without a control nothing is a yes
            alone = ov_alignment.ov_alignment_test(model, described(MANY), n_null=0)
        assert "yes" not in set(evidence.collects(alone)["moves"])

    def test_attention_of_a_neighbour_is_not_its_own(self, wordpiece):
        """The same head's values under uniform attention, and its attention given to a neighbour: neither collects."""
        model = planted(wordpiece)
        for change in (contributions.alike, lambda p, site: attend(p, site).roll(1, dims=1)):
            with hooks.edit(model, "pattern", change, layers=[0]):
                found = ov_alignment.ov_alignment_test(model, described(MANY), n_null=1)
            assert found.significant().empty
            assert "yes" not in set(evidence.collects(found)["moves"])

    def test_excesses_by_hand(self, tiny_llama):
        """Of the attention of each head of a layer with the values of each, from plain passes."""
        suite = described(TEXTS)
        found = ov_alignment.ov_alignment_test(tiny_llama, suite, n_null=0)
        row = found.table.iloc[2]
        words_ = sorted({t.split()[1] for t in TEXTS})
        image = ov_images.value_up_images(tiny_llama, words_, [0])[0].double()
        z = np.empty((tiny_llama.n_heads + 1, tiny_llama.n_heads, len(TEXTS)))
        for k, sentence in enumerate(suite.sentences):
            ids = tiny_llama.tokenizer(sentence.text, return_tensors="pt", add_special_tokens=False)["input_ids"]  # fmt: skip
            (alignment,) = headwise.activations.alignment.align(tiny_llama, [sentence])
            ids = torch.tensor([alignment.tokens])
            at = [i for i, w in enumerate(alignment.words) if w == 2]
            with hooks.capture(tiny_llama, ["pattern", "v"], layers=[0]) as seen:
                tiny_llama.forward(ids)
            p = seen["pattern", 0][0][:, at].mean(1).double()
            even = torch.stack([torch.arange(ids.shape[1]) <= i for i in at]).double()
            p = torch.cat([p, (even / even.sum(1, keepdim=True)).mean(0)[None]])
            v = (
                seen["v", 0][0]
                .repeat_interleave(tiny_llama.n_heads // seen["v", 0].shape[2], 1)
                .double()
            )
            own = words_.index(sentence.words[1])
            other = words_.index(suite.sentences[k ^ 1].words[1])
            for h in range(tiny_llama.n_heads):
                update = (p @ v[:, h]) @ tiny_llama.attention(layer=0).W_O[h].double()
                near = torch.cosine_similarity(update[:, None], image[h][None], dim=-1)
                z[:, h, k] = near[:, own] - near[:, other]
        z = z.mean(-1)
        h, rest = 2, [i for i in range(tiny_llama.n_heads) if i != 2]
        assert row["difference"] == pytest.approx(z[h, h], abs=1e-5)
        assert row["over_uniform"] == pytest.approx(z[h, h] - z[-1, h], abs=1e-5)
        assert row["over_attention"] == pytest.approx(z[h, h] - z[rest, h].mean(), abs=1e-5)
        assert row["over_values"] == pytest.approx(z[h, h] - z[h, rest].mean(), abs=1e-5)

    def test_random_weights_collect_nothing(self, minilm):
        """Of the shape of minilm, on the sentences of creature, where 72 of 72 heads did by the difference alone."""
        suite = headwise.read_suite(PROBES / "creature.toml").sample_groups(16)
        for seed in (0, 1):
            found = ov_alignment.ov_alignment_test(random_like(minilm, seed), suite, n_null=2)
            assert (found.table["difference"] > 0).mean() > 0.9
            assert found.significant().empty
            assert "yes" not in set(evidence.collects(found)["moves"])

    def test_sentences_with_the_same_adjectives_cannot_be_compared(self, tiny_llama):
        suite = described(TEXTS)
        shuffled = [suite.sentences[i] for i in (0, 0, 3, 3, 4, 4)]
        with pytest.raises(HeadwiseError, match="nothing to compare with"):
            ov_alignment.ov_alignment_test(tiny_llama, replace(suite, sentences=tuple(shuffled)))

    def test_what_minilm_collects_any_attention_would(self, minilm):
        """By the difference alone nearly all heads do, as any attention would; beyond the controls none does."""
        found = ov_alignment.ov_alignment_test(
            minilm, headwise.read_suite(PROBES / "creature.toml"), n_null=1
        )
        assert found.significant().empty and "yes" not in set(evidence.collects(found)["moves"])
        assert (found.table["wins"] > 0.5).mean() > 0.9

    def test_a_word_is_not_compared_with_what_it_has_itself(self, minilm):
        """With own and others' adjectives dealt out by chance nothing is left: here both sentences of a group say the same of each other."""
        suite = described(TEXTS)
        found = ov_alignment.ov_alignment_test(minilm, suite, n_null=0)
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
