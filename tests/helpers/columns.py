"""A few sentences as columns of words, and questions about them."""

import numpy as np

from headwise.activations.alignment import Alignment
from headwise.attention._traits import Traits
from headwise.attention.annotations import Corpus
from headwise.attention.questions import Questions
from headwise.data.suite import Sentence


def corpus_of(*tagged):
    return Corpus.of(
        [
            Sentence(tuple(tags), (True,) * len(tags), f"g{i}", tags=tuple(tags))
            for i, tags in enumerate(tagged)
        ]
    )


def traits_of(corpus, pieces=()):
    """Traits of words of which each is one token, or several: (sentence, word) -> pieces."""
    aligned = []
    for i, sentence in enumerate(corpus.sentences):
        words = [w for w in range(len(sentence.words)) for _ in range(dict(pieces).get((i, w), 1))]
        aligned.append(Alignment(tuple(range(len(words))), tuple(words), len(sentence.words)))
    return Traits.of(corpus, aligned)


def questions(*asked):
    """Questions as (sentence, query, targets, first, end)."""
    width = max((len(targets) for _, _, targets, _, _ in asked), default=1)
    sentence, query, targets, first, end = zip(*asked, strict=True) if asked else [()] * 5
    filled = [[*t, *[-1] * (width - len(t))] for t in targets]
    numbers = (np.array(x, dtype=int) for x in (sentence, query, first, end))
    return Questions(*numbers, np.array(filled, dtype=int).reshape(-1, width))
