"""Sentences that stop where something must come next."""

import numpy as np
import pytest

from headwise.data.suite import Pair, Sentence, Suite
from headwise.interventions.prompts import Prompts, deciding, that_fit
from helpers.bare import made
from helpers.planted_head import N_IDS, pairs


def test_sentences_with_a_word_in_common_are_alike():
    """Pairs of many groups that are decided by few words: both are clusters."""
    some = pairs(40)
    prompts = made(Prompts, groups=np.arange(40) % 20, pairs=some.pairs)
    crossed = prompts.clusters
    assert len(crossed.factors) == 2 and crossed.n == N_IDS
    nested = made(Prompts, groups=np.arange(40), pairs=some.pairs).clusters
    assert len(nested.factors) == 1 and nested.n == N_IDS
    assert deciding(some.pairs[0]) == (some.pairs[0].clean.words[1],)


def test_punctuation_follows_without_a_space(burrow):
    """What is scored after *The mole dug* is `.`, the token that the tokenizer makes there, and not ` .`."""
    text = "The mole dug"
    clean, corrupted = (Sentence.of(t) for t in (text, "The king dug"))
    suite = Suite("s", "?", (clean, corrupted), pairs=(Pair(clean, corrupted, ".", "a"),))
    prompts = Prompts.of(burrow, suite, answers=True)
    tokens = burrow.tokenizer(text)["input_ids"]
    (right,), (wrong,) = prompts.right, prompts.wrong
    assert right.tokens == tuple(burrow.tokenizer(f"{text}.")["input_ids"][len(tokens) :])
    assert wrong.tokens == tuple(burrow.tokenizer(f"{text} a")["input_ids"][len(tokens) :])
    assert len(that_fit(burrow, suite).pairs) == 1


@pytest.mark.parametrize("end", ["", "\n", " ", "\n\n  "])
def test_white_space_at_the_end_is_part_of_the_text(burrow, end):
    text = f"The mole dug.{end}"
    suite = Suite("s", "?", (Sentence.of(text), Sentence.of("The king sat.")))
    prompts = Prompts.of(burrow, suite, answers=False)
    tokens = burrow.tokenizer(text)["input_ids"]
    assert prompts.rows[0].tokens == tuple(tokens)
    assert prompts.ends[0] == (0, len(tokens) - 1)


@pytest.mark.parametrize(("end", "is_own"), [("\n", True), (" ", False)])
def test_white_space_before_what_comes_next(burrow, end, is_own):
    """A line break is a token of the prompt; a space may be part of the token that comes next."""
    clean, corrupted = (Sentence.of(f"The {word} dug{end}") for word in ("mole", "king"))
    suite = Suite("s", "?", (clean, corrupted), pairs=(Pair(clean, corrupted, "the", "a"),))
    prompts = Prompts.of(burrow, suite, answers=True)
    whole = tuple(burrow.tokenizer(f"The mole dug{end}the")["input_ids"])
    (right,) = prompts.right
    before = tuple(burrow.tokenizer(f"The mole dug{end if is_own else ''}")["input_ids"])
    assert right.tokens == whole[len(before) :] and right.start == len(before) - 1
    assert prompts.rows[right.row].tokens[: len(before)] == before
    row, place = prompts.ends[0]
    assert place == right.start and row == right.row
