"""Sentences that stop where something must come next, as rows of tokens.

A continuation is tokenized as it stands after its sentence. One of several tokens is scored by the sum of their
log probabilities, each given those before it; for that its row holds all of it but the last token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from . import words
from .errors import HeadwiseError
from .models import Model
from .suites import Sentence, Suite


@dataclass(frozen=True, slots=True)
class Continuation:
    """What is read of one continuation.

    Attributes:
        row: The row in which it is read.
        start: Position at which its first token is predicted.
        tokens: Its tokens, predicted at `start` and the positions after.
    """

    row: int
    start: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Prompts:
    """Rows of tokens and what is to be read of them.

    Attributes:
        sentences: The sentences.
        groups: Group of each, as an index.
        rows: Tokens; a sentence with a continuation of several tokens has rows of its own for that.
        owners: The sentence of each row.
        tags: For each token of each row the part of speech of its word, or empty.
        right: What should come next after each sentence; empty if no suite says so.
        wrong: What should not.
        ends: For each sentence, the row of it alone or with the beginning of `right`, and the position where it ends.
        n_split: Continuations of several tokens.
    """

    sentences: tuple[Sentence, ...]
    groups: Int[ndarray, " sentence"]
    rows: list[tuple[int, ...]]
    owners: list[int]
    tags: list[tuple[str, ...]]
    right: list[Continuation]
    wrong: list[Continuation]
    ends: list[tuple[int, int]]
    n_split: int

    @staticmethod
    def of(model: Model, suite: Suite, *, answers: bool) -> "Prompts":
        """The clean sentences of a suite's pairs, or all sentences of one without pairs.

        Args:
            model: A decoder with its output head.
            suite: The sentences.
            answers: Whether right and wrong continuations are needed.

        Raises:
            HeadwiseError: Continuations are needed and missing, or the tokenizer takes them for the same.
        """
        asked = [pair for pair in suite.pairs if pair.right]
        if answers and not asked:
            raise HeadwiseError(
                f"The suite {suite.name!r} does not say what is right and wrong after its sentences. Give it pairs with "
                "right and wrong (docs/suites.md), or ask for the metrics 'kl' and 'loss', which need none."
            )
        sentences = tuple(pair.clean for pair in asked) if answers else suite.sentences
        alignments = words.align(model, sentences)
        index = {group: i for i, group in enumerate(dict.fromkeys(s.group for s in sentences))}
        rows: list[tuple[int, ...]] = []
        owners: list[int] = []
        right: list[Continuation] = []
        wrong: list[Continuation] = []
        ends: list[tuple[int, int]] = []
        for i, (sentence, alignment) in enumerate(zip(sentences, alignments, strict=True)):
            if alignment.cut:
                raise HeadwiseError(
                    f"{sentence.text[:40]!r}... is longer than the context of {model.name}, {model.n_context} tokens."
                )
            prompt = _without_end(alignment)
            own: dict[tuple[int, ...], int] = {}
            options = (asked[i].right, asked[i].wrong) if answers else ()
            found: list[Continuation] = []
            for option in options:
                tokens = _continued(model, sentence, prompt, option)
                row = own.setdefault((*prompt, *tokens[:-1]), len(rows) + len(own))
                found.append(Continuation(row, len(prompt) - 1, tokens))
            if not options:
                own[prompt] = len(rows)
            if options and found[0].tokens == found[1].tokens:
                raise HeadwiseError(
                    f"{model.name} writes {options[0]!r} and {options[1]!r} with the same tokens; nothing tells them apart."
                )
            right += found[:1]
            wrong += found[1:]
            ends.append((len(rows), len(prompt) - 1))
            rows += own
            owners += [i] * len(own)
        return Prompts(
            sentences=sentences,
            groups=np.array([index[s.group] for s in sentences]),
            rows=rows,
            owners=owners,
            tags=[
                _tags(sentences[i], alignments[i], len(row))
                for i, row in zip(owners, rows, strict=True)
            ],
            right=right,
            wrong=wrong,
            ends=ends,
            n_split=sum(len(c.tokens) > 1 for c in (*right, *wrong)),
        )


def _without_end(alignment: words.Alignment) -> tuple[int, ...]:
    """Tokens up to the last piece of the last word: no end mark may stand before what comes next."""
    last = max(i for i, word in enumerate(alignment.words) if word is not None)
    return alignment.tokens[: last + 1]


def _continued(
    model: Model, sentence: Sentence, prompt: tuple[int, ...], option: str
) -> tuple[int, ...]:
    """Tokens of a continuation where it stands."""
    longer = Sentence.of(f"{sentence.text} {option}")
    (alignment,) = words.align(model, [longer])
    tokens = _without_end(alignment)
    if tokens[: len(prompt)] != prompt or len(tokens) <= len(prompt):
        raise HeadwiseError(
            f"{model.name} does not write {option!r} after {sentence.text[-30:]!r} with tokens of its own, so it cannot be "
            "scored. Choose another word."
        )
    return tokens[len(prompt) :]


def _tags(sentence: Sentence, alignment: words.Alignment, n: int) -> tuple[str, ...]:
    """Part of speech of every token: those before the words are special, those after continue."""
    tags: Sequence[str] = sentence.tags or [""] * len(sentence.words)
    own = ["special" if word is None else tags[word] for word in alignment.words]
    return tuple((own + ["continuation"] * n)[:n])
