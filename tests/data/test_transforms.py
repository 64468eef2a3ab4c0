"""Suites made of other suites."""

import pytest

import headwise
from headwise import HeadwiseError
from headwise.data import transforms
from headwise.data.suite import Link, Pair, Sentence, Suite


def test_what_decides_is_linked_to_what_needs_it():
    mole = headwise.burrow_pairs("mole", 10, held_out=True)
    linked = transforms.cues(mole)
    assert len(linked.sentences) == 20 and linked.relations.keys() == {"cue"}
    plain = Suite(
        "s", "?", (), pairs=(Pair(Sentence.of("the red mole"), Sentence.of("the blue mole")),)
    )
    assert [s.links for s in transforms.cues(plain).sentences] == [(Link(1, 2, "cue"),)] * 2


def test_halves_share_no_group_and_keep_every_pair():
    suite = headwise.read_suite("gender_pairs")
    first, second = transforms.halves(suite, seed=3)
    groups = [{pair.group for pair in half.pairs} for half in (first, second)]
    assert not groups[0] & groups[1] and abs(len(groups[0]) - len(groups[1])) <= 1
    assert {*first.pairs, *second.pairs} == {*suite.pairs}
    assert first.sentences == tuple(s for p in first.pairs for s in (p.clean, p.corrupted))
    assert transforms.halves(suite, seed=3)[0].pairs == first.pairs
    assert transforms.halves(suite, seed=4)[0].pairs != first.pairs
    with pytest.raises(HeadwiseError, match="needs minimal pairs"):
        transforms.halves(headwise.read_suite("mole"))
    with pytest.raises(HeadwiseError, match="come from 1 group"):
        transforms.halves(suite.sample_groups(1))
