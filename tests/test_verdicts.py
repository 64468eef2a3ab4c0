"""Every combination of evidence has the verdict that the table says, and none is stronger than its evidence."""

from itertools import product

import pandas as pd
import pytest

from headwise.evidence import KINDS
from headwise.verdicts import judge, judge_all

SAID = ("yes", "no", "unclear", None)
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
        ("yes", "unclear", "inconclusive"),
        ("unclear", "yes", "inconclusive"),
        ("unclear", "unclear", "inconclusive"),
        ("no", "unclear", "inconclusive"),
        ("unclear", "no", "inconclusive"),
    ],
)
def test_the_table(looks, matters, verdict):
    said = {"looks": looks, "matters": matters, "carries": "yes", "moves": "yes"}
    assert judge(said).verdict == verdict
    del said["moves"], said["carries"]
    assert judge(said).verdict == verdict
    assert judge(said).missing[-1] == "moves (not asked)"


@pytest.mark.parametrize("kind", ["carries", "moves"])
def test_what_denies_it_stands_against_support(kind):
    said = {"looks": "yes", "matters": "yes", "carries": "yes", "moves": "yes", kind: "no"}
    assert judge(said).verdict == "inconclusive"
    assert judge(said | {kind: "unclear"}).verdict == "supported"
    assert judge(said | {kind: "unclear"}).missing == (f"{kind} (unclear)",)


def test_no_verdict_is_stronger_than_its_evidence():
    """Over all 256 combinations: nothing is said without both kinds that it is about."""
    for said in EVERY:
        verdict = judge(asked(said)).verdict
        if said["looks"] in (None, "unclear") or said["matters"] in (None, "unclear"):
            assert verdict == "inconclusive"
        if verdict == "supported":
            assert "no" not in said.values()
        else:
            assert not all(value == "yes" for value in said.values())


def test_missing_names_what_was_not_told():
    for said in EVERY:
        missing = judge(asked(said)).missing
        assert len(missing) == sum(value in (None, "unclear") for value in said.values())


def test_a_table_of_heads():
    heads = pd.DataFrame(
        {"name": ["L0H0", "L0H1"], "looks": ["yes", "no"], "matters": ["yes", "no"]}
    )
    found = judge_all(heads)
    assert list(found["verdict"]) == ["supported", "refuted"]
    assert list(found["missing"]) == ["carries (not asked), moves (not asked)"] * 2
    assert list(judge_all(heads[["name"]])["verdict"]) == ["inconclusive"] * 2
