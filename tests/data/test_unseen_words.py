"""What is unseen goes by words and not by names."""

from dataclasses import replace

from headwise.data import unseen_words
from headwise.data.suite import Link, Pair
from headwise.directions.constructors import (
    from_classes,
)
from helpers.moles import CLUES, LABELS, NAMES, OTHERS, SUITE, refused, sentence


def test_what_is_unseen_goes_by_words_and_not_by_names(burrow):
    """Other sentences of another suite are no evidence if they tell by the same words; by other words they are."""
    fitting, testing = SUITE.split()
    found = from_classes(burrow, fitting, ("animal", "unit"), layer=2)
    renamed = replace(testing, name="another", sha256="b" * 64)
    refused(
        (
            lambda: found.require_unseen(renamed),
            "In 8 of the 12 sentences of 'another'.* a deciding word is one that",
        )
    )
    told = tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES)
    found.require_unseen(replace(renamed, sentences=told))
    assert found.unseen(replace(renamed, sentences=(*testing.sentences[:1], *told))) == [False] + 24 * [True]  # fmt: skip
    both = replace(SUITE, sentences=(*SUITE.sentences, *told))
    left, n_out = unseen_words.without_shared_words(both, renamed)
    assert n_out == 24 and left.sentences == told


def test_words_that_decide():
    """What a link beyond syntax says, what differs in a pair, and else what stands with one label only."""
    linked = replace(SUITE.sentences[0], links=(Link(3, 4, "clue"), Link(2, 4, "det")))
    assert unseen_words.deciding_by_sentence(replace(SUITE, sentences=(linked,))) == [
        frozenset({"furry"})
    ]
    alike = Pair(sentence("Anna", "animal"), sentence("Anna", "animal", OTHERS))
    of_pair = replace(SUITE, sentences=(alike.clean, alike.corrupted), pairs=(alike,))
    assert unseen_words.deciding_by_sentence(of_pair) == [
        frozenset({"a", "furry"}),
        frozenset({"the", "muddy"}),
    ]
    assert unseen_words.deciding_by_sentence(SUITE)[0] is None
    assert unseen_words.DecidingWords.of(SUITE).deciding == {
        "a",
        "furry",
        "one",
        "gram",
        "per",
        "some",
        "secret",
    }


def test_blocks_of_words_are_not_divided():
    """Sentences with a deciding word in common stay together, whatever their groups; parts have every label."""
    told = tuple(
        replace(s, group=s.text, links=(Link(3, s.marks[0].word, "clue"),))
        for clues in (CLUES, OTHERS)
        for sense in LABELS
        for n in NAMES
        for s in [sentence(n, sense, clues)]
    )
    suite = replace(SUITE, sentences=told)
    fold = unseen_words.folds_of(suite, 2)
    of_word = {}
    for own, told_by in zip(fold, unseen_words.deciding_by_sentence(suite), strict=True):
        for word in told_by:
            assert of_word.setdefault(word, own) == own
    for k in (0, 1):
        assert {s.marks[0].label for s, own in zip(told, fold, strict=True) if own == k} == set(
            LABELS
        )
    assert unseen_words.folds_of(suite, 3) is None
