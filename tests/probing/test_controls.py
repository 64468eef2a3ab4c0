"""Controls of a probe: what random weights and uniform attention read decides what the model's reading is worth."""

import numpy as np
import torch

import headwise
from headwise import evidence
from headwise.activations import hooks
from headwise.errors import HeadwiseError
from headwise.probing import controls as untrained
from headwise.probing.controls import UNIFORM, uniform
from helpers.nouns import nouns


def test_uniform_attention_is_alike_to_all_that_is_seen(tiny_gpt2, tiny_bert):
    for model in (tiny_gpt2, tiny_bert):
        tokens = torch.tensor([[5, 6, 7, 8], [5, 6, 7, model.pad_token]])
        mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
        with (
            hooks.edit(model, "pattern", uniform),
            hooks.capture(model, ["pattern"], layers=[1]) as seen,
        ):
            model.forward(tokens, mask)
        rows = seen["pattern", 1][:, 0]
        expected = [1 / 3, 1 / 3, 1 / 3, 0] if not model.is_causal else [0.5, 0.5, 0, 0]
        torch.testing.assert_close(rows[1, 1], torch.tensor(expected))


def test_every_control_stands_beside_every_place(tiny_bert):
    asked = {"sites": ("residual", "z", "v"), "layers": [1], "folds": 4, "n_null": 2}
    result = headwise.probe(tiny_bert, nouns(), **asked, draws=1)
    controls = result.controls
    assert set(controls["control"]) == {UNIFORM, "random weights 1", "random weights 2"}
    per_control = 2 * (tiny_bert.n_heads + 1)
    assert (controls.groupby("control").size() == per_control).all()
    for site in ("z", "residual"):
        rows = result.table[(result.table["site"] == site) & (result.table["classifier"] == "logistic")]  # fmt: skip
        own = controls[(controls["site"] == site) & (controls["classifier"] == "logistic")]
        assert (rows["control"] == own["gain"].max()).all()
        assert (rows["control_t"] == own["t"].max()).all()
    assert result.table.loc[result.table["site"] == "v", "control_t"].isna().all()
    again = headwise.probe(tiny_bert, nouns(), **asked, draws=1)
    assert again.table.equals(result.table)


def test_layers_that_are_not_reached(tiny_bert):
    """Only what is run can be made uniform: a forward pass ends at the last layer that is read."""
    for sites, layers in ((("residual",), [0]), (("z",), [0]), (("residual", "z"), [1])):
        result = headwise.probe(
            tiny_bert,
            nouns(),
            sites=sites,
            layers=layers,
            folds=4,
            n_null=1,
            classifiers=("centroid",),
            draws=1,
        )
        assert set(result.controls["layer"]) == set(layers)


BY_ONE = {"sites": ("residual", "z"), "classifiers": ("logistic",)}


def test_an_untrained_model_carries_nothing(tiny_bert, tiny_gpt2):
    """The label is in the text for all to see; without training nothing is read beyond what the text alone tells."""
    for model in (tiny_bert, tiny_gpt2):
        result = headwise.probe(model, nouns(), folds=4, n_null=3, **BY_ONE, draws=1)
        assert "yes" not in set(evidence.carries(result, "logistic")["carries"])
        assert "yes" not in set(evidence.carries_by_layer(result, "logistic")["carries"])


def test_without_controls_nothing_is_a_yes(tiny_bert):
    asked = {"sites": ("z",), "folds": 4, "classifiers": ("centroid",)}
    result = headwise.probe(tiny_bert, nouns(), **asked, selectivity=False, n_null=0, draws=1)
    assert result.controls.empty and result.table["control_t"].isna().all()
    assert set(evidence.carries(result, "centroid")["carries"]) <= {"no", "inconclusive"}


def test_a_model_without_a_random_twin(tiny_bert, monkeypatch):
    def refuse(model, seed):
        raise HeadwiseError(f"{model.name} cannot be made anew: its class draws no weights.")

    monkeypatch.setattr(untrained, "random_like", refuse)
    asked = {"sites": ("z",), "folds": 4, "classifiers": ("centroid",)}
    result = headwise.probe(tiny_bert, nouns(), **asked, draws=1)
    assert any("cannot be made anew" in warning for warning in result.warnings)
    assert set(evidence.carries(result, "centroid")["carries"]) <= {"no", "inconclusive"}
    assert not np.isfinite(result.table["control_t"]).any()


def test_a_penalty_that_suits_a_control_less_lowers_no_bar(tiny_bert, monkeypatch):
    """Controls are screened with one penalty and the best places of all of them fitted with all: the better of both counts."""
    fits = []

    def kept(*args):
        rows = fit(*args)
        fits.append(rows["t"].to_numpy())
        return rows

    fit = untrained._scores
    monkeypatch.setattr(untrained, "_scores", kept)
    several = headwise.Logistic(C=(0.0001, 10 * untrained.SCREENED_C))
    asked = {"sites": ("z",), "folds": 4, "n_null": 2, "classifiers": ("logistic",), "draws": 2}
    controls = headwise.probe(tiny_bert, nouns(), logistic=several, **asked).controls
    *screened, tuned = fits
    assert len(screened) == 3 and len(tuned) == untrained.N_TUNED
    before = np.concatenate(screened)
    after = before.copy()
    best = np.argsort(-before, kind="stable")[: len(tuned)]
    after[best] = np.fmax(before[best], tuned)
    np.testing.assert_array_equal(controls["t"], after)
    assert (tuned < before[best]).any() or (tuned > before[best]).any()
