"""Sets of words drawn at random, topics as close as the targets, and what is compared with them."""

import numpy as np
import torch
from scipy import stats

from headwise.weights.readout import compare, random_sets, random_topics, set_means


def test_shuffles_keep_sizes_and_what_sets_share():
    given = [np.array([3, 5, 9]), np.array([9, 1])]
    first, second = random_sets(given, 12, 300, seed=0)
    assert first.shape == (301, 3) and second.shape == (301, 2)
    np.testing.assert_array_equal(first[0], given[0])
    np.testing.assert_array_equal(second[0], given[1])
    np.testing.assert_array_equal(first[:, 2], second[:, 0])
    for row in np.concatenate([first, second[:, 1:]], axis=1):
        assert len(set(row)) == 4
    assert np.bincount(first[1:].ravel(), minlength=12).min() > 40  # every word is drawn
    whole = random_sets([np.arange(4)], 4, 5, 0)[0]
    np.testing.assert_array_equal(np.sort(whole), np.tile(np.arange(4), (6, 1)))


def test_topics_are_as_close_as_the_targets():
    rows = torch.cat(
        [torch.linspace(0, 1.5, 10).cos()[:, None], torch.linspace(0, 1.5, 10).sin()[:, None]], 1
    )
    rows = torch.cat([rows, -rows])  # two arcs, so that neighbours along an arc are nearest
    (first,) = random_topics([np.array([4, 3, 5])], rows, 200, seed=0)
    np.testing.assert_array_equal(first[0], [4, 3, 5])
    for topic in first[1:]:  # a word and the two that are nearest to it
        assert len(set(topic)) == 3 and max(topic) - min(topic) == 2
    assert len({tuple(sorted(topic)) for topic in first}) == 16
    pair = random_topics([np.array([4, 3]), np.array([12, 17])], rows, 50, seed=0)
    assert [own.shape for own in pair] == [(51, 2), (51, 2)]


def test_words_of_a_topic_have_the_ranks_of_the_targets():
    rows, own = np.random.default_rng(0).normal(size=(50, 4)), np.array([7, 20, 31])
    (topics,) = random_topics([own], torch.from_numpy(rows), 80, seed=0)
    centred = rows - rows.mean(0)
    cosines = np.corrcoef(np.concatenate([centred, -centred], axis=1))[:50, :50]
    rank = (-cosines).argsort(axis=1).argsort(axis=1)
    middle = own[cosines[own][:, own].sum(axis=0).argmax()]
    expected = sorted(rank[middle, own])
    assert expected[0] == 0 and expected[-1] > 10
    for topic in topics[1:]:
        assert rank[topic[0], topic].tolist() == expected


def test_only_topics_are_fair_to_targets_with_something_in_common():
    """A test of the test: words move with what they mean, and targets mean one thing that has nothing to do with it."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(60, 8)), 10, axis=0) + 0.3 * rng.normal(size=(600, 8))
    against_words, against_topics = [], []
    for seed in range(200):
        differences = rng.normal(size=(1, 8)) @ rows.T
        differences -= differences.mean()
        start = 10 * rng.integers(60)
        given = [np.arange(start, start + 6)]
        words = random_sets(given, 600, 199, seed)[0]
        topics = random_topics(given, torch.from_numpy(rows), 199, seed)[0]
        against_words.append(compare(set_means(differences, words)).p[0])
        against_topics.append(compare(set_means(differences, topics)).p[0])
    low, high = stats.binom.interval(0.99, 200, 0.05)
    assert low <= (np.array(against_topics) <= 0.05).sum() <= high
    assert (np.array(against_words) <= 0.05).mean() > 0.15


def test_set_means_by_hand():
    differences = np.array([[0.0, 1.0, 2.0], [3.0, 3.0, 9.0]])
    found = set_means(differences, np.array([[0, 1], [2, 1]]))
    np.testing.assert_allclose(found, [[0.5, 1.5], [3.0, 6.0]])


def test_p_values_by_hand():
    null = np.array([[9.0, 1.0, 2.0, 3.0], [2.0, 9.0, 3.0, 1.0], [1e-7, 0.0, 1e-7, 0.0]])
    found = compare(null)
    np.testing.assert_allclose(found.p, [0.25, 0.75, 1])
    np.testing.assert_allclose(found.p_fwer[[0, 2]], [0.5, 1])  # 9 is largest of both rows once
    np.testing.assert_allclose(found.q, stats.false_discovery_control(found.p))
