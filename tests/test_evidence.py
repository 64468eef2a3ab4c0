"""Evidence side by side, heads that are known to matter, and sets of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_planted import D_HEAD, FILLERS, N_IDS, draw, make, word_level

import headwise
from headwise import HeadwiseError, ablate, ablate_set, evidence
from headwise.suites import Link, Mark, Pair, Sentence, Suite

assert word_level  # the fixture


def plant(tokenizer):
    """The hand-set transformer of the relation tests, whose head L1H2 now also says what it sees.

    Its values are the numbers of adjectives, its output matrix hands them on, and the output head reads from them which noun
    fits. All other heads write nothing, as before.
    """
    model = make(tokenizer, 0, planted=True)
    body = model.hf.transformer
    with torch.no_grad():
        attention = body.h[1].attn
        start = 2 * 4 * D_HEAD + 2 * D_HEAD
        value = slice(start, start + D_HEAD)
        attention.c_attn.weight[:, value] = 0
        attention.c_attn.bias[value] = 0
        for i in range(N_IDS):
            attention.c_attn.weight[i, value.start + i] = 4
            attention.c_proj.weight[2 * D_HEAD + i, i] = 4
    return model


def pairs(n, seed=0):
    """Sentences with two adjectives, one of which belongs to the noun at the end; swapped in the corrupted one."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        a, b, c = rng.permutation(N_IDS)[:3]
        fill = [str(w) for w in rng.choice(FILLERS, 4)]
        clean = (fill[0], f"adj{a}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        corrupted = (fill[0], f"adj{c}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        both = [
            Sentence(
                words, (True,) * 6, f"g{number}", (Mark(5, "noun"),), (Link(1, 5, "amod"),),
                tags=("X", "ADJ", "X", "ADJ", "X", "NOUN"),
            )
            for words in (clean, corrupted)
        ]  # fmt: skip
        made.append(Pair(*both, f"adj{a}", f"adj{b}"))
    return Suite(
        "p", "?", tuple(s for p in made for s in (p.clean, p.corrupted)), pairs=tuple(made)
    )


def test_only_the_planted_head_matters(word_level):
    model = plant(word_level)
    result = ablate(model, pairs(60), how=["zero", "mean", "resample"])
    assert result.needed == ["L1H2"]
    others = result.table["cut"] != "L1H2"
    assert (result.table.loc[others, "cost"].abs() < 1e-5).all()
    heads = evidence.matters(result)
    assert evidence.where(evidence.side_by_side([heads]), matters="yes") == ["L1H2"]
    assert (heads["matters"] == "no").sum() == 7
    assert (heads.loc[heads["matters"] == "yes", "matters_share"] > 0.05).all()


def test_it_looks_and_matters(word_level):
    model = plant(word_level)
    looked = headwise.test_relation(model, draw(0, 200), "amod", controls=0, norms=False)
    heads = evidence.side_by_side(
        [evidence.looks(looked, "governor->dependent"), evidence.matters(ablate(model, pairs(60)))]
    )
    assert evidence.where(heads, looks="yes", matters="yes") == ["L1H2"]
    assert list(heads["name"]) == [f"L{la}H{h}" for la in range(2) for h in range(4)]


def test_a_set_with_the_planted_head(word_level):
    model = plant(word_level)
    found = ablate_set(
        model, pairs(60), ["L1H2", "L0H1"], how="mean", n_random=5, unrelated=pairs(20, 5)
    )
    row = found.table.iloc[0]
    assert row["cost"] == pytest.approx(
        row["sum_of_parts"], abs=1e-4
    )  # the other head does nothing
    assert row["low"] > 0 and abs(row["random"]) < 1e-5 and row["p"] == pytest.approx(1 / 6)
    assert row["restored"] == pytest.approx(1, abs=1e-4) and abs(row["restored_random"]) < 1e-4
    assert found.unrelated is not None and "kept" not in found.unrelated.cuts
    whole = ablate(
        model,
        pairs(60),
        heads={"all": [(la, h) for la in range(2) for h in range(4)]},
        how=["mean"],
    )
    assert row["all"] == pytest.approx(whole.table["cost"].iloc[0])
    with pytest.raises(HeadwiseError, match="every head of its layers"):
        ablate_set(model, pairs(20), [(0, h) for h in range(4)])


@pytest.mark.parametrize("phenomenon", ["adjectives", "mole", "gender"])
def test_sets_that_burrow_needs(phenomenon):
    """Found on known combinations, they cost at least five times what random sets do on held-out ones."""
    model = headwise.load("burrow", device="cpu", verify=False)
    finding = headwise.burrow_pairs(phenomenon, 60, seed=1, held_out=False)
    testing = headwise.burrow_pairs(phenomenon, 60, seed=2, held_out=True)
    chosen = ablate(model, finding, how=["mean", "resample"]).needed[:4]
    assert len(chosen) >= 2
    row = ablate_set(model, testing, chosen, n_random=8).table.iloc[0]
    assert row["low"] > 0 and row["cost"] > 5 * max(row["random"], 0)
    assert row["restored"] > 0.3 > row["restored_random"]


def test_rules_of_evidence():
    frames = [
        pd.DataFrame({"layer": [0, 0], "head": [0, 1], "looks": ["yes", "no"]}),
        pd.DataFrame({"layer": [0, 0], "head": [1, 0], "matters": ["yes", "no"]}),
    ]
    heads = evidence.side_by_side(frames)
    assert evidence.where(heads, looks="yes", matters="no") == ["L0H0"]
    assert evidence.where(heads, looks="no", matters="yes") == ["L0H1"]
    assert evidence.where(heads, carries="yes") == []  # was not asked


def test_nouns_without_their_adjectives():
    def sentence(text, noun, adjectives):
        plain = Sentence.of(text)
        links = tuple(Link(a, noun, "amod") for a in adjectives)
        return Sentence(plain.words, plain.spaces, group="g", links=links)

    suite = Suite(
        "s",
        "?",
        (
            sentence("An old blue car stopped.", 3, (1, 2)),
            sentence("She saw a blue apple.", 4, (3,)),
            sentence("Blue cars stopped.", 1, (0,)),
            sentence("The car was old.", 1, (3,)),  # not before the noun
        ),
    )
    told = evidence.described_or_bare(suite)
    assert [s.text for s in told.sentences] == [
        "An old blue car stopped.", "A car stopped.", "She saw a blue apple.", "She saw an apple.",
        "Blue cars stopped.", "Cars stopped.",
    ]  # fmt: skip
    assert [s.words[s.marks[0].word].lower() for s in told.sentences] == [
        "car", "car", "apple", "apple", "cars", "cars",
    ]  # fmt: skip
    assert [s.marks[0].label for s in told.sentences[:2]] == ["described", "bare"]


def test_what_decides_is_linked_to_what_needs_it():
    mole = headwise.burrow_pairs("mole", 10)
    linked = evidence.cues(mole)
    assert len(linked.sentences) == 20 and linked.relations.keys() == {"cue"}
    plain = Suite(
        "s", "?", (), pairs=(Pair(Sentence.of("the red mole"), Sentence.of("the blue mole")),)
    )
    assert [s.links for s in evidence.cues(plain).sentences] == [(Link(1, 2, "cue"),)] * 2
