"""The logit lens: the tokens that a word's vector predicts before every block and at the end.

The residual stream at each marked word is put through the model's own end, final norm and output head, as if the model
had stopped there (nostalgebraist 2020, interpreting GPT: the logit lens); a model without an output head gives the
nearest tokens by embedding instead, see `unembedding`. For every head it is read once more with the head's update, `z W_O` without bias: which tokens
rise. A decoder predicts the next token, an encoder the token itself.

Any list of tokens looks meaningful. Words that are expected to score high for a label can therefore be named beforehand (`targets`): the difference
of their scores between that label's words and the others' is compared with as many random words of the vocabulary (`p`), and with words of random
topics (`p_topic`). Random words have little in common, while
targets do, and words of one topic move together whatever the topic: with topics that have nothing to do with the labels
`p` was below 0.05 three times as often as it should be and `p_topic` at most one and a half times (docs/lens.md).

Limits: only the last layer was trained to be read this way, and early layers may hold information that the lens does not show
(Belrose et al. 2023, the tuned lens, fit a map for each layer). In a post-norm model (BERT) a head's update is added to
the stream without the norm that follows; a norm of the attention's output (Gemma 2) is left out.

Time: one product with the output matrix for every word and layer, and one for every word and head. Memory: on a CPU about
100 MB of scores at a time, beside the vectors of the marked words; the allocator may hold on to a few times that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import OneOrMore, as_tuple, check_counts
from headwise.activations.sites import expand
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.heads import AnyHeads, Head, chosen
from headwise.model.model import Model
from headwise.probing._vectors import read_vectors
from headwise.probing.labelled_words import Examples
from headwise.stats.deciding import LEVEL
from headwise.weights.readout import How, Readout, Targets

from ._columns import CONTRASTS, SENTENCES, STREAM, TARGETS, UPDATES
from ._lens_reader import Reader, joined


@dataclass(frozen=True, eq=False, repr=False)
class LogitLensResult(Result):
    """Logit-lens scores of marked words.

    A score is a log probability (natural logarithm) where the model has an output head, else a cosine (-1 to 1). Ranks
    begin at 0. The stream's `layer` is the block that it comes before, `n_layers` being the end. Labels count alike
    wherever a label's words are compared with the others'.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        how: `output head` or `nearest embeddings`.
        n_words: Marked words of each label.
        missing: Marked words left out because they have no vector, or no word at the requested position.
        n_null: Random sets of words that targets were compared with.
        seed: The seed of these.
        stream: The highest tokens of each `label` and `layer`, by `rank`: `token`, and its mean `score` over the words
            of that label.
        updates: The tokens that each head (`layer`, `head`) raises most, for each `label`, by `rank`: `token`, its mean
            `rise`, and its mean score `before` and `after`.
        contrasts: The tokens whose mean score (`kind` is `stream`) or rise (`update`) is furthest above that of the
            other labels' words, by `rank`: `token`, and the `difference`. Chosen for being large: no evidence.
        sentences: For every marked word (`sentence`, its index in the suite; `label`; `text`) and `layer` the highest
            `token` and its `score`.
        table: How far targets stand out: one row per `label`, `kind`, `layer` and `head` (empty for the stream); none without targets; see `columns`.
            An interval is NaN where the label or all others have fewer than five groups.
        left_out: Of each label the targets that have no token of their own.
    """

    model: str
    suite: str
    how: How
    n_words: Mapping[str, int]
    missing: int
    n_null: int
    seed: int
    stream: pd.DataFrame
    updates: pd.DataFrame
    contrasts: pd.DataFrame
    sentences: pd.DataFrame
    table: pd.DataFrame
    left_out: Mapping[str, tuple[str, ...]]
    columns: ClassVar[Columns] = TARGETS
    further: ClassVar[Mapping[str, Columns]] = {
        "stream": STREAM,
        "updates": UPDATES,
        "contrasts": CONTRASTS,
        "sentences": SENTENCES,
    }

    def significant(self) -> pd.DataFrame:
        """The rows of places at which the words named stand out: against random words and random topics, and with the whole interval above zero."""
        t = self.table
        p = t[["p_fwer", "p_topic_fwer"]].to_numpy(dtype=float)
        found = (p < LEVEL).all(axis=1) & (t["effect_low"].to_numpy(dtype=float) > 0)
        return t.loc[found].sort_values("effect", ascending=False)

    def _summary(self) -> str:
        read = f"{self.stream['layer'].nunique()} layers read by {self.how}"
        if self.table.empty:
            return f"{read}; no words were named to test"
        return f"{read}; words named stand out at {len(self.significant())} of {len(self.table)} places"


def logit_lens(
    model: Model,
    suite: Suite,
    targets: Mapping[str, Sequence[str]] | None = None,
    *,
    k: int = 8,
    labels: Sequence[str] | None = None,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    positions: int | str = 0,
    n_null: int = 2000,
    seed: int = 0,
) -> LogitLensResult:
    """Reads the stream and every head's update at the marked words of a suite.

    Args:
        model: An encoder or a decoder, with a tokenizer.
        suite: Sentences with marks, of two labels or more.
        targets: For some labels, words that are expected to score high there, fixed before reading the lists. Words that are
            not one token are left out.
        k: Tokens in each list.
        labels: Read only words of these; all by default.
        layers: Layers of the stream, 0 to `n_layers`; all by default.
        heads: Heads whose updates are read; by default all of the blocks in `layers`, and none of an empty list, which
            is faster.
        positions: Where it is read: 0 is the marked word, -1 the one before it; or a relation, as in `headwise.probe`.
        n_null: Random sets of words; the smallest p is 1 / (n_null + 1).
        seed: Fixes them.

    Raises:
        HeadwiseError: No marks, fewer than two labels or an unknown one; a head or layer out of range; `k` or
            `n_null` out of range; targets of an unknown label, or none that is a token; an encoder-decoder model; or an
            end that cannot be read, see `Readout.of`.
    """
    check_counts(n_null=n_null, seed=seed)
    suite = as_suite(suite)
    if len(model.stacks) == 2:
        raise HeadwiseError(
            f"{model.name} is an encoder-decoder: its output head reads the decoder, and the words of a suite are read by the "
            "encoder. Capture 'decoder.residual' with hooks.capture and pass its vectors to "
            "headwise.weights.readout.Readout.of(model).scores."
        )
    of_stream = _layers(model, layers)
    of_heads = _heads(model, heads, of_stream)
    examples = Examples.of(model, suite, "mark", positions, labels)
    readout = Readout.of(model)
    if not 1 <= k <= readout.n_tokens:
        raise HeadwiseError(f"k={k} is out of range; expected 1 to {readout.n_tokens} tokens.")
    if n_null < 1:
        raise HeadwiseError(f"n_null={n_null} is out of range; expected 1 or more.")
    tested = Targets.of(readout, targets or {}, examples.labels, n_null, seed)
    reader = Reader(readout, examples, tested, k)
    numbers = sorted({head.head for head in of_heads})
    vectors = (
        read_vectors(model, suite, examples, ["residual", "z"], None, numbers)
        if of_heads
        else read_vectors(model, suite, examples, ["residual"], of_stream, None)
    )
    for layer in track(of_stream, len(of_stream), "reading the stream"):
        reader.stream(layer, vectors["residual", layer, None])
    parts = reader.parts(of_heads)
    for layer, own in track(parts, len(parts), "reading heads"):
        z = np.stack([vectors["z", layer, head] for head in own])
        reader.updates(layer, own, vectors["residual", layer, None], z)
    frames = {name: joined(parts) for name, parts in reader.frames.items()}
    texts = [suite.sentences[i].text for i in frames["sentences"]["sentence"]]
    return LogitLensResult(
        model=model.name,
        suite=suite.name,
        how=readout.how,
        n_words=dict(zip(examples.labels, np.bincount(examples.codes).tolist(), strict=True)),
        missing=examples.missing,
        n_null=n_null,
        seed=seed,
        stream=frames["stream"],
        updates=frames["updates"],
        contrasts=frames["contrasts"],
        sentences=frames["sentences"].assign(text=texts),
        table=reader.tests(),
        left_out=tested.left_out,
    )


def _layers(model: Model, given: OneOrMore[int] | None) -> list[int]:
    """Layers of the stream that are read, each once."""
    if given is not None and not as_tuple(given):
        raise HeadwiseError("No layers were named; leave layers out to read each of them.")
    return [site.layer for site in expand(model, ["residual"], given)]


def _heads(model: Model, given: AnyHeads | None, layers: Sequence[int]) -> list[Head]:
    """Heads whose updates are read."""
    if given is None:
        return [head for head in model.heads if head.layer in layers]
    return chosen(model, given) if given else []
