"""Figures, tables and sentences of directions: shares of the distance, largest first, and steering dose by dose."""

from dataclasses import replace

import numpy as np
import pytest

from headwise import steer
from headwise.directions import contributions
from headwise.directions.constructors import from_classes
from headwise.interventions.steering import doses
from headwise.report.sections import directions
from helpers.moles import LABELS, NAMES, OTHERS, SUITE, sentence
from helpers.steered import asked_of, direction_of


@pytest.fixture(scope="module")
def results(tiny_gpt2):
    told = tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES)
    asked = replace(SUITE, name="asked", sentences=told)
    return [
        contributions.direction_test(
            tiny_gpt2,
            asked,
            from_classes(tiny_gpt2, SUITE, *ends, layer=2),
            n_shuffles=20,
            n_random=20,
        )
        for ends in (("animal", "unit"), ("animal", "spy"))
    ]


@pytest.fixture(scope="module")
def steered(tiny_gpt2):
    return steer(tiny_gpt2, asked_of(), direction_of(tiny_gpt2, 1), doses=[0.5, 1.0], n_random=1)


def test_the_map_has_the_largest_share_of_each_head(results):
    found = directions.push_map(results, "t")
    shares = np.maximum(results[0].grid(), results[1].grid())
    np.testing.assert_allclose(np.array(found.values, dtype=float), shares)
    ((layer, head),) = found.marked
    assert shares[layer, head] == shares.max() <= found.high
    assert "the largest of the directions" in found.caption
    assert "the largest of" not in directions.push_map(results[:1], "t").caption


def test_classes_come_apart_by_the_whole_distance(results):
    found = directions.trajectories(results, "t", "moles")
    assert found.x == [0, 1, 2] and len(found.series) == 2
    for series, result in zip(found.series, results, strict=True):
        assert series.name == " - ".join(result.between)
        assert series.values[-1] == pytest.approx(np.sign(result.total), rel=1e-4)


def test_tables_hold_every_component_the_largest_first(results):
    pushes, sources, words = (table.to_frame() for table in directions.tables(results))
    assert len(pushes) == sum(len(r.table) for r in results)
    shares = pushes["share"].astype(float)
    assert (shares.diff().dropna() <= 0).all()
    assert shares.sum() == pytest.approx(2)  # shares of each direction sum to one
    assert set(pushes["direction"]) == {r.direction.name for r in results}
    assert len(sources) == sum(len(r.sources) for r in results)
    assert len(words) == sum(len(r.words) for r in results)


def test_the_method_names_the_data_and_the_layer(results):
    text = " ".join(directions.method(results, "the fitted moles"))
    assert "the fitted moles" in text and "layer 2" in text
    assert "cross-fitted" not in text
    folded = [replace(r, n_folds=3) for r in results]
    assert "divided into 3 parts" in " ".join(directions.method(folded, "the fitted moles"))


def test_steering_dose_by_dose(steered):
    (figure,), (table,) = (
        directions.steering_figures([steered], "the answer"),
        directions.steering_tables([steered]),
    )
    pooled = doses.pooled([steered])
    assert figure.x == [0.5, 1.0] == table.to_frame()["dose"].tolist()
    np.testing.assert_allclose(np.array(figure.series[0].values, float), pooled["flipped"])
    np.testing.assert_allclose(table.to_frame()["flipped"].astype(float), pooled["flipped"])
    assert figure.series[1].is_baseline
    assert directions.steering_figures([], "") == [] == directions.steering_tables([])
    assert "fewer than" in directions.steering_sentence([steered])  # a handful of groups
    assert "at layer 1" in directions.steering_method([steered])[0]
