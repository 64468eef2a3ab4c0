"""Reads the streams and updates of marked words as tokens, layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise.model.heads import Head
from headwise.probing.labelled_words import Examples
from headwise.stats import Clusters, contrast_of
from headwise.weights.readout import Readout, Targets, compare, set_means

MOST = 2**23  # scores at a time, on a CPU: 32 MiB, of which a few copies are held


Kind = Literal["stream", "update"]


Null = Float[ndarray, "place shuffle"]


RISEN = ["label", "layer", "head", "rank", "token", "rise", "before", "after"]


TESTED = [
    "label", "kind", "layer", "head", "n_words", "n_targets", "effect", "effect_low", "effect_high", "p", "p_fwer", "q_fdr",
    "p_topic", "p_topic_fwer",
]  # fmt: skip


def joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of single layers as one, label by label."""
    if not frames:
        return pd.DataFrame(columns=RISEN)
    return pd.concat(frames).sort_values("label", kind="stable", ignore_index=True)


class Reader:
    """Reads all marked words, layer by layer, and keeps the numbers of the tables."""

    def __init__(self, readout: Readout, examples: Examples, asked: Targets, k: int) -> None:
        self.readout, self.examples, self.asked = readout, examples, asked
        self.k, self.clusters = k, Clusters.of(examples.groups)
        self.device = readout.model.device
        self.most = MOST if self.device.type == "cpu" else 16 * MOST
        is_own = torch.from_numpy(examples.codes) == torch.arange(len(examples.labels))[:, None]
        self.shares = (is_own.float() / is_own.sum(1, keepdim=True)).to(
            self.device
        )  # [label, word]
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
        before, means = (
            torch.zeros(s, device=self.device, dtype=torch.float32) for s in (shape[1:], shape)
        )
        values = torch.zeros(
            (n_places, self.weights.shape[1], n_words), device=self.device, dtype=torch.float32
        )
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
