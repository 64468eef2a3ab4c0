"""Collects: does a head move a word along the directions of the very words that it is linked to?

If a head lets *creature* collect *fluffy* and *blue*, what it adds to *creature* points where the value-up images of
*fluffy* and *blue* point in that head (`W_O W_V e(fluffy)`, see `images`), more than where those of adjectives from other
sentences do. Compared are sentences of one group, with the same noun in the same frame but other adjectives, so that
neither the noun nor anything around it explains a difference. Each sentence gives, for every head, the mean cosine of its
update to the images of its own adjectives less the mean cosine to those of the others'.

A decoder sees only words to the left, an image is that of the bare word at the head's layer, and a head that writes what its
keys have gathered, rather than what they are, is not found this way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from .. import stats
from ..errors import HeadwiseError
from ..examples import Examples
from ..heads import Head, every_head
from ..models import Model
from ..showing import Viewable
from ..suites import Mark, Suite
from ..unembedding import tokens_of
from ..vectors import read_vectors, update_basis
from .images import value_up_images

LEVEL = 0.05


class NoImages(HeadwiseError):
    """The tokenizer writes words with several tokens, and only a single one has an image."""


@dataclass(frozen=True, eq=False)
class CollectResult(Viewable):
    """What each head collects.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        relation: The link between a word and those that it may collect.
        heads: Every head.
        cosines: Mean cosine of each head's update at a word to the images of the words that it is linked to, `[head, word]`; and
        others: to those of the other sentences of its group.
        groups: Group of each word, as an index.
        sentences: Sentence of each word.
        left_out: Linked words that are several tokens, so that they have no image.
        table: One row per head: `name`, `layer`, `head`; mean `own` and `others` cosine (-1 to 1); their difference, `effect`, with its 95%
            interval over groups (`low`, `high`); `wins`, the share of words of which own is larger; one-sided sign-flip `p` over groups,
            `p_family` (the largest of all heads) and `q`.
    """

    model: str
    suite: str
    relation: str
    heads: tuple[Head, ...]
    cosines: Float[ndarray, "head word"]
    others: Float[ndarray, "head word"]
    groups: Int[ndarray, " word"]
    sentences: Int[ndarray, " word"]
    left_out: int
    table: pd.DataFrame

    @property
    def collecting(self) -> list[str]:
        """Heads that collect, by the interval and by p over all heads; strongest first."""
        t = self.table.sort_values(by="effect", ascending=False)
        return [str(name) for name in t["name"].to_numpy()[(t["low"] > 0) & (t["p_family"] < LEVEL)]]  # fmt: skip

    def among(self, groups: Sequence[int], seed: int = 0) -> pd.DataFrame:
        """The table for some of the groups, to choose a head on some and report it on others."""
        kept = np.isin(self.groups, groups)
        return _table(
            self.heads, self.cosines[:, kept], self.others[:, kept], self.groups[kept], seed
        )


def test_collecting(
    model: Model, suite: Suite, relation: str = "amod", seed: int = 0
) -> CollectResult:
    """Measures for every head whether words move along the images of what they are linked to.

    Args:
        model: A model of one stack.
        suite: Sentences with links; in every group the same governor with other dependents.
        relation: The link, from a dependent (the adjective) to its governor (the noun), whose update is read.
        seed: Fixes flips and intervals.

    Raises:
        HeadwiseError: A model of two stacks, an unknown relation, or no group in which sentences differ in such words.
        NoImages: There are such groups, but the tokenizer has too few of the words as one token.
    """
    if len(model.stacks) == 2:
        raise HeadwiseError(
            f"{model.name} is an encoder-decoder, and what heads collect is read in models of one stack. Load its encoder or "
            "another model."
        )
    if relation not in suite.relations:
        known = ", ".join(suite.relations) or "none"
        raise HeadwiseError(
            f"The suite {suite.name!r} has no relation {relation!r}; it has: {known}."
        )
    examples, linked = _governors(model, suite, relation)
    said = sorted({word for own in linked for word in own})
    tokens = zip(said, tokens_of(model, said), strict=True)
    single = [word for word, token in tokens if token is not None]
    index = {word: i for i, word in enumerate(single)}
    if (
        _compared([[said.index(w) for w in words] for words in linked], examples.groups)[2].sum()
        < 2
    ):
        raise HeadwiseError(
            f"{suite.name!r} has no group in which the same word has other dependents by {relation!r}, so there is nothing to compare with. "
            "Tell a frame several times with other adjectives, in one group."
        )
    own, others, kept = _compared(
        [[index[w] for w in words if w in index] for words in linked], examples.groups
    )
    if kept.sum() < 2:
        raise NoImages(
            f"{model.name} writes {len(said) - len(single)} of the {len(said)} words that others of {suite.name!r} are linked to with several tokens, and only a single "
            "token has an image that a head would write of it; too few are left to compare. Choose shorter words, or another model."
        )
    examples = examples.where(kept)
    own = [x for x, keep in zip(own, kept, strict=True) if keep]
    others = [x for x, keep in zip(others, kept, strict=True) if keep]
    updates = read_vectors(model, suite, examples, ["update"], None, None)
    images = value_up_images(model, single)
    heads = tuple(every_head(model))
    cosines = np.empty((2, len(heads), len(own)))
    for i, head in enumerate(heads):
        basis = update_basis(model.attention("", head.layer).W_O)[1][head.head].cpu()
        turned = _unit((images[head.layer, head.head].cpu().double() @ basis.T.double()).numpy())
        near = _unit(updates["update", head.layer, head.head].astype(float)) @ turned.T
        for kind, chosen in enumerate((own, others)):
            cosines[kind, i] = [near[k, words].mean() for k, words in enumerate(chosen)]
    return CollectResult(
        model=model.name,
        suite=suite.name,
        relation=relation,
        heads=heads,
        cosines=cosines[0],
        others=cosines[1],
        groups=examples.groups,
        sentences=examples.sentences,
        left_out=len(said) - len(single),
        table=_table(heads, cosines[0], cosines[1], examples.groups, seed),
    )


def _compared(
    linked: Sequence[Sequence[int]], groups: Int[ndarray, " word"]
) -> tuple[list[list[int]], list[list[int]], Bool[ndarray, " word"]]:
    """Own words, those of other sentences of the group, and whether there are both."""
    own = [list(words) for words in linked]
    others = [
        sorted({w for j in np.flatnonzero(groups == group) for w in own[j]} - set(mine))
        for group, mine in zip(groups, own, strict=True)
    ]
    return own, others, np.array([bool(a) and bool(b) for a, b in zip(own, others, strict=True)])


def _governors(model: Model, suite: Suite, relation: str) -> tuple[Examples, list[list[str]]]:
    """The words that are linked to, one of each sentence, with the words that are linked to them."""
    sentences = list(suite.sentences)
    linked: dict[int, list[str]] = {}
    for i, sentence in enumerate(suite.sentences):
        of: dict[int, list[str]] = {}
        for link in sentence.links:
            if link.relation == relation:
                of.setdefault(link.governor, []).append(sentence.words[link.dependent].lower())
        if of:
            word = max(of)  # the last, of which a decoder has seen most
            linked[i] = of[word]
            # Two labels, as reading asks for; they mean nothing here.
            sentences[i] = replace(sentence, marks=(Mark(word, f"word {len(linked) % 2}"),))
        else:
            sentences[i] = replace(sentence, marks=())
    examples = Examples.of(model, replace(suite, sentences=tuple(sentences)), "sense", 0)
    return examples, [linked[int(i)] for i in examples.sentences]


def _unit(x: Float[ndarray, "some dim"]) -> Float[ndarray, "some dim"]:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _table(
    heads: Sequence[Head],
    own: Float[ndarray, "head word"],
    others: Float[ndarray, "head word"],
    groups: Int[ndarray, " word"],
    seed: int,
) -> pd.DataFrame:
    index = np.unique(groups, return_inverse=True)[1].ravel()
    difference = own - others
    low, high = stats.cluster_bootstrap(difference, index, seed=seed)
    sums = stats.sum_by_cluster(difference, index, int(index.max()) + 1)
    tested = stats.sign_flip(sums, seed=seed)
    return pd.DataFrame(
        {
            "name": [head.name for head in heads],
            "layer": [head.layer for head in heads],
            "head": [head.head for head in heads],
            "own": own.mean(axis=1),
            "others": others.mean(axis=1),
            "effect": difference.mean(axis=1),
            "low": low,
            "high": high,
            "wins": (difference > 0).mean(axis=1),
            "p": tested.p,
            "p_family": tested.p_family,
            "q": tested.q,
        }
    )
