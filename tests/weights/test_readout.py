"""Sets of words drawn at random, topics as close as the targets, and what is compared with them."""

import numpy as np
import pytest
import torch
from scipy import stats

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.weights.readout import (
    Readout,
    compare,
    random_sets,
    random_topics,
    set_means,
    tokens_of,
    word_tokens,
)
from helpers.architectures import CONFIGS, MASK, MORE, TARGETS, TOKENS, TWO_STACKS, make, small
from helpers.word_tokens import WORDS, one, suite, tiny


def test_shuffles_keep_sizes_and_what_sets_share():
    given = [np.array([3, 5, 9]), np.array([9, 1])]
    first, second = random_sets(given, 12, 300, seed=0)
    assert first.shape == (301, 3) and second.shape == (301, 2)
    np.testing.assert_array_equal(first[0], given[0])
    np.testing.assert_array_equal(second[0], given[1])
    np.testing.assert_array_equal(first[:, 2], second[:, 0])
    for row in np.concatenate([first, second[:, 1:]], axis=1):
        assert len(set(row)) == 4
    assert np.bincount(first[1:].ravel(), minlength=12).min() > 40  # every word is drawn
    whole = random_sets([np.arange(4)], 4, 5, 0)[0]
    np.testing.assert_array_equal(np.sort(whole), np.tile(np.arange(4), (6, 1)))


def test_topics_are_as_close_as_the_targets():
    rows = torch.cat(
        [torch.linspace(0, 1.5, 10).cos()[:, None], torch.linspace(0, 1.5, 10).sin()[:, None]], 1
    )
    rows = torch.cat([rows, -rows])  # two arcs, so that neighbours along an arc are nearest
    (first,) = random_topics([np.array([4, 3, 5])], rows, 200, seed=0)
    np.testing.assert_array_equal(first[0], [4, 3, 5])
    for topic in first[1:]:  # a word and the two that are nearest to it
        assert len(set(topic)) == 3 and max(topic) - min(topic) == 2
    assert len({tuple(sorted(topic)) for topic in first}) == 16
    pair = random_topics([np.array([4, 3]), np.array([12, 17])], rows, 50, seed=0)
    assert [own.shape for own in pair] == [(51, 2), (51, 2)]


def test_words_of_a_topic_have_the_ranks_of_the_targets():
    rows, own = np.random.default_rng(0).normal(size=(50, 4)), np.array([7, 20, 31])
    (topics,) = random_topics([own], torch.from_numpy(rows), 80, seed=0)
    centred = rows - rows.mean(0)
    cosines = np.corrcoef(np.concatenate([centred, -centred], axis=1))[:50, :50]
    rank = (-cosines).argsort(axis=1).argsort(axis=1)
    middle = own[cosines[own][:, own].sum(axis=0).argmax()]
    expected = sorted(rank[middle, own])
    assert expected[0] == 0 and expected[-1] > 10
    for topic in topics[1:]:
        assert rank[topic[0], topic].tolist() == expected


def test_only_topics_are_fair_to_targets_with_something_in_common():
    """A test of the test: words move with what they mean, and targets mean one thing that has nothing to do with it."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(60, 8)), 10, axis=0) + 0.3 * rng.normal(size=(600, 8))
    against_words, against_topics = [], []
    for seed in range(200):
        differences = rng.normal(size=(1, 8)) @ rows.T
        differences -= differences.mean()
        start = 10 * rng.integers(60)
        given = [np.arange(start, start + 6)]
        words = random_sets(given, 600, 199, seed)[0]
        topics = random_topics(given, torch.from_numpy(rows), 199, seed)[0]
        against_words.append(compare(set_means(differences, words)).p[0])
        against_topics.append(compare(set_means(differences, topics)).p[0])
    low, high = stats.binom.interval(0.99, 200, 0.05)
    assert low <= (np.array(against_topics) <= 0.05).sum() <= high
    assert (np.array(against_words) <= 0.05).mean() > 0.15


def test_set_means_by_hand():
    differences = np.array([[0.0, 1.0, 2.0], [3.0, 3.0, 9.0]])
    found = set_means(differences, np.array([[0, 1], [2, 1]]))
    np.testing.assert_allclose(found, [[0.5, 1.5], [3.0, 6.0]])


def test_p_values_by_hand():
    null = np.array([[9.0, 1.0, 2.0, 3.0], [2.0, 9.0, 3.0, 1.0], [1e-7, 0.0, 1e-7, 0.0]])
    found = compare(null)
    np.testing.assert_allclose(found.p, [0.25, 0.75, 1])
    np.testing.assert_allclose(found.p_fwer[[0, 2]], [0.5, 1])  # 9 is largest of both rows once
    np.testing.assert_allclose(found.q, stats.false_discovery_control(found.p))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_last_layer_reads_as_the_models_own_logits(name):
    from headwise.model.loading import hold

    hf = make(name)
    if name == "Gemma2":
        hf.config.final_logit_softcapping = 0.7  # far below what the logits are
    model = hold(hf)
    side = "decoder." if name in TWO_STACKS else ""
    targets = TARGETS if side else None
    with hooks.capture(model, [f"{side}residual"], layers=[2]) as seen:
        expected = model.logits(TOKENS, MASK, targets)
    stream = seen[f"{side}residual", 2]
    found = Readout.of(model).logits(stream.flatten(0, 1)).unflatten(0, stream.shape[:2])
    assert found.shape == expected.shape and (found - expected).abs().max() <= 1e-5
    assert "forward" not in vars(model.hf.base_model)  # nothing stays behind


@pytest.mark.parametrize("name", [n for n in MORE if "ForMasked" not in n or "Distil" in n])
def test_every_architecture_that_is_listed_is_read_exactly(name):
    """Its own classes call their blocks in ways of their own (OPT), or look for more than vectors in what comes back (mixtures of experts)."""
    from headwise.model.loading import hold

    model = hold(small(name, MORE[name], 61))
    readout = Readout.of(model)
    vectors = torch.randn(3, model.d_model)
    scaled = torch.cat([vectors, vectors.flip(1)])
    assert not torch.allclose(*readout.logits(scaled).chunk(2))
    readout.require_exact()


def test_a_readout_that_is_not_exact_is_refused():
    from headwise.model.loading import hold

    model = hold(make("GPT2"))
    readout = Readout.of(model)
    # What the head is given depends on how many tokens there are: no vector can be read by itself.
    own = model.hf.lm_head.forward
    model.hf.lm_head.forward = lambda x: own(x) if x.shape[1] > 3 else own(x) + x.cumsum(1).sum()
    readout.require_exact()
    model.hf.lm_head.forward = lambda x: (
        own(x) + (0 if model.hf.transformer.forward.__name__ == "forward" else 1)
    )
    with pytest.raises(HeadwiseError, match="The logit lens is not exact"):
        readout.require_exact()


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Bert"])
def test_a_bridge_is_read_as_its_model(name, wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    bridge = TransformerBridge.boot_transformers(
        name, hf_model=make(name, len(wordpiece)), tokenizer=wordpiece, device="cpu"
    )
    model = headwise.load(bridge)
    with hooks.capture(model, ["residual"], layers=[2]) as seen:
        expected = model.logits(TOKENS, MASK)
    found = Readout.of(model).logits(seen["residual", 2].flatten(0, 1))
    assert (found - expected.flatten(0, 1)).abs().max() <= 2e-5


def test_words_are_tokenized_as_they_stand_within_a_sentence(
    tiny_gpt2, byte_level, minilm, tokenizer
):
    assert list(tokens_of(tiny_gpt2, ["fluffy", "unseen", "the fluffy", ""])) == [
        byte_level.convert_tokens_to_ids("Ġfluffy"), None, None, None,
    ]  # fmt: skip
    found = list(tokens_of(minilm, ["Mole", "freckles", "☃"]))
    assert found == [minilm.tokenizer.convert_tokens_to_ids("mole"), None, None]
    assert list(tokens_of(tiny(tokenizer), ["dig", "digging"])) == [WORDS.index("dig") + 1, None]
    pool = word_tokens(Readout.of(minilm))
    written = minilm.tokenizer.convert_ids_to_tokens(pool.tolist())
    assert len(pool) > 20000 and all(word.isalpha() for word in written)


def test_words_that_are_no_token_are_left_out(tokenizer):
    given = {"animal": ["dig", "Photosynthesis", "the fur"], "unit": ["gram"]}
    result = headwise.logit_lens(tiny(tokenizer), suite(), heads=[], targets=given, n_null=20)
    assert result.left_out == {"animal": ("Photosynthesis", "the fur"), "unit": ()}
    assert one(result.table, label="animal")["n_targets"].unique().tolist() == [1]
