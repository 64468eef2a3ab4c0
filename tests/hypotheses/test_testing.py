"""The verdict on a claim, and what sentences must have."""

import pandas as pd
import pytest

import headwise
from headwise import HeadwiseError, Hypothesis, evidence
from headwise.hypotheses.testing import verdict_on
from headwise.stats.deciding import of_interest

YES, NO, UNCLEAR = "yes", "no", "inconclusive"


def heads(**kinds):
    n = len(next(iter(kinds.values())))
    made = pd.DataFrame({"name": [f"L0H{i}" for i in range(n)], "layer": 0, "head": range(n)} | kinds)  # fmt: skip
    return evidence.judge_all(made)


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ({"looks": [NO, YES]}, "supported"),
        ({"looks": [NO, NO]}, "not supported"),
        ({"looks": [NO, UNCLEAR]}, "inconclusive"),
        ({"looks": [YES, NO], "carries": [NO, YES]}, "not supported"),
        ({"looks": [YES, UNCLEAR], "carries": [UNCLEAR, YES]}, "inconclusive"),
        ({"looks": [YES, NO], "carries": [YES, NO]}, "supported"),
        ({"looks": [YES, NO], "matters": [YES, NO]}, "supported"),
        ({"looks": [YES, NO], "matters": [NO, YES]}, "not supported"),
        ({"looks": [YES, NO], "matters": [UNCLEAR, NO]}, "inconclusive"),
        ({"looks": [YES, NO], "matters": [YES, NO], "moves": [NO, NO]}, "inconclusive"),
    ],
)
def test_the_verdict_on_a_claim(kinds, verdict):
    assert verdict_on(heads(**kinds), []) == verdict


def test_a_kind_that_could_not_be_tested_supports_nothing():
    assert verdict_on(heads(looks=[YES, NO]), ["matters"]) == "inconclusive"
    assert verdict_on(heads(looks=[NO, NO]), ["matters"]) == "not supported"


@pytest.mark.parametrize(
    ("suite", "kinds", "message"),
    [
        ("mole", {"looks": {"relation": "amod"}}, "links no words"),
        ("adjective_noun", {"looks": {"relation": "amid"}}, "amod"),
        ("creature", {"matters": {}}, r"\[matters\] needs minimal pairs"),
        ("gender_pairs", {"matters": {"metrics": ["los"]}}, "unknown metric 'los'"),
        ("mole", {"carries": {"labels": ["animal", "insect"]}}, "names the label 'insect', which no mark of 'mole' has"),
        ("mole", {"carries": {"labels": ["animal"]}}, "at least two labels"),
        ("number", {"carries": {"label": "part of speech"}}, "has no tags"),
    ],
)  # fmt: skip
def test_sentences_without_what_a_kind_reads_are_refused_before_a_model_runs(suite, kinds, message):
    made = Hypothesis.of("own", "Q?", "C.", suite, **kinds)
    with pytest.raises(HeadwiseError, match=message):
        made.check(made.suites())


def test_the_smallest_effect_of_interest_decides(tiny_bert):
    """What is within ten points is a no where ten points are the smallest of interest, and not where one is."""
    suite = headwise.read_suite("adjective_noun").sample_groups(24, 3)
    told = {}
    for smallest in (0.001, 0.9):
        with of_interest({"looks": smallest}):
            assert evidence.LOOKS.smallest == smallest and evidence.MATTERS.smallest == 0.05
            result = headwise.relation_test(tiny_bert, suite, "amod", n_null=1, n_splits=2)
            told[smallest] = set(evidence.looks(result, "column")["looks"])
    assert evidence.LOOKS.smallest == 0.05
    assert NO not in told[0.001] and told[0.9] == {UNCLEAR} | ({NO} & told[0.9])
