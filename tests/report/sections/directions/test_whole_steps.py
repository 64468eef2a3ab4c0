"""Steps of the classes along directions as a section."""

from dataclasses import replace

import numpy as np
import pytest

from headwise.directions import direction_test, from_classes
from headwise.report import sections
from helpers.moles import LABELS, NAMES, OTHERS, SUITE, sentence


@pytest.fixture(scope="module")
def results(tiny_gpt2):
    own = tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES)
    tested = replace(SUITE, name="tested", sentences=own)
    numbers = {"n_null": 0, "n_permutations": 20, "n_null_directions": 20}
    return [
        direction_test(tiny_gpt2, tested, from_classes(tiny_gpt2, SUITE, ends, layer=2), **numbers)
        for ends in (("animal", "unit"), ("animal", "spy"))
    ]


def changed(result, **whole):
    return replace(result, whole=result.whole | whole)


def test_steps_and_positions(results):
    found = sections.whole_steps(results[:1], results[1:])
    steps, positions = (table.to_frame() for table in found.tables)
    assert steps["classes"].tolist() == ["animal against unit", "animal against spy"]
    np.testing.assert_allclose(steps["effect"].astype(float), [r.whole["effect"] for r in results])
    assert sorted(zip(positions["direction"], positions["class"], strict=True)) == [
        ("animal - spy", "animal"), ("animal - spy", "spy"), ("animal - unit", "animal"), ("animal - unit", "unit"),
    ]  # fmt: skip
    means = positions.set_index(["direction", "class"])["mean"].astype(float)
    assert means["animal - unit", "animal"] - means["animal - unit", "unit"] == pytest.approx(results[0].total, rel=1e-3)  # fmt: skip


def test_a_step_along_many_directions_is_not_specific(results):
    one = results[0]
    for p, is_said in ((0.3, True), (0.01, False)):
        text = " ".join(sections.whole_steps([changed(one, p_random=p)]).findings)
        assert ("not specific" in text) == is_said and (f"p {p:.2g}" in text) == is_said


@pytest.mark.parametrize(
    ("whole", "text"),
    [(None, "could not be tested"), ({"p": 0.2, "effect_low": 1.0}, "does not separate"), ({"p": 0.01, "effect_low": -1.0}, "does not separate"), ({"p": 0.01, "effect_low": 1.0}, "")],
)  # fmt: skip
def test_directions_that_do_not_generalise_are_limitations(results, whole, text):
    held_out = {"size": None if whole is None else changed(results[1], **whole)}
    found = sections.whole_steps(results[:1], held_out=held_out)
    said = [line for line in found.findings if "of size" in line]
    assert [text in line for line in said] == ([True] if text else [])
    assert len(found.tables[0].rows) == (1 if whole is None else 2)
    assert "held-out" in found.tables[0].caption


def test_separation_before_attention_is_reported(results):
    trajectory = results[0].trajectory.copy()
    is_start = ((trajectory["layer"] == 0) & (trajectory["label"] == "difference")).to_numpy(bool)
    for low, high, is_said in ((0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)):
        trajectory.loc[is_start, ["mean_low", "mean_high"]] = low, high
        last = sections.whole_steps([replace(results[0], trajectory=trajectory)]).findings[-1]
        assert ("already separated along animal - unit" in last) == is_said


def test_controls_in_a_line(results):
    one = changed(results[0], t=3.25, control_t=1.5, effect=-2.0, uniform=0.5)
    line = sections.whole_steps_controls([one])
    assert (
        "t 3.2" in line and "at most 1.5" in line and "step \N{MINUS SIGN}2, and 0.5 under" in line
    )
