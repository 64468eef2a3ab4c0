"""Who is told of, and who a pronoun stands for."""

import pytest

from headwise import burrow_pairs
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.stories.narration import PRONOUNS

both_sides = pytest.mark.parametrize("held_out", [True, False])


@both_sides
def test_who_a_pronoun_stands_for(held_out):
    people = load().people
    genders = {
        word: gender
        for i, gender in enumerate(("male", "female"))
        for word in (*people["names"][gender], *(pair[i] for pair in people["gender"]["pairs"]))
    }
    n_told = 0
    for pair in burrow_pairs("gender", 300, held_out=held_out).pairs:
        (mark,), (link,) = pair.clean.marks, pair.clean.links
        assert (link.dependent, link.governor) == (mark.word, len(pair.clean.words) - 1)
        persons = [sentence.words[mark.word] for sentence in (pair.clean, pair.corrupted)]
        for person, said in zip(persons, (pair.right, pair.wrong), strict=True):
            assert said.lower() in PRONOUNS[genders[person]]
            assert said[0].isupper() == (pair.clean.words[-1] == ".")
            assert person in pair.group.split("-")
        assert genders[persons[0]] != genders[persons[1]]
        if pair.clean.tags[-1] == "VERB" and pair.clean.tags[mark.word] == "NOUN":
            n_told += 1
            unheard = [is_held_out(person, pair.clean.words[-1]) for person in persons]
            assert unheard[0] if held_out else not any(unheard)
    assert n_told > 30
