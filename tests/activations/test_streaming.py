"""Patterns read as they are computed: in blocks, in halves, and nothing held that need not be."""

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, Sentence, Suite
from headwise.activations import alignment, hooks, streaming
from headwise.attention import _counting
from headwise.attention.relations import Plan, count_heads
from headwise.data.suite import Link

SAID = ("old", "verdant", "forest", "unbelievably", "creature", "roamed", "a", "fluffiest", ",")


@pytest.fixture(scope="module")
def suite():
    """Sentences of 3 to 90 words, each word linked to another at random."""
    rng = np.random.default_rng(0)
    sentences = []
    for i, n in enumerate(range(3, 91, 3)):
        governors = [int(rng.choice([g for g in range(n) if g != d])) for d in range(n)]
        sentences.append(
            Sentence(
                words=tuple(rng.choice(SAID, n).tolist()),
                spaces=(True,) * n,
                group=f"g{i}",
                links=tuple(Link(d, g, "r") for d, g in enumerate(governors)),
                tags=tuple(rng.choice(["NOUN", "ADJ"], n).tolist()),
            )
        )
    return Suite("long", "?", tuple(sentences))


@pytest.fixture(scope="module")
def long_gpt2(byte_level):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=16, n_layer=2, n_head=4, n_positions=900, vocab_size=len(byte_level),
        initializer_range=0.25, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return headwise.load(GPT2LMHeadModel(config).eval(), tokenizer=byte_level)


def result_of(model, suite):
    return count_heads(Plan.of(model, suite, "r"))


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.found, b.found)
        assert np.array_equal(a.norm_found, b.norm_found)
        assert np.array_equal(a.outweighs, b.outweighs)
        for name in ("mass", "sink"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=2e-6)


@pytest.mark.parametrize("name", ["long_gpt2", "tiny_bert"])
def test_long_sentences_are_read_in_blocks(name, suite, request, monkeypatch):
    model = request.getfixturevalue(name)
    kept = [s for s in suite.sentences if len(s.words) * 4 < model.n_context]
    suite = Suite("s", "?", tuple(kept))
    expected = result_of(model, suite)
    largest = 0
    rows = headwise.attention._counting.Counter.rows

    def measured(self, layer, pattern, start):
        nonlocal largest
        largest = max(largest, pattern.numel())
        rows(self, layer, pattern, start)

    n_pos = max(len(a.tokens) for a in alignment.align(model, kept))
    most = model.n_heads * n_pos**2 // 8
    monkeypatch.setattr(streaming, "MOST_NUMBERS", most)
    monkeypatch.setattr(headwise.attention._counting.Counter, "rows", measured)
    same(result_of(model, suite), expected)
    longest_word = max(a.words.count(w) for a in alignment.align(model, kept) for w in set(a.words))
    assert largest <= max(most, model.n_heads * n_pos * longest_word)


def test_long_sentences_are_summed_alike(long_gpt2, suite, monkeypatch):
    """A sparse matrix of pieces says what a dense one does."""
    one = Suite("s", "?", suite.sentences[-1:])
    monkeypatch.setattr(_counting, "LONG", 10)
    sparse = result_of(long_gpt2, one)
    monkeypatch.setattr(_counting, "LONG", 10_000)
    same(sparse, result_of(long_gpt2, one))


def test_blocks_begin_with_words(long_gpt2, suite, monkeypatch):
    monkeypatch.setattr(streaming, "MOST_NUMBERS", 4000)
    (batch,) = alignment.batches(long_gpt2, alignment.align(long_gpt2, suite.sentences[-1:]))
    starts = streaming.row_starts(long_gpt2, batch)
    n_pos = batch.tokens.shape[1]
    at_once = 4000 // (long_gpt2.n_heads * n_pos)
    word = batch.pieces[0].argmax(0)
    assert starts[0] == 0 and len(starts) > 5
    assert all(word[start] != word[start - 1] for start in starts[1:])
    sizes = np.diff([*starts, n_pos])
    longest = batch.pieces.sum(-1).max()
    assert sizes.min() > 0 and sizes.max() <= max(at_once, longest)


def test_a_batch_that_does_not_fit_is_counted_once(tiny_bert, suite, monkeypatch):
    """Memory runs out in the second layer of every batch of more than three sentences."""
    short = Suite("s", "?", suite.sentences[:9])
    expected = result_of(tiny_bert, short)
    rows, refused = headwise.attention._counting.Counter.rows, []

    def cramped(self, layer, pattern, start):
        if layer == 1 and len(pattern) > 3:
            refused.append(len(pattern))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        rows(self, layer, pattern, start)

    monkeypatch.setattr(headwise.attention._counting.Counter, "rows", cramped)
    same(result_of(tiny_bert, short), expected)
    assert refused == [9, 4, 5]


def test_a_pattern_that_is_not_finite_is_named(byte_level, suite):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_embd=16, n_layer=2, n_head=4, n_positions=64, vocab_size=len(byte_level),
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    broken = headwise.load(GPT2LMHeadModel(config).eval(), tokenizer=byte_level)
    broken.hf.transformer.h[1].attn.c_attn.weight.data[:] = torch.nan
    with pytest.raises(HeadwiseError, match="not finite at 'pattern', layer 1"):
        result_of(broken, Suite("s", "?", suite.sentences[:4]))
    assert not broken.engine.readers and not broken.engine.taps


@pytest.mark.parametrize("site", ["z", "pattern", "residual"])
def test_padding_that_is_not_finite_is_nobodys_fault(tiny_gpt2, site):
    """What a model computes of padding is no word's, and no word is refused for it."""
    sentences = ["the blue forest", "the blue creature roamed the forest", "a forest"]
    expected = [x.words(i)[site, 1] for x in [headwise.capture(tiny_gpt2, sentences, [site])] for i in range(3)]  # fmt: skip
    lengths = {}

    def spoil(tensor, at):
        """In the last layer, where nothing reads it any more: as a kernel that divides by nothing."""
        tensor = tensor.clone()
        axis = 2 if site == "pattern" else 1
        for row, n in enumerate(lengths["mask"].sum(1).tolist()):
            tensor[row].narrow(axis - 1, n, tensor.shape[axis] - n).fill_(torch.nan)
        return tensor

    forward = type(tiny_gpt2).forward

    def watched(self, tokens, mask=None, *rest, **options):
        lengths["mask"] = mask
        return forward(self, tokens, mask, *rest, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(tiny_gpt2), "forward", watched)
        with headwise.hooks.edit(tiny_gpt2, site, spoil, layers=[1]):
            found = headwise.capture(tiny_gpt2, sentences, [site], layers=[1])
    for i, wanted in enumerate(expected):
        torch.testing.assert_close(found.words(i)[site, 1], wanted)


SENTENCES = ["a fluffy blue creature", "the forest", "the verdant creature roamed the blue forest"]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def model(request):
    return request.getfixturevalue(request.param)


def test_a_batch_is_halved_when_memory_runs_out(tiny_bert, monkeypatch):
    expected = headwise.capture(tiny_bert, SENTENCES * 3, ["pattern"])
    sizes = []
    forward = type(tiny_bert).forward

    def cramped(self, tokens, *rest):
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, tokens, *rest)

    monkeypatch.setattr(type(tiny_bert), "forward", cramped)
    found = headwise.capture(tiny_bert, SENTENCES * 3, ["pattern"])
    assert sizes == [9, 4, 2, 2, 5, 2, 3]  # whole, half, its halves, the other half
    torch.testing.assert_close(found["pattern", 1], expected["pattern", 1], atol=1e-5, rtol=0)


def test_fold_keeps_only_the_statistic(model):
    def mass(total, seen, batch):
        pattern = seen["pattern", 1]
        return total + (pattern * batch.mask[:, None, :, None]).sum().item()

    total = headwise.reduce(model, SENTENCES, ["pattern"], step=mass, initial=0.0, batch_tokens=12)
    n_tokens = sum(n for n, _ in headwise.capture(model, SENTENCES, ["z"]).index.lengths)
    assert total == pytest.approx(4 * n_tokens, rel=1e-5)


def test_fold_as_a_context(model):
    tokens = torch.tensor([[5, 6, 7]])
    with hooks.reduce(
        model, ["z"], lambda n, z, site: n + z.shape[1], initial=0, layers=[0, 1]
    ) as folded:
        model.forward(tokens)
        model.forward(tokens)
    assert folded.value == 2 * 2 * 3
