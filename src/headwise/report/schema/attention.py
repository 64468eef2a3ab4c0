"""Attention on example sentences as data."""

from typing import Literal

from pydantic import model_validator

from .packed import Frozen, Packed

Why = Literal["clearest", "typical", "worst"]


class Text(Frozen):
    """A sentence as the model sees it.

    Attributes:
        tokens: As they are shown; spaces at the ends are dropped.
        words: The words.
        word_of: The word of each token; -1 for tokens that belong to none (special tokens).
    """

    tokens: list[str]
    words: list[str]
    word_of: list[int]


class Linked(Frozen):
    """Two words: a query and its expected key."""

    query: int
    key: int
    relation: str


class Marked(Frozen):
    """A word with its label."""

    word: int
    label: str


class Example(Frozen):
    """A sentence and the attention of some heads on it.

    Attributes:
        queries: Text of the queries.
        keys: Text of the keys; None if it is the same.
        links: Queries and their expected keys.
        marks: Labelled words (of the queries).
        sinks: Key tokens that receive attention whatever they mean: the first and special ones.
        causal: Whether later tokens are masked.
        heads: Which heads are held, counting from layer 0 on.
        pattern: Weights, `[head, query, key]` by token, as square roots in bytes (`Packed.roots`).
        norms: The same, weighted by the length of what each value adds and divided by the row's sum; None if not computed.
        scores: Scores before the softmax in bytes: 0 stands for the lower and 255 for the upper end of the head's range.
        score_ranges: Range of each head's scores.
    """

    queries: Text
    keys: Text | None = None
    links: list[Linked] = []
    marks: list[Marked] = []
    sinks: list[int] = []
    causal: bool = False
    heads: list[int]
    pattern: Packed
    norms: Packed | None = None
    scores: Packed | None = None
    score_ranges: list[tuple[float, float]] = []

    @model_validator(mode="after")
    def _fits(self) -> "Example":
        shape = [len(self.heads), len(self.queries.tokens), len((self.keys or self.queries).tokens)]
        for array in (self.pattern, self.norms, self.scores):
            if array is not None and array.shape != shape:
                raise ValueError(f"attention of shape {array.shape}, expected {shape}")
        if self.scores is not None and len(self.score_ranges) != len(self.heads):
            raise ValueError("scores without a range for each head")
        return self


class Telling(Frozen):
    """An example that is characteristic of a head, and why.

    Attributes:
        head: Counting from layer 0 on.
        example: Which one.
        score: Mean attention from queries to their expected keys, 0 to 1.
        why: Where it does so most clearly, as usually (the median sentence), or least.
        links: Which of the example's links the head is judged by; all if empty.
    """

    head: int
    example: int
    score: float
    why: Why
    links: list[int] = []


class Attention(Frozen):
    """Example sentences.

    Attributes:
        n_layers: Layers of the side that is shown.
        n_heads: Heads of each layer.
        side: `encoder`, `decoder` or `cross` of a model with two stacks, else empty.
        caption: How the sentences were chosen, and of which heads attention is held.
        examples: The sentences.
        telling: Which are characteristic of which head.
    """

    n_layers: int
    n_heads: int
    side: str = ""
    caption: str
    examples: list[Example]
    telling: list[Telling] = []
