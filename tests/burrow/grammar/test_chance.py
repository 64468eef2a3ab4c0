"""Choices cost what they surprise."""

import math
from collections import Counter

import pytest

from headwise.burrow.grammar.chance import Chance


def test_choices_cost_their_surprise():
    chance = Chance(0)
    chance.pick(range(10))
    assert chance.settle() == pytest.approx(math.log(10))
    chance.hidden(range(10))
    assert chance.settle() == 0
    assert chance.happens(0.25) in (True, False)
    assert chance.settle() in (pytest.approx(math.log(4)), pytest.approx(-math.log(0.75)))
    chance.sample(range(5), 2)
    assert chance.settle() == pytest.approx(math.log(20))
    chance.subset(range(5), 2)
    assert chance.settle() == pytest.approx(math.log(10))
    drawn = Counter(chance.number((0.7, 0.2, 0.1)) for _ in range(20_000))
    assert [drawn[i] / 20_000 for i in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.015)
