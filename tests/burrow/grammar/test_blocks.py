"""Words that take each other's place: each in one block."""

import pytest

from headwise import burrow_pairs

PHENOMENA = ("adjectives", "gender", "mole", "senses")
both_sides = pytest.mark.parametrize("held_out", [True, False])
everything = pytest.mark.parametrize("phenomenon", PHENOMENA)


def deciding(pair):
    """Positions that the links lead to or from, less what they are needed for."""
    (relation,) = {link.relation for link in pair.clean.links}
    assert relation in ("described", "amod", "antecedent", "sense")
    return {link.dependent for link in pair.clean.links}


@both_sides
@everything
def test_a_deciding_word_is_in_one_group(phenomenon, held_out):
    """So clusters of pairs are clusters of words: none crosses groups."""
    groups = {}
    for pair in burrow_pairs(phenomenon, 300, seed=3, held_out=held_out).pairs:
        for sentence in (pair.clean, pair.corrupted):
            for position in deciding(pair):
                word = sentence.words[position].lower()
                assert groups.setdefault(word, pair.group) == pair.group
