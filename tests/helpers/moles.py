"""Moles of three senses, told by the words before."""

import numpy as np
import pytest
import torch

from headwise import HeadwiseError
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data.suite import Pair, Suite
from headwise.data.toml import parse

LABELS = {"animal": "", "unit": "", "spy": ""}
CLUES = {"animal": "a furry", "unit": "one gram per", "spy": "some secret"}
OTHERS = {"animal": "the muddy", "unit": "five of each", "spy": "that sly"}
ENDS = {"positive": "a", "negative": "b", "layer": 1}
NAMES = ("Anna", "Ben", "Carla", "Doris", "Emil", "Frida", "Gustav", "Hilda")


def sentence(name, sense, clues=CLUES):
    return parse(f"{name} saw {clues[sense]} [mole|{sense}] today", LABELS, f"{sense} {name}")


SUITE = Suite("s", "?", tuple(sentence(n, sense) for sense in LABELS for n in NAMES), LABELS, sha256="a" * 64)  # fmt: skip


def pairs(turned=()):
    both = [(sentence(name, "unit"), sentence(name, "animal")) for name in NAMES]
    found = tuple(Pair(*(b[::-1] if i in turned else b)) for i, b in enumerate(both))
    return Suite("p", "?", tuple(s for p in found for s in (p.clean, p.corrupted)), pairs=found)


def streams(model, layer, sentences, final=False):
    """The stream at every marked word, sentence by sentence."""
    found = []
    for own in sentences:
        (alignment,) = words.align(model, [own])
        with hooks.capture(model, ["residual"], layers=[layer]) as seen:
            end = model.forward(torch.tensor([alignment.tokens]))
        at = [i for i, word in enumerate(alignment.words) if word == own.marks[-1].word]
        found.append((end if final else seen["residual", layer])[0, at].mean(0).numpy())
    return np.stack(found).astype(float)


def refused(*asked):
    for ask, message in asked:
        with pytest.raises(HeadwiseError, match=message):
            ask()
