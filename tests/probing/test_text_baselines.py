"""Baselines without a model, and what they give away."""

import numpy as np
import pytest

import headwise
from headwise.data.suite import Suite
from headwise.data.toml import parse
from headwise.probing._fits.selectivity import MIN_KINDS, control_task
from headwise.probing._text_baselines import (
    MAJORITY,
    NEXT_WORD,
    PLACE,
    PREVIOUS_WORD,
    STATIC_MEAN,
    baseline_jobs,
)
from headwise.probing.experiment import BEST
from headwise.probing.labelled_words import Examples
from headwise.probing.splits import grouped_folds
from helpers.nouns import NOUNS, SAYS, nouns

ASKED = {"sites": ("z",), "layers": [0], "heads": [0], "folds": 4, "classifiers": ("centroid",)}


def test_a_label_that_the_word_before_gives_away(tiny_bert):
    """An article or none: a rule of one word reads it, the report says so, and no bag of words could."""
    result = headwise.probe(tiny_bert, nouns(), **ASKED, selectivity=False, n_null=0, draws=1)
    rows = result.table.set_index(["site", "classifier"])
    assert rows.loc[("previous word", "rule"), "balanced_accuracy"] > 0.95
    (said,) = [w for w in result.warnings if "word before" in w]
    score = rows.loc[("previous word", "rule"), "balanced_accuracy"]
    assert f"predicts it in {100 * score:.0f}%" in said
    assert (
        result.rate(*BEST).value
        >= 0.95
        > rows.loc[("bag of words", "logistic"), "balanced_accuracy_high"]
    )
    assert {key for key, _ in result.best_baselines} <= {PREVIOUS_WORD, STATIC_MEAN}
    assert "The baseline to beat" in result.baseline_sentence()


def test_a_label_that_nothing_gives_away(tiny_bert):
    rng = np.random.default_rng(0)
    shuffled = tuple(
        parse(f"{SAYS[i % 6]} {NOUNS[i % 12]} the [mole|{sense}] in {NOUNS[(7 * i) % 12]} {i}", {"a": "", "b": ""}, f"g{i}")
        for i, sense in enumerate(rng.permutation(["a", "b"] * 20))
    )  # fmt: skip
    data = Suite("s", "?", shuffled, {"a": "", "b": ""})
    result = headwise.probe(tiny_bert, data, **ASKED, selectivity=False, n_null=0, draws=1)
    assert result.warnings == ()


def test_static_mean_by_hand(tiny_bert, tiny_gpt2):
    """The mean over the tokens of all words; for a decoder of those up to the read one."""
    data = nouns(3)
    for model in (tiny_bert, tiny_gpt2):
        examples = Examples.of(model, data, "mark", 0)
        jobs = dict(baseline_jobs(model, data, examples))
        table = model.hf.get_input_embeddings().weight.detach().numpy()
        for row in range(len(examples.codes)):
            alignment = examples.alignments[examples.sentences[row]]
            end = examples.positions[row] if model.is_causal else alignment.n_words
            own = [t for t, w in zip(alignment.tokens, alignment.words, strict=True) if w is not None and w <= end]  # fmt: skip
            expected = table[own].mean(axis=0)
            found = jobs[STATIC_MEAN, "logistic"].values[row]
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        assert ((NEXT_WORD, "rule") in jobs) == (not model.is_causal)
        assert jobs[MAJORITY, "majority"].way == "majority"
        forms = jobs[PREVIOUS_WORD, "rule"].values
        assert forms[1] == "the" and forms[0].endswith("ish")
    gpt2_places = jobs[PLACE, "logistic"].values
    assert gpt2_places.shape[1] < 10  # a decoder does not know how long the sentence will be


def test_where_every_deciding_word_is_held_out_the_static_mean_can_win():
    """burrow's mole: folds are blocks of words, so a bag reads nothing, and word vectors something."""
    model = headwise.load("burrow", device="cpu", verify=False)
    data = headwise.burrow_sentences("mole", 240, seed=0)
    result = headwise.probe(
        model,
        data,
        sites=("residual",),
        layers=[1, 3],
        classifiers=("logistic",),
        n_null=0,
        draws=1,
    )
    rows = result.table.set_index(["site", "classifier", "layer"])["balanced_accuracy"]
    assert rows["bag of words", "logistic", 0] < 0.4 < rows["static mean", "logistic", 0]
    assert all(place[0] == STATIC_MEAN for place in result.best_baselines)
    assert "cannot win" in result.baseline_sentence()
    gain = result.table.set_index(["site", "layer"])["gain"]
    assert gain["residual", 1] < 0 < gain["residual", 3]
    ratio = result.table.set_index(["site", "layer"])["codelength_ratio"]
    assert ratio["residual", 3] < 0.5 < ratio["residual", 1]
    assert result.table["selectivity"].isna().all()  # "the" and "a" are no ten kinds of words
    assert "No selectivity" in result.selectivity_note


def test_a_control_task_is_as_hard_as_the_task(minilm, shared):
    data = headwise.read_suite("probes/mole.toml")
    examples = Examples.of(minilm, data, "mark", 0)
    folds = grouped_folds(examples.codes, examples.groups, examples.likeness, examples.labels, 5, 0)
    control, note = control_task(examples, data, folds.splits, 0, is_causal=False)
    assert control is not None and "kinds of words" in note
    real = np.bincount(examples.codes).max()
    assert np.bincount(control.codes).max() <= 1.25 * real
    assert 0 < control.known.sum() <= len(examples.codes)


@pytest.mark.parametrize("n_kinds", [2, MIN_KINDS - 1])
def test_too_few_kinds_make_no_control_task(tiny_gpt2, n_kinds):
    beside = ("the", "a", "this", "that", "no", "every", "my", "your", "his")[:n_kinds]
    data = Suite(
        "s",
        "?",
        tuple(
            parse(f"{SAYS[0]} {beside[i % n_kinds]} [mole|{'ab'[i % 2]}] {NOUNS[i % 12]} {i}", {"a": "", "b": ""}, f"g{i}")
            for i in range(36)
        ),
        {"a": "", "b": ""},
    )  # fmt: skip
    examples = Examples.of(tiny_gpt2, data, "mark", 0)
    split = ((np.arange(18), np.arange(18, 36)),)
    control, note = control_task(examples, data, split, 0, is_causal=True)
    assert control is None and note.startswith("No selectivity")
