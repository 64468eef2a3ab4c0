"""Minimal pairs of burrow's English: what differs, what follows, and what burrow makes of it."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

import headwise
from headwise import HeadwiseError, burrow_pairs
from headwise.activations import alignment as words
from headwise.burrow.grammar.lexicon import load
from headwise.burrow.grammar.stories.senses import context_words
from headwise.data.transforms import deciding_words

PHENOMENA = ("adjectives", "gender", "mole", "senses")
# Of mole's senses ten words are held out, and each is in a group of its own.
N_GROUPS = {("adjectives", True): 28, ("adjectives", False): 28, ("gender", True): 18, ("gender", False): 60,
            ("mole", True): 10, ("mole", False): 20, ("senses", True): 50, ("senses", False): 80}  # fmt: skip
both_sides = pytest.mark.parametrize("held_out", [True, False])
everything = pytest.mark.parametrize("phenomenon", PHENOMENA)


def deciding(pair):
    """Positions that the links lead to or from, less what they are needed for."""
    (relation,) = {link.relation for link in pair.clean.links}
    assert relation in ("described", "amod", "antecedent", "sense")
    return {link.dependent for link in pair.clean.links}


def after(sentence, position):
    return tuple(sentence.words[position + 1 :])


@both_sides
@everything
def test_one_passage_told_twice(phenomenon, held_out):
    suite = burrow_pairs(phenomenon, 200, held_out=held_out)
    assert len(suite.pairs) == 200 and suite.name == f"burrow-{phenomenon}-pairs"
    assert suite.sentences == tuple(s for p in suite.pairs for s in (p.clean, p.corrupted))
    assert len({pair.clean.text for pair in suite.pairs}) == 200
    assert len(suite.groups) >= N_GROUPS[phenomenon, held_out]
    for pair in suite.pairs:
        assert pair.changed and set(pair.changed) == deciding(pair)
        assert pair.clean.links == pair.corrupted.links
        assert pair.clean.tags == pair.corrupted.tags and all(pair.clean.tags)
        for sentence in (pair.clean, pair.corrupted):
            assert len(sentence.tags) == len(sentence.words) == len(sentence.spaces)
            assert headwise.Sentence.of(sentence.text).words == sentence.words
            assert all(mark.label in suite.labels for mark in sentence.marks)
            for first, second in pairwise(sentence.words):
                if first in ("a", "an"):
                    assert (first == "an") == (
                        second[0] in "aeiou" and not second.startswith(("uni", "one", "use"))
                    )
    first, again, other = (
        burrow_pairs(phenomenon, 20, seed=seed, held_out=held_out) for seed in (0, 0, 1)
    )
    assert first == again and first.sha256 != other.sha256
    assert [s.text for s in first.sentences] == [s.text for s in suite.sentences[:40]]


def test_there_are_other_words_to_fit_on():
    for held_out in (True, False):
        pairs = burrow_pairs("mole", 200, held_out=held_out)
        asked = deciding_words(pairs)
        rest = headwise.burrow_sentences("mole", 200, without=asked)
        assert not asked & deciding_words(rest, "sense")
        kept = {
            (sentence.marks[0].label, sentence.words[link.dependent])
            for sentence in rest.sentences
            for link in sentence.links
            if link.relation == "sense"
        }
        assert all(n >= 4 for n in Counter(label for label, _ in kept).values())
        assert {label for label, _ in kept} == {"animal", "unit", "mark", "spy"}
    with pytest.raises(HeadwiseError, match="'agreement' is none of these"):
        headwise.burrow_sentences("agreement", 3, without=["hose"])
    every = {
        noun
        for s in load().senses["mole"]
        for noun in sum(context_words(load(), s, False).words, ())
    }
    with pytest.raises(HeadwiseError, match="Nothing is left to set the sense of 'mole'"):
        headwise.burrow_sentences("mole", 3, without=every)


def tokens_of(model, suite):
    """Tokens of both sentences of every pair; burrow puts a mark before them and none after them."""
    found = words.align(model, suite.sentences)
    return [(a.tokens, b.tokens) for a, b in zip(found[::2], found[1::2], strict=True)]


def only_these_differ(model, suite):
    found = words.align(model, suite.sentences)
    for pair, a, b in zip(suite.pairs, found[::2], found[1::2], strict=True):
        assert len(a.tokens) == len(b.tokens) and not (*a.missing, *b.missing)
        for i, position in enumerate(a.words):
            if position is not None and position not in pair.changed:
                assert a.tokens[i] == b.tokens[i] and position == b.words[i]


@both_sides
@everything
def test_as_many_tokens(burrow, phenomenon, held_out):
    suite = burrow_pairs(phenomenon, 300, held_out=held_out)
    only_these_differ(burrow, suite)
    for pair in suite.pairs:
        for word in (pair.right, pair.wrong):
            assert len(burrow.tokenizer(word, add_special_tokens=False)["input_ids"]) == 1


@pytest.mark.parametrize("word", sorted(load().senses))
def test_every_ambiguous_word(burrow, word):
    suite = burrow_pairs(word, 40, held_out=False)
    assert len(suite.groups) >= 4
    only_these_differ(burrow, suite)
    for pair in suite.pairs:
        right, wrong = (
            burrow.tokenizer(word, add_special_tokens=False)["input_ids"]
            for word in (pair.right, pair.wrong)
        )
        assert right[0] != wrong[0]
        assert len(right) == len(wrong) == 1 or word in ("bank", "key", "seal", "star")


@both_sides
@everything
def test_burrow_tells_them_apart(burrow, phenomenon, held_out):
    suite = burrow_pairs(phenomenon, 100, held_out=held_out)
    n_right = [0, 0]
    for pair, rows in zip(suite.pairs, tokens_of(burrow, suite), strict=True):
        right, wrong = (
            burrow.tokenizer(word, add_special_tokens=False)["input_ids"][0]
            for word in (pair.right, pair.wrong)
        )
        for i, row in enumerate(rows):
            logits = burrow.logits(torch.tensor([row]))[0, -1]
            n_right[i] += bool(logits[right] > logits[wrong]) == (i == 0)
    assert min(n_right) >= 90


def test_bad_requests():
    with pytest.raises(
        HeadwiseError,
        match=r"no phenomenon 'gendr'; it has adjectives, gender, senses and .*'gender'",
    ):
        burrow_pairs("gendr", 3, held_out=True)
    with pytest.raises(HeadwiseError, match="no phenomenon 'mysteries'"):
        burrow_pairs("mysteries", 3, held_out=True)
    with pytest.raises(HeadwiseError, match="number of pairs and must be at least 1; got 0"):
        burrow_pairs("mole", 0, held_out=True)
    with pytest.raises(HeadwiseError, match=r"0 different pairs of 'note'.*held_out=False\."):
        burrow_pairs("note", 3, held_out=True)
