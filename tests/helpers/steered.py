"""Pairs of sentences of two classes, and directions between them, drawn at random."""

from dataclasses import replace

import numpy as np

from headwise import Direction
from headwise.data.suite import Mark, Pair, Sentence, Suite

ENDS = {"positive": "known", "negative": "unknown"}
TOLD = (
    ("g", "the quixotic creature roamed", "a quixotic creature roamed", "forest", "verdant"),
    ("h", "one creature roamed", "the creature roamed", "verdant blue", "forest"),
    ("h", "blue zebras in the forest", "verdant zebras in the forest", "creature", "fluffy"),
    ("i", "a forest", "the forest", "blue creature", "roamed"),
    ("j", "fluffy creature in the", "blue creature in the", "forest", "creature"),
)


def told(text, group, label):
    return replace(Sentence.of(text), group=group, marks=(Mark(1, label),))


def asked_of(given=TOLD):
    """Of every second pair it is the clean sentence that is of the other class."""
    made = []
    for i, (group, clean, corrupted, right, wrong) in enumerate(given):
        labels = tuple(ENDS.values())[:: -1 if i % 2 else 1]
        both = [told(t, group, label) for t, label in zip((clean, corrupted), labels, strict=True)]
        made.append(Pair(*both, right, wrong))
    return Suite("s", "?", tuple(s for p in made for s in (p.clean, p.corrupted)), pairs=tuple(made))  # fmt: skip


def direction_of(model, layer, seed=0, length=10.0):
    vector = np.random.default_rng(seed).standard_normal(model.d_model)
    return Direction.of(model, length * vector / np.linalg.norm(vector), **ENDS, layer=layer)
