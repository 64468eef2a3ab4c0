from dataclasses import replace

import numpy as np
import pytest

import headwise
from headwise import HeadwiseError, Probe
from headwise.data.suite import Suite
from headwise.data.toml import parse
from headwise.probing.classifiers import CentroidClassifier, Logistic, weights

LABELS = {"unit": "", "animal": "", "spy": ""}
SUITE = Suite(
    "s",
    "?",
    tuple(
        parse(f"{clue} [mole|{sense}] {n}", LABELS, f"{sense}{n}")
        for sense, clue in (("unit", "one"), ("animal", "furry"), ("spy", "secret"))
        for n in range(5)
    ),
    LABELS,
)


@pytest.fixture(scope="module")
def fitted(tiny_bert):
    return headwise.fit_probe(tiny_bert, SUITE, layer=1)


@pytest.mark.parametrize("how", ["centroid", "as they are", "standardised", "chosen"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_weights_predict_what_the_classifier_does(how, n_classes):
    rng = np.random.default_rng(0)
    codes, groups = rng.integers(0, n_classes, 80), np.arange(80) // 2
    values = rng.normal(size=(80, 6)) + codes[:, None] * np.arange(6) / 8
    values = (values * [1, 10, 100, 1, 1, 0]).astype(np.float32)  # the last one never varies
    settings = {
        "as they are": Logistic(standardise=False, C=(1.0,)),
        "standardised": Logistic(C=(1.0,)),
        "chosen": Logistic(),
    }
    made = CentroidClassifier() if how == "centroid" else settings[how].make(codes, groups)
    made.fit(values, codes)
    weight, bias = weights(made)
    classifier = "centroid" if how == "centroid" else "logistic"
    probe = Probe("m", "s", "sense", "z", 0, 0, classifier, tuple("abcd"[:n_classes]), weight, bias)
    fresh = (rng.normal(size=(200, 6)) * [1, 10, 100, 1, 1, 1]).astype(np.float32)
    assert np.array_equal(probe.predict(fresh), made.predict(fresh))
    if classifier == "logistic":
        scores = probe.scores(fresh)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        np.testing.assert_allclose(
            odds / odds.sum(1, keepdims=True), made.predict_proba(fresh), atol=1e-5
        )


def test_margins_by_hand():
    probe = Probe(
        "m", "s", "sense", "residual", 0, None, "logistic", ("a", "b", "c"), np.eye(3), np.zeros(3)
    )
    margins = probe.margin(np.array([[3.0, 1, 0], [0, 2, 5]]), np.array([0, 1]))
    assert margins.tolist() == [2, -3]
    cosine = replace(probe, classifier="centroid")
    assert cosine.scores(np.array([[3.0, 0, 4]])) == pytest.approx(np.array([[0.6, 0, 0.8]]))


def test_saved_and_loaded_it_is_the_same(fitted, tiny_bert, tmp_path):
    path = fitted.save(tmp_path / "deep/mole.safetensors")
    again = Probe.load(path, tiny_bert)
    assert again.place == fitted.place == "residual, layer 1"
    assert again.labels == ("unit", "animal", "spy") and again.suite == "s"
    assert np.array_equal(again.weight, fitted.weight) and np.array_equal(again.bias, fitted.bias)
    assert [p.name for p in path.parent.iterdir()] == ["mole.safetensors"]


def test_a_head_and_the_datas_own_training_part(tiny_bert):
    split = Suite(
        "s",
        "?",
        tuple(replace(s, split="test" if s.words[-1] == "4" else "train") for s in SUITE.sentences),
        LABELS,
    )
    probe = headwise.fit_probe(tiny_bert, split, site="z", layer=1, head=2, classifier="centroid")
    assert probe.place == "z, layer 1, head 2" and probe.weight.shape == (3, tiny_bert.d_head)
    whole = headwise.fit_probe(tiny_bert, SUITE, site="z", layer=1, head=2, classifier="centroid")
    assert not np.allclose(probe.weight, whole.weight)


def test_what_is_no_probe_of_this_model(fitted, tiny_bert, tiny_gpt2, tmp_path):
    path = fitted.save(tmp_path / "mole.safetensors")
    with pytest.raises(HeadwiseError, match="mean nothing in another"):
        Probe.load(path, tiny_gpt2)
    with pytest.raises(HeadwiseError, match="has no residual, layer 9"):
        replace(fitted, layer=9).require(tiny_bert)
    with pytest.raises(HeadwiseError, match="of width 3"):
        replace(fitted, weight=np.zeros((3, 3))).require(tiny_bert)
    with pytest.raises(HeadwiseError, match="no saved probe"):
        Probe.load(tmp_path / "other.safetensors")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(HeadwiseError, match="damaged probe"):
        Probe.load(path)
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(HeadwiseError, match="not a probe saved by Headwise"):
        Probe.load(tmp_path / "weights.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadwiseError, match="cannot be written"):
        fitted.save(tmp_path / "file/mole.safetensors")


def test_vectors_that_do_not_fit(fitted, tiny_bert):
    with pytest.raises(HeadwiseError, match="reads vectors of 32 numbers"):
        fitted.scores(np.zeros((1, 5)))
    with pytest.raises(HeadwiseError, match="are finite"):
        fitted.scores(np.full((1, 32), np.nan))
    with pytest.raises(HeadwiseError, match="has no heads"):
        headwise.fit_probe(tiny_bert, SUITE, layer=1, head=2)
    with pytest.raises(HeadwiseError, match="say which, head=0 to 3"):
        headwise.fit_probe(tiny_bert, SUITE, site="z", layer=1)
