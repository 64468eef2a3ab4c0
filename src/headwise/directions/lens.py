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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import OneOrMore, as_tuple
from headwise.activations.sites import expand
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model import heads as heads_
from headwise.model.heads import AnyHeads, Head
from headwise.model.model import Model
from headwise.probing._vectors import read_vectors
from headwise.probing.labelled_words import Examples
from headwise.stats import Clusters, contrast_of
from headwise.stats.deciding import LEVEL
from headwise.weights.readout import How, Readout, Targets, compare, set_means

from ._columns import CONTRASTS, SENTENCES, STREAM, TARGETS, UPDATES

MOST = 2**23  # scores at a time, on a CPU: 32 MiB, of which a few copies are held
Kind = Literal["stream", "update"]
Null = Float[ndarray, "place shuffle"]
RISEN = ["label", "layer", "head", "rank", "token", "rise", "before", "after"]
TESTED = [
    "label", "kind", "layer", "head", "n_words", "n_targets", "effect", "effect_low", "effect_high", "p", "p_fwer", "q_fdr",
    "p_topic", "p_topic_fwer",
]  # fmt: skip


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
    asked = Targets.of(readout, targets or {}, examples.labels, n_null, seed)
    reader = _Reader(readout, examples, asked, k)
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
    frames = {name: _joined(parts) for name, parts in reader.frames.items()}
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
        left_out=asked.left_out,
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
    return heads_.chosen(model, given) if given else []


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of single layers as one, label by label."""
    if not frames:
        return pd.DataFrame(columns=RISEN)
    return pd.concat(frames).sort_values("label", kind="stable", ignore_index=True)


class _Reader:
    """Reads all marked words, layer by layer, and keeps the numbers of the tables."""

    def __init__(self, readout: Readout, examples: Examples, asked: Targets, k: int) -> None:
        self.readout, self.examples, self.asked = readout, examples, asked
        self.k, self.clusters = k, Clusters.of(examples.groups)
        self.device = readout.model.device
        self.most = MOST if self.device.type == "cpu" else 16 * MOST
        is_own = torch.from_numpy(examples.codes) == torch.arange(len(examples.labels))[:, None]
        self.shares = (is_own / is_own.sum(1, keepdim=True)).to(self.device)  # [label, word]
        self.weights = asked.weights(readout.n_tokens).to(self.device)
        self.frames: dict[str, list[pd.DataFrame]] = {
            "stream": [], "updates": [], "contrasts": [], "sentences": [],
        }  # fmt: skip
        # Of one label at one or several places: what is known, and its null with random words and with topics.
        self.tested: dict[Kind, list[tuple[pd.DataFrame, Null, Null]]] = {
            "stream": [],
            "update": [],
        }

    def stream(self, layer: int, vectors: Float[ndarray, "word d_model"]) -> None:
        """Reads the stream before a block, or at the end."""
        read = self._read(vectors)
        self._add("stream", layer, [pd.NA], read.means, {"score": read.means})
        self._compare("stream", layer, [pd.NA], read)
        names = np.array(self.examples.labels)[self.examples.codes]
        self.frames["sentences"].append(
            pd.DataFrame(
                {
                    "sentence": self.examples.sentences,
                    "label": names,
                    "layer": layer,
                    "token": [self.readout.name(token) for token in read.best_token.tolist()],
                    "score": read.best.cpu().numpy(),
                }
            )
        )

    def parts(self, heads: Sequence[Head]) -> list[tuple[int, list[int]]]:
        """Layers with as many of their heads as may be read together: a mean for each label is kept of each."""
        most = self.most // (len(self.examples.labels) * self.readout.n_tokens)
        found: list[tuple[int, list[int]]] = []
        for layer in sorted({head.layer for head in heads}):
            own = [head.head for head in heads if head.layer == layer]
            found += [(layer, own[some]) for some in _slices(len(own), most)]
        return found

    def updates(
        self,
        layer: int,
        heads: list[int],
        vectors: Float[ndarray, "word d_model"],
        z: Float[ndarray, "head word d_head"],
    ) -> None:
        """Reads the stream before a block with what some of its heads add, less without."""
        W_O = self.readout.model.attention(layer=layer).W_O[heads].float()
        read = self._read(vectors, z, W_O)
        before = read.before.expand_as(read.means)
        told = {"rise": read.means, "before": before, "after": before + read.means}
        self._add("updates", layer, heads, read.means, told)
        self._compare("update", layer, heads, read)

    def _read(
        self,
        vectors: Float[ndarray, "word d_model"],
        z: Float[ndarray, "head word d_head"] | None = None,
        W_O: Float[Tensor, "head d_head d_model"] | None = None,
    ) -> "_Read":
        """Scores, or their rise with each head, some words and heads at a time."""
        stream, shares = torch.from_numpy(vectors).to(self.device), self.shares
        n_words, n_tokens, n_places = len(stream), self.readout.n_tokens, 1 if z is None else len(z)
        shape = (n_places, len(shares), n_tokens)
        before, means = (torch.zeros(s, device=self.device) for s in (shape[1:], shape))
        values = torch.zeros((n_places, self.weights.shape[1], n_words), device=self.device)
        best, best_token = [list[Tensor]() for _ in range(2)]
        at_once = self.most // self.readout.n_computed
        for rows in _slices(n_words, at_once // (n_places + 1)):
            found = self.readout.scores(stream[rows])
            before += shares[:, rows] @ found
            highest = found.max(-1)
            best.append(highest.values)
            best_token.append(highest.indices)
            for some in _slices(n_places, at_once // len(found)):
                change = found[None]
                if z is not None and W_O is not None:
                    update = torch.from_numpy(z[some, rows]).to(self.device) @ W_O[some]
                    risen = (stream[rows] + update).flatten(0, 1)
                    change = self.readout.scores(risen).unflatten(0, update.shape[:2]).sub_(found)
                means[some] += shares[:, rows] @ change
                values[some, :, rows] = (change @ self.weights).mT
        return _Read(before, means, values, torch.cat(best), torch.cat(best_token))

    def _add(
        self,
        table: str,
        layer: int,
        heads: list[Any],
        by: Float[Tensor, "place label token"],
        columns: Mapping[str, Float[Tensor, "place label token"]],
        **also: str,
    ) -> None:
        """The highest tokens of each place and label, with their numbers."""
        ids = by.topk(self.k).indices
        place = np.indices(ids.shape).reshape(3, -1)
        frame = pd.DataFrame(
            {
                **self._places(layer, heads, place[0], place[1]),
                "rank": place[2],
                "token": [self.readout.name(token) for token in ids.flatten().tolist()],
                **{name: x.gather(2, ids).flatten().cpu().numpy() for name, x in columns.items()},
            }
        ).assign(**also)
        self.frames[table].append(frame.drop(columns=["head"] if table == "stream" else []))

    def _places(
        self, layer: int, heads: list[Any], at: Int[ndarray, " row"], code: Int[ndarray, " row"]
    ) -> dict[str, Any]:
        head = pd.array([heads[i] for i in at], dtype="Int64")
        return {"label": np.array(self.examples.labels)[code], "layer": layer, "head": head}

    def _compare(self, kind: Kind, layer: int, heads: list[Any], read: "_Read") -> None:
        """Mean scores at the words of each label, minus the mean of the other labels."""
        n_labels = read.means.shape[1]
        others = (read.means.sum(1, keepdim=True) - read.means) / (n_labels - 1)
        above = read.means - others
        self._add("contrasts", layer, heads, above, {"difference": above}, kind=kind)
        codes, n = self.examples.codes, len(heads)
        for i, label in enumerate(self.asked.labels):
            own = self.examples.labels.index(label)
            above_any = above[:, own, self.asked.pool]
            above_any = (above_any - above_any.mean(1, keepdim=True)).cpu().numpy()
            words, topics = (
                set_means(above_any, of[i]) for of in (self.asked.sets, self.asked.topics)
            )
            values = read.values[:, i].cpu().numpy()
            found = contrast_of(values, codes, own, self.clusters)
            table = pd.DataFrame(
                {
                    **self._places(layer, heads, np.arange(n), np.full(n, own)),
                    "kind": kind,
                    "n_words": int((codes == own).sum()),
                    "n_targets": self.asked.sets[i].shape[1],
                    "effect": words[:, 0],
                    "effect_low": found.low,
                    "effect_high": found.high,
                }
            )
            self.tested[kind].append((table, words, topics))

    def tests(self) -> pd.DataFrame:
        """The table of targets."""
        found: list[pd.DataFrame] = []
        for parts in filter(None, self.tested.values()):
            tables, *nulls = zip(*parts, strict=True)
            words, topics = (compare(np.concatenate(null)) for null in nulls)
            told = {"p": words.p, "p_fwer": words.p_fwer, "q_fdr": words.q}
            told |= {"p_topic": topics.p, "p_topic_fwer": topics.p_fwer}
            found.append(pd.concat(tables, ignore_index=True).assign(**told))
        if not found:
            return pd.DataFrame(columns=TESTED)
        table = pd.DataFrame(pd.concat(found), columns=TESTED)
        return table.sort_values("label", kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False)
class _Read:
    """Scores of a layer, or of each of some heads in it.

    Attributes:
        before: Mean score of the stream over the words of each label.
        means: The same by place: the stream, or by how much it rises with each head.
        values: Of each word, how far each label's targets stand above the mean word.
        best: The highest score of each word in the stream.
        best_token: Its token.
    """

    before: Float[Tensor, "label token"]
    means: Float[Tensor, "place label token"]
    values: Float[Tensor, "place set word"]
    best: Float[Tensor, " word"]
    best_token: Int[Tensor, " word"]


def _slices(n: int, size: int) -> Iterator[slice]:
    size = max(1, size)
    for start in range(0, n, size):
        yield slice(start, start + size)
