"""Figures, tables and sentences of directions: shares of the distance, largest first."""

import re
from dataclasses import replace

import numpy as np
import pytest

from headwise.directions import contributions
from headwise.directions.constructors import from_classes
from headwise.report import sections
from headwise.report.schema import MINUS
from headwise.report.sections.directions import along_directions
from helpers.moles import LABELS, NAMES, OTHERS, SUITE, sentence


def asked():
    told = tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES)
    return replace(SUITE, name="asked", sentences=told)


@pytest.fixture(scope="module")
def results(tiny_gpt2):
    return [
        contributions.direction_test(
            tiny_gpt2,
            asked(),
            from_classes(tiny_gpt2, SUITE, ends, layer=2),
            n_permutations=20,
            n_null_directions=20,
        )
        for ends in (("animal", "unit"), ("animal", "spy"))
    ]


def test_the_map_has_the_largest_share_of_each_head(results):
    found = along_directions.contribution_map(results)
    shares = np.maximum(results[0].grid("share"), results[1].grid("share"))
    np.testing.assert_allclose(np.array(found.values, dtype=float), shares)
    ((layer, head),) = found.marked
    assert shares[layer, head] == shares.max() <= found.high
    assert "the largest of the directions" in found.caption
    assert "the largest of" not in along_directions.contribution_map(results[:1]).caption


def test_up_to_two_directions_have_a_map_each(results):
    def maps(tested):
        return [f.title for f in sections.direction(tested, "moles").figures if f.kind == "heatmap"]

    assert maps(results) == [f"Direct contribution along {r.direction.name}" for r in results]
    assert maps([*results, results[0]]) == ["Direct contribution along any direction"]


def test_classes_separate_by_the_whole_distance(results):
    found = along_directions.trajectories(results, "moles")
    assert found.x == [0, 1, 2] and len(found.series) == 2 and "Distance of moles" in found.caption
    for series, result in zip(found.series, results, strict=True):
        assert series.name == " - ".join(result.between)
        assert series.values[-1] == pytest.approx(np.sign(result.total), rel=1e-4)
    assert (
        "animal from unit and of animal from spy" in along_directions.trajectories(results).caption
    )


def test_tables_hold_every_component_the_largest_first(results):
    found = sections.direction(results, "moles")
    contributions, sources, words = (table.to_frame() for table in found.tables)
    assert len(contributions) == sum(len(r.table) for r in results)
    shares = contributions["share"].astype(float)
    assert (shares.diff().dropna() <= 0).all()
    assert shares.sum() == pytest.approx(2)  # shares of each direction sum to one
    assert set(contributions["direction"]) == {r.direction.name for r in results}
    assert len(sources) == sum(len(r.sources) for r in results)
    assert len(words) == sum(len(r.words) for r in results)


def test_the_method_names_the_data_and_the_layer(results):
    text = " ".join(sections.direction(results, "the fitted moles").method)
    assert "the fitted moles" in text and "layer 2" in text
    assert "cross-fitted" not in text
    folded = [replace(r, n_folds=3) for r in results]
    assert "divided into 3 parts" in " ".join(sections.direction(folded, "moles").method)


def test_findings_divide_the_distance(results):
    for result, text in zip(results, sections.direction(results, "moles").findings, strict=True):
        told = [int(n) for n in re.findall(r"(-?\d+)%", text.replace(MINUS, "-"))]
        assert sum(told) == pytest.approx(100, abs=2)  # each is rounded
        assert text.startswith(f"Along {result.direction.name}") and text.endswith(": none.")


def test_cards_hold_shares_of_every_layer(tiny_gpt2):
    below = contributions.direction_test(
        tiny_gpt2, asked(), from_classes(tiny_gpt2, SUITE, ("animal", "unit"), layer=1),
        n_null=0, n_permutations=20, n_null_directions=20,
    )  # fmt: skip
    (found,) = sections.direction([below], "moles").details
    assert found.effect.shape == [tiny_gpt2.n_layers, tiny_gpt2.n_heads, 1]
    np.testing.assert_allclose(found.effect.array()[0, :, 0], below.grid("share")[0], rtol=1e-5)
    assert np.isnan(found.effect.array()[1]).all()  # nothing of these layers is below the direction
