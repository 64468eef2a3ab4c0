"""The parameters of a shape as a section."""

import pytest

from headwise import count_parameters
from headwise.report import sections

SHAPE = "d_model=64,n_layers=2,n_heads=4,vocabulary=100,n_context=32"


def test_sums_are_of_the_lines_above_them():
    count = count_parameters(SHAPE)
    table = sections.parameters(count).tables[0].to_frame()
    totals = table.set_index("part")["total"]
    is_sum = totals.index.str.contains("these together|all matrices|all that is stored")
    own = totals[~is_sum]
    assert own.tolist() == count.table["total"].tolist()
    assert totals["attention, these together"] == own[["query", "key", "value-down", "value-up"]].sum()  # fmt: skip
    assert totals["MLPs, these together"] == own[["MLP up", "MLP down"]].sum()
    assert totals["all that is stored"] == count.total == table["total"].iloc[-1]
    parts = table["part"].tolist()
    for first, then in (("value-up", "attention, these together"), ("MLP down", "MLPs, these together"), ("unembedding", "all matrices, unembedding counted separately")):  # fmt: skip
        assert parts.index(then) == parts.index(first) + 1
    shares = table.set_index("part")["share"].astype(float)
    assert shares["all that is stored"] == 1
    assert shares[~is_sum].sum() == pytest.approx(1)


def test_a_tied_unembedding_has_no_share():
    table = sections.parameters(count_parameters("gpt2")).tables[0].to_frame().set_index("part")
    assert table["share"].isna()["unembedding"] and table["share"].notna()["embedding"]


def test_scores_grow_with_the_square_of_the_text():
    context = sections.parameters(count_parameters(SHAPE)).tables[1]
    table = context.to_frame()
    assert "takes 32" in context.caption and 32 in table["tokens"].tolist()
    assert (table["scores"] == table["tokens"] ** 2 * 8).all() and table["size"].notna().all()
