"""The section on steps of other fields holds what the result holds."""

import numpy as np
import pytest

import headwise
from headwise.evidence import MIN_CLUSTERS
from headwise.report import sections
from helpers.paths import PROBES


@pytest.fixture(scope="module")
def result(minilm):
    suite = headwise.read_suite(PROBES / "gender_steps.toml")
    return headwise.transfer_test(minilm, suite, "royalty", n_null=1, n_null_directions=50)


def test_a_line_for_each_field_and_a_row_for_each_layer(result):
    section = sections.transfer(result)
    (figure,) = section.figures
    assert [s.name for s in figure.series] == ["royalty, left out", *result.fields[1:]]
    for field, series in zip(result.fields, figure.series, strict=True):
        row = result.row(field=field, layer=result.layer)
        at = figure.x.index(float(result.layer))
        shown = [series.values[at], series.low[at], series.high[at]]
        np.testing.assert_allclose(np.array(shown, float), row[["step", "step_low", "step_high"]].to_numpy(float))  # fmt: skip
    (table,) = section.tables
    assert len(table.rows) == len(result.table) == len(figure.x) * len(result.fields)


def test_findings_and_controls(result):
    findings = " ".join(sections.transfer(result).findings)
    few = [field for field in result.fields if result.n_pairs[field] < MIN_CLUSTERS]
    assert ("fewer than" in findings) == bool(few)
    cosines = [result.row(field=f, layer=result.layer)["cosine"] for f in result.fields]
    assert f"between {min(cosines):.2f} and {max(cosines):.2f}" in findings
    line = sections.transfer_controls(result)
    assert "in 1 models with random weights" in line and "under uniform attention" in line
