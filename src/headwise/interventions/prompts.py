"""Prompts: sentences with continuations to score, as rows of tokens.

Where a continuation is predicted depends on the model. A decoder predicts it after the sentence's last token. An encoder with an output head predicts
it at masks after the sentence. The encoder of an encoder-decoder reads the whole sentence, and the decoder predicts it first. An encoder without an
output head predicts no tokens, and words are read instead.

A continuation is tokenized as it stands after its sentence: behind a space, but for punctuation that closes. One of several tokens is scored by the sum of their
log probabilities: in a decoder each given those before it, at masks each for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from headwise._formatting import brief
from headwise.activations.alignment import Alignment, align, align_targets
from headwise.data.sentence import Pair, Sentence, continued
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.stats import Clusters
from headwise.stats.flips import MIN_TESTED_CLUSTERS

Speech = Literal["", "next", "mask", "answer"]


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


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens that a stack is given.

    Attributes:
        tokens: Token ids.
        tags: The part of speech of each one's word, or empty.
        words: Of each its word; None for one that is of no word of the sentence.
    """

    tokens: tuple[int, ...]
    tags: tuple[str, ...]
    words: tuple[int | None, ...]

    @staticmethod
    def of(sentence: Sentence, alignment: Alignment, tokens: Sequence[int], n_same: int) -> "Row":
        """Tokens of which the first `n_same` are those of the alignment."""
        tags: Sequence[str] = sentence.tags or [""] * len(sentence.words)
        own = ["special" if word is None else tags[word] for word in alignment.words[:n_same]]
        more = len(tokens) - n_same
        return Row(
            tuple(tokens),
            (*own, *["continuation"] * more),
            (*alignment.words[:n_same], *[None] * more),
        )


@dataclass(frozen=True, eq=False)
class Prompts:
    """Rows of tokens and the continuations that are scored.

    Attributes:
        sentences: The sentences.
        pairs: The minimal pairs that they are of, or nothing.
        groups: Group of each sentence, as an index.
        speech: How the model predicts tokens: not at all, `next`, at a `mask`, or as an `answer`.
        rows: What the model is given; a sentence with a continuation of several tokens has rows of its own for that.
        targets: What a decoder of its own is given, for each row; empty for models of one stack.
        owners: The sentence of each row.
        right: What should come next after each sentence; empty if the suite does not give it.
        wrong: What should not.
        ends: For each sentence, a row of it and the position where the next token is predicted; -1 if nowhere.
        n_split: Continuations of several tokens.
    """

    sentences: tuple[Sentence, ...]
    pairs: tuple[Pair, ...]
    groups: Int[ndarray, " sentence"]
    speech: Speech
    rows: list[Row]
    targets: list[Row]
    owners: list[int]
    right: list[Continuation]
    wrong: list[Continuation]
    ends: list[tuple[int, int]]
    n_split: int

    @staticmethod
    def of(model: Model, suite: Suite, *, answers: bool, corrupted: bool = False) -> "Prompts":
        """The clean sentences of a suite's pairs, or all sentences of one without pairs.

        Args:
            model: The model.
            suite: The sentences.
            answers: Whether right and wrong continuations are needed.
            corrupted: Whether to take the other sentence of every pair, with the same continuations.

        Raises:
            HeadwiseError: Continuations are needed and missing, or the tokenizer takes them for the same; a
                sentence becomes no token or does not fit into the model's context.
        """
        pairs = tuple(pair for pair in suite.pairs if pair.right or not answers)
        if answers and not pairs:
            raise HeadwiseError(
                f"The suite {suite.name!r} does not give right and wrong continuations of its sentences. Give it pairs with "
                "right and wrong (docs/suites.md), or ask for the metrics 'kl' and 'loss', which need none."
            )
        sentences = tuple(p.corrupted if corrupted else p.clean for p in pairs) or suite.sentences
        index = {group: i for i, group in enumerate(dict.fromkeys(s.group for s in sentences))}
        builder = _Builder(model, how_it_speaks(model))
        for i, (sentence, alignment) in enumerate(
            zip(sentences, align(model, sentences), strict=True)
        ):
            if len(alignment.dropped) == alignment.n_words:
                raise HeadwiseError(
                    f"{brief(sentence.text)} becomes no token of {model.name}. Leave it out."
                )
            if alignment.truncated:
                raise HeadwiseError(
                    f"{sentence.text[:40]!r}... is longer than the context of {model.name}, {model.n_context} tokens."
                )
            builder.add(i, sentence, alignment, (pairs[i].right, pairs[i].wrong) if answers else ())
        return Prompts(
            sentences=sentences,
            pairs=pairs,
            groups=np.array([index[s.group] for s in sentences]),
            speech=builder.speech,
            rows=builder.rows,
            targets=builder.targets,
            owners=builder.owners,
            right=builder.right,
            wrong=builder.wrong,
            ends=builder.ends,
            n_split=sum(len(c.tokens) > 1 for c in (*builder.right, *builder.wrong)),
        )

    @property
    def clusters(self) -> Clusters:
        """Clusters of sentences: their group, and in pairs the words that differ, where these cross groups.

        The clean sentence's words: it is the one that is run, and a head that is needed for *king* is needed in every group that has one.
        Fewer than ten are no sample of words; what is found then holds for these.
        """
        words = [deciding(pair) for pair in self.pairs]
        if len(set(words)) < MIN_TESTED_CLUSTERS:
            return Clusters.of(self.groups)
        return Clusters.of(self.groups, words)

    def given(self, side: str) -> list[Row]:
        """The rows whose positions a stack has: what its `q`, `z` and residual stream are of."""
        return self.targets if side in ("decoder", "cross") else self.rows


def deciding(pair: Pair) -> tuple[str, ...]:
    """Words of the clean sentence that the corrupted one does not have in their place, in lower case."""
    words = [word.lower() for word in pair.clean.words]
    if pair.changed:
        return tuple(words[i] for i in pair.changed)
    others = {word.lower() for word in pair.corrupted.words}
    return tuple(word for word in words if word not in others)


def that_fit(model: Model, suite: Suite) -> Suite:
    """The suite without pairs, or sentences, that are too long for a model with what comes after them."""

    def fit(sentence: Sentence, *options: str) -> bool:
        longer = [Sentence.of(continued(sentence.text, o)) for o in options] or [sentence]
        return not any(alignment.truncated for alignment in align(model, longer))

    pairs = tuple(
        pair
        for pair in suite.pairs
        if fit(pair.clean, pair.right, pair.wrong) and fit(pair.corrupted, pair.right, pair.wrong)
    )
    if suite.pairs:
        return replace(
            suite, pairs=pairs, sentences=tuple(s for p in pairs for s in (p.clean, p.corrupted))
        )
    return replace(suite, sentences=tuple(s for s in suite.sentences if fit(s)))


def how_it_speaks(model: Model) -> Speech:
    """How a model predicts tokens."""
    if not model.has_output_head:
        return ""
    if len(model.stacks) == 2:
        return "answer"
    if model.is_causal:
        return "next"
    return "mask" if getattr(model.tokenizer, "mask_token_id", None) is not None else ""


class _Builder:
    """Rows under way."""

    def __init__(self, model: Model, speech: Speech) -> None:
        self.model = model
        self.speech: Speech = speech
        self.rows: list[Row] = []
        self.targets: list[Row] = []
        self.owners: list[int] = []
        self.right: list[Continuation] = []
        self.wrong: list[Continuation] = []
        self.ends: list[tuple[int, int]] = []

    def add(
        self, owner: int, sentence: Sentence, alignment: Alignment, options: tuple[str, ...]
    ) -> None:
        """Rows of one sentence, and what is read of each option in them."""
        first = len(self.rows)
        found: list[Continuation] = []
        for option in options:
            found.append(self._option(owner, sentence, alignment, option, first))
        if not options:
            self._row(owner, first, *self._bare(sentence, alignment))
        if options and found[0].tokens == found[1].tokens:
            raise HeadwiseError(
                f"{self.model.name} writes {options[0]!r} and {options[1]!r} with the same tokens, so "
                "they cannot be distinguished."
            )
        self.right += found[:1]
        self.wrong += found[1:]
        end = {
            "": -1,
            "next": alignment.end - 1,
            "mask": alignment.end,
            "answer": len(self.targets[first].tokens) - 1 if self.targets else 0,
        }[self.speech]
        if options:
            end = found[0].start
        self.ends.append((first, end))

    def _row(self, owner: int, first: int, row: Row, target: Row | None) -> int:
        """Number of a row of this sentence, which is added if there is none like it."""
        for number in range(first, len(self.rows)):
            same_target = target is None or self.targets[number].tokens == target.tokens
            if self.rows[number].tokens == row.tokens and same_target:
                return number
        self.rows.append(row)
        self.owners.append(owner)
        if target is not None:
            self.targets.append(target)
        return len(self.rows) - 1

    def _bare(self, sentence: Sentence, alignment: Alignment) -> tuple[Row, Row | None]:
        """A sentence without continuations."""
        everything = Row.of(sentence, alignment, alignment.tokens, len(alignment.tokens))
        if self.speech == "answer":
            return everything, self._target(sentence, ())
        if self.speech == "mask":
            return self._masked(sentence, alignment, alignment.end, 1), None
        if self.speech == "next":
            n = alignment.end
            return Row.of(sentence, alignment, alignment.tokens[:n], n), None
        return everything, None

    def _masked(self, sentence: Sentence, alignment: Alignment, end: int, n: int) -> Row:
        mask = int(getattr(self.model.tokenizer, "mask_token_id", 0))
        tokens = (*alignment.tokens[:end], *[mask] * n, *alignment.tokens[alignment.end :])
        return Row.of(sentence, alignment, tokens, end)

    def _target(self, sentence: Sentence, tokens: tuple[int, ...]) -> Row:
        """What the decoder is given: its start, what the tokenizer begins with, and earlier tokens of the continuation."""
        (empty,) = align_targets(self.model, [Sentence.of("a")])
        start = empty.tokens[: next(i for i, word in enumerate(empty.words) if word is not None)]
        n = len(start) + len(tokens)
        return Row(
            (*start, *tokens),
            ("special",) * len(start) + ("continuation",) * len(tokens),
            (None,) * n,
        )

    def _option(
        self,
        owner: int,
        sentence: Sentence,
        alignment: Alignment,
        option: str,
        first: int,
    ) -> Continuation:
        """Where a continuation is read; its row is added if need be."""
        if self.speech == "answer":
            (answer,) = align(self.model, [Sentence.of(option)])
            begin = next((i for i, word in enumerate(answer.words) if word is not None), 0)
            tokens = answer.tokens[begin : answer.end]
            target = self._target(sentence, tokens[:-1])
            row = self._row(owner, first, self._bare(sentence, alignment)[0], target)
            return Continuation(row, len(target.tokens) - len(tokens), tokens)
        prompt, tokens = self._continued(sentence, alignment, option)
        if self.speech == "mask":
            masked = self._masked(sentence, alignment, len(prompt), len(tokens))
            row = self._row(owner, first, masked, None)
            return Continuation(row, len(prompt), tokens)
        given = Row.of(sentence, alignment, (*prompt, *tokens[:-1]), len(prompt))
        return Continuation(self._row(owner, first, given, None), len(prompt) - 1, tokens)

    def _continued(
        self, sentence: Sentence, alignment: Alignment, option: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of a sentence and of a continuation where it stands."""
        prompt = alignment.tokens[: alignment.end]
        longer = Sentence.of(continued(sentence.text, option))
        (whole,) = align(self.model, [longer])
        tokens = whole.tokens[: whole.end]
        if (
            tokens[: len(prompt)] != prompt
        ):  # white space at the end may be a part of what comes next
            last = max(i for i, word in enumerate(alignment.words) if word is not None)
            prompt = prompt[: last + 1]
        unknown = getattr(self.model.tokenizer, "unk_token_id", None)
        if tokens[: len(prompt)] != prompt or len(tokens) <= len(prompt):
            raise HeadwiseError(
                f"{self.model.name} does not write {option!r} after {sentence.text[-30:]!r} with tokens of its own, so "
                "it cannot be scored. Choose another word."
            )
        if unknown is not None and unknown in tokens[len(prompt) :]:
            raise HeadwiseError(
                f"{self.model.name} does not know the word {option!r} (after {sentence.text[-30:]!r}): its tokenizer makes "
                "an unknown token of it. Choose another word."
            )
        return prompt, tokens[len(prompt) :]
