"""What stands on cards: frames packed into grids, small tables, and what weights write."""

import numpy as np
import pandas as pd

from headwise import evidence
from headwise.evidence import judge_all
from headwise.report.schema import Heads
from headwise.report.sections.heads import head_cards
from helpers.cards import known


def test_a_frame_becomes_grids_and_letters(tiny_bert):
    frame = evidence.side_by_side(
        [known("looks", ["yes", "no", "inconclusive"], [0.5, -0.25, 0.0]), known("matters", ["yes", "no"], [0.25, 0.0])]
    )  # fmt: skip
    found = head_cards.heads_section(tiny_bert, judge_all(frame))
    looks, matters = found.measures
    assert (looks.kind, looks.answers, matters.answers) == ("looks", "ynu-----", "yn------")
    assert (looks.unit, looks.rule) == ("difference", evidence.LOOKS.text)
    np.testing.assert_array_equal(looks.effect.array(), [[0.5, -0.25, 0.0, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(looks.low.array()[0, :3], [0.4, -0.35, -0.1], atol=1e-6)
    assert np.isnan(matters.p.array()[0, 2]) and matters.control is None
    assert found.verdicts == "sri-----" and found.rules == evidence.VERDICT_RULE
    assert Heads.model_validate_json(found.model_dump_json()) == found


def test_controls_and_what_could_have_been_seen(tiny_bert):
    frame = known(
        "looks",
        ["yes", "no"],
        [0.5, 0.0],
        looks_control=[0.1, 0.1],
        looks_control_t=[2.0, 2.0],
        looks_detectable=0.07,
    )
    found = head_cards.heads_section(tiny_bert, frame).measures[0]
    np.testing.assert_allclose(found.control.array()[0, :2], 0.1, atol=1e-7)
    np.testing.assert_allclose(found.detectable.array()[0, :2], 0.07, atol=1e-7)
    assert "looks +10.0 points (t 2.0)" in evidence.controls_line(frame)
    assert evidence.controls_line(frame.drop(columns="looks_control")) == ""


def test_one_kind_alone_gives_no_verdict(tiny_bert):
    found = head_cards.heads_section(tiny_bert, known("matters", ["yes"], [0.1]))
    assert found.verdicts == found.rules == "" and len(found.measures) == 1
    nothing = head_cards.heads_section(tiny_bert)
    assert nothing.measures == [] and len(nothing.writes) == 8


def test_which_heads_come_first():
    frame = evidence.side_by_side(
        [known("looks", ["no", "yes", "yes", "yes"], [0.9, 0.1, 0.3, 0.2]), known("matters", ["yes", "yes", "no", "no"], [0.0] * 4)]
    )  # fmt: skip
    assert head_cards.first(judge_all(frame)) == [(0, 1), (0, 0), (0, 2), (0, 3)]
    assert head_cards.first(pd.DataFrame({"layer": [0], "head": [0]})) == []
