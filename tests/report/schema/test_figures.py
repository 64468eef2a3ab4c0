"""Figures as data: arrays become lists, what is no number becomes null, and the kind is told by its name."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from headwise.report.schema import Heatmap, Lines, Matrix, Series
from headwise.report.schema.figures import Figure


def test_arrays_become_lists_and_nan_becomes_null():
    grid = Heatmap(title="t", caption="c", values=np.array([[0.5, np.nan]]))
    assert grid.values == [[0.5, None]]
    line = Series(name="s", values=np.array([0.1, np.nan]), low=np.array([np.nan, 0.2]))
    assert line.values == [0.1, None] and line.low == [None, 0.2] and line.high == []


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
