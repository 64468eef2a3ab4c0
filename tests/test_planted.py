"""A test of the test: a head whose job is set by hand is found, alone; heads without a job are not."""

import numpy as np
import pytest
import torch
from scipy.stats import binom

import headwise
from headwise.data.suite import Link, Sentence, Suite

N_IDS, D_HEAD = 12, 16
IS_NOUN, IS_ADJECTIVE = N_IDS, N_IDS + 1
FILLERS = ("the", "near", "saw", "then", "by")


@pytest.fixture(scope="module")
def word_level():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    entries = ["<end>", *FILLERS]
    entries += [f"{kind}{i}" for kind in ("adj", "noun") for i in range(N_IDS)]
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(entries)}, unk_token="<end>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", model_max_length=64
    )


def make(tokenizer, seed, *, planted):
    """A GPT-2 of 2 x 4 heads with random queries and keys; if asked, L1H2 lets nouns find their adjectives.

    Attention writes nothing, so that layer 1 sees the embeddings: a number shared by a noun and its
    adjectives, and which of the two a word is.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        n_layer=2, n_head=4, n_embd=4 * D_HEAD, n_positions=64, vocab_size=len(tokenizer),
        bos_token_id=0, eos_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    if not planted:
        return headwise.load(model, tokenizer=tokenizer)
    with torch.no_grad():
        body = model.transformer
        body.wpe.weight.normal_(0, 0.05)
        body.wte.weight.zero_()
        for word, token in tokenizer.get_vocab().items():
            number = word.lstrip("adjnou")
            if number.isdigit():
                kind = IS_NOUN if word.startswith("noun") else IS_ADJECTIVE
                body.wte.weight[token, int(number)] = 1
                body.wte.weight[token, kind] = 1
            else:
                body.wte.weight[token, N_IDS + 2 + token] = 1.4  # as long as the others
        for block in body.h:
            block.attn.c_proj.weight.zero_()
            block.mlp.c_proj.weight.zero_()
        weight, bias = body.h[1].attn.c_attn.weight, body.h[1].attn.c_attn.bias
        d_model = 4 * D_HEAD
        query, key = (slice(start + 2 * D_HEAD, start + 3 * D_HEAD) for start in (0, d_model))
        weight[:, query] = 0
        weight[:, key] = 0
        bias[query] = 0
        bias[key] = 0
        for i in range(N_IDS):
            weight[i, query.start + i] = 3
            weight[i, key.start + i] = 3
        bias[query.start + N_IDS] = 3
        weight[IS_ADJECTIVE, key.start + N_IDS] = 1
    return headwise.load(model, tokenizer=tokenizer)


def sentence(rng, number):
    """Two nouns after one to three adjectives each, all mixed up and among other words."""
    ids = rng.permutation(N_IDS)[:4]
    own = [(f"adj{i}", i) for i in ids[:2] for _ in range(rng.integers(1, 3))]
    others = [(f"adj{i}", None) for i in ids[2:]] + [(w, None) for w in rng.choice(FILLERS, 3)]
    words = [(str(w), i) for w, i in own + others]
    rng.shuffle(words)
    words += [(f"noun{i}", None) for i in rng.permutation(ids[:2])]
    forms = tuple(w for w, _ in words)
    links = tuple(
        Link(position, forms.index(f"noun{i}"), "amod")
        for position, (_, i) in enumerate(words)
        if i is not None
    )
    tags = tuple({"a": "ADJ", "n": "NOUN"}[w[0]] if w[-1].isdigit() else "X" for w in forms)
    return Sentence(forms, (True,) * len(forms), f"g{number}", links=links, tags=tags)


def draw(seed, n_pairs):
    rng = np.random.default_rng(seed)
    sentences = []
    while sum(len(s.links) for s in sentences) < n_pairs:
        sentences.append(sentence(rng, len(sentences)))
    return Suite(f"draw {seed}", "?", tuple(sentences))


def test_the_planted_head_is_found_alone_in_every_draw(word_level):
    for seed in range(15):
        model = make(word_level, seed, planted=True)
        result = headwise.relation_test(
            model, draw(seed, 200), "amod", seed=seed, controls=2, norms=False, n_flips=1000
        )
        found = result.supported
        heads = set(zip(found["layer"], found["head"], strict=True))
        assert heads == {(1, 2)}, f"draw {seed}"
        assert "governor->dependent" in set(found["direction"])


def random_links(seed, n):
    """Sentences of random words in which random pairs are linked."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        forms = [f"adj{i}" for i in rng.integers(0, N_IDS, 8)]
        pairs = rng.permutation(8)[:4].reshape(2, 2)
        links = tuple(Link(int(d), int(g), "any") for d, g in pairs)
        made.append(Sentence(tuple(forms), (True,) * 8, f"g{number}", links=links, tags=("X",) * 8))
    return Suite("random", "?", tuple(made))


def false_positives(word_level, n):
    found = 0
    for seed in range(n):
        model = make(word_level, seed, planted=False)
        result = headwise.relation_test(
            model, random_links(seed, 80), "any", seed=seed, controls=0, norms=False, n_flips=400
        )
        found += result.table["p_fwer"].min() < 0.05
    return found


def test_random_heads_are_not_found_more_often_than_stated(word_level):
    """Family-wise: at most the upper end of the binomial 99% interval of 5%."""
    assert false_positives(word_level, 20) <= binom.ppf(0.995, 20, 0.05)


@pytest.mark.slow
def test_300_random_models(word_level):
    assert false_positives(word_level, 300) <= binom.ppf(0.995, 300, 0.05)
