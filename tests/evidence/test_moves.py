"""Moves: contributions as shares of the distance between classes."""

from dataclasses import replace

import numpy as np
import pandas as pd

import headwise
from headwise import evidence
from headwise.directions import controls
from headwise.directions._stream.components import Component
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.controls import Control
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.interventions.steering import one_vs_rest
from helpers.bare import made


def moved(rows, total, towards, control_t=3.0):
    """Contributions of heads: effect, its standard error, the effect under uniform attention, and p of every test."""
    effect, se, uniform, p = (np.array(column) for column in zip(*rows, strict=True))
    excess = effect - uniform
    table = pd.DataFrame(
        {
            "kind": "head", "effect": effect, "se": se, "df": 30.0, "effect_low": effect - 2 * se, "effect_high": effect + 2 * se, "t": effect / se, "uniform": uniform,
            "excess": excess, "excess_low": excess - 2 * se, "excess_high": excess + 2 * se, "excess_se": se, "excess_t": excess / se, "bar": 3.0, "random_bar": 0.05, "p_fwer": p, "p_random_fwer": p / 2,
            "excess_p_fwer": p, "p_fwer_negative": np.where(effect < -5 * se, 0.001, 1.0), "control": 0.02, "control_t": control_t,
        }
    )  # fmt: skip
    heads = [Component("head", 0, head) for head in range(len(rows))]
    return made(
        DirectionTestResult,
        table=table.assign(name=[head.name for head in heads]),
        components=tuple(heads),
        total=total,
        between=(towards, "others"),
        control=made(Control, t=control_t, n_models=10),
        critical=3.0,
        cases=100,
        clusters=30,
    )


def test_contributions_as_shares_over_directions():
    first = [(0.4, 0.04, 0.0, 0.01), (0.02, 0.01, 0.0, 0.9), (0.8, 0.04, 0.78, 0.01), (-0.4, 0.04, 0.0, 1.0)]  # fmt: skip
    second = [(0.01, 0.01, 0.0, 0.7), (0.01, 0.005, 0.0, 0.4), (0.0, 0.01, 0.0, 0.5), (0.0, 0.005, 0.0, 0.9)]  # fmt: skip
    found = evidence.moves([moved(first, 2.0, "a"), moved(second, 1.0, "b")])
    # The third would be a yes, were it not for uniform attention, which gives nearly as much; the fourth goes the other way.
    assert list(found["moves"]) == ["yes", "no", "inconclusive", "inconclusive"]
    assert list(found["moves_negative"]) == ["no", "no", "no", "yes"]
    assert found["moves_towards"][0] == "a"
    np.testing.assert_allclose(found["moves_effect"][:3], [0.2, 0.01, 0.4])
    np.testing.assert_allclose(found["moves_p"][0], 0.02)  # times two directions
    beaten = evidence.moves([moved(first, 2.0, "a", control_t=10.0)])
    assert beaten["moves"][0] == "inconclusive"  # a never-trained head has as large a t
    assert evidence.rule_of("moves", found) is evidence.MOVES


def test_no_share_of_classes_that_do_not_lie_apart():
    found = evidence.moves([moved([(-0.4, 0.1, 0.0, 1.0)], -2.0, "a")])
    assert found["moves"][0] == "inconclusive" and np.isnan(found["moves_effect"][0])


def test_what_is_collected():
    effect, se = np.array([0.3, 0.001, 0.05, 0.3]), np.array([0.02, 0.01, 0.03, 0.02])
    table = pd.DataFrame(
        {
            "layer": 0, "head": range(4), "own": 0.5, "others": 0.2, "effect": effect, "se": se, "df": 30.0, "effect_low": effect - 2 * se, "effect_high": effect + 2 * se,
            "t": effect / se, "p_fwer": [0.01, 1.0, 0.2, 0.06], "control_t": 6.0, "control": 0.02,
        }
    )  # fmt: skip
    asked = {"critical": 3.0, "cases": 100, "clusters": 30}
    found = evidence.collects(made(OVAlignmentTestResult, table=table, **asked))
    assert list(found["moves"]) == ["yes", "no", "inconclusive", "inconclusive"]
    found = evidence.collects(
        made(OVAlignmentTestResult, table=table.assign(control_t=20.0), **asked)
    )
    assert found["moves"][0] == "inconclusive"
    assert evidence.rule_of("moves", found) is evidence.COLLECTS


def test_moves_is_said_by_its_rule(burrow):
    """Yes beyond every control, no by equivalence, and the unit of all is the share of the distance."""
    fitted = headwise.burrow_sentences("mole", 200)
    asked = headwise.burrow_pairs("mole", 80, seed=1, held_out=True)
    results = one_vs_rest.towards_each(burrow, fitted, asked, n_null=2)
    said = evidence.moves(results)
    yes, no = said[said["moves"] == "yes"], said[said["moves"] == "no"]
    assert len(yes) and len(no)
    assert (yes["moves_effect"] >= 0.05).all() and (yes["moves_t"] > yes["moves_control_t"]).all()
    assert (yes["moves_p"] < 0.05).all() and (yes["moves_low"] > 0).all()
    assert (no[["moves_low", "moves_high"]].abs() < 0.05).all(axis=None)
    assert said["moves_detectable"].min() >= 0.05
    few = [replace(r, clusters=9) for r in results]
    assert set(evidence.moves(few)["moves"]) == {"inconclusive"}
    uncontrolled = [replace(r, control=controls.NONE) for r in results]
    assert "yes" not in set(evidence.moves(uncontrolled)["moves"])
    assert set(evidence.whole_moves(results)) == {"yes"}
