"""Steering as a section: dose by dose, and doses that are chosen on other groups."""

from dataclasses import replace

import numpy as np
import pytest

from headwise import steer
from headwise.interventions.steering import doses
from headwise.report import sections
from headwise.report.schema import percent
from helpers.steered import asked_of, direction_of


@pytest.fixture(scope="module")
def steered(tiny_gpt2):
    return steer(tiny_gpt2, asked_of(), direction_of(tiny_gpt2, 1), doses=[0.5, 1.0], n_null=1)


def test_steering_dose_by_dose(steered):
    section = sections.steering([steered], "the answer")
    (figure,), (table,) = section.figures, section.tables
    pooled = doses.pooled([steered])
    assert figure.x == [0.5, 1.0] == table.to_frame()["dose"].tolist()
    assert "the answer flips" in figure.caption
    np.testing.assert_allclose(np.array(figure.series[0].values, float), pooled["flipped"])
    np.testing.assert_allclose(table.to_frame()["flipped"].astype(float), pooled["flipped"])
    assert figure.series[1].is_baseline
    assert "fewer than" in section.findings[0]  # a handful of groups
    assert section.method[0].startswith("At layer 1, before the rest")
    assert sections.steering([], "") is None


def test_the_share_that_flips_over_enough_groups(steered):
    metric = steered.metrics[0]
    n = len(steered.groups)
    many = replace(
        steered,
        groups=np.arange(12 * n),
        clean_values={metric: np.tile(np.abs(steered.clean_values[metric]) + 1, 12)},
        values={metric: np.tile(steered.values[metric], 12)},
    )
    (finding,) = sections.steering([many], "the answer").findings
    found = doses.reported([many])
    assert f"flips {percent(found.flipped)} of {12 * n} sentences" in finding
    assert "at layer 1 flips" in finding and "read-out" not in finding
