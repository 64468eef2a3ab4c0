"""Alignment: sentences as words, tokens and batches.

A tokenizer is given the sentence as it is written, with its own white space and special tokens, so the tokens are those that it makes of the text;
its character offsets are matched to the words. A piece that straddles words belongs to the one it covers most; one that covers white space alone
belongs to none. Sentences that came as words (a treebank's `do` and `n't`) are given word by word where the tokenizer does not see spaces
(WordPiece), so that no piece straddles them.

Attention *to* a word sums over its pieces and attention *from* a word averages over them; a word's
vector is the mean over its pieces.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from headwise.data.sentence import Sentence, check_encodable
from headwise.errors import HeadwiseError
from headwise.model.model import Model


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which pieces of a tokenized sentence belong to which of its words.

    Attributes:
        tokens: Token ids with the model's special tokens.
        words: For each token its word, or None for a special token.
        n_words: Number of words in the sentence.
        dropped: Words that the tokenizer made nothing of.
        merged: Words whose only piece was given to a neighbour that shares it.
        truncated: Words beyond the model's context, wholly or in part.
        n_closing: Special tokens that the tokenizer puts at the end.
    """

    tokens: tuple[int, ...]
    words: tuple[int | None, ...]
    n_words: int
    dropped: tuple[int, ...] = ()
    merged: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()
    n_closing: int = 0

    @property
    def end(self) -> int:
        """Tokens of the text and what comes before it: white space at its end included, special tokens after it not."""
        return len(self.tokens) - self.n_closing

    def within_context(self) -> "Alignment":
        """The same without the words after the last that has a vector, so that a text's end beyond the context takes no memory."""
        return replace(self, n_words=1 + max((w for w in self.words if w is not None), default=-1))

    @property
    def split_words(self) -> int:
        """How many words have more than one piece."""
        return sum(n > 1 for word, n in Counter(self.words).items() if word is not None)

    @property
    def missing(self) -> frozenset[int]:
        """Words that have no vector, for whatever reason."""
        return frozenset({*self.dropped, *self.merged, *self.truncated})


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences of like length, ready for the model.

    Attributes:
        indices: Positions of the sentences in the list that was batched.
        tokens: Token ids, padded on the right.
        mask: 1 for a token and 0 for padding.
        pieces: 1 where a token is a piece of a word; special tokens and padding belong to none.
        target: What the decoder of an encoder-decoder model is given, as a batch of its own.
    """

    indices: tuple[int, ...]
    tokens: Int[Tensor, "batch pos"]
    mask: Int[Tensor, "batch pos"]
    pieces: Float[Tensor, "batch word pos"]
    target: "Batch | None" = None

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        target = None if self.target is None else self.target.to(device)
        tokens, mask, pieces = (t.to(device) for t in (self.tokens, self.mask, self.pieces))
        return Batch(self.indices, tokens, mask, pieces, target)

    def halves(self) -> list["Batch"]:
        """The batch in two, with the same padding."""
        middle = len(self.indices) // 2
        return [self.rows(slice(None, middle)), self.rows(slice(middle, None))]

    def rows(self, rows: slice) -> "Batch":
        """Some of its sentences, with the same padding."""
        target = None if self.target is None else self.target.rows(rows)
        return Batch(
            self.indices[rows], self.tokens[rows], self.mask[rows], self.pieces[rows], target
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How well the words of a data set could be separated in a model's tokens.

    Attributes:
        words: All words.
        split: Words of more than one piece.
        unaligned: Words that were dropped or merged into a neighbour.
        truncated: Words beyond the model's context.
    """

    words: int
    split: int
    unaligned: int
    truncated: int


@dataclass(eq=False)
class Remembered:
    """Alignments of the sentences that were tokenized in a `remembered` block.

    Attributes:
        requested: Alignments that were requested.
        known: By tokenizer, context, words and text, each with its tokenizer, so that no other one can take its identity.
    """

    requested: int = 0
    known: dict[tuple[int, int, tuple[str, ...], tuple[bool, ...], str], tuple[Any, Alignment]] = field(default_factory=dict[Any, Any])  # fmt: skip


_REMEMBERED: ContextVar[Remembered | None] = ContextVar("remembered", default=None)


@contextmanager
def remembered(memory: Remembered | None = None) -> Generator[Remembered]:
    """Within this block a sentence is tokenized and aligned once for each tokenizer, however many tests read it.

    For a run on a model whose tokenizer stays as it is: one that is changed inside the block (special tokens added) keeps its earlier alignments.
    Random-weight models share the tokenizer of their original, so their sentences are not aligned again either.

    Args:
        memory: Of an earlier block, to go on with.
    """
    memory = memory or Remembered()
    token = _REMEMBERED.set(memory)
    try:
        yield memory
    finally:
        _REMEMBERED.reset(token)


def align(model: Model, sentences: Sequence[Sentence]) -> list[Alignment]:
    """Tokenizes sentences and finds the pieces of each word; in a `remembered` block only those that are new to it."""
    memory = _REMEMBERED.get()
    if memory is None:
        return _align_all(model, sentences)
    memory.requested += len(sentences)
    tokenizer: Any = model.tokenizer
    # The alignment depends on nothing else of a model, so one with random weights shares that of the trained one.
    keys = [(id(tokenizer), model.n_context, s.words, s.spaces, s.written) for s in sentences]
    new = {key: s for key, s in zip(keys, sentences, strict=True) if key not in memory.known}
    found = _align_all(model, list(new.values()))
    # The tokenizer is held so that its id is not given to another while the memory lives.
    memory.known.update({key: (tokenizer, a) for key, a in zip(new, found, strict=True)})
    return [memory.known[key][1] for key in keys]


def _align_all(model: Model, sentences: Sequence[Sentence]) -> list[Alignment]:
    # The tokenizer's own records are much larger than what is kept of them, so a few at a time.
    starts = range(0, len(sentences), 256)
    return [a for start in starts for a in _align(model, sentences[start : start + 256])]


def _align(model: Model, sentences: Sequence[Sentence]) -> list[Alignment]:
    tokenizer: Any = model.tokenizer
    if tokenizer is None:
        raise HeadwiseError(
            f"{model.name} has no tokenizer, so sentences cannot be aligned; use headwise.load(model, tokenizer=...)."
        )
    limit = model.n_context
    found: dict[int, Alignment] = {}
    by_word = [i for i, s in enumerate(sentences) if not s.written and _ignores_spaces(tokenizer)]
    if by_word:
        encoded = _encoded(tokenizer, [list(sentences[i].words) for i in by_word])
        for row, i in enumerate(by_word):
            overlaps = [{} if word is None else {word: 1} for word in encoded.word_ids(row)]
            closing = [word is None for word in encoded.word_ids(row)]
            found[i] = _alignment(sentences[i], encoded["input_ids"][row], overlaps, limit, closing)
    as_text = [i for i in range(len(sentences)) if i not in found]
    if as_text:
        encoded = _encoded(tokenizer, [sentences[i].text for i in as_text])
        for row, i in enumerate(as_text):
            offsets, special = encoded["offset_mapping"][row], encoded[row].special_tokens_mask
            overlaps = _overlaps(sentences[i], offsets, special)
            found[i] = _alignment(sentences[i], encoded["input_ids"][row], overlaps, limit, special)
    return [found[i] for i in range(len(sentences))]


def _encoded(tokenizer: Any, given: Sequence[str] | Sequence[list[str]]) -> Any:
    """What a tokenizer makes of texts, or of words one by one."""
    for one in given:
        check_encodable(one if isinstance(one, str) else " ".join(one))
    if given and isinstance(given[0], str):
        return tokenizer(given, return_offsets_mapping=True, verbose=False)
    return tokenizer(given, is_split_into_words=True, verbose=False)


def align_targets(model: Model, sentences: Sequence[Sentence]) -> list[Alignment]:
    """As `align`, for what a decoder is given: its start token comes first."""
    start = int(model.hf.config.decoder_start_token_id)
    return [
        replace(a, tokens=(start, *a.tokens), words=(None, *a.words))
        for a in align(model, sentences)
    ]


@lru_cache(maxsize=8)
def _ignores_spaces(tokenizer: Any) -> bool:
    """Whether the tokenizer gives the same pieces with and without a space between words."""
    glued, spaced = (tokenizer(text, add_special_tokens=False) for text in ("a(b", "a ( b"))
    return glued["input_ids"] == spaced["input_ids"]


def _overlaps(
    sentence: Sentence, offsets: Sequence[tuple[int, int]], special: Sequence[int]
) -> list[dict[int, int]]:
    """For each token, how many characters of each word it covers."""
    word_at: list[int | None] = [None] * len(sentence.text)
    for word, (start, end) in enumerate(sentence.spans()):
        word_at[start:end] = [word] * (end - start)
    return [
        {} if is_special else dict(Counter(word for word in word_at[start:end] if word is not None))
        for (start, end), is_special in zip(offsets, special, strict=True)
    ]


def _alignment(
    sentence: Sentence, tokens: Sequence[int], overlaps: Sequence[dict[int, int]], limit: int, special: Sequence[int],
) -> Alignment:  # fmt: skip
    # A token that spans two words (`Ġa.` in some vocabularies) belongs to the one with more of its characters.
    words = [max(overlap, key=overlap.__getitem__) if overlap else None for overlap in overlaps]
    touched = {word for overlap in overlaps for word in overlap}
    owners = {word for word in words if word is not None}
    kept = _truncate(words, limit)
    # A word that lost one of its pieces has no vector: the mean of the remaining ones would be that of another word.
    lost = {words[i] for i in set(range(len(words))).difference(kept)} - {None}
    return Alignment(
        tokens=tuple(tokens[i] for i in kept),
        words=tuple(None if words[i] in lost else words[i] for i in kept),
        n_words=len(sentence.words),
        dropped=tuple(word for word in range(len(sentence.words)) if word not in touched),
        merged=tuple(sorted(touched - owners)),
        truncated=tuple(sorted(word for word in lost if word is not None)),
        n_closing=len(list(takewhile(bool, reversed(special)))),
    )


def _truncate(words: Sequence[int | None], limit: int) -> list[int]:
    """Positions to keep so that the sentence fits: special tokens at the end stay."""
    n = len(words)
    if n <= limit:
        return list(range(n))
    tail = 0
    while tail < n and words[n - 1 - tail] is None:
        tail += 1
    return [*range(limit - tail), *range(n - tail, n)]


def coverage(alignments: Sequence[Alignment]) -> Coverage:
    """Counts words that are split, unaligned or truncated."""
    return Coverage(
        words=sum(alignment.n_words for alignment in alignments),
        split=sum(alignment.split_words for alignment in alignments),
        unaligned=sum(len(alignment.dropped) + len(alignment.merged) for alignment in alignments),
        truncated=sum(len(alignment.truncated) for alignment in alignments),
    )


def require(sentence: Sentence, alignment: Alignment, word: int) -> bool:
    """Whether a word that a test is about has a vector; those of a treebank that have none are left out and counted.

    Raises:
        HeadwiseError: The tokenizer drops the word, and it is marked, so that somebody can mark another.
    """
    if word in alignment.dropped and any(mark.word == word for mark in sentence.marks):
        raise HeadwiseError(
            f"{sentence.source}: the tokenizer drops the word {sentence.words[word]!r} in "
            f"{sentence.text!r}; it becomes no token. Write the word differently or leave it unmarked."
        )
    return word not in alignment.missing


def usual_batch_tokens(model: Model) -> int:
    """Tokens in a batch where the caller does not say: more where a device has the width for it.

    On a CPU larger batches are no faster, and what they leave behind in the allocator is larger.
    """
    return 2048 if model.device.type == "cpu" else 16384


def batches(
    model: Model, alignments: Sequence[Alignment], batch_tokens: int | None = None
) -> Iterator[Batch]:
    """Groups sentences of like length, so that little is spent on padding.

    Args:
        model: The model that the sentences were aligned for.
        alignments: What `align` returned; sentences without tokens are passed over.
        batch_tokens: Most tokens in a batch, padding included; one sentence is always taken. By default
            `usual_batch_tokens`.
    """
    lengths = [len(alignment.tokens) for alignment in alignments]
    for indices in plan(lengths, batch_tokens or usual_batch_tokens(model)):
        yield batch_of(model, alignments, indices)


def plan(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Which sentences go together: of like length, within a number of tokens, padding included."""
    # Longest first: memory that runs out does so at once, and what follows fits into what was freed.
    order = sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i])
    groups: list[list[int]] = []
    for i in order:
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= batch_tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def batch_of(model: Model, alignments: Sequence[Alignment], indices: Sequence[int]) -> Batch:
    """Pads some sentences to one length."""
    chosen = [alignments[i] for i in indices]
    n_pos = max(len(alignment.tokens) for alignment in chosen)
    n_words = max(alignment.n_words for alignment in chosen)
    tokens = torch.full((len(chosen), n_pos), model.pad_token, dtype=torch.long)
    mask = torch.zeros((len(chosen), n_pos), dtype=torch.long)
    pieces = torch.zeros((len(chosen), n_words, n_pos), dtype=torch.float32)
    for row, alignment in enumerate(chosen):
        n = len(alignment.tokens)
        tokens[row, :n] = torch.tensor(alignment.tokens)
        mask[row, :n] = 1
        owned = [(word, pos) for pos, word in enumerate(alignment.words) if word is not None]
        if owned:
            word_index, pos_index = zip(*owned, strict=True)
            pieces[row, list(word_index), list(pos_index)] = 1
    return Batch(tuple(indices), tokens, mask, pieces)


def pattern_of_words(
    pattern: Float[Tensor, "batch head query key"], pieces: Float[Tensor, "batch word pos"]
) -> Float[Tensor, "batch head query_word key_word"]:
    """Attention between words: summed over the key's pieces, averaged over the query's."""
    return rows_of_words(pattern, pieces, pieces).permute(0, 3, 1, 2)


def rows_of_words(
    rows: Float[Tensor, "batch head row pos"],
    own: Float[Tensor, "batch row_word row"],
    pieces: Float[Tensor, "batch word pos"] | Float[Tensor, "word pos"],
) -> Float[Tensor, "batch row_word word head"]:
    """As `pattern_of_words`, for some rows of a pattern; heads come last.

    Args:
        rows: Attention of some tokens, the whole pieces of some words.
        own: Which of them are pieces of which of these words.
        pieces: Which tokens are pieces of which word; a sparse matrix for one long sentence, as a product
            with a dense one would grow with the cube of its length.
    """
    own, pieces = own.to(rows), pieces.to(rows)
    n_heads, n_rows = rows.shape[1:3]
    if pieces.is_sparse:
        by_key = rows[0].permute(2, 1, 0).flatten(1)
        to_words = torch.sparse.mm(pieces, by_key).unflatten(1, (n_rows, n_heads))
        to_words = to_words.transpose(0, 1)[None].contiguous()
    else:
        # One product per sentence, not one per head.
        to_words = rows.flatten(1, 2) @ pieces.transpose(1, 2)
        to_words = to_words.unflatten(1, (n_heads, n_rows)).permute(0, 2, 3, 1).contiguous()
    summed = (own @ to_words.flatten(2)).unflatten(2, to_words.shape[2:])
    return summed / own.sum(-1).clamp(min=1)[:, :, None, None]


def vectors_of_words(
    values: Float[Tensor, "batch pos *rest"], pieces: Float[Tensor, "batch word pos"]
) -> Float[Tensor, "batch word *rest"]:
    """Mean over the pieces of each word; zero for a word without pieces."""
    pieces = pieces.to(values)
    n_pieces = pieces.sum(-1).clamp(min=1)
    flat = values.flatten(2)
    means = (pieces @ flat) / n_pieces[..., None]
    return means.reshape(*means.shape[:2], *values.shape[2:])
