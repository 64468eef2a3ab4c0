"""Columns: named once, picked and told otherwise where they are shown."""

import pandas as pd
import pytest

from headwise import UnknownName
from headwise._columns import Column, Columns, interval
from headwise.report.schema import Table

COLUMNS = Columns(
    Column("name", "Head"),
    Column("effect", "Effect", "rate", "How much"),
    interval("effect", "rate"),
)


def test_columns_are_a_mapping():
    assert list(COLUMNS) == ["name", "effect", "effect_low", "effect_high"] and len(COLUMNS) == 4
    assert "effect" in COLUMNS and "low" not in COLUMNS
    assert COLUMNS["effect_low"].unit == "rate" and "clusters" in COLUMNS["effect_low"].meaning
    assert Columns(*COLUMNS.values()) == COLUMNS and repr(COLUMNS).startswith("Columns(name, ")
    with pytest.raises(UnknownName, match=r"Unknown column 'efect'.*Did you mean 'effect'"):
        COLUMNS["efect"]


def test_picking():
    own = Column("cosine", "Cosine", "number")
    picked = COLUMNS.pick("effect", own, COLUMNS["name"].but(title="Place"))
    assert list(picked) == ["effect", "cosine", "name"] and picked["name"].title == "Place"
    assert COLUMNS["name"].title == "Head"
    with pytest.raises(UnknownName, match=r"'size'"):
        COLUMNS.pick("name", "size")


def test_of_two_of_one_name_the_last_counts_in_the_place_of_the_first():
    both = Columns(COLUMNS, Column("name", "Other"))
    assert list(both) == list(COLUMNS) and both["name"].title == "Other"


def test_a_table_of_a_report():
    frame = pd.DataFrame({"effect": [0.5, float("nan")], "name": ["L0H1", None], "else": 1})
    table = Table.of("found", "Found", frame, COLUMNS.pick("name", "effect"))
    assert table.rows == [["L0H1", 0.5], [None, None]]
    assert [(c.name, c.title, c.kind, c.note) for c in table.columns] == [("name", "Head", "text", ""), ("effect", "Effect", "rate", "How much")]  # fmt: skip
    with pytest.raises(KeyError, match=r"effect_low"):
        Table.of("found", "Found", frame, COLUMNS)
