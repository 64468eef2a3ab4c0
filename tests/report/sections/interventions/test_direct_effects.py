"""Direct effects as a section: every head by name, with its self-repair."""

import pytest

from headwise import direct_effects
from headwise.report import sections
from helpers.planted_head import pairs, plant


def test_every_head_by_name(word_level):
    result = direct_effects(plant(word_level), pairs(12))
    section = sections.direct_effects(result)
    own = result.table[result.table["metric"] == result.table["metric"].iloc[0]]
    table = section.tables[0].to_frame()
    assert table["name"].tolist() == [f"L{la}H{h}" for la, h in zip(own["layer"], own["head"], strict=True)]  # fmt: skip
    assert table["self_repair"].tolist() == pytest.approx(table["direct"] - table["total"], abs=1e-5)  # fmt: skip
    assert "mean ablation" in section.tables[0].caption
