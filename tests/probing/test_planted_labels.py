"""Tests of the tests: labels that are nowhere, labels put where they are known to be, a leak on purpose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

import headwise
from headwise import Suite
from headwise.activations import alignment, hooks
from headwise.data.toml import parse
from headwise.probing import splits

LABELS = {"a": "", "b": ""}
ABOUT = (
    "brackish estuary", "crooked chimney", "velvet curtain", "Gothic clocktower", "painted dinghy", "plum orchard",
    "diesel tractor", "brass band", "alpine pass", "quarrelsome jackdaw", "boiled turnip", "forgotten hymnbook",
    "whistling kettle", "spice market", "football ground", "copper weathercock", "winter barley", "leaky rowboat",
    "marble staircase", "hungry magpie", "paper lantern", "muddy trench", "silver thimble", "empty vineyard",
)  # fmt: skip


def labelled(seed, n_groups=24, per_group=3):
    """Sentences about different things, with labels that say nothing of them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n_groups) % 2)
    return Suite(
        "s",
        "?",
        tuple(
            parse(f"{said} {ABOUT[group]} [mole|{'ab'[label]}] again", LABELS, f"g{group}")
            for group, label in enumerate(labels)
            for said in ("So", "Then", "But")[:per_group]
        ),
        LABELS,
    )


@pytest.mark.parametrize("n", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_shuffled_labels_are_read_as_often_as_stated(tiny_bert, n):
    """The share of runs in which anything at all is found at 5%."""
    false = 0
    for seed in range(n):
        table = headwise.probe(
            tiny_bert, labelled(seed), sites=("z",), classifiers=("centroid",), folds=4, seed=seed,
            selectivity=False, n_null=0, draws=1,
        ).table  # fmt: skip
        false += table["p_reading_fwer"].min() < 0.05
    assert false <= binom.interval(0.99, n, 0.05)[1]


def test_a_label_planted_in_one_head(tiny_bert):
    """A vector that stands for the label is added to what L0H2 hands over, and to nothing else."""
    suite = labelled(0)
    alignments = alignment.align(tiny_bert, suite.sentences)
    (batch,) = alignment.batches(tiny_bert, alignments)
    codes = torch.tensor([suite.sentences[i].marks[0].label == "b" for i in batch.indices])
    planted = torch.randn(tiny_bert.d_head, generator=torch.Generator().manual_seed(0))

    def plant(z, site):
        return z + torch.where(codes, 1.0, -1.0)[:, None, None, None] * planted

    with hooks.edit(tiny_bert, "z", plant, layers=[0], heads=[2]):
        result = headwise.probe(
            tiny_bert,
            suite,
            folds=4,
            classifiers=("centroid",),
            selectivity=False,
            n_null=0,
            draws=1,
        )
    table = result.table.set_index(["site", "layer", "head"])
    found = {
        (row.site, row.layer, row.head)
        for row in result.table[result.table["p_reading_fwer"] < 0.05].itertuples()
    }
    assert table.loc[("z", 0, 2), "accuracy"] == 1
    assert ("z", 0, 2) in found
    before = {key for key in found if key[0] == "residual" and key[1] == 0}
    beside = {key for key in found if key[0] == "z" and key[1] == 0} - {("z", 0, 2)}
    assert not before and not beside
    assert any(site == "residual" and layer > 0 for site, layer, _ in found)  # and it is handed on


def test_a_leak_on_purpose(minilm, monkeypatch):
    """Twins on both sides of a split are remembered; groups keep them apart, and so does their likeness."""
    suite = labelled(1, per_group=3)
    alone = Suite(
        "s", "?", tuple(replace(s, group=f"{i}") for i, s in enumerate(suite.sentences)), LABELS
    )
    asked = {
        "sites": ("residual",), "layers": [3], "classifiers": ("logistic",), "folds": 4,
        "selectivity": False, "n_null": 0, "logistic": headwise.Logistic(C=(1.0,)),
    }  # fmt: skip

    def accuracy(suite):
        result = headwise.probe(minilm, suite, **asked, draws=1)
        rows = result.table[result.table["site"] == "residual"]
        return rows["accuracy"].item(), result.n_alike

    grouped, _ = accuracy(suite)
    found, n_alike = accuracy(alone)
    monkeypatch.setattr(splits, "ALIKE", 2.0)
    leaked, _ = accuracy(alone)
    assert leaked > 0.9
    assert grouped < 0.7
    assert n_alike > 0.5 * len(suite) and found < leaked - 0.15
