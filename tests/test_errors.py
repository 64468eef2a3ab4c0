"""Errors can be caught by kind, and name what is known."""

import pytest

import headwise
from headwise import (
    BadSuite,
    HeadwiseError,
    OverBudget,
    Suite,
    UnknownName,
)

TEXTS = ["the fluffy blue creature roamed", "a mole dug"]


def test_names_that_are_not_known(tiny_bert, tiny_gpt2):
    wrong = {
        "Unknown site 'qkv'": lambda: headwise.capture(tiny_bert, TEXTS, "qkv"),
        "Did you mean 'pattern'": lambda: headwise.capture(tiny_bert, TEXTS, "patern"),
        "no layer 9": lambda: headwise.capture(tiny_bert, TEXTS, "z", layers=9),
        "no head 99": lambda: headwise.capture(tiny_bert, TEXTS, "z", heads=99),
        "Unknown method of ablation 'zeros'; .*Did you mean 'zero'": lambda: headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", method="zeros"),
        "Unknown metric 'kll'": lambda: headwise.ablate(tiny_gpt2, TEXTS, metrics="kll"),
        "Cannot read the head 'H3'": lambda: headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", heads="H3"),
    }  # fmt: skip
    for message, call in wrong.items():
        with pytest.raises(UnknownName, match=message) as caught:
            call()
        assert isinstance(caught.value, KeyError) and isinstance(caught.value, HeadwiseError)
        assert str(caught.value)[0] != "'"


def test_errors_by_kind(tiny_bert, tmp_path):
    with pytest.raises(MemoryError):
        headwise.capture(tiny_bert, TEXTS * 50, "pattern", budget="20KB")
    with pytest.raises(OverBudget):
        headwise.capture(tiny_bert, TEXTS * 50, "pattern", budget="20KB")
    broken = tmp_path / "broken.toml"
    broken.write_text("[[groups]\n")
    with pytest.raises(ValueError, match="not valid TOML"):
        headwise.read_suite(broken)
    for nothing in ([], [" "]):
        with pytest.raises(BadSuite, match="at least one word"):
            Suite.from_texts(nothing)
    with pytest.raises(BadSuite, match="mole"):
        headwise.read_suite("moles")
