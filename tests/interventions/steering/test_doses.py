"""The dose that is reported was chosen on other sentences."""

from dataclasses import replace

import numpy as np
import pytest

import headwise
from headwise import steer
from headwise.interventions.steering import doses, one_vs_rest
from helpers.steered import asked_of, direction_of


def test_pooled_steering_is_the_mean_over_sentences(burrow):
    fitted, asked = (
        headwise.burrow_sentences("mole", 160),
        headwise.burrow_pairs("mole", 40, seed=1, held_out=True),
    )
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=True)
    results = one_vs_rest.steer_between(burrow, fitted, asked, elsewhere=elsewhere, n_null=2)
    right = [r.clean_values["logit difference"] > 0 for r in results]
    at = results[0].doses.index(1.0)
    flipped = [
        r.values["logit difference"][0, at, ok] <= 0 for r, ok in zip(results, right, strict=True)
    ]
    row = doses.pooled(results).iloc[at]
    assert row["flipped"] == pytest.approx(np.concatenate(flipped).mean())
    assert row["sentences"] == sum(ok.sum() for ok in right)


def test_the_dose_is_chosen_on_other_groups(tiny_gpt2):
    """Flips drawn at random: the best of many doses is no better than any on the half that it was not chosen on."""
    found = steer(tiny_gpt2, asked_of(), direction_of(tiny_gpt2, 1), doses=[1.0], n_null=0)
    rng, best, told = np.random.default_rng(0), [], []
    for seed in range(60):
        n, values = 40, rng.choice([-1.0, 1.0], size=(1, 20, 40))
        lot = replace(
            found, doses=tuple(range(20)), clean_values={"logit difference": np.ones(n)}, groups=np.arange(n),
            values={"logit difference": values}, beside=np.zeros((1, 20)), elsewhere=np.zeros((1, 20)),
        )  # fmt: skip
        result = doses.reported([lot], seed)
        told.append(result.flipped)
        best.append(float((values[0] <= 0).mean(axis=1).max()))
        assert result.flipped_low < result.flipped < result.flipped_high and result.clusters == n
    assert abs(np.mean(told) - 0.5) < 0.04 < np.mean(best) - 0.55
    always = replace(lot, values={"logit difference": -np.ones((1, 20, n))})
    assert doses.reported([always]).flipped_low < 0.96  # an interval at the edge has width
