"""A direction to every class, and steering between every two."""

from dataclasses import replace

import pytest

import headwise
from headwise.interventions.steering import one_vs_rest, steering


def test_every_class_and_every_two_classes(burrow):
    """A direction to each sense, and steering between the senses of which there are pairs; never by words that were fitted."""
    fitted = headwise.burrow_sentences("mole", 160)
    pairs = headwise.burrow_pairs("mole", 60, seed=1, held_out=True)
    found = one_vs_rest.towards_each(burrow, fitted, pairs, n_null=1)
    labels = {mark.label for s in pairs.sentences for mark in s.marks}
    assert {r.between for r in found} == {(name, "others") for name in labels}
    assert all(r.direction.layer == 4 and r.whole["effect"] > 0 for r in found)
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=True)
    steered = one_vs_rest.steer_between(burrow, fitted, pairs, elsewhere=elsewhere, n_null=1)
    ways = [{steering.read_label(p.clean), steering.read_label(p.corrupted)} for p in pairs.pairs]
    asked = [{r.direction.positive, r.direction.negative} for r in steered]
    assert all(ways.count(way) >= 2 for way in asked)
    assert sum(len(r.groups) for r in steered) <= sum(way in asked for way in ways)
    assert not one_vs_rest.towards_each(
        burrow, fitted, replace(fitted, sentences=fitted.sentences[:1])
    )


def test_directions_that_saw_every_word_are_refused(burrow):
    """All of one block: nothing is left to fit on, whatever the suites are called."""
    suite = headwise.burrow_sentences("mole", 40)
    alike = replace(suite, name="another", sentences=tuple(replace(s, group="one") for s in suite.sentences))  # fmt: skip
    with pytest.raises(one_vs_rest.SeenWords, match="fewer than 20 sentences"):
        one_vs_rest.towards_each(burrow, suite, alike)


def test_blocks_that_were_all_fitted_are_cross_fitted(burrow):
    """The same sentences as both: each part is asked along directions that were fitted without its words."""
    suite = headwise.burrow_sentences("mole", 240)
    found = one_vs_rest.towards_each(burrow, suite, replace(suite, name="another"), n_null=1)
    assert {r.n_folds for r in found} != {1}
    assert all(r.error < 1e-5 and 0 < r.left_out < 240 for r in found)
