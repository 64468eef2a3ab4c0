"""A report is the sum of its sections."""

import numpy as np
import pandas as pd
import pytest

from headwise.report.schema import Column, Lines, Report, Section, Series, Table
from headwise.report.schema.head_cards import Detail
from headwise.report.schema.packed import Packed


def table(name):
    return Table.of(name, name, pd.DataFrame({"x": [1.0]}), [Column(name="x", title="x")])


def lines(title):
    return Lines(title=title, caption="", x_label="x", x=[0], series=[Series(name="a", values=[1])])


def report(*sections):
    return Report(
        analysis="a", model="m", question="q", verdict="description", answer="", sections=list(sections)
    )  # fmt: skip


def test_a_report_holds_what_its_sections_hold_in_their_order():
    whole = report(
        Section(title="A", figures=[lines("f")], findings=["1"], method=["x"], references=["r", "s"]),
        Section(title="B", tables=[table("t"), table("u")], findings=["2", "3"], references=["s", "q"]),
    )  # fmt: skip
    assert [f.title for f in whole.figures] == ["f"]
    assert [t.name for t in whole.tables] == ["t", "u"]
    assert whole.findings == ["1", "2", "3"] and whole.method == ["x"]
    assert whole.references == ["r", "s", "q"]


def test_tables_of_one_name_would_be_one_file():
    with pytest.raises(ValueError, match="two tables are named t"):
        report(Section(title="A", tables=[table("t")]), Section(title="B", tables=[table("t")]))


def test_details_are_on_the_cards_and_not_written_twice():
    nothing = Packed.of(np.zeros((1, 1, 1)))
    detail = Detail(title="d", rows=["r"], unit="number", effect=nothing, low=nothing, high=nothing, p=nothing)  # fmt: skip
    section = Section(title="A", details=[detail])
    assert section.details == [detail] and "details" not in section.model_dump()
