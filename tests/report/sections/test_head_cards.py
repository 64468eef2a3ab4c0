"""What stands on cards: frames packed into grids, small tables, and what weights write."""

import numpy as np
import pandas as pd
import pytest
import torch

import headwise
from headwise import evidence
from headwise.evidence.verdicts import judge_all
from headwise.report.schema import Heads
from headwise.report.sections import evidence as exhibits
from headwise.report.sections import head_cards, head_details, ov_tokens
from headwise.weights.circuits import factored


def known(kind, said, effect, **more):
    """Heads L0H0, L0H1, ... of which one kind of evidence says something."""
    n = len(said)
    numbers = {f"{kind}_{name}": np.array(effect) + add for name, add in (("effect", 0), ("low", -0.1), ("high", 0.1), ("p", 0))}  # fmt: skip
    return pd.DataFrame({"layer": 0, "head": range(n), kind: said, **numbers, **more})


def test_a_frame_becomes_grids_and_letters(tiny_bert):
    frame = evidence.side_by_side(
        [known("looks", ["yes", "no", "inconclusive"], [0.5, -0.25, 0.0]), known("matters", ["yes", "no"], [0.25, 0.0])]
    )  # fmt: skip
    found = head_cards.heads_section(tiny_bert, judge_all(frame))
    looks, matters = found.measures
    assert (looks.kind, looks.said, matters.said) == ("looks", "ynu-----", "yn------")
    assert (looks.unit, looks.rule) == ("difference", evidence.LOOKS.rule)
    np.testing.assert_array_equal(looks.effect.array(), [[0.5, -0.25, 0.0, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(looks.low.array()[0, :3], [0.4, -0.35, -0.1], atol=1e-6)
    assert np.isnan(matters.p.array()[0, 2]) and matters.control is None
    assert found.verdicts == "sri-----" and found.rules == exhibits.RULE
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
    names = [
        c.name for c in exhibits.heads_table(judge_all(evidence.side_by_side([frame]))).columns
    ]
    assert names[-3:-1] == ["looks_control", "looks_detectable"]


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


def test_a_table_with_intervals_of_every_kind():
    pushes = known("moves", ["yes"], [0.1], moves_own=[0.5], moves_others=[0.4])
    frame = judge_all(evidence.side_by_side([known("looks", ["yes"], [0.5]), pushes]))
    table = exhibits.heads_table(frame)
    names = [column.name for column in table.columns]
    assert names == ["name", "verdict", "looks", "looks_effect", "looks_low", "looks_high", "looks_p", "moves", "moves_effect", "moves_low", "moves_high", "moves_p", "missing"]  # fmt: skip
    assert table.columns[8] == exhibits.COSINE
    assert table.to_frame()["looks_high"][0] == pytest.approx(0.6)


def test_small_tables():
    rows = [
        head_details.Row("a", pd.DataFrame({"layer": [0, 1], "head": [1, 0], "effect": [0.1, 0.2], "p": [0.5, 0.6]})),
        head_details.Row("b", pd.DataFrame({"layer": [1], "head": [1], "effect": [0.3], "low": [0.2], "high": [0.4]})),
    ]  # fmt: skip
    found = head_details.detail("t", "c", "rate", rows, (2, 2))
    assert found.rows == ["a", "b"] and found.effect.shape == [2, 2, 2]
    np.testing.assert_allclose(found.effect.array()[1], [[0.2, np.nan], [np.nan, 0.3]], atol=1e-7)
    assert np.isnan(found.low.array()[..., 0]).all() and found.p.array()[0, 1, 0] == 0.5


@pytest.mark.parametrize("n_shared", [1, 2])
def test_keys_that_heads_share_stand_with_each(n_shared):
    heads = np.arange(4 // n_shared)
    scores = {"balanced_accuracy": heads / 10, "balanced_low": 0.0, "balanced_high": 1.0, "p_reading_fwer": 0.5, "p_reading": 0.1}  # fmt: skip
    frame = pd.DataFrame({"site": "k", "layer": 0, "head": heads, "classifier": "logistic", **scores})  # fmt: skip
    result = object.__new__(headwise.ProbeResult)
    object.__setattr__(result, "table", frame)
    found = head_details.read_from(result, "logistic", (1, 4))
    assert found.rows == ["key"] and (found.p.array() == 0.5).all()
    np.testing.assert_allclose(found.effect.array()[0, :, 0], np.arange(4) // n_shared / 10)


def test_effects_along_relations_are_the_smaller_of_two():
    columns = {"effect": [0.5, 0.5], "effect_low": [0.4, 0.4], "effect_high": [0.6, 0.6], "p_fwer": [0.1, 0.1],
               "effect_non_adjacent": [0.2, np.nan], "effect_low_non_adjacent": [0.1, np.nan], "effect_high_non_adjacent": [0.3, np.nan], "p_fwer_non_adjacent": [0.9, np.nan]}  # fmt: skip
    frame = pd.DataFrame({"relation": "a", "direction": "column", "layer": 0, "head": [0, 1], **columns})  # fmt: skip
    result = object.__new__(headwise.RelationTestResult)
    object.__setattr__(result, "table", frame)
    found = head_details.relations_asked(result, [("a", "column")], (1, 2))
    assert found.rows == ["a: column"]
    for name, expected in (("effect", [0.2, 0.5]), ("low", [0.1, 0.4]), ("p", [0.9, 0.1])):
        np.testing.assert_allclose(getattr(found, name).array()[0, :, 0], expected, atol=1e-7)


def test_what_is_written_is_the_spectrum_of_the_circuit(tiny_gpt2):
    found, caption = ov_tokens.writes_of(tiny_gpt2)
    assert [w.head for w in found] == list(range(8)) and "arbitrary" in caption
    rows = tiny_gpt2.hf.get_output_embeddings().weight.detach()
    for own in found:
        matrix = factored(tiny_gpt2, "OV", *divmod(own.head, 4)[:1])[own.head % 4].dense()
        _, values, directions = torch.linalg.svd(matrix)
        shares = values**2 / (values**2).sum()
        np.testing.assert_allclose([d.share for d in own.directions], shares[:3], atol=1e-5)
        dots = rows @ directions[0]
        dots[tiny_gpt2.tokenizer.all_special_ids] = 0
        tokens = [[ov_tokens.shown(tiny_gpt2, int(t)) for t in end.topk(5).indices] for end in (dots, -dots)]  # fmt: skip
        assert [own.directions[0].up, own.directions[0].down] in (tokens, tokens[::-1])


def test_no_tokens_without_an_output_head(minilm, tiny_bert):
    for model in (minilm, tiny_bert):  # the head of a masked language model turns the stream first
        found, caption = ov_tokens.writes_of(model)
        assert not any(d.up or d.down for w in found for d in w.directions)
        assert "No tokens" in caption


def test_of_many_heads_the_first_are_read(tiny_gpt2, monkeypatch):
    monkeypatch.setattr(ov_tokens, "MOST_HEADS", 4)
    monkeypatch.setattr(ov_tokens, "OF_MANY", 3)
    found, caption = ov_tokens.writes_of(tiny_gpt2, [(1, 2), (0, 3)])
    assert [w.head for w in found] == [0, 3, 6] and "3 of 8 heads" in caption
