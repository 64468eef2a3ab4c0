"""Constructors of directions: from class means, pairs, probes, the unembedding, or an OV image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headwise.activations.alignment import align, require
from headwise.data.suite import Mark, Pair, Sentence, Suite, as_suite
from headwise.data.unseen_words import DecidingWords
from headwise.errors import HeadwiseError
from headwise.model.heads import AnyHead, chosen
from headwise.model.model import Model
from headwise.probing.linear_probe import Probe

from ._labelled import Labelled, unembedding_covariance
from ._stream.word_positions import Words, streams_of
from .direction import Direction, Inner
from .ov_images import first_token_of, token_of, value_up_images


def from_classes(
    model: Model,
    suite: Suite,
    between: str | tuple[str, str],
    *,
    layer: int,
    positions: int | str = 0,
    inner: Inner = "plain",
    eraser: bool = False,
) -> Direction:
    """From the mean of one class of marked words to that of another, or of all others.

    Args:
        model: The model.
        suite: Sentences with marks; where it brings its own parts, those to train on are used.
        between: Labels of the classes, the one ahead first; a single one is set against all others together.
        layer: The stream before this block.
        positions: Which word is read, as in `headwise.probe`.
        inner: `plain`, `whitened` (covariance within classes, shrunk by Ledoit and Wolf) or `causal`.
        eraser: Whether to read it as LEACE does (Belrose et al. 2023), the direction whitened by the covariance of all words, shrunk as in
            concept-erasure. The plain step stays what is added.

    Raises:
        HeadwiseError: An unknown label, a class with one example, no such layer, or classes at one point.
    """
    suite = as_suite(suite)
    if inner not in ("plain", "whitened", "causal"):
        raise HeadwiseError(
            f"Unknown inner product {inner!r}; known are plain, whitened and causal."
        )
    positive, negative = _ends(between)
    labels = None if negative is None else [positive, negative]
    at = Labelled.of(model, suite, layer, positions=positions, labels=labels)
    return at.direction(positive, negative, inner, eraser=eraser)


def _ends(between: str | tuple[str, str]) -> tuple[str, str | None]:
    return (between, None) if isinstance(between, str) else between


def from_pairs(
    model: Model,
    pairs: Suite | Sequence[tuple[str, str]],
    *,
    layer: int,
    template: str = "the {}",
) -> Direction:
    """The mean step between the marked words of minimal pairs, or between pairs of words.

    Args:
        model: The model.
        pairs: Minimal pairs that each mark one word; or words, as `[("king", "queen"), ...]`.
        layer: The stream before this block.
        template: A text in which words without sentences stand.

    Raises:
        HeadwiseError: No pairs, one only, pairs of more than two labels, or words that lie at one point.
    """
    suite = pairs if isinstance(pairs, Suite) else _bare_pairs(pairs, template)
    if len(suite.pairs) < 2:
        raise HeadwiseError(
            f"A direction of pairs needs two at least; {suite.name!r} has {len(suite.pairs)}."
        )
    both = [sentence for pair in suite.pairs for sentence in (pair.clean, pair.corrupted)]
    if bare := next((s for s in both if not s.marks), None):
        raise HeadwiseError(f"{bare.source}: {bare.text[:40]!r} marks no word to be compared.")
    read = [max(s.marks, key=lambda mark: mark.word) for s in both]
    alignments = align(model, both)
    for sentence, alignment, mark in zip(both, alignments, read, strict=True):
        if not require(sentence, alignment, mark.word):
            raise HeadwiseError(
                f"{sentence.source}: {sentence.words[mark.word]!r} has no vector in {model.name}: it is truncated or shares a token."
            )
    at = Words(alignments, np.arange(len(both)), np.array([mark.word for mark in read]))
    x = streams_of(model, at, [layer])[0]
    names = [mark.label for mark in read]
    positive, negative = names[0], names[1]
    labels = list(zip(names[::2], names[1::2], strict=True))
    is_between = [a == b for a, b in labels]
    if positive != negative:
        is_between = [{a, b} == {positive, negative} for a, b in labels]
    if not all(is_between):
        a, b = labels[is_between.index(False)]
        raise HeadwiseError(
            f"A direction leads from one label to another, and {suite.name!r} has pairs of {positive!r} and {negative!r} as well "
            f"as of {a!r} and {b!r}. Keep the pairs of two labels, or use directions.from_classes."
        )
    turned = np.array([1.0 if a == positive else -1.0 for a, _ in labels])
    if positive == negative:
        positive, negative, turned = "clean", "corrupted", np.ones(len(suite.pairs))
    steps = turned[:, None] * (x[::2] - x[1::2])
    return Direction.of(
        model,
        steps.mean(axis=0),
        positive=positive,
        negative=negative,
        layer=layer,
        how=f"mean step of {len(suite.pairs)} pairs",
        suite=suite,
        groups=sorted({pair.group for pair in suite.pairs}),
        deciding=DecidingWords.of(replace(suite, sentences=tuple(both))),
        scale=float(np.linalg.norm(x, axis=1).mean()),
    )


def _bare_pairs(given: Sequence[tuple[str, str]], template: str) -> Suite:
    """Pairs of words as pairs of sentences."""
    if template.count("{}") != 1:
        raise HeadwiseError(f"A template has one place for a word, written {{}}; got {template!r}.")
    pairs: list[Pair] = []
    for first, second in given:
        sides = [
            _in_template(template, word, label, f"{first}-{second}")
            for word, label in ((first, "first"), (second, "second"))
        ]
        pairs.append(Pair(sides[0], sides[1]))
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    return Suite("pairs of words", "", sentences, pairs=tuple(pairs))


def _in_template(template: str, word: str, label: str, group: str) -> Sentence:
    plain = Sentence.of(template.format(word))
    at = len(Sentence.of(template.partition("{}")[0]).words)
    if plain.words[at : at + 1] != (word,):
        raise HeadwiseError(f"{word!r} is not one word in {template!r}.")
    return replace(plain, group=group, marks=(Mark(at, label),), source=repr(plain.text))


def from_probe(model: Model, probe: Probe, between: str | tuple[str, str]) -> Direction:
    """The normal of a saved probe between two classes, or between one and the mean of the others.

    One step raises the log odds of a logistic probe by one (of a centroid probe, its score of unscaled vectors). What it was fitted on is not known class by class, so
    only the suite's name can be checked.

    Raises:
        HeadwiseError: A probe of another model or not of the residual stream, or an unknown label.
    """
    positive, negative = _ends(between)
    probe.require(model)
    if probe.site != "residual":
        raise HeadwiseError(
            f"A direction is of the residual stream, and this probe is of {probe.place}. Fit one with headwise.fit_probe(model, "
            "suite, layer=...)."
        )
    for name in (positive, negative):
        if name is not None and name not in probe.labels:
            raise HeadwiseError(
                f"The probe knows the labels {', '.join(probe.labels)}; got {name!r}."
            )
    others = [i for i, name in enumerate(probe.labels) if name != positive]
    if negative is not None:
        others = [probe.labels.index(negative)]
    normal = probe.weight[probe.labels.index(positive)] - probe.weight[others].mean(axis=0)
    square = float(normal @ normal)
    return Direction.of(
        model,
        normal / square if square else normal,
        positive=positive,
        negative=negative or "others",
        layer=probe.layer,
        how=f"normal of a {probe.classifier} probe of {probe.suite}",
        scale=0.0,
    )


def from_unembedding(
    model: Model,
    right: str,
    wrong: str | Sequence[str],
    *,
    inner: Inner = "causal",
    first_token: bool = False,
) -> Direction:
    """The difference of two words' unembeddings, as *Potter* less *prince*: of a decoder, after its final norm.

    What is read is proportional to the difference of their logits. One step raises it by one. Under the `causal` inner product that step changes
    other words least; under the `plain` one it is the shortest. Biases of the output head and what
    caps logits (Gemma 2) are left out.

    Args:
        model: A decoder.
        right: The word ahead.
        wrong: The word behind, or several, whose mean it is.
        inner: `causal` or `plain`.
        first_token: Whether a word of several tokens is read by its first; else it is refused.

    Raises:
        HeadwiseError: A model that is no decoder, a word of several tokens, or the same token on both sides.
    """
    if model.kind != "decoder" or not model.has_output_head:
        raise HeadwiseError(
            f"{model.name} is an {model.kind}, and only a decoder's stream ends right before its unembedding. Fit a direction to "
            "sentences with directions.from_classes."
        )
    behind = [wrong] if isinstance(wrong, str) else list(wrong)
    table = model.unembedding
    read = first_token_of if first_token else token_of
    first, *rest = (read(model, word) for word in (right, *behind))
    if first in rest:
        raise HeadwiseError(
            f"{model.name} writes {right!r} and {behind[rest.index(first)]!r} with the same token."
        )
    way = (table[first] - table[rest].mean(0)).double().cpu().numpy()
    metric, vector = None, way
    if inner == "causal":
        metric = unembedding_covariance(model)
        vector = np.linalg.lstsq(metric, way, rcond=None)[0]
    elif inner != "plain":
        raise HeadwiseError(f"An unembedding has the inner product plain or causal; got {inner!r}.")
    rise = float(way @ vector)
    return Direction.of(
        model,
        vector / rise if rise else vector,
        positive=right,
        negative=", ".join(behind),
        layer=model.n_layers,
        how="difference of unembeddings",
        normed=True,
        inner=inner,
        metric=metric,
        scale=0.0,
    )


def from_value_up(model: Model, head: AnyHead, word: str) -> Direction:
    """The OV image of a word: what a head adds when it attends to that bare word alone.

    It lies in the stream after the head's block. The word's embedding passes the norm before the block with its own scale;
    biases are left out.

    Raises:
        HeadwiseError: No such head, or a word of several tokens.
    """
    (own,) = chosen(model, [head])
    image = value_up_images(model, [word], [own.layer])[0, own.head, 0]
    return Direction.of(
        model,
        image.double().cpu().numpy(),
        positive=word,
        negative="nothing",
        layer=own.layer + 1,
        how=f"OV image of {own.name}",
        scale=0.0,
    )
