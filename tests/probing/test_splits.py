import numpy as np
import pytest

import headwise
from headwise import HeadwiseError
from headwise.probing.splits import grouped_folds, join_alike, near_duplicates, own_split

TEXTS = [
    "The vet had never treated a wild mole before this one.",
    "Under the beech roots we found the run of an old mole.",
    "The vet had never before treated a wild mole like this one.",
    "One mole of any gas fills the same space at the same pressure.",
    "Dissolve a mole of salt and weigh what is left in the dish.",
    "A mole of salt was dissolved, and the dish weighed again.",
]
GROUPS = np.array([4, 1, 2, 0, 3, 5])
CODES = np.array([0, 0, 0, 1, 1, 1])
LABELS = ("animal", "unit")


def test_what_is_nearly_the_same():
    first, second = near_duplicates(TEXTS)
    assert [*zip(first, second, strict=True)] == [(0, 2)]
    assert len(near_duplicates(["", " "])[0]) == 0
    assert len(near_duplicates(["one mole", "one mole", "one mole"])[0]) == 3


def test_groups_with_near_duplicates_are_one():
    joined, n_alike = join_alike(GROUPS, TEXTS)
    assert n_alike == 2
    assert joined[0] == joined[2] and len(set(joined)) == 5
    # Within a group nothing needs joining.
    joined, n_alike = join_alike(np.zeros(6, dtype=int), TEXTS)
    assert n_alike == 0 and set(joined) == {0}


@pytest.mark.parametrize("n", [2, 10, 20])
def test_a_template_is_one_group_however_often_it_is_filled(n):
    """The oftener, the less TF-IDF makes of what the sentences share."""
    templates = (
        "In the old garden behind the house, {} noticed that the mole dug a tunnel.",
        "At the busy market near the river, {} said that the agent was a mole.",
        "the old mole dug here near {} today",
        "in a garden by the pond the {} saw the mole",
    )
    names = [
        "Anna",
        "Ben",
        "Carla",
        "Doris",
        "Emil",
        "Frida",
        "Gustav",
        "Hilda",
        "Ivan",
        "Jo",
        "Karl",
        "Lea",
        "Max",
        "Nina",
        "Otto",
        "Paula",
        "Quinn",
        "Rita",
        "Sven",
        "Tom",
    ]
    texts = [template.format(name) for template in templates for name in names[:n]]
    joined, n_alike = join_alike(np.arange(len(texts)), texts)
    assert len(np.unique(joined)) == len(templates) and n_alike == len(texts)


def test_passages_that_share_small_words_are_not_alike():
    """Burrow's groups stay apart, although all hold `the`, `a` and `mole`."""
    suite = headwise.burrow_sentences("mole", 200)
    numbers = {name: i for i, name in enumerate(suite.groups)}
    groups = np.array([numbers[sentence.group] for sentence in suite.sentences])
    joined, _ = join_alike(groups, [sentence.text for sentence in suite.sentences])
    assert len(np.unique(joined)) == len(numbers)


def test_more_rows_than_are_compared_at_once(monkeypatch):
    monkeypatch.setattr("headwise.probing.splits.ROWS_AT_ONCE", 2)
    first, second = near_duplicates(TEXTS)
    assert [*zip(first, second, strict=True)] == [(0, 2)]


def twenty_groups():
    rng = np.random.default_rng(0)
    codes, groups = np.repeat([0, 1], 40), np.arange(80) // 4
    letters = list("abcdefghijklmnopqrstuvwxyz")
    texts = [" ".join("".join(rng.choice(letters, 6)) for _ in range(9)) for _ in codes]
    return codes, groups, texts


def test_folds_are_drawn_anew_and_no_other_seed_draws_the_same():
    drawn = [
        grouped_folds(*twenty_groups(), LABELS, 5, seed=seed, n_draws=4).draws for seed in range(3)
    ]
    scored = [tuple(tuple(test) for _, test in splits) for draws in drawn for splits in draws]
    assert len(set(scored)) == len(scored) == 12
    once = grouped_folds(*twenty_groups(), LABELS, 5, seed=2).splits
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(once, drawn[2][0], strict=True))


def test_no_group_is_fitted_and_scored():
    codes, groups, texts = twenty_groups()
    folds = grouped_folds(codes, groups, texts, LABELS, 5, seed=0)
    assert sorted(np.concatenate([scored for _, scored in folds.splits])) == list(range(80))
    for fitted, scored in folds.splits:
        assert not set(folds.groups[fitted]) & set(folds.groups[scored])
        assert np.bincount(codes[scored]).tolist() == [8, 8]
    again = grouped_folds(codes, groups, texts, LABELS, 5, seed=0)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(folds.splits, again.splits, strict=True))


def test_a_label_in_too_few_groups():
    with pytest.raises(HeadwiseError, match=r"'animal' occurs in 2 group.* or pass folds=2"):
        grouped_folds(CODES, GROUPS, TEXTS, LABELS, 3, seed=0)
    assert len(grouped_folds(CODES, GROUPS, TEXTS, LABELS, 3, 0, "reduce").splits) == 2
    one = np.array([0, 0, 0, 1, 2, 3])
    with pytest.raises(
        HeadwiseError, match=r"'animal' occurs in 1 group\(s\), .*Add groups or leave it out"
    ):
        grouped_folds(CODES, one, TEXTS, LABELS, 3, 0, "reduce")
    with pytest.raises(HeadwiseError, match="at least 2"):
        grouped_folds(CODES, GROUPS, TEXTS, LABELS, 1, seed=0)


def test_labels_that_are_groups():
    with pytest.raises(HeadwiseError, match="no honest split is possible"):
        grouped_folds(CODES, CODES, TEXTS, LABELS, 2, 0, "reduce")


def test_the_datas_own_split():
    is_test = np.array([False, True, True, False, True, False])
    folds = own_split(CODES, GROUPS, is_test, TEXTS, LABELS)
    ((fitted, scored),) = folds.splits
    assert (fitted.tolist(), scored.tolist()) == ([0, 3, 5], [1, 2, 4])
    assert folds.own and folds.n_alike == 1  # sentence 2 has its twin among those fitted
    with pytest.raises(HeadwiseError, match="'unit' occurs in the test part only"):
        own_split(CODES, GROUPS, CODES == 1, TEXTS, LABELS)
