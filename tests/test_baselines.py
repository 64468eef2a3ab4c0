import numpy as np
import pytest

from headwise.baselines import (
    answer_classes,
    has_distractor,
    is_right,
    offset_name,
    rules,
    uniform,
)
from headwise.corpus import Corpus, classes_of
from headwise.questions import Questions, ask
from headwise.suites import Mark, Sentence


def corpus_of(*tagged):
    return Corpus.of(
        [
            Sentence(tuple(tags), (True,) * len(tags), f"g{i}", tags=tuple(tags))
            for i, tags in enumerate(tagged)
        ]
    )


def questions(*asked):
    """Questions as (sentence, looker, targets, first, end)."""
    width = max((len(targets) for _, _, targets, _, _ in asked), default=1)
    sentence, looker, targets, first, end = zip(*asked, strict=True) if asked else [()] * 5
    filled = [[*t, *[-1] * (width - len(t))] for t in targets]
    numbers = (np.array(x, dtype=int) for x in (sentence, looker, first, end))
    return Questions(*numbers, np.array(filled, dtype=int).reshape(-1, width))


# 0 the  1 old  2 stone  3 bridge  4 near  5 the  6 red  7 barn
TAGS = ("DET", "ADJ", "NOUN", "NOUN", "ADP", "DET", "ADJ", "NOUN")
CORPUS = corpus_of(TAGS)
OLD = (0, 1, (3,), 0, 8)
RED = (0, 6, (7,), 0, 8)
BARN = (0, 7, (6,), 0, 7)  # in a decoder: nothing ahead


def pointed(*asked, sets=(frozenset(("NOUN",)),)):
    return {name: places.tolist() for name, places in rules(questions(*asked), CORPUS, sets)}


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


def test_rules_stay_within_their_sentence():
    """Runs of nouns at the edges of sentences do not grow together."""
    corpus = corpus_of(("ADJ", "NOUN"), ("NOUN", "ADJ", "NOUN", "NOUN"), ("NOUN",))
    asked = questions((0, 0, (1,), 0, 2), (1, 1, (3,), 0, 4), (2, 0, (0,), 0, 1))
    found = {n: p.tolist() for n, p in rules(asked, corpus, [frozenset(("NOUN",))])}
    assert found["last of the next NOUN run"] == [1, 3, -1]
    assert found["first of the previous NOUN run"] == [-1, 0, -1]
    assert found["nearest NOUN"] == [1, 0, -1]


def test_which_parts_of_speech_are_right():
    assert answer_classes(questions(OLD, RED), CORPUS) == [frozenset(("NOUN",))]
    several = [OLD] * 25 + [(0, 4, (1,), 0, 8)] * 3 + [(0, 4, (0,), 0, 8)]
    found = answer_classes(questions(*several), CORPUS)
    assert found == [frozenset(("NOUN",)), frozenset(("NOUN", "ADJ"))]
    assert answer_classes(questions(OLD), corpus_of(("",) * 8)) == []
    assert answer_classes(questions(), CORPUS) == []


def test_right_and_wrong():
    assert is_right(questions(OLD, RED), np.array([3, -1])).tolist() == [True, False]
    assert is_right(questions((0, 3, (1, 2), 0, 8)), np.array([2])).tolist() == [True]
    assert is_right(questions(OLD, BARN), np.array([[3, 6], [1, 7]])).tolist() == [
        [True, True],
        [False, False],
    ]


def test_distractors():
    """The stone is nearer to old than the bridge; nothing stands between red and barn."""
    assert has_distractor(questions(OLD, RED, BARN), CORPUS).tolist() == [True, False, False]
    # The bridge is as near to 'near' as would be a noun on the other side.
    assert has_distractor(questions((0, 4, (7,), 0, 8)), CORPUS).tolist() == [True]
    # Both nouns are right, so neither distracts; the determiner is of another kind.
    assert has_distractor(questions((0, 1, (2, 3), 0, 8)), CORPUS).tolist() == [False]


def test_chance():
    assert uniform(questions(OLD)) == pytest.approx(1 / 7)
    assert uniform(questions(BARN)) == pytest.approx(1 / 7)
    assert uniform(questions((0, 7, (1, 6), 0, 7))) == pytest.approx(2 / 7)
    assert np.isnan(uniform(questions()))


PAIRS = np.array([(0, 0, 2), (0, 1, 2), (0, 3, 2), (1, 1, 0)])
LENGTHS = np.array([4, 2])


def test_who_is_asked():
    """Words 0, 1 and 3 of the first sentence depend on word 2; a governor is asked once."""
    found, impossible = ask("governor->dependent", PAIRS, LENGTHS, is_causal=False)
    assert (found.sentence.tolist(), found.looker.tolist(), impossible) == ([0, 1], [2, 0], 0)
    assert found.targets.tolist() == [[0, 1, 3], [1, -1, -1]]
    assert found.nearest.tolist() == [1, 1]
    found, _ = ask("column", PAIRS, LENGTHS, is_causal=False)
    assert found.looker.tolist() == [0, 1, 3, 1] and found.targets.ravel().tolist() == [2, 2, 2, 0]


def test_what_a_decoder_is_asked():
    found, impossible = ask("governor->dependent", PAIRS, LENGTHS, is_causal=True)
    assert found.targets.tolist() == [[0, 1, -1]] and impossible == 1
    assert (found.first.tolist(), found.end.tolist()) == ([0], [2])
    found, impossible = ask("column", PAIRS, LENGTHS, is_causal=True)
    assert found.looker.tolist() == [0, 1] and found.first.tolist() == [1, 2] and impossible == 2
    found, impossible = ask("dependent->governor", PAIRS, LENGTHS, is_causal=True)
    assert found.looker.tolist() == [3, 1] and found.end.tolist() == [3, 1] and impossible == 2


def test_marks_stand_in_for_parts_of_speech():
    sentence = Sentence(
        ("a", "blue", "car"), (True, True, False), "g", marks=(Mark(1, "amod"), Mark(2, "noun"))
    )
    assert classes_of(sentence) == ("", "amod", "noun")


def test_names_of_offsets():
    assert [offset_name(k) for k in (-2, -1, 1, 3)] == [
        "2 words before", "previous word", "next word", "3 words after",
    ]  # fmt: skip
