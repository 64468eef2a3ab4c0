"""Which findings of one report hold in another."""

import numpy as np
import pytest

from headwise import HeadwiseError, replicate
from headwise.hypotheses.replication import outcome, section
from headwise.report.schema import Heads, Measure, Packed
from helpers import pages


def report(verdict, answers, effects, *, kinds=("looks",), shape=(2, 2), half=0.05, name="own", verdicts="", sentences=(), control=0.0):  # fmt: skip
    """A report whose kinds of evidence all have the same numbers."""
    effects = np.array(effects, dtype=float).reshape(shape)
    measures = [
        Measure(
            kind=kind, what="w", unit="difference", rule="r", p_over="p", answers=answers,
            effect=Packed.of(effects), low=Packed.of(effects - half), high=Packed.of(effects + half), p=Packed.of(np.zeros(shape)), control=Packed.of(np.full(shape, control)),
        )
        for kind in kinds
    ]  # fmt: skip
    made = pages.whole()
    return made.model_copy(
        update={
            "analysis": name,
            "verdict": verdict,
            "heads": Heads(
                n_layers=shape[0], n_heads=shape[1], measures=measures, verdicts=verdicts
            ),
            "provenance": made.provenance.model_copy(update={"sentences": list(sentences)}),
        }
    )


FIRST = report("supported", "ynny", [0.3, 0, 0, 0.2], sentences=["a", "b"])


def test_findings_are_judged_by_their_own_intervals():
    found = replicate(FIRST, report("inconclusive", "uuuu", [0.2, 0.4, 0.4, -0.1], sentences=["b", "c", "d"]))  # fmt: skip
    assert found.table[["name", "outcome"]].to_numpy().tolist() == [
        ["L0H0", "replicated"],
        ["L1H1", "not replicated"],
    ]
    row = found.table.iloc[0]
    assert (row["first"], row["second"]) == pytest.approx((0.3, 0.2))
    assert row["second_low"] < 0.15 and row["second_high"] > 0.25  # wider: there are two
    assert (found.claim, found.shared, found.sentences) == ("replicated", 1, 3)
    assert "1 of 3 sentences are those of the first report" in found.sentence
    assert list(found.significant()["name"]) == ["L0H0"]
    assert section(found).tables[0].rows[0][2] == "replicated"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.2, 0.1, 0.3), "replicated"),
        ((0.04, 0.03, 0.049), "not replicated"),
        ((0.04, 0.03, 0.06), "inconclusive"),
        ((0.2, -0.1, 0.5), "inconclusive"),
        ((-0.2, -0.3, -0.1), "not replicated"),
        ((float("nan"),) * 3, "inconclusive"),
    ],
)
def test_the_rule(numbers, expected):
    assert outcome(*numbers, control=0.0, smallest=0.05, n_findings=1)[0] == expected


def test_many_findings_need_more():
    assert outcome(0.2, 0.01, 0.39, control=0.0, smallest=0.05, n_findings=1)[0] == "replicated"
    assert outcome(0.2, 0.01, 0.39, control=0.0, smallest=0.05, n_findings=10)[0] == "inconclusive"


@pytest.mark.parametrize(
    ("first", "second", "claim"),
    [
        (FIRST, report("inconclusive", "uuuu", [-0.2, 0, 0, -0.2]), "not replicated"),
        (FIRST, report("inconclusive", "uuuu", [0.04, 0, 0, -0.2]), "inconclusive"),
        (report("not supported", "nnnn", [0] * 4), report("not supported", "nnnn", [0] * 4), "replicated"),
        (report("not supported", "nnnn", [0] * 4), report("supported", "ynnn", [1, 0, 0, 0]), "not replicated"),
        (report("not supported", "nnnn", [0] * 4), report("inconclusive", "uuuu", [0] * 4), "inconclusive"),
        (report("inconclusive", "ynnn", [1, 0, 0, 0]), report("supported", "ynnn", [1, 0, 0, 0]), "nothing to replicate"),
        (FIRST, report("supported", "y" + "n" * 5, [1] * 6, shape=(2, 3)), "replicated"),
        (FIRST, report("not supported", "n" * 6, [1] * 6, shape=(2, 3)), "not replicated"),
        (FIRST, report("inconclusive", "n" * 6, [1] * 6, shape=(2, 3)), "inconclusive"),
    ],
)  # fmt: skip
def test_the_claim(first, second, claim):
    found = replicate(first, second)
    assert found.claim == claim
    assert ("other shapes" in found.sentence) == (not found.same_shape)


def test_a_head_must_be_replicated_by_every_kind_by_which_it_supported():
    kinds = ("looks", "matters")
    first = report("supported", "ynnn", [0.3, 0, 0, 0], kinds=kinds, verdicts="siii")
    second = report("inconclusive", "ynnn", [0.3, 0, 0, 0], kinds=kinds, verdicts="iiii")
    assert replicate(first, second).claim == "replicated"
    looks, matters = second.heads.measures
    gone = matters.model_copy(update={name: Packed.of(np.full((2, 2), -0.1)) for name in ("effect", "low", "high")})  # fmt: skip
    mixed = second.model_copy(update={"heads": second.heads.model_copy(update={"measures": [looks, gone]})})  # fmt: skip
    assert replicate(first, mixed).claim == "not replicated"


def test_all_sentences_in_common_are_no_replication_on_other_data():
    assert "so this is no replication on other data" in replicate(FIRST, FIRST).sentence
    unknown = report("supported", "ynny", [0.3, 0, 0, 0.2])
    assert replicate(unknown, FIRST).shared is None


def test_reports_of_two_hypotheses_are_not_compared():
    with pytest.raises(HeadwiseError, match="two hypotheses, 'own' and 'other'"):
        replicate(FIRST, report("supported", "ynny", [0] * 4, name="other"))
    with pytest.raises(HeadwiseError, match="has no evidence on heads"):
        replicate(FIRST, FIRST.model_copy(update={"heads": None}))


def test_the_luckiest_of_many_is_rarely_replicated_and_a_true_one_nearly_always():
    """32 heads, 40 groups, twice: the best of none of them, and one whose effect is 20 points."""
    rng = np.random.default_rng(0)
    lucky = true = 0
    for _ in range(300):
        both = rng.normal(0, 0.3, (2, 32, 40))
        both[:, 0] += 0.2
        mean, half = both.mean(-1), 2.02 * both.std(-1, ddof=1) / np.sqrt(40)
        best = 1 + int(mean[0, 1:].argmax())
        lucky += outcome(mean[1, best], (mean - half)[1, best], (mean + half)[1, best], control=0.0, smallest=0.05, n_findings=1)[0] == "replicated"  # fmt: skip
        true += outcome(mean[1, 0], (mean - half)[1, 0], (mean + half)[1, 0], control=0.0, smallest=0.05, n_findings=1)[0] == "replicated"  # fmt: skip
    assert lucky <= 0.05 * 300 and true >= 0.95 * 300


def test_a_kind_that_was_not_tested_again_leaves_the_claim_open():
    kinds = ("looks", "matters")
    first = report("supported", "ynnn", [0.3, 0, 0, 0], kinds=kinds, verdicts="siii")
    found = replicate(first, report("inconclusive", "ynnn", [0.3, 0, 0, 0], verdicts="iiii"))
    assert found.table[["kind", "outcome"]].to_numpy().tolist() == [["looks", "replicated"], ["matters", "inconclusive"]]  # fmt: skip
    assert found.claim == "inconclusive"


TEXT = """format = 1
name = "own"
question = "Q?"
claim = "C."
suite = "mole"
[looks]
relation = "amod"
smallest = 0.3
"""


def of(made, text):
    return made.model_copy(update={"provenance": made.provenance.model_copy(update={"hypothesis": text})})  # fmt: skip


def test_the_smallest_effect_of_interest_is_that_of_the_hypothesis():
    second = report("inconclusive", "uuuu", [0.1, 0, 0, 0])
    first = report("supported", "ynnn", [0.4, 0, 0, 0])
    assert replicate(first, second).claim == "replicated"
    assert replicate(of(first, TEXT), of(second, TEXT)).claim == "not replicated"
    assert replicate(of(first, TEXT), second, smallest={"looks": 0.02}).claim == "replicated"
    with pytest.raises(HeadwiseError, match="of the name 'own', which differ"):
        replicate(of(first, TEXT), of(second, TEXT.replace("amod", "nsubj")))


@pytest.mark.parametrize("smallest", [{"look": 0.1}, {"looks": 0}, {"looks": float("nan")}, {"looks": 2}])  # fmt: skip
def test_smallest_effects_that_are_none(smallest):
    with pytest.raises(HeadwiseError, match="smallest: 'look"):
        replicate(FIRST, FIRST, smallest=smallest)


@pytest.mark.parametrize(("control", "claim"), [(0.0, "replicated"), (0.25, "inconclusive"), (np.nan, "inconclusive")])  # fmt: skip
def test_a_control_that_reaches_as_far_decides(control, claim):
    """What a never-trained model of the second report also shows is no replication, and without controls nothing is."""
    first = report("supported", "ynnn", [0.3, 0, 0, 0])
    assert replicate(first, report("inconclusive", "uuuu", [0.2, 0, 0, 0], control=control)).claim == claim  # fmt: skip
