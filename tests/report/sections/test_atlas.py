"""What every head attends to as a section."""

import numpy as np
import pytest

from headwise.attention.head_atlas import atlas
from headwise.data.suite import Suite
from headwise.report import sections
from headwise.report.schema import percent

SUITE = Suite.from_texts(["the mole dug a hole", "a spy told the mole", "the moon was full"])


@pytest.fixture(scope="module")
def result(tiny_gpt2):
    return atlas(tiny_gpt2, SUITE)


def test_each_map_outlines_its_largest(result):
    found = sections.atlas(result, SUITE)
    assert len(found.figures) == 6
    for figure, name in zip(found.figures, ("previous", "same", "first", "duplicate", "induction", "sink"), strict=True):  # fmt: skip
        values, ((layer, head),) = np.array(figure.values, float), figure.marked
        assert values[layer, head] == values.max() == result.table[name].max()
        row = result.table[(result.table["layer"] == layer) & (result.table["head"] == head)]
        assert row[name].item() == values.max()
    assert f"{result.n_tokens} query tokens of 3 sentences" in found.method[0]


def test_the_answer_names_heads_and_shares(result):
    text = sections.strongest_heads(result)
    assert text.count(";") == 2
    for name in ("previous", "first", "induction"):
        row = result.table.loc[result.table[name].idxmax()]
        assert f"L{int(row['layer'])}H{int(row['head'])}" in text and f"({percent(row[name])})" in text  # fmt: skip


def test_cards_hold_shares_alone(result):
    (found,) = sections.atlas(result, SUITE).details
    assert found.rows == ["Previous", "Next", "Itself", "First", "Special", "Sink", "Duplicate", "Induction"]  # fmt: skip
    own = result.table["induction"].to_numpy(float).reshape(found.effect.shape[:2])
    np.testing.assert_allclose(found.effect.array()[..., 7], own, atol=1e-6)
    assert np.isnan(found.p.array()).all()
