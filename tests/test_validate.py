"""Arguments that are refused in words."""

import numpy as np
import pytest

import headwise
from headwise import HeadwiseError
from headwise._validate import as_number, as_path, check_counts


@pytest.mark.parametrize("value", [0, 3, np.int64(3), 2**32 - 1])
def test_numbers_of_something(value):
    check_counts(seed=value)
    assert as_number(value) == value


@pytest.mark.parametrize("value", [-1, 1.5, None, "1", True, 2**32])
def test_what_is_no_number_of_something(value):
    with pytest.raises(HeadwiseError, match=r"seed=.*: expected a whole number from 0"):
        check_counts(seed=value)


def test_none_stands_for_a_default_where_one_is_the_least():
    check_counts(least=1, batch_tokens=None)
    with pytest.raises(HeadwiseError, match="batch_tokens=0: expected a whole number from 1"):
        check_counts(least=1, batch_tokens=0)


@pytest.mark.parametrize("given", [None, "", 3, "a\0b", "n" * 300])
def test_what_is_no_path(given):
    with pytest.raises(HeadwiseError):
        as_path(given)


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"n_null": -1}, {"batch_tokens": 0}])
def test_tests_refuse_them(tiny_gpt2, wrong):
    with pytest.raises(HeadwiseError, match="expected a whole number"):
        headwise.ablate(tiny_gpt2, ["the mole dug", "a king sat"], **wrong)


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", ""])
def test_paths_that_cannot_be_are_refused_by_whatever_writes(tiny_gpt2, name):
    found = headwise.read_circuits(tiny_gpt2, n_null=2)
    for write in (found.save, found.view().save):
        with pytest.raises(HeadwiseError):
            write(name)
