"""The checker itself: a wrong shape is found, in functions inside others too, and again in the next test."""

import numpy as np
import pytest
from jaxtyping import Float, TypeCheckError, jaxtyped

import typecheck

Row = Float[np.ndarray, " n"]
FIVE, SIX = np.zeros(5), np.zeros(6)


@jaxtyped(typechecker=typecheck.check)
def second(first: Row, other: Row) -> Row:
    return other


class Holder:
    @jaxtyped(typechecker=typecheck.check)
    @classmethod
    def second(cls, first: Row, other: Row) -> Row:
        return other


def inner():
    @jaxtyped(typechecker=typecheck.check)
    def second_inside(first: Row, other: Row) -> Row:
        return other

    return second_inside


def wrong_type(first: Row) -> Row:
    return first.astype(int)


@pytest.mark.parametrize("function", [second, Holder.second, inner()])
def test_the_first_calls_of_every_test_are_checked(function):
    for _ in range(2):
        with pytest.raises(TypeCheckError):
            function(FIVE, SIX)
        for _ in range(2 * typecheck.MOST):
            assert function(SIX, SIX) is SIX
        assert function(FIVE, SIX) is SIX  # enough was seen
        typecheck.again()


def test_every_copy_of_a_function_inside_another_is_checked():
    for _ in range(3):
        with pytest.raises(TypeCheckError):
            inner()(FIVE, SIX)


def test_what_comes_back_is_checked():
    with pytest.raises(TypeCheckError):
        jaxtyped(wrong_type, typechecker=typecheck.check)(FIVE)


def test_the_package_is_checked():
    from headwise.stats.clusters import sum_by_cluster

    with pytest.raises(TypeCheckError):
        sum_by_cluster(np.zeros(3), np.zeros(4, dtype=int), 2)
