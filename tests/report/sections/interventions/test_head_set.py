"""A set of heads as a section, with the rule of its verdict."""

import pytest

from headwise import ablate_set, evidence
from headwise.report import sections
from helpers.planted_head import pairs, plant


@pytest.fixture(scope="module")
def result(word_level):
    return ablate_set(plant(word_level), pairs(60), ["L1H2"], unrelated=pairs(12), n_null=5, n_null_kept=2)  # fmt: skip


def test_the_table_holds_the_degradation_of_the_set(result):
    section = sections.head_set(result)
    (table,) = section.tables
    assert table.to_frame()["degradation"].tolist() == pytest.approx(result.table["degradation"])
    assert "L1H2" in table.caption and result.unrelated.suite in table.caption
    assert evidence.SET_RULE in section.method


def test_the_set_against_the_sum_over_its_heads(result):
    (finding,) = sections.head_set(result).findings
    assert (
        finding.startswith("Under mean ablation") and "no difference is shown" in finding
    )  # one head
    table = result.table.assign(excess_low=0.1)
    more = sections.head_set(type(result)(**{**vars(result), "table": table})).findings[0]
    assert "more together" in more


def test_no_set_leaves_the_rule():
    section = sections.head_set(None)
    assert not section.tables and section.method == [evidence.SET_RULE]
