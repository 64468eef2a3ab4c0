"""What erasing a label changes, as a section."""

from dataclasses import replace

import numpy as np
import pytest

import headwise
from headwise.report import sections
from headwise.report.sections.erasure import SHORT
from helpers.senses import suite


@pytest.fixture(scope="module")
def erased(tiny_bert):
    return headwise.erase(tiny_bert, suite(), layers=[1], n_null=1, folds=4)


def test_numbers_by_measure(erased):
    (table,) = sections.erasure(erased).tables
    assert table.title.endswith("layer 1") and "1 random subspace of equal rank" in table.caption
    frame = table.to_frame()
    assert frame["what"].tolist() == [SHORT[m] for m in erased.table["measure"]]
    np.testing.assert_allclose(frame["erased"].astype(float), erased.table["erased"])


@pytest.mark.parametrize(
    ("low", "high", "expected", "recovered"),
    [(0.1, 0.2, "changes the margin (", False), (-0.1, 0.2, "changes the margin no more than", True)],
)  # fmt: skip
def test_a_change_exceeds_a_move_of_the_same_length(erased, low, high, expected, recovered):
    table = erased.table.assign(difference_low=low, difference_high=high)
    (line,) = sections.erasure(replace(erased, table=table), "sense").findings
    assert line.startswith("Erasing the sense at layer 1") and expected in line
    assert ("recover the sense" in line) == recovered


def test_nothing_is_computed_after_the_last_layer(erased):
    last = erased.table[erased.table["as_far"].isna()]
    (line,) = sections.erasure(replace(erased, table=last)).findings
    assert line.startswith("Nothing is computed after layer 1")
