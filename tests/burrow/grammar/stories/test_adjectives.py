"""Stories in which adjectives decide."""

import pytest

from headwise import burrow_pairs
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.phrases import telling
from helpers.passages import writers


def test_held_out_adjectives():
    pairs = [
        (w.words[cause], w, point)
        for w in writers("adjectives", held_out=True)
        for point in w.points
        for cause in point.causes
    ]
    assert len(pairs) > 200
    for adjective, w, _ in pairs:
        assert any(is_held_out(adjective, word.lower()) for word in w.words)


both_sides = pytest.mark.parametrize("held_out", [True, False])


def after(sentence, position):
    return tuple(sentence.words[position + 1 :])


def adjectives_of(sentence, noun):
    """All adjectives that a noun is given anywhere, before it or after *was*."""
    found = []
    for i, word in enumerate(sentence.words):
        if word != noun:
            continue
        before = range(i - 1, -1, -1)
        behind = range(i + 2, len(sentence.words)) if after(sentence, i)[:1] == ("was",) else ()
        for places in (before, behind):
            for place in places:
                if sentence.tags[place] == "ADJ":
                    found.append(sentence.words[place])
                elif sentence.tags[place] not in ("ADV", "CCONJ"):
                    break
    return found


@both_sides
def test_what_adjectives_bring_about(held_out):
    lexicon = load()
    known = {adjective.word: adjective for adjective in lexicon.adjectives}
    for pair in burrow_pairs("adjectives", 300, held_out=held_out).pairs:
        marked = {mark.label: mark.word for mark in pair.clean.marks}
        noun = pair.clean.words[marked["noun"]]
        (link,) = pair.clean.links
        assert (link.dependent, link.governor) == (marked["adjective"], marked["noun"])
        last = max(i for i, tag in enumerate(pair.clean.tags) if tag == "NOUN")
        if link.relation == "described":
            assert link.governor == last
        can_follow = []
        for sentence in (pair.clean, pair.corrupted):
            described = adjectives_of(sentence, noun)
            assert sentence.words[marked["adjective"]] in described
            for adjective in described:
                fixed = (adjective, noun) in lexicon.fixed_pairs
                assert (is_held_out(adjective, noun) and not fixed) == held_out
            told = [telling(effect) for word in described for effect in known[word].effects]
            can_follow.append({word for first, word in told if first == after(sentence, last)})
        assert pair.right in can_follow[0] - can_follow[1]
        assert pair.wrong in can_follow[1] - can_follow[0]
        swapped = {sentence.words[marked["adjective"]] for sentence in (pair.clean, pair.corrupted)}
        assert swapped == set(pair.group.split())
