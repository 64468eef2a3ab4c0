"""burrow's pairs of persons, by field."""

import pytest

from headwise.burrow.grammar.fields import MALE, by_field, field_of
from headwise.burrow.grammar.pairs import burrow_pairs


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["king", "queen"], "royalty"),
        (["Lord", "Lady"], "royalty"),
        (["uncle", "aunt"], "family"),
        (["actor", "actress"], "work"),
        (["Peter", "Mary"], "names"),
    ],
)
def test_fields_of_words(words, field):
    assert field_of(*words) == field


def test_both_sentences_of_a_pair_name_the_person_that_their_pronoun_means():
    given = burrow_pairs("gender", 60)
    suite = by_field(given)
    assert len(suite.pairs) == len(given.pairs) and len(suite.sentences) == 2 * len(given.pairs)
    for before, pair in zip(given.pairs, suite.pairs, strict=True):
        labels = [s.marks[0].label for s in (pair.clean, pair.corrupted)]
        assert labels == (["male", "female"] if before.right in MALE else ["female", "male"])
        assert pair.group.endswith(f"-{before.group}") and pair.clean.words == before.clean.words
        (person,) = [m.word for m in before.clean.marks if m.label == "person"]
        assert pair.clean.marks[0].word == person
    assert {group.partition("-")[0] for group in suite.groups} == {"royalty", "family", "names", "work"}  # fmt: skip
