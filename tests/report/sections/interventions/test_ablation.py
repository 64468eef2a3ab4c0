"""Ablation as a section: a planted head is found, shown and said to matter."""

from dataclasses import replace

import numpy as np
import pytest

from headwise import ablate, evidence
from headwise.interventions.controls import AblationControls
from headwise.report import sections
from helpers.planted_head import pairs, plant


@pytest.fixture(scope="module")
def result(word_level):
    return ablate(plant(word_level), pairs(60))


def test_the_map_and_the_table_hold_the_degradation(result):
    section = sections.ablation(result, " On some.")
    (figure,), (table,) = section.figures, section.tables
    metric = result.metrics[0]
    share = (
        result.grid("degradation", method="mean", metric=metric)
        / result.clean_values[metric].mean()
    )
    np.testing.assert_allclose(np.array(figure.values, float), share)
    assert figure.marked == [(1, 2)] and figure.unit == "rate"
    assert len(table.rows) == len(result.table)
    assert table.caption.endswith("On some.") and "On some." in figure.caption
    (detail,) = section.details
    assert len(detail.rows) == 3 and "On some." in detail.caption


def test_findings_and_method_give_numbers(result):
    section = sections.ablation(result)
    assert section.findings[0].endswith("by every method: none.")
    assert "with 80% power" in section.findings[1]
    method, rule, controls = section.method
    assert "60 minimal pairs" in method and f"({result.clusters.n} clusters)" in method
    assert rule == evidence.MATTERS.text
    assert f"{result.controls.cases} sentences" in controls and "uniform attention" in controls


def test_nothing_can_be_lost_of_a_metric_that_is_not_above_zero(result):
    clean = result.clean.assign(value_low=-1.0)
    section = sections.ablation(replace(result, clean=clean))
    assert section.figures[0].unit == "number"
    assert "nothing can be lost" in section.method[0]
    unknown = sections.ablation(replace(result, clean=result.clean.assign(value_low=np.nan)))
    assert "too few groups for an interval" in unknown.method[0]


def test_why_there_are_no_controls(result):
    missing = AblationControls((), 0, 1.0, (), {}, {}, why_not="its twin cannot be made")
    assert sections.ablation(replace(result, controls=missing)).method[2].endswith("its twin cannot be made")  # fmt: skip
    assert "too few" in sections.ablation(replace(result, controls=None)).method[2]


def test_heads_on_which_methods_disagree(result):
    metric = result.metrics[0]
    disagree = (result.table["name"] == "L0H0") & (result.table["metric"] == metric)
    torn = replace(result, table=result.table.assign(disagree=disagree), n_split=3)
    findings = sections.ablation(torn).findings
    assert findings[2].startswith("For 1 of 8 heads")
    assert findings[3].startswith("3 continuations")
