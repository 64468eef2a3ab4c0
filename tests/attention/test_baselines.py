import numpy as np
import pytest

from headwise.attention._candidates import Options
from headwise.attention.annotations import Corpus, classes_of
from headwise.attention.baselines import (
    answer_classes,
    by_chance,
    has_distractor,
    is_right,
    offset_name,
    plain_rules,
    tagged_rules,
)
from headwise.data.suite import Mark, Sentence
from helpers.columns import corpus_of, questions, traits_of

# 0 the  1 old  2 stone  3 bridge  4 near  5 the  6 red  7 barn
TAGS = ("DET", "ADJ", "NOUN", "NOUN", "ADP", "DET", "ADJ", "NOUN")
CORPUS = corpus_of(TAGS)
OLD = (0, 1, (3,), 0, 8)
RED = (0, 6, (7,), 0, 8)
BARN = (0, 7, (6,), 0, 7)  # in a decoder: nothing ahead


def pointed(*asked, sets=(frozenset(("NOUN",)),), corpus=CORPUS, pieces=()):
    options, traits = Options.of(questions(*asked), corpus), traits_of(corpus, pieces)
    found = {
        **dict(plain_rules(options, traits)),
        **dict(tagged_rules(options, corpus, traits, sets)),
    }
    return {name: places.tolist() for name, places in found.items()}


def plain(text, *asked, pieces=()):
    corpus = Corpus.of([Sentence(tuple(text.split()), (True,) * len(text.split()), "g")])
    return pointed(*asked, sets=(), corpus=corpus, pieces=pieces)


def test_every_rule_by_hand():
    found = pointed(OLD, RED)
    assert found["next word"] == [2, 7]
    assert found["previous word"] == [0, 5]
    assert found["2 words after"] == [3, -1]
    assert found["5 words before"] == [-1, 1]
    assert found["nearest NOUN after"] == [2, 7]
    assert found["nearest NOUN before"] == [-1, 3]
    assert found["nearest NOUN"] == [2, 7]
    assert found["last of the next NOUN run"] == [3, 7]
    assert found["first of the previous NOUN run"] == [-1, 2]


def test_a_decoder_sees_nothing_ahead():
    found = pointed(BARN, sets=(frozenset(("ADJ",)),))
    assert found["nearest ADJ before"] == [6]
    assert found["nearest ADJ after"] == [-1]
    assert found["nearest ADJ"] == [6]
    assert found["next word"] == [-1]


def test_rules_stay_within_their_sentence():
    """Runs of nouns at the edges of sentences do not grow together."""
    corpus = corpus_of(("ADJ", "NOUN"), ("NOUN", "ADJ", "NOUN", "NOUN"), ("NOUN",))
    found = pointed((0, 0, (1,), 0, 2), (1, 1, (3,), 0, 4), (2, 0, (0,), 0, 1), corpus=corpus)
    assert found["last of the next NOUN run"] == [1, 3, -1]
    assert found["first of the previous NOUN run"] == [-1, 0, -1]
    assert found["nearest NOUN"] == [1, 0, -1]


def test_the_first_the_last_and_the_kth():
    # stone, bridge and barn are nouns; the bridge looks, in an encoder and in a decoder.
    found = pointed((0, 3, (7,), 0, 8), (0, 7, (2,), 0, 7))
    assert found["first NOUN"] == [2, 2]
    assert found["last NOUN"] == [7, 3]
    assert found["2nd NOUN"] == [7, 3]
    assert found["3rd NOUN"] == [-1, -1]
    assert found["2nd nearest NOUN before"] == [-1, 2]
    assert found["2nd nearest NOUN after"] == [-1, -1]
    assert found["first NOUN after"] == [7, -1]
    assert found["first word"] == [0, 0] and found["last word"] == [7, 6]
    assert found["2nd word"] == [1, 1] and found["2nd word from the end"] == [6, 5]


def test_most_pieces_and_rarest():
    text = "a mole dug where hamsters and hamsters dig a mole"
    pieces = {(0, 4): 3, (0, 6): 3}.items()
    found = plain(text, (0, 9, (4,), 0, 9), (0, 0, (4,), 0, 10), pieces=pieces)
    assert found["nearest word with most pieces"] == [6, 4]
    assert found["first word with most pieces"] == [4, 4]
    assert found["last word with most pieces"] == [6, 6]
    assert found["nearest word with most letters"] == [6, 4]
    # Token ids rise from left to right here, so the last word that can be seen is the rarest.
    assert found["rarest word"] == [8, 9]
    # Once each: dug, where, and, dig; of these the highest id.
    assert found["word that is rarest here"] == [7, 7]


def test_the_same_word_and_what_stood_beside_it():
    text = "the red mole slept and the old mole saw a mole"
    found = plain(text, (0, 10, (1,), 0, 10), (0, 3, (1,), 0, 3))
    assert found["nearest same word before"] == [7, -1]
    assert found["first same word"] == [2, -1]
    assert found["previous word, seen from its first mention"] == [1, -1]
    assert found["next word, seen from its first mention"] == [3, -1]
    tags = ("DET", "ADJ", "NOUN", "VERB", "CCONJ", "DET", "ADJ", "NOUN", "VERB", "DET", "NOUN")
    words = tuple(text.split())
    corpus = Corpus.of([Sentence(words, (True,) * 11, "g", tags=tags)])
    sets = (frozenset(("ADJ",)), frozenset(("NOUN",)))
    found = pointed((0, 10, (1,), 0, 10), corpus=corpus, sets=sets)
    assert found["ADJ, nearest to its first mention"] == [1]
    assert found["ADJ, nearest after its first mention"] == [6]
    assert found["nearest NOUN before that is another word"] == [-1]
    assert found["nearest NOUN before"] == [7]


def test_which_parts_of_speech_are_right():
    assert answer_classes(questions(OLD, RED), CORPUS) == [frozenset(("NOUN",))]
    several = [OLD] * 25 + [(0, 4, (1,), 0, 8)] * 3 + [(0, 4, (0,), 0, 8)]
    found = answer_classes(questions(*several), CORPUS)
    assert found == [frozenset(("NOUN",)), frozenset(("ADJ",)), frozenset(("NOUN", "ADJ"))]
    assert answer_classes(questions(OLD), corpus_of(("",) * 8)) == []
    assert answer_classes(questions(), CORPUS) == []


def test_right_and_wrong():
    assert is_right(questions(OLD, RED), np.array([3, -1])).tolist() == [True, False]
    assert is_right(questions((0, 3, (1, 2), 0, 8)), np.array([2])).tolist() == [True]
    assert is_right(questions(OLD, BARN), np.array([[3, 6], [1, 7]])).tolist() == [
        [True, True],
        [False, False],
    ]


def test_distractors():
    """The stone is nearer to old than the bridge; nothing stands between red and barn."""
    assert has_distractor(questions(OLD, RED, BARN), CORPUS).tolist() == [True, False, False]
    # The bridge is as near to 'near' as would be a noun on the other side.
    assert has_distractor(questions((0, 4, (7,), 0, 8)), CORPUS).tolist() == [True]
    # Both nouns are right, so neither distracts; the determiner is of another kind.
    assert has_distractor(questions((0, 1, (2, 3), 0, 8)), CORPUS).tolist() == [False]


def test_chance():
    """A right word that might be any visible one."""
    assert by_chance(questions(OLD, BARN)) == pytest.approx([1 / 7, 1 / 7])
    assert by_chance(questions((0, 7, (1, 6), 0, 7))) == pytest.approx([2 / 7])
    assert by_chance(questions()).shape == (0,)


def test_marks_are_no_parts_of_speech():
    """What is marked is often what is asked for: a rule that reads marks reads the key."""
    sentence = Sentence(
        ("a", "blue", "car"), (True, True, False), "g", marks=(Mark(1, "amod"), Mark(2, "noun"))
    )
    assert classes_of(sentence) == ("", "", "")
    assert not Corpus.of([sentence]).has_tags


def test_names_of_offsets():
    assert [offset_name(k) for k in (-2, -1, 1, 3)] == [
        "2 words before", "previous word", "next word", "3 words after",
    ]  # fmt: skip


def test_words_beside_marks():
    """The rule that a child would name where every answer is the last word before the comma."""
    text = "a b c , d e . f g"
    found = plain(text, (0, 4, (2,), 0, 9), (0, 8, (5,), 0, 9), (0, 3, (2,), 0, 4))
    assert found["nearest word before a punctuation mark"] == [5, 5, 2]
    assert found["first word before a punctuation mark"] == [2, 2, 2]
    assert found["2nd word before a punctuation mark"] == [5, 5, -1]
    assert found["nearest word after a punctuation mark before"] == [-1, 7, -1]
    assert found["last word after a punctuation mark"] == [7, 7, -1]
    traits = traits_of(corpus_of(("a", "b", "."), ("c",)))
    assert traits.previous.tolist() == [-1, 0, 1, -1] and traits.next.tolist() == [1, 2, -1, -1]
    assert traits.is_beside_mark(traits.next).tolist() == [False, True, False, False]
