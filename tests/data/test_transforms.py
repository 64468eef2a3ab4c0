"""Suites made of other suites."""

import headwise
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
