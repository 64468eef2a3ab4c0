"""A model in which one head's job is set by hand, and sentences that ask for that job."""

import numpy as np
import torch

import headwise
from headwise.data.suite import Link, Mark, Pair, Sentence, Suite

N_IDS, D_HEAD = 12, 16
IS_NOUN, IS_ADJECTIVE = N_IDS, N_IDS + 1
FILLERS = ("the", "near", "saw", "then", "by")


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


def plant(tokenizer):
    """The hand-set transformer of the relation tests, whose head L1H2 now also says what it sees.

    Its values are the numbers of adjectives, its output matrix hands them on, and the output head reads from them which noun
    fits. All other heads write nothing, as before.
    """
    model = make(tokenizer, 0, planted=True)
    body = model.hf.transformer
    with torch.no_grad():
        attention = body.h[1].attn
        start = 2 * 4 * D_HEAD + 2 * D_HEAD
        value = slice(start, start + D_HEAD)
        attention.c_attn.weight[:, value] = 0
        attention.c_attn.bias[value] = 0
        for i in range(N_IDS):
            attention.c_attn.weight[i, value.start + i] = 4
            attention.c_proj.weight[2 * D_HEAD + i, i] = 4
    return model


def pairs(n, seed=0):
    """Sentences with two adjectives, one of which belongs to the noun at the end; swapped in the corrupted one."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        a, b, c = rng.permutation(N_IDS)[:3]
        fill = [str(w) for w in rng.choice(FILLERS, 4)]
        clean = (fill[0], f"adj{a}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        corrupted = (fill[0], f"adj{c}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        both = [
            Sentence(
                words, (True,) * 6, f"g{number}", (Mark(5, "noun"),), (Link(1, 5, "amod"),),
                tags=("X", "ADJ", "X", "ADJ", "X", "NOUN"),
            )
            for words in (clean, corrupted)
        ]  # fmt: skip
        made.append(Pair(*both, f"adj{a}", f"adj{b}"))
    return Suite(
        "p", "?", tuple(s for p in made for s in (p.clean, p.corrupted)), pairs=tuple(made)
    )
