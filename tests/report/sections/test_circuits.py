"""Circuits of every head as a section."""

import re
from dataclasses import replace

import numpy as np
import pytest

from headwise import read_circuits
from headwise.model.loading import hold
from headwise.report import sections
from helpers.architectures import make


@pytest.fixture(scope="module")
def result(tiny_gpt2):
    return read_circuits(tiny_gpt2, n_null=3)


def test_maps_are_shares_of_the_width_of_heads(result):
    copied, qk, ov = sections.circuits(result).figures[:3]
    np.testing.assert_allclose(np.array(copied.values, float), result.grid("copying", circuit="OV"))
    for figure, circuit in ((qk, "QK"), (ov, "OV")):
        own = result.grid("effective_rank", circuit=circuit) / result.grid(
            "d_head", circuit=circuit
        )
        np.testing.assert_allclose(np.array(figure.values, float), own)
        assert circuit in figure.title and 0 < figure.baseline[1] <= 1
    assert copied.low == -1 and not copied.marked  # three models are too few for p below 5%


def test_copying_heads_are_counted_and_outlined(result):
    copying = result.table["copying"].to_numpy(float)
    p = np.where(copying > 0, 0.01, np.where(np.arange(len(copying)) % 4 == 1, 0.02, 0.5))
    found = replace(result, table=result.table.assign(copying_p_fwer=p))
    same, n, opposite = map(int, re.findall(r"(\d+) (?:of|OV|write)", sections.copying(found)))
    assert n == np.isfinite(copying).sum()
    assert same == (copying > 0).sum() and opposite == ((copying < 0) & (p < 0.05)).sum()
    assert len(sections.circuits(found).figures[0].marked) == same + opposite


def test_lines_are_means_over_heads(result):
    (lines,) = [f for f in sections.circuits(result).figures if f.kind == "lines"]
    means = (
        result.grid("effective_rank", circuit="QK") / result.grid("d_head", circuit="QK")
    ).mean(1)
    np.testing.assert_allclose(np.array(lines.series[0].values, float), means)
    assert [s.is_baseline for s in lines.series] == [False, False, True]


def test_cards_stand_beside_random_weights(result):
    (found,) = sections.circuits(result).details
    assert found.effect.shape == [*result.grid("norm", circuit="OV").shape, 6]
    effects = found.effect.array()
    np.testing.assert_allclose(effects[..., 0], result.grid("copying", circuit="OV"), rtol=1e-5)
    np.testing.assert_allclose(effects[..., 5], result.grid("effective_rank_random", circuit="QK"), rtol=1e-5)  # fmt: skip
    assert np.isfinite(found.p.array()[..., 0]).all() and np.isnan(found.p.array()[..., 1]).all()


def test_a_model_of_two_stacks_has_maps_of_every_side():
    found = sections.circuits(read_circuits(hold(make("T5")), n_null=1))
    titles = [figure.title for figure in found.figures]
    for side in ("encoder", "decoder"):
        assert f"Copying score, {side}" in titles
    assert "Copying score, cross" not in titles and "Effective rank of QK, cross" in titles
    names = found.tables[0].to_frame()["name"]
    assert "encoder L0H0" in names.tolist()
