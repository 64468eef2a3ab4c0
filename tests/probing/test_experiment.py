import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import headwise
from headwise import HeadwiseError
from headwise.data.suite import Suite
from headwise.data.toml import parse
from headwise.probing import BEST
from headwise.probing._vectors import read_vectors
from headwise.probing.classifiers import CentroidClassifier
from headwise.probing.experiment import BAG_OF_WORDS, MAJORITY
from headwise.probing.labelled_words import Examples
from helpers.senses import ABOUT, LABELS, suite

N_BASELINES = 12  # of an encoder


@pytest.mark.parametrize("word", ["mole", "bank", "seal"])
def test_reference_senses(minilm, shared, word):
    """Nearest centroid to four decimals and logistic regression within 0.01 of the reference."""
    expected = json.loads((shared / "reference/minilm-coarsewsd.json").read_text())[word]
    data = headwise.read_suite(shared / "data/coarsewsd20" / word)
    as_published = headwise.Logistic(standardise=False, C=(1.0,))
    result = headwise.probe(
        minilm,
        data,
        label="mark",
        sites=("residual",),
        logistic=as_published,
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert (result.n_fitted, len(result.truth)) == (expected["n_train"], expected["n_test"])
    table = result.table.set_index(["site", "classifier", "layer"])
    assert table.loc[("majority", "majority", 0), "accuracy"] == pytest.approx(
        expected["majority"], abs=5e-5
    )
    for row in expected["layers"]:
        centroid = table.loc[("residual", "centroid", row["layer"])]
        assert centroid["accuracy"] == pytest.approx(row["centroid"], abs=6e-5)
        assert centroid["balanced_accuracy"] == pytest.approx(row["centroid_balanced"], abs=6e-5)
        logistic = table.loc[("residual", "logistic", row["layer"])]
        assert logistic["accuracy"] == pytest.approx(row["logistic"], abs=0.01)


def test_bag_of_words_on_mole_is_as_strong_as_published(minilm, shared):
    data = headwise.read_suite(shared / "data/coarsewsd20/mole")
    result = headwise.probe(
        minilm,
        data,
        sites=("residual",),
        layers=[0],
        classifiers=("centroid",),
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert result.rate(*(BAG_OF_WORDS, "logistic"), np.ones(206, bool)).value > 0.90


def test_one_row_per_place_and_classifier(tiny_bert):
    result = headwise.probe(tiny_bert, suite(), n_null=1, draws=1)
    table = result.table
    counts = table.groupby(["site", "classifier"]).size().to_dict()
    n_layers, n_heads = tiny_bert.n_layers, tiny_bert.n_heads
    assert counts == {
        ("majority", "majority"): 1,
        ("bag of words", "logistic"): 1,
        ("static mean", "logistic"): 1,
        ("static mean", "centroid"): 1,
        **{
            (site, way): 1
            for site in ("word itself", "previous word", "next word", "place")
            for way in ("logistic", "rule")
        },
        ("best baseline", "chosen"): 1,
        ("residual", "centroid"): n_layers + 1,
        ("residual", "logistic"): n_layers + 1,
        **{
            (site, classifier): n_layers * n_heads
            for site in ("z", "update", "k", "v")
            for classifier in ("centroid", "logistic")
        },
    }
    assert table.loc[table["site"] == "residual", "head"].isna().all()
    assert table["accuracy"].between(0, 1).all()
    assert (table["accuracy_low"] <= table["accuracy"]).all()


def test_keys_and_values_are_probed_too(tiny_bert):
    result = headwise.probe(
        tiny_bert,
        suite(),
        sites=("k", "v"),
        classifiers=("centroid",),
        heads=[1, 3],
        layers=[1],
        draws=1,
    )
    rows = result.table[result.table["site"].isin(["k", "v"])]
    assert sorted(zip(rows["site"], rows["head"], strict=True)) == [
        ("k", 1),
        ("k", 3),
        ("v", 1),
        ("v", 3),
    ]


@pytest.mark.parametrize("which", ["tiny_gpt2", "tiny_bert"])
def test_an_update_is_what_the_head_adds(which, request):
    """Coordinates in the basis have the update's own lengths and angles, and its probe reads the update itself."""
    model = request.getfixturevalue(which)
    data = suite()
    examples = Examples.of(model, data, "mark", 0)
    found = read_vectors(model, data, examples, ["update"], [1], [2])["update", 1, 2]
    cache = headwise.capture(model, data, ["update"], layers=[1])
    updates = np.stack(
        [
            cache.words(int(i))["update", 1][word, 2].float().numpy()
            for i, word in zip(examples.sentences, examples.positions, strict=True)
        ]
    )
    np.testing.assert_allclose(found @ found.T, updates @ updates.T, rtol=1e-4, atol=1e-5)
    for classifier in ("centroid", "logistic"):
        kept = headwise.fit_probe(
            model, data, site="update", layer=1, head=2, classifier=classifier,
            logistic=headwise.Logistic(standardise=False, C=(1.0,)),
        )  # fmt: skip
        assert kept.weight.shape == (2, model.d_model)
        kept.require(model)
        made = CentroidClassifier() if classifier == "centroid" else LogisticRegression(C=1.0)
        expected = made.fit(updates, examples.codes).predict(updates)
        assert np.array_equal(kept.predict(updates), expected)


def test_labels_in_too_few_groups(tiny_bert):
    rare = parse("a rare [mole|spy] here", LABELS | {"spy": ""}, "spy0")
    data = Suite("s", "?", (*suite().sentences, rare), LABELS | {"spy": ""})
    asked = {
        "sites": ("residual",),
        "layers": [0],
        "selectivity": False,
        "n_null": 0,
        "classifiers": ("centroid",),
    }
    with pytest.raises(HeadwiseError, match=r"'spy' occurs in 1 group.* rare_labels=\"drop\""):
        headwise.probe(tiny_bert, data, **asked, draws=1)
    with pytest.raises(HeadwiseError, match="'spy' occurs in 1 group"):
        headwise.probe(tiny_bert, data, **asked, rare_labels="reduce", draws=1)
    dropped = headwise.probe(tiny_bert, data, **asked, rare_labels="drop", draws=1)
    assert dropped.dropped == ("spy",) and dropped.labels == ("unit", "animal")
    expected = headwise.probe(tiny_bert, suite(), **asked, draws=1).table
    assert dropped.table["accuracy"].tolist() == expected["accuracy"].tolist()
    with pytest.raises(HeadwiseError, match="0 of 2 would be left"):
        headwise.probe(tiny_bert, suite(n_groups=3), **asked, rare_labels="drop", draws=1)


def test_confusion_and_balanced_accuracy(minilm):
    result = headwise.probe(
        minilm,
        suite(),
        sites=("residual",),
        layers=[0, 3],
        classifiers=("centroid",),
        selectivity=False,
        n_null=0,
        draws=1,
    )
    key = ("residual", 0, None)
    table = result.confusion(key, "centroid")
    recalls = np.diag(table) / table.sum(axis=1)
    row = result.table.set_index(["site", "layer"]).loc["residual", 0]
    assert row["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert row["accuracy"] == pytest.approx(np.diag(table).sum() / table.to_numpy().sum())
    rate = result.rate(key, "centroid")
    assert rate.value == pytest.approx(row["balanced_accuracy"])
    assert rate.low < rate.value < rate.high


def test_p_values_are_of_everything_probed(minilm, tiny_bert):
    """The sense stands in the word before: a trained model knows; on shuffled labels nobody does."""
    table = headwise.probe(
        minilm, suite(), classifiers=("centroid",), selectivity=False, n_null=0, draws=1
    ).table
    probed = table["site"].isin(["residual", "z", "update", "k", "v"])
    assert table.loc[~probed, ["p_reading", "p_reading_fwer", "q_reading_fdr"]].isna().all().all()
    assert (table.loc[probed, "p_reading_fwer"] >= table.loc[probed, "p_reading"] - 1e-9).all()
    assert table.loc[probed, "p_reading_fwer"].min() < 0.01
    rng = np.random.default_rng(0)
    groups = {s.group: rng.choice(["unit", "animal"]) for s in suite().sentences}
    shuffled = tuple(
        replace(s, marks=(replace(s.marks[0], label=groups[s.group]),)) for s in suite().sentences
    )
    data = Suite("s", "?", shuffled, LABELS)
    again = headwise.probe(tiny_bert, data, folds=3, n_null=0, draws=1).table
    assert again["p_reading_fwer"].min() > 0.05


def test_a_control_task_can_be_memorised_but_not_understood(minilm):
    """Which of many words stood before is in the vector and bears the random label; what stands after tells the sense."""
    before = ("the", "a", "this", "that", "every", "no", "my", "your", "his", "her", "our", "one")
    varied = tuple(
        parse(f"{ABOUT[n % 16]} {before[(n + k) % 12]} [mole|{sense}] {after}", LABELS, f"{sense}{n}{k}")
        for n in range(16)
        for k in range(0, 12, 2)
        for sense, after in (("unit", "of helium dissolved"), ("animal", "dug up worms"))
    )  # fmt: skip
    data = Suite("s", "?", varied, LABELS)
    result = headwise.probe(
        minilm,
        data,
        sites=("residual",),
        classifiers=("logistic",),
        rare_labels="reduce",
        n_null=0,
        draws=1,
    )
    rows = result.table[result.table["site"] == "residual"].set_index("layer")
    assert "12 kinds of words" in result.selectivity_note
    assert rows.loc[3, "accuracy"] > 0.95
    assert rows["control_accuracy"].max() > 0.8
    # Every kind was fitted, so both are scores of the same examples: all of them.
    np.testing.assert_allclose(rows["selectivity"], rows["accuracy"] - rows["control_accuracy"])
    bare = headwise.probe(
        minilm,
        data,
        sites=("residual",),
        classifiers=("centroid",),
        layers=[1],
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert bare.table["control_accuracy"].isna().all()


def test_before_attention_the_word_is_one_point(tiny_gpt2):
    """Without positions layer 0 cannot tell; here the clue is at a fixed place, so only the clue can."""
    result = headwise.probe(
        tiny_gpt2,
        suite(),
        classifiers=("centroid",),
        sites=("residual",),
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert result.rate(*(BAG_OF_WORDS, "logistic"), np.ones(48, bool)).value == 1
    assert result.rate(MAJORITY, "majority", np.ones(48, bool)).value <= 0.5


def test_groups_are_never_split(tiny_bert, monkeypatch):
    seen = []
    fit = CentroidClassifier.fit

    def watched(self, values, codes):
        seen.append(values)
        return fit(self, values, codes)

    monkeypatch.setattr(CentroidClassifier, "fit", watched)
    data = suite()
    result = headwise.probe(
        tiny_bert, data, sites=("residual",), layers=[0], classifiers=("centroid",), folds=4,
        selectivity=False, n_null=0, draws=1,
    )  # fmt: skip
    ours = [
        values for values in seen if len(values) == 36
    ]  # the others are inner folds of a baseline
    assert len(ours) == 8 and {len(values) for values in seen} == {36, 24}
    assert result.folds == 4


def test_scores_are_means_over_draws_of_folds(tiny_bert):
    asked = {"layers": [1], "heads": [0], "folds": 4, "selectivity": False, "n_null": 1}
    result = headwise.probe(tiny_bert, suite(), draws=3, **asked)
    once = headwise.probe(tiny_bert, suite(), draws=1, **asked)
    assert result.fold.shape == (3, len(result.truth)) and len(result.best_baselines) == 12
    for place, said in result.predictions.items():
        is_repeated = place[0][0] not in ("update", "k", "v")
        assert len(said) == (3 if is_repeated else 1)
        np.testing.assert_array_equal(said[0], once.predictions[place][0])
        np.testing.assert_array_equal(result.correct(*place), (said == result.truth).mean(axis=0))
    best = result.predictions[BEST] == result.truth
    for row in result.table.dropna(subset="gain").itertuples():
        key = row.site, row.layer, None if row.site == "residual" else int(row.head)
        said = result.predictions[key, row.classifier] == result.truth
        gain = (said * 1.0 - best[: len(said)]).mean(axis=0)
        expected = np.mean([gain[result.truth == c].mean() for c in (0, 1)])
        assert row.gain == pytest.approx(expected)
        assert result.gain(key, row.classifier).value == pytest.approx(expected)
    assert {"random weights 1", "uniform attention"} == set(result.controls["control"])
    for draws in (0, 21):
        with pytest.raises(HeadwiseError, match=f"draws={draws}: folds are drawn 1 to 20 times"):
            headwise.probe(tiny_bert, suite(), draws=draws)


def test_fits_that_are_missing(tiny_bert, tmp_path, monkeypatch):
    """A run that is stopped half-way goes on with what is missing; a damaged fit is fitted again."""
    from headwise.probing._fits import fitting

    asked = {"sites": ("z",), "layers": [1], "folds": 4, "n_null": 0}
    expected = headwise.probe(tiny_bert, suite(), **asked, draws=1).table
    done, fit_one = [], fitting.fit_one

    def stopped(job, task, logistic):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(job.way)
        return fit_one(job, task, logistic)

    monkeypatch.setattr(fitting, "fit_one", stopped)
    with pytest.raises(KeyboardInterrupt):
        headwise.probe(tiny_bert, suite(), **asked, checkpoint_dir=tmp_path, draws=1)
    kept = sorted(tmp_path.glob("*.npz"))
    assert len(kept) == 4
    kept[0].write_bytes(kept[0].read_bytes()[:60])
    done.clear()
    monkeypatch.setattr(fitting, "fit_one", lambda *args: done.append(1) or fit_one(*args))
    found = headwise.probe(tiny_bert, suite(), **asked, checkpoint_dir=tmp_path, draws=1).table
    assert len(done) == N_BASELINES + 2 * tiny_bert.n_heads - 3
    assert found.equals(expected)
    done.clear()
    headwise.probe(tiny_bert, suite(), **asked, checkpoint_dir=tmp_path, draws=1)
    assert not done
    headwise.probe(
        tiny_bert,
        suite(),
        **asked,
        checkpoint_dir=tmp_path,
        logistic=headwise.Logistic(C=(1.0,)),
        draws=1,
    )
    assert len(done) == N_BASELINES + 2 * tiny_bert.n_heads  # other settings, other fits
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadwiseError, match="cannot be kept there"):
        headwise.probe(tiny_bert, suite(), **asked, checkpoint_dir=tmp_path / "file", draws=1)


def test_two_processes_say_what_one_says(tiny_bert):
    asked = {"sites": ("z",), "layers": [1], "folds": 4, "n_null": 1}
    one = headwise.probe(tiny_bert, suite(), **asked, n_jobs=1, draws=1).table
    assert headwise.probe(tiny_bert, suite(), **asked, n_jobs=2, draws=1).table.equals(one)


def test_vectors_that_never_vary(tiny_bert):
    """The word alone, at the same place: nothing can be read, and that is what is said."""
    same = tuple(
        parse(f"[mole|{sense}] {i}", LABELS, f"{sense}{i}")
        for sense in ("unit", "animal")
        for i in range(8)
    )
    result = headwise.probe(
        tiny_bert,
        Suite("s", "?", same, LABELS),
        sites=("residual", "k"),
        layers=[0],
        heads=[0],
        draws=1,
    )
    rows = result.table[result.table["site"].isin(["residual", "k"])]
    assert rows["balanced_accuracy"].tolist() == [0.5] * 4
    assert (rows["p_reading_fwer"] == 1).all()


def test_vectors_that_are_not_finite(byte_level):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, vocab_size=len(byte_level))
    model = headwise.load(GPT2LMHeadModel(config).eval(), tokenizer=byte_level)
    model.hf.transformer.h[1].attn.c_attn.weight.data[:, -8:] = np.nan  # values of head 1
    with pytest.raises(HeadwiseError, match=r"not finite at .*layer 1"):
        headwise.probe(model, suite(), sites=("z",), draws=1)


def test_bad_requests_are_refused(tiny_bert):
    with pytest.raises(HeadwiseError, match="Unknown label 'number'"):
        headwise.probe(tiny_bert, suite(), label="number", draws=1)
    with pytest.raises(HeadwiseError, match="occurs in 3 group"):
        headwise.probe(tiny_bert, suite(n_groups=3), draws=1)
    with pytest.raises(HeadwiseError, match="folds=1"):
        headwise.probe(tiny_bert, suite(), folds=1, draws=1)
    with pytest.raises(HeadwiseError, match="no head 4; expected 0 to 3"):
        headwise.probe(tiny_bert, suite(), heads=[4], draws=1)
    with pytest.raises(HeadwiseError, match="has no sentences"):
        headwise.probe(tiny_bert, Suite("s", "?", ()), draws=1)
    with pytest.raises(HeadwiseError, match="marks no word"):
        headwise.probe(tiny_bert, Suite.from_texts(["the mole dug", "a spy"]), draws=1)
    one = Suite("s", "?", tuple(s for s in suite().sentences if s.marks[0].label == "unit"))
    with pytest.raises(HeadwiseError, match="only one label, unit"):
        headwise.probe(tiny_bert, one, draws=1)
