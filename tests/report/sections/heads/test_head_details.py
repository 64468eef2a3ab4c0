"""Further numbers of every head."""

import numpy as np
import pandas as pd
import pytest

import headwise
from headwise.report.sections.heads import head_details


def test_small_tables():
    rows = [
        head_details.Row("a", pd.DataFrame({"layer": [0, 1], "head": [1, 0], "effect": [0.1, 0.2], "p_fwer": [0.5, 0.6]})),
        head_details.Row("b", pd.DataFrame({"layer": [1], "head": [1], "share": [0.3], "low": [0.2]}), ("share", "low")),
    ]  # fmt: skip
    found = head_details.detail("t", "c", "rate", rows, (2, 2))
    assert found.rows == ["a", "b"] and found.effect.shape == [2, 2, 2]
    np.testing.assert_allclose(found.effect.array()[1], [[0.2, np.nan], [np.nan, 0.3]], atol=1e-7)
    assert np.isnan(found.low.array()[..., 0]).all() and found.p.array()[0, 1, 0] == 0.5


@pytest.mark.parametrize("n_shared", [1, 2])
def test_keys_that_heads_share_stand_with_each(n_shared):
    heads = np.arange(4 // n_shared)
    scores = {"balanced_accuracy": heads / 10, "balanced_accuracy_low": 0.0, "balanced_accuracy_high": 1.0, "p_reading_fwer": 0.5, "p_reading": 0.1}  # fmt: skip
    frame = pd.DataFrame({"site": "k", "layer": 0, "head": heads, "classifier": "logistic", **scores})  # fmt: skip
    result = object.__new__(headwise.ProbeResult)
    object.__setattr__(result, "table", frame)
    found = head_details.read_from(result, "logistic", (1, 4))
    assert found.rows == ["key"] and (found.p.array() == 0.5).all()
    np.testing.assert_allclose(found.effect.array()[0, :, 0], np.arange(4) // n_shared / 10)


def test_effects_along_relations_are_the_smaller_of_two():
    place = {"relation": "a", "direction": "column", "layer": 0, "head": [0, 1]}
    whole = {"effect": 0.5, "effect_low": 0.4, "effect_high": 0.6, "p_fwer": 0.1}
    apart = {"effect": [0.2, np.nan], "effect_low": [0.1, np.nan], "effect_high": [0.3, np.nan], "p_fwer": [0.9, np.nan]}  # fmt: skip
    scopes = ({"scope": "all", **whole}, {"scope": "non_adjacent", **apart})
    frame = pd.concat([pd.DataFrame(place | scope) for scope in scopes], ignore_index=True)
    result = object.__new__(headwise.RelationTestResult)
    object.__setattr__(result, "table", frame)
    found = head_details.relations_asked(result, [("a", "column")])
    assert found.rows == ["a: column"]
    for name, expected in (("effect", [0.2, 0.5]), ("low", [0.1, 0.4]), ("p", [0.9, 0.1])):
        np.testing.assert_allclose(getattr(found, name).array()[0, :, 0], expected, atol=1e-7)
