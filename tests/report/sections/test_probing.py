"""What can be decoded, as a section: the numbers of the result, each in its place."""

from dataclasses import replace

import numpy as np
import pytest

import headwise
from headwise.probing.classifiers import HEADLINE
from headwise.report import sections
from headwise.report.schema import Heatmap, Lines
from headwise.report.sections.probing import FLAT, NAMES, figures
from helpers.senses import LABELS, suite


@pytest.fixture(scope="module")
def result(tiny_bert):
    return headwise.probe(
        tiny_bert, suite(), sites=["residual", "z"], folds=4, selectivity=False, n_null=0, draws=1
    )


@pytest.fixture(scope="module")
def section(result, tiny_bert):
    return sections.probing(result, tiny_bert, suite(), word="mole", kind="sense")


def test_a_curve_and_a_map_of_every_site(result, section):
    curve, grid = section.figures
    assert isinstance(curve, Lines) and isinstance(grid, Heatmap)
    table = result.table
    for series in (s for s in curve.series if not s.is_baseline):
        name = {v: k for k, v in NAMES.items()}[series.name]
        rows = table[(table["site"] == "residual") & (table["classifier"] == name)]
        np.testing.assert_allclose(series.values, rows["balanced_accuracy"])
    flat = {s.name: set(s.values) for s in curve.series if s.is_baseline}
    assert flat["majority"] == {0.5} and list(flat) == FLAT
    heads = table[(table["site"] == "z") & (table["classifier"] == HEADLINE)]
    for row in heads.itertuples():
        assert grid.values[int(row.layer)][int(row.head)] == row.balanced_accuracy
    assert grid.marked == [result.chosen("z", HEADLINE).key[1:]]
    assert grid.low == 0.5 and grid.baseline[1] == max(flat["best baseline"])


def test_tables_hold_every_place(result, section):
    layers, confusion, heads = section.tables
    places = layers.to_frame()["place"]
    assert {"layer 0", "layer 1", "layer 2", *FLAT} <= set(places)
    assert len(heads.rows) == (result.table["site"] == "z").sum()
    counts = confusion.to_frame().set_index("truth")
    assert set(counts.index) == set(counts.columns) == set(LABELS)
    assert counts.to_numpy().sum() == pytest.approx(len(suite()))


def test_findings_name_the_best_head_the_layers_and_what_was_left_out(result, tiny_bert, section):
    best = result.chosen("z")
    head, baseline, layers = section.findings[:3]
    assert f"L{best.key[1]}H{best.key[2]}" in head and f"{100 * best.accuracy.value:.0f}%" in head
    assert baseline == result.baseline_sentence()
    assert layers.startswith("At layer") and all(str(layer) in layers for layer in range(3))
    assert not any("left out" in line for line in section.findings)
    fewer = replace(result, missing=3, dropped=("spy",))
    lines = sections.probing(fewer, tiny_bert, suite()).findings[-2:]
    assert lines[0].startswith("3 sentences were left out") and "spy" in lines[1]


def test_methods_differ_by_model_and_division(result, tiny_bert, tiny_gpt2, section):
    assert not any("decoder" in line for line in section.method)
    assert any("4 folds" in line for line in section.method)
    own = replace(result, folds=0, n_fitted=24, n_alike=2)
    causal = sections.probing(own, tiny_gpt2, suite())
    assert any("decoder" in line for line in causal.method)
    assert any("24 sentences of the data's own" in line and "2 have a near-duplicate in the fitted part" in line for line in causal.method)  # fmt: skip


def test_of_heads_alone_no_layers(result, tiny_bert):
    table = result.table
    heads = replace(result, table=table[table["site"] != "residual"])
    alone = sections.probing(heads, tiny_bert, suite())
    assert [figure.title for figure in alone.figures] == ["Probe accuracy from z"]
    assert [found.name for found in alone.tables] == ["probed_heads"]
    assert not any("layer" in line for line in alone.findings)
    assert [figure.title for figure in figures(heads, "label")] == ["Probe accuracy from z"]
    stream = replace(result, table=table[table["site"] != "z"])
    assert sections.probing(stream, tiny_bert, suite()).findings[0] == result.baseline_sentence()
