from collections import Counter

import pytest

import headwise
from headwise import HeadwiseError


def test_who_was_given_something():
    suite = headwise.ioi_pairs(240, seed=1)
    assert len(suite.pairs) == 240 and len(suite) == 480
    assert len({s.text for s in suite.sentences}) == 480
    orders = Counter()
    for pair in suite.pairs:
        (changed,) = pair.changed
        for sentence, once, twice in (
            (pair.clean, pair.right, pair.wrong),
            (pair.corrupted, pair.wrong, pair.right),
        ):
            counts = Counter(sentence.words)
            assert counts[once] == 1 and counts[twice] == 2
            marked = {mark.label: mark.word for mark in sentence.marks}
            assert sentence.words[marked["indirect_object"]] == once
            assert sentence.words[marked["subject"]] == sentence.words[marked["giver"]] == twice
            assert changed == marked["giver"] > marked["subject"]
            (link,) = sentence.links
            assert (link.governor, link.dependent) == (marked["giver"], marked["subject"])
        orders[pair.clean.words.index(pair.right) < pair.clean.words.index(pair.wrong)] += 1
    assert orders[True] == orders[False] == 120  # a rule of place cannot tell
    assert len(suite.groups) == 12
    assert headwise.ioi_pairs(240, seed=1) == suite != headwise.ioi_pairs(240)


@pytest.mark.parametrize("n", [0, 10_000_000])
def test_how_many(n):
    with pytest.raises(HeadwiseError, match=f"got {n}"):
        headwise.ioi_pairs(n)
