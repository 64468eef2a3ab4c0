"""Noun phrases and predicates, as they are written."""

import pytest

from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.phrases import (
    adjectives_for,
    n_describing,
    noun_phrase,
    predicate,
    telling,
)
from headwise.burrow.grammar.writer import Writer


def test_the_telling_word_is_the_first_with_content():
    assert telling((("was", "AUX"), ("by", "ADP"), ("dug", "VERB"))) == (("was", "by"), "dug")
    assert telling((("dug", "VERB"), ("fast", "ADV"))) == ((), "dug")
    assert telling((("with", "ADP"), ("it", "PRON"))) == (("with",), "it")  # none has: the last


@pytest.mark.parametrize("held_out", [False, True])
def test_adjectives_of_a_phrase_are_ordered_and_of_the_right_part(held_out):
    w = Writer(Chance(0), load(), held_out)
    nouns = [noun for noun in sorted(w.lexicon.class_of) if len(adjectives_for(w, noun)) > 2][:40]
    for noun in nouns:
        w.stop()
        start = len(w)
        phrase = noun_phrase(w, noun, "the", 3)
        assert w.words[start] == "The" and w.words[phrase.position] == noun
        assert len(phrase.adjectives) == 3 < n_describing(w, noun) + 1
        orders = [adjective.order for _, adjective in phrase.adjectives]
        assert orders == sorted(orders)
        for position, adjective in phrase.adjectives:
            assert start < position < phrase.position and w.words[position] == adjective.word
            fixed = (adjective.word, noun) in w.lexicon.fixed_pairs
            assert (is_held_out(adjective.word, noun) and not fixed) == held_out
        assert len(phrase.effects) == sum(len(a.effects) for _, a in phrase.adjectives)


def test_a_predicate_knows_what_else_could_stand_there():
    w = Writer(Chance(0), load())
    w.say("the")
    cause = w.add("mole", "NOUN")
    was = ("was", "AUX")
    said, peer, rival, elsewhere = (
        (was, ("dug", "VERB")), (was, ("caught", "VERB")), (was, ("spent", "VERB")), (("ran", "VERB"),),
    )  # fmt: skip
    position = predicate(w, "sense", said, [peer], [rival, peer, elsewhere], [cause])
    (point,) = w.points
    assert w.words[position] == "dug" and point.word == position and point.causes == (cause,)
    assert point.right == ("caught", "dug") and point.wrong == ("spent",)
    assert [(k.dependent, k.governor, k.relation) for k in w.links] == [(cause, position, "sense")]
    predicate(w, "sense", said, [peer], [elsewhere], [cause])
    assert len(w.points) == 1  # nothing wrong could stand there: no point
