"""A test of the test: a head whose job is set by hand is found, alone; heads without a job are not."""

import numpy as np
import pytest
from scipy.stats import binom

import headwise
from headwise.data.suite import Link, Sentence, Suite
from helpers.planted_head import N_IDS, draw, make


def test_the_planted_head_is_found_alone_in_every_draw(word_level):
    for seed in range(15):
        model = make(word_level, seed, planted=True)
        result = headwise.relation_test(
            model, draw(seed, 200), "amod", seed=seed, n_null=2, norms=False, n_flips=1000
        )
        found = result.significant()
        heads = set(zip(found["layer"], found["head"], strict=True))
        assert heads == {(1, 2)}, f"draw {seed}"
        assert "governor->dependent" in set(found["direction"])


def random_links(seed, n):
    """Sentences of random words in which random pairs are linked."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        forms = [f"adj{i}" for i in rng.integers(0, N_IDS, 8)]
        pairs = rng.permutation(8)[:4].reshape(2, 2)
        links = tuple(Link(int(d), int(g), "any") for d, g in pairs)
        made.append(Sentence(tuple(forms), (True,) * 8, f"g{number}", links=links, tags=("X",) * 8))
    return Suite("random", "?", tuple(made))


def false_positives(word_level, n):
    found = 0
    for seed in range(n):
        model = make(word_level, seed, planted=False)
        result = headwise.relation_test(
            model, random_links(seed, 80), "any", seed=seed, n_null=0, norms=False, n_flips=400
        )
        found += result.table["p_fwer"].min() < 0.05
    return found


def test_random_heads_are_not_found_more_often_than_stated(word_level):
    """Family-wise: at most the upper end of the binomial 99% interval of 5%."""
    assert false_positives(word_level, 20) <= binom.ppf(0.995, 20, 0.05)


@pytest.mark.slow
def test_300_random_models(word_level):
    assert false_positives(word_level, 300) <= binom.ppf(0.995, 300, 0.05)
