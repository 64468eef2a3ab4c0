"""Tokens that stand for each other are those that are said to."""

import numpy as np
import pytest
import torch

from headwise.data.suite import Sentence, Suite
from headwise.interventions._replacing.reference_tokens import (
    ALL,
    POSITION,
    SPECIAL,
    SPEECH,
    ReferenceTokens,
)
from headwise.interventions.prompts import Prompts


def test_what_a_mean_is_taken_over(tiny_gpt2):
    """Sentences of one length in a group: the same position; else the part of speech; else all words."""
    tagged = [
        Sentence(*words_of(text), group=group, tags=tags)
        for group, text, tags in (
            ("a", "the blue forest", ("DET", "ADJ", "NOUN")),
            ("a", "the blue creature", ("DET", "ADJ", "NOUN")),
            ("b", "the the forest the", ("DET", "DET", "NOUN", "X")),
        )
    ]
    prompts = Prompts.of(tiny_gpt2, Suite("s", "?", tuple(tagged)), answers=False)
    lengths = [len(row.tokens) for row in prompts.rows]
    assert lengths[0] == lengths[1] != lengths[2]
    pools = ReferenceTokens.of(prompts.rows, prompts.owners, prompts.groups, 0)
    owner = np.repeat([0, 1, 2], lengths)
    tags = np.concatenate([np.array(row.tags) for row in prompts.rows])
    assert (owner[pools.reference] != owner).all()
    for token, (pool, reference) in enumerate(zip(pools.pool, pools.reference, strict=True)):
        members = pools.members[pool]
        assert reference in members
        if owner[token] < 2:
            other = token + (lengths[0] if owner[token] == 0 else -lengths[0])
            assert sorted(members) == sorted((token, other))
        elif tags[token] != "X":
            assert {tags[m] for m in members} == {tags[token]} and len(members) > 2
        else:
            assert len(members) == sum(lengths)
    assert sum(pools.shares.values()) == pytest.approx(1)
    assert set(pools.shares) == {POSITION, SPECIAL, SPEECH, ALL}
    assert pools.shares[POSITION] == pytest.approx(2 * lengths[0] / sum(lengths))


def test_a_mean_leaves_the_own_sentence_out(tiny_gpt2):
    """In a pool of two, the mean is the other one; anywhere, it holds nothing of the sentence whose token is replaced."""
    texts = (("a", "the blue forest"), ("a", "the blue creature"), ("b", "the the forest the"))
    asked = Suite("s", "?", tuple(Sentence(*words_of(t), group=g) for g, t in texts))
    prompts = Prompts.of(tiny_gpt2, asked, answers=False)
    pools = ReferenceTokens.of(prompts.rows, prompts.owners, prompts.groups, 0)
    values = torch.randn(len(pools.pool), 2, 3, generator=torch.manual_seed(0))
    means, index = pools.means(values)
    sizes = set()
    for token, pool in enumerate(pools.pool):
        members = pools.members[pool]
        others = members[pools.owner[members] != pools.owner[token]]
        sizes.add(len(members))
        torch.testing.assert_close(means[index[token]], values[others].mean(0))
        if len(members) == 2:
            torch.testing.assert_close(means[index[token]], values[pools.reference[token]])
    assert 2 in sizes and max(sizes) > 2


def test_special_tokens_stand_for_their_like(tiny_bert):
    """What begins a sentence is not replaced by a mean over what ends one."""
    asked = Suite(
        "s", "?", tuple(Sentence.of(t) for t in ("the blue forest", "a creature roamed the forest"))
    )
    prompts = Prompts.of(tiny_bert, asked, answers=False)
    pools = ReferenceTokens.of(prompts.rows, prompts.owners, prompts.groups, 0)
    ids = np.array([token for row in prompts.rows for token in row.tokens])
    for token in (0, len(prompts.rows[0].tokens) - 1):
        assert set(ids[pools.members[pools.pool[token]]]) == {ids[token]}
    assert pools.shares[SPECIAL] > 0


def words_of(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces
