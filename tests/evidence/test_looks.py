"""Looks: the largest p that its rule asks for, along one relation and along many."""

import numpy as np
import pandas as pd

from headwise import evidence
from headwise.attention.relations import RelationTestResult
from helpers.bare import made


def looked(rows):
    """Rows of a relation test: p of the two comparisons, on all and on non-adjacent pairs."""
    columns = ["relation", "direction", "layer", "head", "verdict", "pairs"]
    scopes = []
    for k, scope in enumerate(("all", "non_adjacent")):
        own = [(*row[:6], row[6 + k], row[8 + k], row[10 + k]) for row in rows]
        table = pd.DataFrame(own, columns=[*columns, "effect", "p_fwer_chance", "p_fwer"])
        scopes.append(table.assign(scope=scope))
    # As in a result, where the scopes of a head stand together.
    table = pd.concat(scopes).sort_index(kind="stable").reset_index(drop=True)
    rest = ["control", "control_t", "detectable", "share", "effect_chance", "effect_tags", "mass"]
    table = table.assign(**dict.fromkeys(rest, 0.5))
    return made(
        RelationTestResult,
        table=table.assign(effect_low=table["effect"] - 0.1, effect_high=table["effect"] + 0.1),
    )


def test_p_of_looking_is_the_largest_that_its_rule_asks_for():
    way = "governor->dependent"
    found = evidence.looks(
        looked(
            [
                ("a", way, 0, 0, "supported", 30, 0.3, 0.2, 0.01, 0.01, 0.01, 0.04),
                ("a", way, 0, 1, "inconclusive", 30, 0.3, np.nan, 0.01, np.nan, 0.01, np.nan),
                ("a", "column", 0, 0, "supported", 30, 0.9, 0.9, 0.01, 0.01, 0.01, 0.01),
            ]
        ),
        way,
    )
    assert list(found["looks"]) == ["yes", "inconclusive"]
    np.testing.assert_array_equal(found["looks_p"], [0.04, np.nan])
    np.testing.assert_allclose(found[["looks_low", "looks_effect", "looks_high"]].iloc[0], [0.2, 0.3, 0.4])  # fmt: skip
    assert {"looks_control", "looks_detectable", "looks_share", "looks_tags"} <= set(found)


def test_looking_along_many_relations():
    """The supported one is told, or else the best; no if all that could be counted are refused."""
    there, back = "governor->dependent", "dependent->governor"
    found = evidence.looks_along(
        looked(
            [
                ("a", there, 0, 0, "inconclusive", 30, 0.9, 0.5, *[0.20] * 4),
                ("b", back, 0, 0, "supported", 30, 0.4, 0.3, 0.01, 0.01, 0.01, 0.02),
                ("a", there, 0, 1, "not supported", 30, -0.4, -0.3, *[1.0] * 4),
                ("b", back, 0, 1, "inconclusive", 0, *[np.nan] * 6),
                ("a", there, 1, 0, "not supported", 30, -0.4, -0.3, *[1.0] * 4),
                ("b", back, 1, 0, "inconclusive", 30, 0.2, -0.1, 0.1, 0.1, 0.3, 0.8),
                ("a", there, 1, 1, "inconclusive", 0, *[np.nan] * 6),
                ("b", back, 1, 1, "inconclusive", 0, *[np.nan] * 6),
            ]
        )
    )
    assert list(found["looks"]) == ["yes", "no", "inconclusive", "inconclusive"]
    assert list(found["looks_relation"])[:3] == [f"b: {back}", f"a: {there}", f"b: {back}"]
    np.testing.assert_array_equal(found["looks_effect"], [0.4, -0.4, 0.2, np.nan])
    np.testing.assert_array_equal(found["looks_p"], [0.02, 1.0, 0.8, np.nan])
    assert evidence.rule_of("looks", found) is evidence.LOOKS_ALONG
