"""Cosines of heads' updates with the OV images of the words that these are linked to, and of the words that others are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise.activations import hooks
from headwise.data.suite import Mark, Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.probing._vectors import update_basis
from headwise.probing.labelled_words import Examples
from headwise.weights.readout import tokens_of

from ._stream.word_positions import Words, batches_of
from .controls import whole_groups
from .ov_images import value_up_images


class NoImages(HeadwiseError):
    """The tokenizer writes words with several tokens, and only a single token has an OV image."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Words whose updates are read, with their linked words and those of the others of their group.

    Attributes:
        examples: The words.
        vocabulary: Words that have an OV image.
        own: The linked words of each.
        others: Those of the others.
        left_out: Words of several tokens.
    """

    examples: Examples
    vocabulary: list[str]
    own: list[list[int]]
    others: list[list[int]]
    left_out: int

    @staticmethod
    def of(model: Model, suite: Suite, relation: str) -> "Sample":
        examples, linked = _governors(model, suite, relation)
        vocabulary = sorted({word for own in linked for word in own})
        tokens = zip(vocabulary, tokens_of(model, vocabulary), strict=True)
        single = [word for word, token in tokens if token is not None]
        index = {word: i for i, word in enumerate(single)}
        every = _compared(
            [[vocabulary.index(w) for w in words] for words in linked], examples.groups
        )
        if every[2].sum() < 2:
            raise HeadwiseError(
                f"{suite.name!r} has no group in which the same word has other dependents by {relation!r}, so there is nothing to compare with. "
                "Repeat a frame with other adjectives, in one group."
            )
        own, others, kept = _compared(
            [[index[w] for w in words if w in index] for words in linked], examples.groups
        )
        if kept.sum() < 2:
            raise NoImages(
                f"{model.name} writes {len(vocabulary) - len(single)} of the {len(vocabulary)} words that others of {suite.name!r} are linked to with several tokens, and only a single "
                "token has an OV image; too few are left to compare. Choose shorter words, or another model."
            )
        return Sample(
            examples=examples.where(kept),
            vocabulary=single,
            own=[x for x, keep in zip(own, kept, strict=True) if keep],
            others=[x for x, keep in zip(others, kept, strict=True) if keep],
            left_out=len(vocabulary) - len(single),
        )

    def few(self, seed: int) -> tuple["Sample", float]:
        """Words of some whole groups, no more than models with random weights are tested on, and the factor of their t (see `controls`)."""
        kept = whole_groups(self.examples.groups, seed)
        chosen = replace(
            self,
            examples=self.examples.where(kept),
            own=[x for x, keep in zip(self.own, kept, strict=True) if keep],
            others=[x for x, keep in zip(self.others, kept, strict=True) if keep],
        )
        return chosen, float(np.sqrt(len(kept) / kept.sum()))

    def cosines(self, model: Model) -> Float[ndarray, "kind layer pattern head word"]:
        """With the OV images of own and of others' words, for the attention of every head of a layer with the values of every head.

        The last pattern is uniform attention. On the diagonal is what the model does.
        """
        images = value_up_images(model, self.vocabulary).cpu().double()
        shape = (2, model.n_layers, model.n_heads + 1, model.n_heads, len(self.own))
        found = np.zeros(shape)
        weights = torch.zeros((2, len(self.own), len(self.vocabulary)), dtype=torch.float64)
        for kind, chosen in enumerate((self.own, self.others)):
            for k, words in enumerate(chosen):
                weights[kind, k, words] = 1 / len(words)
        bases = [update_basis(model.attention(layer=i).W_O) for i in range(model.n_layers)]
        sample = Words.of_examples(self.examples)
        for batch, rows, chosen in batches_of(model, sample, "reading updates"):
            with hooks.capture(model, ["pattern", "v"]) as seen:
                model.forward(batch.tokens, batch.mask)
            pieces = batch.pieces[rows, sample.positions[chosen]].double()
            mean = pieces / pieces.sum(1, keepdim=True)
            for layer, (turn, basis) in enumerate(bases):
                pattern = seen["pattern", layer][rows].double()
                sees = (pattern > 0).any(dim=1).double()
                alike = (sees / sees.sum(-1, keepdim=True))[:, None]
                patterns = torch.einsum("wq,whqk->whk", mean, torch.cat([pattern, alike], dim=1))
                v = seen["v", layer][rows].double()
                v = v.repeat_interleave(model.n_heads // v.shape[2], dim=2)
                z = torch.einsum("wpk,wkhd->hpwd", patterns, v)
                near = torch.nn.functional.normalize(z @ turn[:, None].to(z), dim=-1).cpu()
                turned = images[layer] @ basis.cpu().transpose(1, 2)
                to = torch.einsum(
                    "hpwd,hsd->hpws", near, torch.nn.functional.normalize(turned, dim=-1)
                )
                for kind in (0, 1):
                    along = torch.einsum("hpws,ws->phw", to, weights[kind][chosen])
                    found[kind, layer][:, :, chosen] = along.numpy()
        return found


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
    examples = Examples.of(model, replace(suite, sentences=tuple(sentences)), "mark", 0)
    return examples, [linked[int(i)] for i in examples.sentences]
