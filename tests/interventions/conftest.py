"""Minimal pairs that several tests of interventions ask about."""

import pytest

from headwise.data.suite import Mark, Pair, Sentence, Suite
from helpers.architectures import load

TEXTS = (
    ("a", "the blue creature roamed", "the blue forest roamed", 2),
    ("a", "the creature the blue forest", "the forest the blue forest", 1),
    ("b", "a creature in the forest", "a forest in the forest", 1),
    ("c", "the verdant creature", "the verdant forest", 2),
    ("d", "blue creature roamed the", "blue forest roamed the", 1),
    ("e", "fluffy creature in the", "fluffy forest in the", 1),
)


def sentence(text, group, word, label):
    plain = Sentence.of(text)
    return Sentence(plain.words, plain.spaces, group=group, marks=(Mark(word, label),))


@pytest.fixture(scope="module")
def asked():
    pairs = tuple(
        Pair(sentence(a, g, w, "x"), sentence(b, g, w, "y"), "forest", "creature")
        for g, a, b, w in TEXTS
    )
    return Suite("s", "?", tuple(s for p in pairs for s in (p.clean, p.corrupted)), pairs=pairs)


@pytest.fixture(scope="module")
def few(asked):
    """Three of the pairs, of three groups: runs by hand take their time."""
    pairs = asked.pairs[1:4]
    return Suite("s", "?", tuple(s for p in pairs for s in (p.clean, p.corrupted)), pairs=pairs)


MODELS = ["GPT2", "GPTNeoX", "Llama", "Gemma", "Bert", "T5", "Bart"]


@pytest.fixture(scope="module", params=MODELS)
def model(request, byte_level, wordpiece):
    return load(request.param, byte_level, wordpiece)
