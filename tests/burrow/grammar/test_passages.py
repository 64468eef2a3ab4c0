"""Texts of training: the same from the same seed, with points that know what could stand there."""

from collections import Counter
from itertools import islice

import pytest

from headwise import burrow_sentences
from headwise.burrow.grammar.passages import PHENOMENA, training_text
from helpers.passages import writers


def test_the_vocabulary():
    words = Counter()
    for text in islice(training_text(0), 12_000):
        words.update(text.replace(".", " ").replace(",", " ").lower().split())
    assert len(words) >= 2500
    assert min(words.values()) >= 1 and words["mole"] > 30


def test_a_seed_fixes_the_text():
    assert list(islice(training_text(7), 50)) == list(islice(training_text(7), 50))
    assert list(islice(training_text(7), 50)) != list(islice(training_text(8), 50))
    first, second, other = (burrow_sentences("mysteries", 5, seed=seed) for seed in (1, 1, 2))
    assert first.sentences == second.sentences and first.sha256 == second.sha256
    assert first.sha256 != other.sha256


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_points_know_what_could_stand_there(phenomenon, held_out):
    points = [(w, p) for w in writers(phenomenon, held_out=held_out) for p in w.points]
    assert points
    for w, point in points:
        assert w.words[point.word] in point.right
        assert point.wrong and not set(point.right) & set(point.wrong)
        assert all(cause < point.word for cause in point.causes)
