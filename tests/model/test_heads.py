"""Heads by name and by number, alike everywhere."""

import numpy as np
import pandas as pd
import pytest
import torch

import headwise
from headwise import (
    HeadwiseError,
    UnknownName,
    hooks,
)
from headwise.model.heads import _layers
from helpers.architectures import load

TEXTS = ["the fluffy blue creature roamed", "a mole dug"]


def test_one_value_is_taken_where_several_are(tiny_bert, tiny_gpt2):
    one = headwise.capture(tiny_bert, TEXTS, "pattern", layers=1)
    assert one.keys() == [("pattern", 1)]
    plain = headwise.ablate(
        tiny_gpt2, TEXTS, metrics=["kl"], heads=[(1, 2)], method=["zero"], n_null=0
    )
    same = headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", heads="L1H2", method="zero", n_null=0)
    pd.testing.assert_frame_equal(plain.table, same.table)
    for head in ((1, 2), headwise.Head(1, 2)):
        again = headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", heads=head, method="zero", n_null=0)
        pd.testing.assert_frame_equal(plain.table, again.table)


@pytest.mark.parametrize(
    "heads", ["L1H2", (1, 2), ["L1H2"], [headwise.Head(1, 2)], headwise.Head(1, 2)]
)
def test_heads_are_named_alike_everywhere(tiny_bert, heads):
    by_name = headwise.capture(tiny_bert, TEXTS, "z", heads=heads)
    by_number = headwise.capture(tiny_bert, TEXTS, "z", layers=1, heads=2)
    assert by_name.keys() == by_number.keys() == [("z", 1)]
    assert torch.equal(by_name["z", 1], by_number["z", 1])
    tokens, mask = tiny_bert.tokenize(TEXTS)
    with hooks.capture(tiny_bert, "z", heads=heads) as seen:
        tiny_bert.forward(tokens, mask)
    assert list(seen) == [("z", 1)] and seen["z", 1].shape[2] == 1


def test_heads_that_make_no_tensor(tiny_bert, byte_level, wordpiece):
    for heads, message in (
        (["L0H1", "L1H2"], "one layer at a time"),
        ([1, "L1H2"], "not both"),
        ([], "leave heads out"),
    ):
        with pytest.raises(HeadwiseError, match=message):
            headwise.capture(tiny_bert, TEXTS, "z", heads=heads)
    with pytest.raises(HeadwiseError, match="says otherwise"):
        headwise.capture(tiny_bert, TEXTS, "z", layers=[0], heads="L1H2")
    with pytest.raises(HeadwiseError, match="names a side"):
        headwise.capture(load("T5", byte_level, wordpiece), TEXTS, "decoder.z", heads="cross.L0H1")
    with pytest.raises(UnknownName):  # a tuple is one head, and this none
        headwise.capture(tiny_bert, TEXTS, "z", heads=(0, 1, 2))
    turned = headwise.capture(tiny_bert, TEXTS, "z", heads=["L1H3", "L1H0"])
    whole = headwise.capture(tiny_bert, TEXTS, "z", layers=1)
    assert torch.equal(turned["z", 1], whole["z", 1][:, :, [3, 0]])
    both = headwise.capture(tiny_bert, TEXTS, "z", heads=["L0H1", "L1H1"])
    assert both.keys() == [("z", 0), ("z", 1)] and both["z", 1].shape[2] == 1


def test_a_number_is_that_head_of_each_layer(tiny_gpt2):
    """Never a layer by mistake: [1, 2] are two heads, (1, 2) is one."""
    cut = headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", heads=[1, 2], method="zero", n_null=0)
    assert list(cut.head_sets) == ["L0H1", "L0H2", "L1H1", "L1H2"]
    assert list(headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", heads=3, method="zero", n_null=0).head_sets) == ["L0H3", "L1H3"]  # fmt: skip


@pytest.mark.parametrize("layers", [[1.0], "1", [True], [None]])
def test_layers_that_are_none(layers):
    with pytest.raises(HeadwiseError, match=r"[Ll]ayers"):
        _layers(layers)


def test_layers_of_any_type_of_number():
    assert _layers([np.int64(1), 0]) == (1, 0) and _layers(np.int64(2)) == (2,)
