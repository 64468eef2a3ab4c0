"""Figures as data: arrays become lists, what is no number becomes null, and the kind is told by its name."""

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter, ValidationError

from headwise.report.schema import Heatmap, Lines, Matrix, Series
from headwise.report.schema.figures import Figure


def test_arrays_become_lists_and_nan_becomes_null():
    grid = Heatmap(title="t", caption="c", values=np.array([[0.5, np.nan]]))
    assert grid.values == [[0.5, None]]
    line = Series(name="s", values=np.array([0.1, np.nan]), low=np.array([np.nan, 0.2]))
    assert line.values == [0.1, None] and line.low == [None, 0.2] and line.high == []


def test_shares_end_at_a_round_number_and_the_largest_is_outlined():
    shares = np.array([[0.01, -0.3, 0.42], [np.nan, 0.1, 0.0]])
    found = Heatmap.of_shares("t", "c", shares)
    assert (found.low, found.high, found.marked) == (0, 0.5, [(0, 2)])
    assert Heatmap.of_shares("t", "c", shares, steps=20).high == 0.45
    assert Heatmap.of_shares("t", "c", shares / 10).high == 0.1  # no smaller


def test_a_line_has_the_interval_of_its_column():
    rows = pd.DataFrame({"step": [0.1, np.nan], "step_low": [0.0, np.nan], "step_high": [0.2, 0.3]})
    line = Series.of("s", rows, "step")
    assert (line.values, line.low, line.high) == ([0.1, None], [0.0, None], [0.2, 0.3])
    assert not line.is_baseline and Series.of("s", rows, "step", is_baseline=True).is_baseline


def test_a_figure_is_known_by_its_kind():
    any_figure = TypeAdapter(Figure)
    for figure in (
        Heatmap(title="t", caption="c", values=[[0.5]]),
        Matrix(title="t", caption="c", rows=["r"], columns=["c"], values=[[0.5]]),
        Lines(title="t", caption="c", x_label="x", x=[0], series=[Series(name="s", values=[1])]),
    ):
        back = any_figure.validate_json(any_figure.dump_json(figure))
        assert type(back) is type(figure) and back == figure
    with pytest.raises(ValidationError, match="'pie'"):
        any_figure.validate_python({"kind": "pie", "title": "t", "caption": "c"})


def test_a_scale_has_a_width():
    with pytest.raises(ValidationError, match="greater than 0"):
        Matrix(title="t", caption="c", rows=["r"], columns=["c"], values=[[0.5]], limit=0)


BARE: dict[str, str] = {"title": "t", "caption": "c"}
LINES = {**BARE, "x_label": "x", "x": [0, 1]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Heatmap(**BARE, values=[[0.5], [0.5, 1]]), "unequal length"),
        (lambda: Heatmap(**BARE, values=[]), "without a head"),
        (lambda: Heatmap(**BARE, values=[[0.5]], marked=[(0, 1)]), "marked that is not there"),
        (lambda: Heatmap(**BARE, values=[[float("inf")]]), "finite"),
        (lambda: Matrix(**BARE, rows=["a", "b"], columns=["c"], values=[[0.5]]), "each of 2 rows"),
        (lambda: Matrix(**BARE, rows=["a"], columns=["c"], values=[[0.5, 1]]), "and 1 columns"),
        (lambda: Matrix(**BARE, rows=["a"], columns=["c"], values=[[1]], breaks=[2]), "a break"),
        (lambda: Matrix(**BARE, rows=["a"], columns=["c"], values=[[1]], marked=[(-1, 0)]), "is marked"),
        (lambda: Lines(**LINES, series=[Series(name="s", values=[1])]), "each of 2 points"),
        (lambda: Lines(**LINES, series=[Series(name="s", values=[1, 2], low=[1, 2])]), "s: not one"),
    ],
)  # fmt: skip
def test_a_figure_that_does_not_fit_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()
