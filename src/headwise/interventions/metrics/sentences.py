"""Metrics of sentence encoders: similarity and retrieval.

The vector of a sentence is the mean of the final vectors of its tokens, special ones included, at length 1, as sentence-transformers makes it. A
tested sentence is compared with others as the clean model embeds them, as in a search over a prepared index. These are behaviours; a word's final
vector (`word_vector`) is a read-out.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from headwise.activations.norms import final_norm
from headwise.data.suite import Sentence, Suite
from headwise.errors import HeadwiseError
from headwise.interventions._replacing.replacements import read_all, starts_of
from headwise.interventions.prompts import Prompts
from headwise.model.model import Model

from .base import Reading, Seen
from .word_vector import end_site, is_labelled, label_of

SENTENCES: dict[str, str] = {
    "similarity": "cosine of the sentence vector with that of the correct word, minus that with the incorrect one",
    "retrieval": "how much nearer the sentence is to sentences of its own label than to those of others (mean cosine of sentence vectors; other groups)",
    "retrieval in groups": "how much nearer the sentence is to the other clean sentences of its group than to the corrupted ones (mean cosine of sentence vectors)",
}


def similarity(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Whether a sentence is more like the word that fits than like the one that does not."""
    pairs = prompts.pairs
    if not pairs or any(not (pair.right and pair.wrong) for pair in pairs):
        raise HeadwiseError(
            f"'similarity' is to a right and a wrong word, and not all pairs of {suite.name!r} have both. Add right and wrong "
            "(docs/suites.md), or use 'retrieval'."
        )
    words = sorted({word for pair in pairs for word in (pair.right, pair.wrong)})
    vectors = dict(zip(words, embed(model, [Sentence.of(word) for word in words]), strict=True))
    way = torch.stack([vectors[pair.right] - vectors[pair.wrong] for pair in pairs])
    return _against(model, prompts, "similarity", way)


def retrieval(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Whether a sentence is nearer to those that mean the same."""
    sentences = [*prompts.sentences]
    if prompts.pairs:
        sentences = [*(p.clean for p in prompts.pairs), *(p.corrupted for p in prompts.pairs)]
    vectors = embed(model, sentences)
    if prompts.pairs and not is_labelled(suite):
        return _in_groups(model, suite, prompts, vectors)
    labels = np.array([label_of(sentence) for sentence in sentences])
    groups = np.array([sentence.group for sentence in sentences])
    n, names = len(prompts.sentences), sorted(set(labels) - {""})
    if len(names) < 2:
        raise HeadwiseError(
            f"'retrieval' is among sentences of several labels, and the suite {suite.name!r} has {len(names)}. Mark words with labels, "
            "or give it pairs with right and wrong and use 'similarity'."
        )
    way: list[Tensor] = []
    for i in range(n):
        rivals = [labels[i + n]] if prompts.pairs else [name for name in names if name != labels[i]]
        own, *rest = (
            _mean_of(vectors, (labels == name) & (groups != groups[i]), name, groups[i])
            for name in (labels[i], *rivals)
        )
        way.append(own - torch.stack(rest).mean(0))
    return _against(model, prompts, "retrieval", torch.stack(way))


def _in_groups(
    model: Model, suite: Suite, prompts: Prompts, vectors: Float[Tensor, "sentence d_model"]
) -> Reading:
    """For pairs without labels: similarity to the other pairs of the group."""
    groups, n = prompts.groups, len(prompts.pairs)
    way: list[Tensor] = []
    for i in range(n):
        others = np.flatnonzero((groups == groups[i]) & (np.arange(n) != i))
        if not len(others):
            raise HeadwiseError(
                f"The group {prompts.pairs[i].group!r} of {suite.name!r} has one pair, and its words bear no labels that distinguish clean from "
                "corrupted: nothing says which other sentences mean the same. Mark words with labels, or give pairs right and wrong."
            )
        way.append(vectors[others].mean(0) - vectors[n + others].mean(0))
    name = "retrieval in groups"
    return _against(model, prompts, "retrieval", torch.stack(way), SENTENCES[name])


def _mean_of(
    vectors: Float[Tensor, "sentence d_model"], chosen: np.ndarray, label: str, group: str
) -> Float[Tensor, " d_model"]:
    if not chosen.any():
        raise HeadwiseError(
            f"The label {label!r} occurs in the group {group!r} alone, so there are no other sentences to be near to. Add groups with it."
        )
    return vectors[torch.from_numpy(chosen)].mean(0)


def _against(
    model: Model,
    prompts: Prompts,
    name: str,
    way: Float[Tensor, "sentence d_model"],
    says: str = "",
) -> Reading:
    """The product of a sentence's vector with a difference of (mean) vectors: a difference of (mean) cosines."""
    site, norm = end_site(model), _norm(model)
    first = {row: i for i, (row, _) in enumerate(prompts.ends)}

    def read(seen: Seen) -> Tensor:
        stream = seen.sites[site]
        found = [torch.zeros(stream.shape[1], device=stream.device, dtype=torch.float32)] * len(
            seen.rows
        )
        for k, row in enumerate(seen.rows):
            if row in first:
                own = stream[k, :, : len(prompts.rows[row].tokens)]
                found[k] = _pooled(own, norm) @ way[first[row]].to(stream.device)
        return torch.stack(found)

    return Reading(name, read, says or SENTENCES[name], sites=(site,), flips=True)


def _pooled(
    stream: Float[Tensor, "copy pos d_model"], norm: nn.Module | None
) -> Float[Tensor, "copy d_model"]:
    return normalize((stream if norm is None else norm(stream)).float().mean(1), dim=-1)


def _norm(model: Model) -> nn.Module | None:
    """The norm after the last block, which sentence vectors pass, too."""
    return final_norm(model) if len(model.stacks) == 1 else None


def embed(model: Model, sentences: Sequence[Sentence]) -> Float[Tensor, "sentence d_model"]:
    """Vectors of sentences, of length 1: mean over all tokens of the end of the (encoder's) stream.

    Args:
        model: The model. Of an encoder-decoder the encoder's last block, before its final norm.
        sentences: The sentences.
    """
    plain = Suite("", "", tuple(sentences))
    prompts = Prompts.of(model, plain, answers=False)
    site, layer = end_site(model)
    place = ("residual", "encoder" if site.startswith("encoder") else "", layer)
    stream = read_all(model, prompts, [place])[place].to(model.device)  # pyright: ignore[reportArgumentType]
    starts, norm = starts_of(prompts.rows), _norm(model)
    with torch.no_grad():
        return torch.cat([_pooled(stream[a:b][None], norm) for a, b in pairwise(starts)])
