"""Evidence side by side, heads that are known to matter, and sets of them."""

import pandas as pd

import headwise
from headwise import ablate, evidence
from helpers.planted_head import draw, pairs, plant


def test_it_looks_and_matters(word_level):
    model = plant(word_level)
    looked = headwise.relation_test(model, draw(0, 200), "amod", n_null=2, norms=False)
    heads = evidence.side_by_side(
        [evidence.looks(looked, "governor->dependent"), evidence.matters(ablate(model, pairs(60)))]
    )
    assert evidence.where(heads, looks="yes", matters="yes") == ["L1H2"]
    assert list(heads["name"]) == [f"L{la}H{h}" for la in range(2) for h in range(4)]


def test_rules_of_evidence():
    frames = [
        pd.DataFrame({"layer": [0, 0], "head": [0, 1], "looks": ["yes", "no"]}),
        pd.DataFrame({"layer": [0, 0], "head": [1, 0], "matters": ["yes", "no"]}),
    ]
    heads = evidence.side_by_side(frames)
    assert evidence.where(heads, looks="yes", matters="no") == ["L0H0"]
    assert evidence.where(heads, looks="no", matters="yes") == ["L0H1"]
    assert evidence.where(heads, carries="yes") == []  # was not asked


def test_every_kind_has_its_texts():
    frame = pd.DataFrame(columns=["layer", "head"])
    for kind in evidence.KINDS:
        texts = evidence.rule_of(kind, frame)
        assert (
            texts.text.startswith("Yes: ")
            and " No: " in texts.text
            and "Inconclusive: " in texts.text
        )
