"""Every combination of evidence has the verdict that the table says, and none is stronger than its evidence."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest

from headwise.evidence import KINDS
from headwise.evidence.verdicts import judge, judge_all, summary

SAID = ("yes", "no", "inconclusive", None)
EVERY = [dict(zip(KINDS, said, strict=True)) for said in product(SAID, repeat=len(KINDS))]


def asked(said):
    return {kind: value for kind, value in said.items() if value is not None}


@pytest.mark.parametrize(
    ("looks", "matters", "verdict"),
    [
        ("yes", "yes", "supported"),
        ("yes", "no", "attends without mattering"),
        ("no", "yes", "matters without attending"),
        ("no", "no", "refuted"),
        ("yes", "inconclusive", "inconclusive"),
        ("inconclusive", "yes", "inconclusive"),
        ("inconclusive", "inconclusive", "inconclusive"),
        ("no", "inconclusive", "inconclusive"),
        ("inconclusive", "no", "inconclusive"),
    ],
)
def test_the_table(looks, matters, verdict):
    said = {"looks": looks, "matters": matters, "carries": "inconclusive", "moves": "inconclusive"}
    assert judge(said).verdict == verdict
    del said["moves"], said["carries"]
    assert judge(said).verdict == verdict
    assert judge(said).missing[-1] == "moves (not tested)"


@pytest.mark.parametrize("kind", ["carries", "moves"])
def test_what_denies_it_stands_against_support(kind):
    said = {"looks": "yes", "matters": "yes", "carries": "yes", "moves": "yes", kind: "no"}
    assert judge(said).verdict == "inconclusive"
    assert judge(said | {kind: "inconclusive"}).verdict == "supported"
    assert judge(said | {kind: "inconclusive"}).missing == (f"{kind} (inconclusive)",)


@pytest.mark.parametrize("kind", ["carries", "moves"])
def test_a_head_that_carries_or_moves_is_not_refuted(kind):
    said = dict.fromkeys(KINDS, "no")
    assert judge(said).verdict == "refuted"
    assert judge(said | {kind: "yes"}).verdict == "inconclusive"


def test_no_verdict_is_stronger_than_its_evidence():
    """Over all 256 combinations: nothing is said without both kinds that it is about."""
    for said in EVERY:
        verdict = judge(asked(said)).verdict
        if said["looks"] in (None, "inconclusive") or said["matters"] in (None, "inconclusive"):
            assert verdict == "inconclusive"
        if verdict == "supported":
            assert "no" not in said.values()
        else:
            assert not all(value == "yes" for value in said.values())


def test_missing_names_what_was_not_told():
    for said in EVERY:
        missing = judge(asked(said)).missing
        assert len(missing) == sum(value in (None, "inconclusive") for value in said.values())


def test_a_table_of_heads():
    heads = pd.DataFrame(
        {"name": ["L0H0", "L0H1"], "looks": ["yes", "no"], "matters": ["yes", "no"]}
    )
    found = judge_all(heads)
    assert list(found["verdict"]) == ["supported", "refuted"]
    assert list(found["missing"]) == ["carries (not tested), moves (not tested)"] * 2
    assert list(judge_all(heads[["name"]])["verdict"]) == ["inconclusive"] * 2


def frame(*said, kinds=KINDS):
    """Heads of which each kind says something, in the order of the kinds; `None` of all is not asked."""
    heads = pd.DataFrame(list(said), columns=list(kinds))
    heads.insert(0, "name", [f"L0H{i}" for i in range(len(heads))])
    return judge_all(heads)


TWO = ("looks", "matters")


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        (frame(("yes", "yes"), ("no", "no"), kinds=TWO), "Of 2 heads, 1 attends to the expected word and is causally needed, and no test contradicts this (supported): L0H0; 1 does neither (refuted). Not tested: carries and moves."),
        (frame(("yes", "yes"), ("yes", "yes"), kinds=TWO), "Of 2 heads, 2 attend to the expected word and are causally needed, and no test contradicts this (supported): L0H0, L0H1. Not tested: carries and moves."),
        (frame(("yes", "no"), ("no", "yes"), ("inconclusive", "yes"), kinds=TWO), "Of 3 heads, none passes every test (looks, matters); 1 attends without mattering: L0H0; 1 matters without attending: L0H1; the evidence is inconclusive for 1. Not tested: carries and moves."),
        (frame(*[("inconclusive", "inconclusive")] * 2, kinds=TWO), "Of 2 heads, none passes every test (looks, matters); the evidence is inconclusive for all 2. Not tested: carries and moves."),
        (frame(("yes", "yes", "yes", "no"), kinds=("looks", "carries", "matters", "moves")), "Of 1 heads, none passes every test (looks, carries, matters, moves); 1 attends and is needed, but carries or moves says no: L0H0."),
        (frame(("yes", "yes", "yes", "inconclusive")), "Of 1 heads, 1 attends to the expected word and is causally needed, and no test contradicts this (supported): L0H0. Inconclusive for L0H0: moves."),
        (frame(("yes", "yes"), kinds=("looks", "carries")), "No verdict on single heads: whether the model needs them was not tested."),
        (frame(("yes", "yes"), kinds=("carries", "moves")), "No verdict on single heads: whether they attend to the expected word and whether the model needs them was not tested."),
        (frame(("yes",), kinds=("looks",)), ""),
    ],
)  # fmt: skip
def test_the_sentence(heads, said):
    assert summary(heads) == said


def test_many_names_are_cut_short():
    said = summary(frame(*[("yes", "yes")] * 11, kinds=TWO))
    assert "L0H7 and 3 more" in said and "L0H8" not in said


def test_the_sentence_is_never_stronger_than_the_verdicts():
    """Over random evidence: strong words stand only where some head has that verdict, and all heads are counted."""
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        kinds = [k for k in KINDS if k in TWO or rng.random() < 0.6]
        weights = rng.dirichlet(np.ones(3) * 0.5)
        drawn = rng.choice(
            ["yes", "no", "inconclusive"], (rng.integers(1, 9), len(kinds)), p=weights
        )
        heads = frame(*map(tuple, drawn.tolist()), kinds=kinds)
        said = summary(heads)
        verdicts = set(heads["verdict"])
        seen |= verdicts
        for words, verdict in (
            (r"supported|causally needed", "supported"),
            (r"attends? without mattering", "attends without mattering"),
            (r"matters? without attending", "matters without attending"),
            (r"neither", "refuted"),
        ):
            assert bool(re.search(words, said)) == (verdict in verdicts), said
        counts = re.findall(r"(?:, |; |for |all )(\d+)(?: (?:attend|matter|do)|[.])", said)
        assert sum(map(int, counts)) == len(heads), said
        strong = said.split("(supported): ")[1].split(";")[0].split(".")[0] if "supported" in verdicts else ""  # fmt: skip
        named = re.findall(r"L\d+H\d+", strong)
        assert named == list(heads.loc[heads["verdict"] == "supported", "name"])
    assert len(seen) == 5
