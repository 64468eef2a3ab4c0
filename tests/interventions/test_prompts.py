"""Sentences that stop where something must come next."""

import numpy as np

from headwise.interventions.prompts import Prompts, deciding
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
