"""Activation patching as a section: maps, lines and cards hold the shares of the results."""

import numpy as np
import pytest

from headwise import attribution_patch, patch
from headwise.report import sections
from helpers.planted_head import pairs, plant


@pytest.fixture(scope="module")
def results(word_level):
    model, suite = plant(word_level), pairs(12)
    stream, heads = (patch(model, suite, site, metrics="logit difference") for site in ("residual", "z"))  # fmt: skip
    return stream, heads, attribution_patch(model, suite, "z", metrics="logit difference")


def test_maps_and_cards_hold_the_shares_of_heads(results):
    _, heads, _ = results
    section = sections.patching(*results)
    _, necessary, sufficient = section.figures
    for figure, mode in ((necessary, "noising"), (sufficient, "denoising")):
        np.testing.assert_allclose(np.array(figure.values, float), heads.grid("share", mode=mode))
        assert figure.marked == [(1, 2)] and f"({mode})" in figure.caption  # the planted head
    (detail,) = section.details
    for i, mode in enumerate(("noising", "denoising")):
        np.testing.assert_allclose(
            detail.effect.array()[..., i], heads.grid("share", mode=mode), rtol=1e-5, atol=1e-6
        )
    table = section.tables[0].to_frame()
    assert len(table) == len(heads.table) and set(table["mode"]) == {"noising", "denoising"}


def test_lines_hold_the_shares_of_the_stream_by_role(results):
    stream, *_ = results
    lines = sections.patching(*results).figures[0]
    rows = stream.table[stream.table["mode"] == "denoising"]
    assert [s.name for s in lines.series] == list(rows["position"].unique())
    for series in lines.series:
        own = rows[rows["position"] == series.name]
        np.testing.assert_allclose(series.values, own["share"])
        assert series.is_baseline == (own["share"].abs().max() < 0.05)


def test_findings_give_the_difference_and_the_correlations(results):
    _, heads, estimated = results
    correlation, difference = sections.patching(*results).findings
    assert f"{heads.gap[heads.metrics[0]]:.2f}" in difference
    assert f"{estimated.rank_top:.2f}".strip("-") in correlation
