"""How a head is written, whether or not a model has it."""

import numpy as np
import pytest

from headwise import Head, HeadwiseError, UnknownName
from headwise.model import heads
from headwise.model.head import order_met, parse


@pytest.mark.parametrize("head", [Head(2, 8), Head(0, 11, "cross")])
def test_a_name_is_read_as_it_is_written(head):
    assert Head(*parse(head.name)) == Head(*parse(tuple(head))) == head


def test_other_names_are_refused():
    for name in ("H3", "L1", "self.L0H1", "l1h2"):
        with pytest.raises(UnknownName, match="expected a name such as 'L2H8'"):
            parse(name)


def test_the_encoder_comes_before_the_decoder_and_its_cross_attention_after_its_own():
    names = ["cross.L0H0", "decoder.L1H0", "encoder.L9H0", "decoder.L0H3"]
    heads = sorted((Head(*parse(name)) for name in names), key=order_met)
    assert [h.name for h in heads] == ["encoder.L9H0", "decoder.L0H3", "cross.L0H0", "decoder.L1H0"]


@pytest.mark.parametrize(
    "given", [np.int64(1), [np.int64(1)], np.array([1]), (np.int64(0), np.int64(1))]
)
def test_numbers_of_any_type_are_heads(tiny_bert, given):
    assert {head.head for head in heads.chosen(tiny_bert, given)} == {1}


@pytest.mark.parametrize("given", [True, [True], (True, 1)])
def test_a_truth_value_is_no_head(tiny_bert, given):
    with pytest.raises(UnknownName):
        heads.chosen(tiny_bert, given)


@pytest.mark.parametrize("given", [1.0, [1.0], [None], {}, None, []])
def test_what_is_no_number_is_no_head(given):
    with pytest.raises(HeadwiseError):
        heads._several(given)
