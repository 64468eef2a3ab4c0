import numpy as np
import pytest

from headwise import HeadwiseError
from headwise.activations.alignment import Alignment
from headwise.attention import _learned
from headwise.attention._candidates import Options
from headwise.attention._crossfit import Fitted, Splits, choose
from headwise.attention._traits import Traits
from headwise.attention.annotations import Corpus
from headwise.attention.questions import Questions
from headwise.data.suite import Sentence


def test_halves_and_quarters_share_no_group():
    groups = np.repeat(np.arange(11), 3)
    splits = Splits.draw(groups, 20, seed=0)
    halves = splits.halves(groups)
    assert halves.shape == (20, 33)
    for half, quarter in zip(halves, splits.quarter[:, groups], strict=True):
        assert not set(groups[half == 0]) & set(groups[half == 1])
        assert abs(len(set(groups[half == 0])) - 5.5) <= 0.5
        assert np.bincount(quarter, minlength=4).min() > 0
    assert len({tuple(half) for half in halves}) > 15
    with pytest.raises(HeadwiseError, match="too few to choose baselines"):
        Splits.draw(np.zeros(5, dtype=int), 20, seed=0)


def test_the_best_rule_of_the_other_half():
    """Two rules, each right in one half: chosen there, each is wrong where it is counted."""
    half = np.array([[0, 0, 1, 1]])
    right = np.array([[True, True, False, False], [False, False, True, True]])
    found = choose(["a", "b"], right, [], np.ones(4, dtype=bool), half)
    assert not found.right.any()
    np.testing.assert_array_equal(found.fitted_rate, [[1, 1]])


def test_a_fitted_rule_is_chosen_by_what_it_was_not_fitted_on():
    half = np.array([[0, 0, 1, 1]])
    plain = np.array([[True, False, True, False]])
    flattered = Fitted("learned", np.zeros((1, 4)), np.zeros((1, 4)))
    found = choose(["plain"], plain, [flattered], np.ones(4, dtype=bool), half)
    assert found.name == "plain" and found.right.tolist() == [[1, 0, 1, 0]]
    good = Fitted("learned", np.ones((1, 4)), np.ones((1, 4)))
    found = choose(["plain"], plain, [good], np.ones(4, dtype=bool), half)
    assert found.name == "learned" and found.right.all()


def made(n, rng, where):
    """Sentences of eight words, in which the last word looks at the one that `where` says."""
    texts = [[f"w{i}" for i in rng.integers(0, 500, 8)] for _ in range(n)]
    corpus = Corpus.of([Sentence(tuple(t), (True,) * 8, f"g{i}") for i, t in enumerate(texts)])
    ones = np.ones(n, dtype=int)
    right = np.array([[where(t, rng)] for t in texts])
    questions = Questions(np.arange(n), 7 * ones, 0 * ones, 7 * ones, right)
    aligned = [Alignment(tuple(range(8)), tuple(range(8)), 8)] * n
    return corpus, Traits.of(corpus, aligned), questions


def ranked(corpus, traits, questions):
    groups = np.arange(len(questions))
    splits = Splits.draw(groups, 3, seed=0)
    options = Options.of(questions, corpus)
    table = _learned.features(options, traits, [])
    inside = np.ones(len(questions), dtype=bool)
    found = _learned.ranking("learned", [options], lambda _: table, groups, inside, splits)
    return found, options, groups, splits


def test_a_ranking_is_learned_and_noise_is_not():
    rng = np.random.default_rng(0)
    found, *_ = ranked(*made(80, rng, lambda text, rng: 2))
    assert found.outer.mean() > 0.95 and found.inner.mean() > 0.95
    found, *_ = ranked(*made(200, rng, lambda text, rng: int(rng.integers(0, 7))))
    assert abs(found.outer.mean() - 1 / 7) < 0.1 and abs(found.inner.mean() - 1 / 7) < 0.1


def test_blocks_of_questions_say_what_all_at_once_say(monkeypatch):
    corpus, traits, questions = made(40, np.random.default_rng(1), lambda text, rng: 2)
    whole, _, groups, splits = ranked(corpus, traits, questions)
    monkeypatch.setattr("headwise.attention._candidates.MOST_ROWS", 50)
    blocks = Options.blocks(questions, corpus)
    assert len(blocks) > 3 and sum(len(b.questions) for b in blocks) == 40
    tables = [_learned.features(b, traits, []) for b in blocks]
    inside = np.ones(40, dtype=bool)
    parts = _learned.ranking("learned", blocks, tables.__getitem__, groups, inside, splits)
    assert (parts.outer == whole.outer).mean() > 0.98


def test_a_word_is_known_from_other_groups_only():
    """Every answer is a word of its own: known in its own group, so never to be used."""
    corpus, traits, questions = made(40, np.random.default_rng(0), lambda text, rng: 3)
    options, groups = Options.of(questions, corpus), np.arange(40)
    splits = Splits.draw(groups, 4, seed=0)
    for found in _learned.known_answers([options], traits, groups, splits):
        assert found.outer.mean() < 0.2 and found.inner.mean() < 0.2
    same = [["a", "the", "mole", "x", "y", "z", "v", "looks"]] * 40
    corpus = Corpus.of([Sentence(tuple(t), (True,) * 8, f"g{i}") for i, t in enumerate(same)])
    traits = Traits.of(corpus, [Alignment(tuple(range(8)), tuple(range(8)), 8)] * 40)
    for found in _learned.known_answers([Options.of(questions, corpus)], traits, groups, splits):
        is_there = "after" not in found.name  # the last word looks
        assert found.outer.all() == found.inner.all() == is_there


def test_usual_distances():
    """A head that attends two words back in one group of three, and one back else; where only one is visible, that."""
    n = 30
    ones = np.ones(n, dtype=int)
    query = np.where(np.arange(n) % 5 == 0, 1, 4)
    questions = Questions(np.arange(n), query, 0 * ones, query, (query - 1)[:, None])
    found = np.where(np.arange(n) % 3 == 0, query - 2, query - 1)[None]
    splits = Splits.draw(np.arange(n), 3, seed=0)
    outer, inner = _learned.own_positions(found, questions, np.arange(n), splits)
    assert outer.shape == (1, 3, n) and outer.all() and inner.all()
