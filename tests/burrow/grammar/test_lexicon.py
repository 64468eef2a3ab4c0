"""Words, and what of them is held out."""

import pytest

from headwise import HeadwiseError
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.passages import PHENOMENA
from headwise.burrow.grammar.syntax import tree_of
from helpers.passages import writers


def adjective_noun_pairs(w):
    """Pairs that stand in a noun phrase or are said of a noun."""
    start = 0
    for end in [i + 1 for i, word in enumerate(w.words) if word == "."]:
        words = [word.lower() for word in w.words[start:end]]
        tree = tree_of(w.words[start:end], w.tags[start:end])
        for i, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True)):
            if relation == "amod":
                yield words[i], words[head]
        start = end
    for link in w.links:
        if link.relation == "pred":
            yield w.words[link.dependent].lower(), w.words[link.governor].lower()


@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_no_held_out_adjective_is_ever_written_in_training(phenomenon):
    lexicon = load()
    known = {adjective.word for adjective in lexicon.adjectives}
    checked = 0
    for w in writers(phenomenon):
        for adjective, noun in adjective_noun_pairs(w):
            singular = noun if noun in lexicon.class_of else noun.removesuffix("s")
            if adjective in known and singular in lexicon.class_of:
                checked += 1
                may_not = is_held_out(adjective, singular)
                assert not may_not or (adjective, singular) in lexicon.fixed_pairs
    assert checked or phenomenon in ("completions", "landmarks", "mysteries", "senses")


def test_a_word_of_unknown_part_of_speech_is_named():
    with pytest.raises(HeadwiseError, match="'the gnu'"):
        load().phrase("the gnu")
