"""Stories in which a word has one of several senses."""

import pytest

from headwise import burrow_pairs, burrow_sentences
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.phrases import telling
from headwise.burrow.grammar.stories.senses import context_words
from helpers.passages import writers


def test_context_words_that_are_held_out_never_meet_their_sense():
    lexicon = load()
    met = 0
    for w in writers("senses", 1500):
        for mark in w.marks:
            word, sense = mark.label.split(".")
            (entry,) = (s for s in lexicon.senses[word] if s.name == sense)
            domain = lexicon.domains[entry.domain]
            said = {v for s in lexicon.senses[word] for f in s.continuations for v, _ in f}
            for other in w.words:
                if other.lower() in {*domain.people, *domain.things, *domain.places} - said:
                    met += 1
                    assert not is_held_out(mark.label, other.lower())
    assert met > 1000
    for w in writers("senses", held_out=True):
        for link in w.links:
            if link.relation == "sense":
                label = next(m.label for m in w.marks if m.word == link.governor)
                assert is_held_out(label, w.words[link.dependent])


def test_distances():
    distances = {
        link.governor - link.dependent
        for sentence in burrow_sentences("senses", 2000).sentences
        for link in sentence.links
        if link.relation == "sense"
    }
    assert min(distances) >= 3 and max(distances) >= 30


both_sides = pytest.mark.parametrize("held_out", [True, False])


def after(sentence, position):
    return tuple(sentence.words[position + 1 :])


@both_sides
@pytest.mark.parametrize("word", ["mole", "bank", "spring"])
def test_what_is_said_of_a_sense(word, held_out):
    lexicon = load()
    senses = {sense.name: sense for sense in lexicon.senses[word]}
    for pair in burrow_pairs(word, 150, held_out=held_out).pairs:
        told = [senses[sentence.marks[0].label] for sentence in (pair.clean, pair.corrupted)]
        (mark,) = pair.clean.marks
        assert pair.clean.words[mark.word] == word and told[0] is not told[1]
        assert all(link.governor == mark.word for link in pair.clean.links)
        clean, corrupted = (
            {v for first, v in map(telling, s.continuations) if first == after(pair.clean, mark.word)}
            for s in told
        )  # fmt: skip
        assert pair.right in clean - corrupted and pair.wrong in corrupted - clean
        for position in pair.changed:
            a, b = pair.clean.words[position], pair.corrupted.words[position]
            assert a in sum(context_words(lexicon, told[0], held_out).words, ())
            assert b in sum(context_words(lexicon, told[1], False).words, ())
            assert {a, b} <= set(pair.group.split())
