"""Prompts and what they are paired with."""

from collections import defaultdict

import pytest

from headwise import BadSuite
from headwise.data.pairs._matching import LAST, Prompt, matched, pair_of, sentences_of
from headwise.data.sentence import Sentence


def prompts(*given):
    return [Prompt(Sentence.of(text), right, wrong) for text, right, wrong in given]


def test_each_stands_beside_one_with_the_answers_the_other_way_round():
    pairs, n_left = matched(
        prompts(
            ("The king sat as", "he", "she"),
            ("The queen sat as", "she", "he"),
            ("An aunt came as", "she", "he"),
            ("The ships came as", "they", "it"),
        )
    )
    assert n_left == 1 and len(pairs) == 3
    for pair in pairs:
        assert {pair.right, pair.wrong} == {"he", "she"}
        assert ("king" in pair.clean.text) == (pair.right == "he")
        assert ("king" in pair.corrupted.text) == (pair.right == "she")
    assert len({s.group for s in sentences_of(pairs)}) == 1


def test_one_of_as_many_words_is_taken_first_and_else_last_words_are_compared():
    pairs, n_left = matched(
        prompts(
            ("The king sat as", "he", "she"),
            ("The tall queen sat as", "she", "he"),
            ("A queen sat as", "she", "he"),
        )
    )
    assert n_left == 0
    king, tall, queen = pairs
    assert king.corrupted.text == "A queen sat as" and len(king.clean.marks) == 1
    assert queen.corrupted.text == "The king sat as"
    assert [[(m.word, m.label) for m in s.marks] for s in (tall.clean, tall.corrupted)] == [
        [(4, LAST)],
        [(3, LAST)],
    ]


def test_a_text_is_in_one_group():
    texts = [(f"The {name} sat as", *way) for name in "abcdef" for way in (("he", "she"), ("it", "they"))]  # fmt: skip
    texts += [(f"The {name} ran as", *way) for name in "uvw" for way in (("she", "he"), ("they", "it"))]  # fmt: skip
    pairs, _ = matched(prompts(*texts))
    groups = defaultdict(set)
    for sentence in sentences_of(pairs):
        groups[sentence.text].add(sentence.group)
    assert all(len(own) == 1 for own in groups.values())
    assert all(pair.clean.group == pair.corrupted.group for pair in pairs)


def test_nothing_to_pair():
    assert matched(prompts(("The king sat as", "he", "she"))) == ([], 1)
    assert matched([]) == ([], 0)


@pytest.mark.parametrize(
    ("clean", "corrupted", "right", "wrong", "message"),
    [
        ("a b", "a b", "", "", "both sentences are"),
        ("a b", "a b c", "", "", "has 2 words and 'a b c' has 3"),
        ("a b", "a c", "he", "", "Give two different words, or neither"),
        ("a b", "a c", "he", "he", "Give two different words, or neither"),
        ("a b", " ", "", "", "without words"),
    ],
)
def test_pairs_that_are_none(clean, corrupted, right, wrong, message):
    with pytest.raises(BadSuite, match=f"here: .*{message}"):
        pair_of("here", clean, corrupted, right, wrong, "g")
