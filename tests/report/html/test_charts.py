"""Charts: the same bytes for the same data, in the page's colours, and nothing of the data read as markup."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from headwise.report.html.charts import VARIABLES, draw_lines
from headwise.report.schema import Lines, Series
from helpers import nasty


def chart(name="head", values=(0.2, 0.4, 0.9), **more):
    series = Series(name=name, values=np.array(values), **more)
    flat = Series(name="baseline", values=np.full(len(values), 0.3), is_baseline=True)
    x = list(range(len(values)))
    return Lines(title="t", caption="c", x_label="layer", x=x, series=[series, flat])


def test_the_same_data_give_the_same_drawing():
    drawn = draw_lines(chart())
    assert drawn == draw_lines(chart()) != draw_lines(chart(values=(0.2, 0.4, 0.8)))
    assert drawn.startswith("<svg") and 'aria-hidden="true"' in drawn.split(">")[0]
    for stand_in, variable in VARIABLES.items():
        assert stand_in not in drawn and f"var({variable})" in drawn
    assert not re.search(r"#[0-9a-f]{6}", re.sub(r'href="#\w+"|url\(#\w+\)|id="\w+"', "", drawn))


@pytest.mark.parametrize("text", nasty.SCRIPTS[:6] + nasty.QUOTES[:4])
def test_names_are_text(text):
    parsed = ET.fromstring(draw_lines(chart(text)))
    tags = {element.tag.rpartition("}")[2].lower() for element in parsed.iter()}
    assert not tags & {"script", "img", "iframe", "foreignobject", "a"}


def test_the_axis_covers_what_is_below_nothing_and_above_all():
    plain, wide = draw_lines(chart()), draw_lines(chart(values=(-0.4, 0.5, 1.3)))
    assert ">100%<" in plain and "\N{MINUS SIGN}20%" not in plain
    assert "\N{MINUS SIGN}20%" in wide and ">120%<" in wide


def test_what_is_missing_is_not_drawn():
    gap = draw_lines(chart(values=(0.2, np.nan, 0.9), low=[0.1, np.nan, 0.8], high=[0.3, np.nan, 1]))  # fmt: skip
    assert ET.fromstring(gap) is not None and "nan" not in gap.lower()
