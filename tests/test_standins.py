"""Tokens that stand for each other are those that are said to."""

import numpy as np
import pytest

from headwise.prompts import Prompts
from headwise.standins import StandIns
from headwise.suites import Sentence, Suite


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
    pools = StandIns.of(prompts.rows, prompts.owners, prompts.groups, 0)
    owner = np.repeat([0, 1, 2], lengths)
    tags = np.concatenate([np.array(row.tags) for row in prompts.rows])
    assert (owner[pools.donor] != owner).all()
    for token, (pool, donor) in enumerate(zip(pools.pool, pools.donor, strict=True)):
        members = pools.members[pool]
        assert donor in members
        if owner[token] < 2:
            other = token + (lengths[0] if owner[token] == 0 else -lengths[0])
            assert sorted(members) == sorted((token, other))
        elif tags[token] != "X":
            assert {tags[m] for m in members} == {tags[token]} and len(members) > 2
        else:
            assert len(members) == sum(lengths)
    assert sum(pools.shares.values()) == pytest.approx(1)


def words_of(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces
