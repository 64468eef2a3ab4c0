from dataclasses import replace

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data.suite import Mark, Sentence
from headwise.data.toml import parse


def sentence(line):
    return parse(line, {}, "g")


def pieces_of(model, alignment):
    tokenizer = model.tokenizer
    return {
        word: [
            tokenizer.convert_ids_to_tokens(token)
            for token, owner in zip(alignment.tokens, alignment.words, strict=True)
            if owner == word
        ]
        for word in range(alignment.n_words)
    }


def test_wordpieces_of_words(tiny_bert):
    alignment = words.align(tiny_bert, [sentence("The haemoglobin, don't.")])[0]
    assert pieces_of(tiny_bert, alignment) == {
        0: ["the"], 1: ["ha", "##em", "##og", "##lo", "##bin"], 2: [","], 3: ["don", "'", "t"], 4: ["."],
    }  # fmt: skip
    assert alignment.words[0] is None and alignment.words[-1] is None
    assert alignment.split_words == 2
    assert not alignment.missing


def test_byte_level_pieces_cover_their_words(tiny_gpt2):
    """Every piece lies in its word, and the text is fed as it is written, spaces included."""
    given = sentence("a fluffy blue creature, naïve yes")
    alignment = words.align(tiny_gpt2, [given])[0]
    assert tiny_gpt2.tokenizer.decode(alignment.tokens) == given.text
    for word, tokens in pieces_of(tiny_gpt2, alignment).items():
        text = tiny_gpt2.tokenizer.convert_tokens_to_string(tokens).strip()
        assert text == given.words[word]


def test_a_piece_over_two_words_goes_to_the_longer(tiny_gpt2):
    """'fluffy' is one piece; cut into 'flu' and 'ffy-' written together, its owner is said."""
    given = Sentence(("a", "fluf", "fy"), (True, False, True), "g")
    alignment = words.align(tiny_gpt2, [given])[0]
    assert alignment.merged == (2,)
    assert alignment.missing == {2}
    assert words.coverage([alignment]) == words.Coverage(words=3, split=0, unaligned=1, truncated=0)


def test_marked_words_that_the_tokenizer_drops_are_refused(tiny_bert):
    """Those of a treebank are left out: nobody can write them differently."""
    given = Sentence(
        ("a", "\u200b", "b"), (True, True, True), "g", (Mark(1, "x"),), source="s.toml: group g"
    )
    alignment = words.align(tiny_bert, [given])[0]
    assert alignment.dropped == (1,)
    assert words.require(given, alignment, 0)
    with pytest.raises(HeadwiseError, match="drops the word"):
        words.require(given, alignment, 1)
    assert not words.require(replace(given, marks=()), alignment, 1)


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_gpt2"])
def test_words_beyond_the_context_are_counted(name, request):
    model = request.getfixturevalue(name)
    alignment = words.align(model, [sentence("creature " * 70)])[0]
    assert len(alignment.tokens) == model.n_context
    kept = {word for word in alignment.words if word is not None}
    assert kept.isdisjoint(alignment.truncated)
    assert kept | set(alignment.truncated) == set(range(70))


def test_batches_hold_every_sentence_once_within_the_budget(tiny_bert):
    sentences = [sentence("blue " * n) for n in (3, 30, 1, 7, 7, 50)]
    alignments = words.align(tiny_bert, sentences)
    batches = list(words.batches(tiny_bert, alignments, batch_tokens=40))
    assert sorted(i for batch in batches for i in batch.indices) == list(range(6))
    assert all(batch.tokens.numel() <= 40 or len(batch.indices) == 1 for batch in batches)


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_gpt2"])
def test_padding_cannot_be_seen(name, request):
    model = request.getfixturevalue(name)
    sentences = [
        sentence("a blue creature"),
        sentence("the verdant forest roamed the fluffy creature"),
    ]
    alignments = words.align(model, sentences)

    def measure(batch, row, i):
        with hooks.capture(model, ["pattern", "z", "residual"]) as seen:
            model.forward(batch.tokens, batch.mask)
        n = len(sentences[i].words)
        pattern = words.pattern_of_words(seen["pattern", 1], batch.pieces)[row, :, :n, :n]
        vectors = words.vectors_of_words(seen["z", 1], batch.pieces)[row, :n]
        return pattern, vectors

    (together,) = words.batches(model, alignments)
    for i in range(2):
        (alone,) = words.batches(model, [alignments[i]])
        for batched, single in zip(
            measure(together, together.indices.index(i), i), measure(alone, 0, i), strict=True
        ):
            torch.testing.assert_close(batched, single, atol=1e-5, rtol=0)


def test_attention_between_words_by_hand():
    """Two words of two and one pieces after a special token: sum over keys, mean over queries."""
    pattern = torch.tensor(
        [[0.4, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4], [0.0, 0.4, 0.4, 0.2], [1.0, 0, 0, 0]]
    )
    pieces = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 1]])
    result = words.pattern_of_words(pattern[None, None], pieces[None])[0, 0]
    torch.testing.assert_close(result, torch.tensor([[0.65, 0.30], [0.0, 0.0]]))


def test_word_vectors_by_hand():
    values = torch.tensor([[9.0], [1], [3], [5]])
    pieces = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    result = words.vectors_of_words(values[None], pieces[None])[0]
    torch.testing.assert_close(result, torch.tensor([[2.0], [5.0], [0.0]]))


def test_a_sentence_is_tokenized_once_within_a_block(tiny_bert, tiny_gpt2):
    lines = [
        sentence("the fluffy creature"),
        sentence("a mole dug"),
        sentence("the fluffy creature"),
    ]
    alone = words.align(tiny_bert, lines)
    with words.remembered() as memory:
        assert words.align(tiny_bert, lines) == words.align(tiny_bert, lines[::-1])[::-1] == alone
        assert (memory.requested, len(memory.known)) == (6, 2)
        words.align(tiny_gpt2, lines[:1])  # another tokenizer has other pieces
        assert len(memory.known) == 3
        with words.remembered() as inner:
            words.align(tiny_bert, lines[:1])
        assert len(inner.known) == 1 and len(memory.known) == 3
    with words.remembered(memory):
        words.align(tiny_bert, lines)
    assert (memory.requested, len(memory.known)) == (10, 3)
    words.align(tiny_bert, lines)  # outside of a block nothing is kept
    assert memory.requested == 10


def test_a_run_aligns_each_sentence_once(tiny_bert):
    """Three tests with controls on one suite: one alignment for each different sentence."""
    suite = headwise.read_suite("creature").sample_groups(12)
    with words.remembered() as memory:
        headwise.relation_test(tiny_bert, suite, "amod", n_null=2)
        headwise.ov_alignment_test(tiny_bert, suite, n_null=2)
    texts = {s.words for s in suite.sentences}
    of_suite = [key for key in memory.known if key[2] in texts]
    assert len(of_suite) == len(texts) and memory.requested > 2 * len(texts)


WRITTEN = (
    "The [MASK] dug.", "The mole\ndug.", "def f(x):\n    return x\n", "The  mole", " The mole ", "The\tmole", "The\u00a0mole", "[CLS] a [SEP]",
    "<|endoftext|>The mole", "हिन्दी में लिखो", "Zu\u0308rich x\u200by soft\u00adhyphen", "a\u2028b", "الْمَدِينَةُ", "don't: 3.14 (U.S.)",
)  # fmt: skip


@pytest.mark.parametrize("name", ["burrow", "minilm", "tiny_bert", "tiny_gpt2"])
@pytest.mark.parametrize("text", WRITTEN)
def test_the_tokens_are_the_tokenizers_own(name, text, request):
    """Of a text, and of the same text in a suite; each word has its pieces."""
    model = request.getfixturevalue(name)
    own = tuple(model.tokenizer(text)["input_ids"])
    marked = text.replace("[", "[[").replace("]", "]]").replace("mole", "[mole|animal]")
    for given in (Sentence.of(text), parse(marked, {"animal": ""}, "g")):
        (alignment,) = words.align(model, [given])
        assert alignment.tokens == own
        assert not alignment.missing


def test_a_special_token_is_one_word_and_one_piece(minilm):
    (alignment,) = words.align(minilm, [sentence("The [[MASK]] dug.")])
    assert pieces_of(minilm, alignment)[1] == ["[MASK]"]


def test_words_of_a_treebank_are_given_one_by_one(minilm):
    given = Sentence(("can", "not", "go"), (False, True, False), "g")
    (alignment,) = words.align(minilm, [given])
    assert pieces_of(minilm, alignment) == {0: ["can"], 1: ["not"], 2: ["go"]}


@pytest.mark.parametrize("name", ["burrow", "minilm"])
def test_half_of_a_surrogate_pair_is_refused(name, request):
    given = Sentence(("a\ud800b",), (False,), "g")
    with pytest.raises(HeadwiseError, match="cannot be encoded"):
        words.align(request.getfixturevalue(name), [given])


def test_a_sentence_without_a_token_is_named(minilm):
    """Nothing is read of what the tokenizer makes nothing of."""
    for run in (lambda texts: headwise.capture(minilm, texts, ["pattern"]), lambda texts: headwise.ablate(minilm, texts, method=["zero"])):  # fmt: skip
        with pytest.raises(HeadwiseError, match="becomes no token"):
            run(["a mole", "\u200b"])
