"""Tables as data: named columns of a frame, in plain numbers and words."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from headwise.report.schema import Column, Table

COLUMNS = [Column(name="head", title="Head"), Column(name="rate", title="Rate", kind="rate")]
FRAME = pd.DataFrame(
    {"rate": [0.5, np.nan], "unused": [1, 2], "head": ["L0H1", None], "n": np.array([3, 4])}
)


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValidationError, match="row 1 of the table 't' has 1 cells for 2 columns"):
        Table(name="t", title="T", columns=COLUMNS, rows=[["L0H1", 0.5], ["L0H2"]])


def test_named_columns_in_their_order():
    table = Table.of("heads", "Heads", FRAME, COLUMNS)
    assert table.rows == [["L0H1", 0.5], [None, None]]
    assert list(table.to_frame()) == ["head", "rate"]
    assert Table.model_validate_json(table.model_dump_json()) == table


def test_cells_are_plain_values():
    frame = pd.DataFrame({"a": [np.int64(3), pd.NA, True, (0, 1)]}, dtype=object)
    cells = [row[0] for row in Table.of("t", "T", frame, [Column(name="a", title="A")]).rows]
    assert cells == [3, None, True, "(0, 1)"] and type(cells[0]) is int


def test_what_cannot_be_a_file_or_a_column():
    with pytest.raises(ValidationError, match="pattern"):
        Table.of("../heads", "Heads", FRAME, COLUMNS)
    with pytest.raises(KeyError, match="nothing"):
        Table.of("heads", "Heads", FRAME, [Column(name="nothing", title="Nothing")])


def test_what_is_infinite_is_no_empty_cell():
    frame = pd.DataFrame({"t": [np.inf, -np.inf, np.nan, 1.5]})
    table = Table.of("t", "T", frame, [Column(name="t", title="t", kind="number")])
    assert [cell for (cell,) in table.rows] == ["infinite", "\N{MINUS SIGN}infinite", None, 1.5]
