"""Evidence as a table."""

import pytest

from headwise import evidence
from headwise.evidence.verdicts import judge_all
from headwise.report.sections import evidence as exhibits
from helpers.cards import known


def test_a_table_with_intervals_of_every_kind():
    pushes = known("moves", ["yes"], [0.1], moves_own=[0.5], moves_others=[0.4])
    frame = judge_all(evidence.side_by_side([known("looks", ["yes"], [0.5]), pushes]))
    table = exhibits.heads_table(frame)
    names = [column.name for column in table.columns]
    assert names == ["name", "verdict", "looks", "looks_effect", "looks_low", "looks_high", "looks_p", "moves", "moves_effect", "moves_low", "moves_high", "moves_p", "missing"]  # fmt: skip
    assert table.columns[8] == exhibits.COSINE
    assert table.to_frame()["looks_high"][0] == pytest.approx(0.6)
