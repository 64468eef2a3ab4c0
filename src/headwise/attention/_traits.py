"""Properties of words in plain text, without meaning or part of speech: form, pieces, rarity."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from headwise.activations.alignment import Alignment

from .annotations import Corpus


@dataclass(frozen=True, eq=False)
class Traits:
    """Of every word of a corpus.

    Attributes:
        forms: Lower-cased forms that occur.
        form: Index into `forms`.
        count: How often the form occurs in the corpus.
        rank: The highest token id among its pieces. Vocabularies list frequent pieces first, so this says
            how rare the word is in general.
        pieces: Tokens that it is made of; 0 if the tokenizer made nothing of it.
        letters: Its length in characters.
        is_capital: Whether it begins with a capital letter and is not the first word.
        is_plain: Whether it holds a letter or digit, so is no punctuation.
        has_digit: Whether it holds a digit.
        previous: The word before it in its sentence, as its position in the corpus; -1 for the first.
        next: The word after it; -1 for the last.
    """

    forms: tuple[str, ...]
    form: Int[ndarray, " word"]
    count: Int[ndarray, " word"]
    rank: Int[ndarray, " word"]
    pieces: Int[ndarray, " word"]
    letters: Int[ndarray, " word"]
    is_capital: Bool[ndarray, " word"]
    is_plain: Bool[ndarray, " word"]
    has_digit: Bool[ndarray, " word"]
    previous: Int[ndarray, " word"]
    next: Int[ndarray, " word"]

    @classmethod
    def of(cls, corpus: Corpus, alignments: Sequence[Alignment]) -> "Traits":
        """Reads sentences and how they were tokenized."""
        texts = [word for sentence in corpus.sentences for word in sentence.words]
        lowered = [text.lower() for text in texts]
        forms = {form: i for i, form in enumerate(dict.fromkeys(lowered))}
        form = np.array([forms[text] for text in lowered], dtype=int)
        pieces, rank = np.zeros(len(texts), dtype=int), np.zeros(len(texts), dtype=int)
        for start, alignment in zip(corpus.starts, alignments, strict=False):
            n = Counter(word for word in alignment.words if word is not None)
            for word, number in n.items():
                pieces[start + word] = number
            for token, word in zip(alignment.tokens, alignment.words, strict=True):
                if word is not None:
                    rank[start + word] = max(rank[start + word], token)
        is_first, is_last = np.zeros((2, len(texts)), dtype=bool)
        is_first[corpus.starts[:-1][corpus.lengths > 0]] = True
        is_last[corpus.starts[1:][corpus.lengths > 0] - 1] = True
        at = np.arange(len(texts))
        return cls(
            forms=tuple(forms),
            form=form,
            count=np.bincount(form, minlength=len(forms))[form],
            rank=rank,
            pieces=pieces,
            letters=np.array([len(text) for text in texts], dtype=int),
            is_capital=np.array([text[:1].isupper() for text in texts], dtype=bool) & ~is_first,
            is_plain=np.array([any(c.isalnum() for c in text) for text in texts], dtype=bool),
            has_digit=np.array([any(c.isdigit() for c in text) for text in texts], dtype=bool),
            previous=np.where(is_first, -1, at - 1),
            next=np.where(is_last, -1, at + 1),
        )

    def is_beside_mark(self, neighbour: Int[ndarray, " word"]) -> Bool[ndarray, " word"]:
        """Whether a word is none itself and its neighbour, `previous` or `next`, is a punctuation mark."""
        return self.is_plain & (neighbour >= 0) & ~self.is_plain[neighbour]
