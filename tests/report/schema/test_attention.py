"""Attention as data fits its sentence, or is refused."""

import numpy as np
import pytest
from pydantic import ValidationError

from headwise.report.schema import Packed
from helpers import pages


def again(example, **changes):
    return type(example).model_validate(example.model_dump() | changes)


def test_what_fits_comes_back_as_it_was():
    example = pages.example()
    assert again(example) == example
    two_sides = pages.example(keys=("another", "text"))
    assert two_sides.pattern.shape == [12, 6, 3] and again(two_sides) == two_sides


@pytest.mark.parametrize("name", ["pattern", "norms", "scores"])
def test_arrays_of_another_shape_are_refused(name):
    wrong = Packed.roots(np.zeros((12, 6, 5))).model_dump()
    with pytest.raises(ValidationError, match=r"shape \[12, 6, 5\], expected \[12, 6, 6\]"):
        again(pages.example(), **{name: wrong})


def test_scores_need_the_range_of_every_head():
    with pytest.raises(ValidationError, match="scores without a range for each head"):
        again(pages.example(), score_ranges=[(0.0, 1.0)])
    assert again(pages.example(), scores=None, score_ranges=[]).scores is None
