import numpy as np
import pytest

from headwise.baselines import (
    Question,
    answer_classes,
    classes_of,
    has_distractor,
    is_right,
    offset_name,
    rules,
    uniform,
)
from headwise.suites import Mark, Sentence

# 0 the  1 old  2 stone  3 bridge  4 near  5 the  6 red  7 barn
CLASSES = [("DET", "ADJ", "NOUN", "NOUN", "ADP", "DET", "ADJ", "NOUN")]
OLD = Question(0, 1, (3,), 0, 8)
RED = Question(0, 6, (7,), 0, 8)
BARN = Question(0, 7, (6,), 0, 7)  # in a decoder: nothing ahead


def pointed(*questions, sets=(frozenset(("NOUN",)),)):
    return {name: places.tolist() for name, places in rules(questions, CLASSES, sets)}


def test_every_rule_by_hand():
    found = pointed(OLD, RED)
    assert found["next word"] == [2, 7]
    assert found["previous word"] == [0, 5]
    assert found["2 words after"] == [3, -1]
    assert found["5 words before"] == [-1, 1]
    assert found["nearest NOUN after"] == [2, 7]
    assert found["nearest NOUN before"] == [-1, 3]
    assert found["nearest NOUN"] == [2, 7]
    assert found["last of the next NOUN run"] == [3, 7]
    assert found["first of the previous NOUN run"] == [-1, 2]


def test_a_decoder_sees_nothing_ahead():
    found = pointed(BARN, sets=(frozenset(("ADJ",)),))
    assert found["nearest ADJ before"] == [6]
    assert found["nearest ADJ after"] == [-1]
    assert found["nearest ADJ"] == [6]
    assert found["next word"] == [-1]


def test_which_parts_of_speech_are_right():
    assert answer_classes([OLD, RED], CLASSES) == [frozenset(("NOUN",))]
    questions = [OLD] * 25 + [Question(0, 4, (1,), 0, 8)] * 3 + [Question(0, 4, (0,), 0, 8)]
    assert answer_classes(questions, CLASSES) == [frozenset(("NOUN",)), frozenset(("NOUN", "ADJ"))]
    assert answer_classes([OLD], [("",) * 8]) == []


def test_right_and_wrong():
    assert is_right([OLD, RED], np.array([3, -1])).tolist() == [True, False]
    assert is_right([Question(0, 3, (1, 2), 0, 8)], np.array([2])).tolist() == [True]


def test_distractors():
    """The stone is nearer to old than the bridge; nothing stands between red and barn."""
    assert has_distractor([OLD, RED, BARN], CLASSES).tolist() == [True, False, False]
    # The bridge is as near to 'near' as would be a noun on the other side.
    assert has_distractor([Question(0, 4, (7,), 0, 8)], CLASSES).tolist() == [True]


def test_chance():
    assert uniform([OLD]) == pytest.approx(1 / 7)
    assert uniform([BARN]) == pytest.approx(1 / 7)
    assert uniform([Question(0, 7, (1, 6), 0, 7)]) == pytest.approx(2 / 7)
    assert np.isnan(uniform([]))


def test_marks_stand_in_for_parts_of_speech():
    sentence = Sentence(
        ("a", "blue", "car"), (True, True, False), "g", marks=(Mark(1, "amod"), Mark(2, "noun"))
    )
    assert classes_of(sentence) == ("", "amod", "noun")


def test_names_of_offsets():
    assert [offset_name(k) for k in (-2, -1, 1, 3)] == [
        "2 words before", "previous word", "next word", "3 words after",
    ]  # fmt: skip
