"""Kinds of evidence side by side: a table with intervals, and heads on which the kinds differ."""

import pytest

from headwise import evidence
from headwise.report import sections
from headwise.report.sections.heads.evidence import COSINE, MOST_NAMED, listed
from helpers.cards import known


def test_a_table_with_intervals_of_every_kind():
    moves = known("moves", ["yes"], [0.1], moves_own=[0.5], moves_others=[0.4])
    frame = evidence.judge_all(evidence.side_by_side([known("looks", ["yes"], [0.5]), moves]))
    (table,) = sections.evidence(frame).tables
    names = [column.name for column in table.columns]
    assert names == ["name", "verdict", "looks", "looks_effect", "looks_low", "looks_high", "looks_p", "moves", "moves_effect", "moves_low", "moves_high", "moves_p", "missing"]  # fmt: skip
    assert table.columns[8].title == COSINE.title
    assert table.to_frame()["looks_high"][0] == pytest.approx(0.6)


def test_controls_are_columns():
    looks = known("looks", ["yes", "no"], [0.5, 0.0], looks_control=0.1, looks_detectable=0.07)
    frame = evidence.side_by_side([looks, known("carries", ["no", "no"], [0.0, 0.0])])
    (table,) = sections.evidence(evidence.judge_all(frame)).tables
    names = [column.name for column in table.columns]
    assert names[2:8] == ["looks", "looks_effect", "looks_low", "looks_high", "looks_p", "looks_control"]  # fmt: skip
    assert table.to_frame()["looks_detectable"].tolist() == [0.07, 0.07]


def test_heads_on_which_the_kinds_differ():
    looks = known("looks", ["yes", "no", "no", "yes"], [0.5, 0.0, 0.0, 0.5])
    matters = known("matters", ["inconclusive", "yes", "no", "yes"], [0.0, 0.5, 0.0, 0.2])
    section = sections.evidence(evidence.judge_all(evidence.side_by_side([looks, matters])))
    attends, blind = section.findings
    assert "attend" in attends and attends.endswith(": L0H0.")
    assert "matter without attending" in blind and blind.endswith(": L0H1.")
    assert section.tables[0].to_frame()["name"].tolist()[:2] == ["L0H1", "L0H3"]  # by degradation
    assert evidence.VERDICT_RULE in section.method


def test_one_kind_alone_has_no_table():
    section = sections.evidence(evidence.judge_all(evidence.side_by_side([known("carries", ["yes"], [0.1])])))  # fmt: skip
    assert not section.tables and not section.method
    assert "not tested" in section.findings[0]


def test_many_heads_are_counted():
    names = [f"L0H{i}" for i in range(MOST_NAMED + 3)]
    assert listed([]) == "none" and listed(names[:2]) == "L0H0, L0H1"
    assert listed(names).endswith("L0H11 and 3 more")
