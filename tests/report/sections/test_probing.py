"""Figures and tables of what can be read: the numbers of the result, each in its place."""

import numpy as np
import pytest

import headwise
from headwise.report.schema import Heatmap, Lines
from headwise.report.sections import probing
from helpers.senses import LABELS, suite


@pytest.fixture(scope="module")
def result(tiny_bert):
    return headwise.probe(tiny_bert, suite(), sites=["residual", "z"], folds=4, controls=False)


def test_a_curve_and_a_map_of_every_site(result):
    curve, grid = probing.figures(result, 1, "sense")
    assert isinstance(curve, Lines) and isinstance(grid, Heatmap)
    table = result.table
    for series in (s for s in curve.series if not s.is_baseline):
        name = {v: k for k, v in probing.NAMES.items()}[series.name]
        rows = table[(table["site"] == "residual") & (table["classifier"] == name)]
        np.testing.assert_allclose(series.values, rows["balanced_accuracy"])
    flat = {s.name: set(s.values) for s in curve.series if s.is_baseline}
    assert flat["majority"] == {0.5} and set(flat) == {*probing.FLAT, "majority"}
    heads = table[(table["site"] == "z") & (table["classifier"] == probing.HEADLINE)]
    for row in heads.itertuples():
        assert grid.values[int(row.layer)][int(row.head)] == row.balanced_accuracy
    assert grid.marked == [result.chosen("z", probing.HEADLINE).key[1:]]
    assert grid.low == 0.5 and grid.baseline[1] == max(flat["best baseline"])


def test_tables_hold_every_place(result):
    layers, confusion, heads = probing.tables(result, ("residual", 1, None))
    places = layers.to_frame()["place"]
    assert {"layer 0", "layer 1", "layer 2"} <= set(places)
    assert len(heads.rows) == (result.table["site"] == "z").sum()
    counts = confusion.to_frame().set_index("truth")
    assert set(counts.index) == set(counts.columns) == set(LABELS)
    assert counts.to_numpy().sum() == len(suite())


def test_what_erasing_changed_by_measure(tiny_bert):
    erased = headwise.erase(tiny_bert, suite(), layers=[1], n_random=1, folds=4)
    table = probing.erasure_table(erased)
    assert table.title.endswith("layer 1") and "1 random subspace of equal rank" in table.caption
    frame = table.to_frame()
    assert frame["what"].tolist() == [probing.SHORT[m] for m in erased.table["measure"]]
    np.testing.assert_allclose(frame["erased"].astype(float), erased.table["erased"])
