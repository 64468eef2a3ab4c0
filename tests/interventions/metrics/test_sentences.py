"""What a sentence encoder is for, by hand."""

from dataclasses import replace

import pytest
import torch

import headwise
from headwise import HeadwiseError, ablate
from headwise.activations import hooks
from headwise.data.suite import Pair, Sentence, Suite
from helpers.paths import PROBES
from helpers.sweeps import sentence_vector, suite


def test_similarity_to_right_and_wrong_words(minilm):
    """By the library's own model class, without and with a head ablated; the words are as the clean model has them."""
    asked = headwise.read_suite(PROBES / "adjective_pairs.toml").sample_groups(3)
    result = ablate(minilm, asked, metrics=["similarity"], heads=[(3, 2)], method=["zero"])
    for i, pair in enumerate(asked.pairs):
        right, wrong = (sentence_vector(minilm, Sentence.of(w)) for w in (pair.right, pair.wrong))
        before = sentence_vector(minilm, pair.clean)
        without = hooks.edit(minilm, "z", lambda z, _: 0 * z, layers=[3], heads=[2])
        after = sentence_vector(minilm, pair.clean, without)
        clean = float(before @ right - before @ wrong)
        assert result.clean_values["similarity"][i] == pytest.approx(clean, abs=1e-5)
        degradation = clean - float(after @ right - after @ wrong)
        assert result.degradations["similarity"][0, 0, i] == pytest.approx(degradation, abs=1e-5)
    wordless = Suite("s", "?", (), pairs=tuple(Pair(p.clean, p.corrupted) for p in asked.pairs))
    with pytest.raises(HeadwiseError, match="not all pairs of 's' have both"):
        ablate(minilm, wordless, metrics=["similarity"])


def test_retrieval_by_label(minilm):
    """Own label against the label of the corrupted sentence, in other groups; a sentence of two labels in groups alone is refused."""
    asked = headwise.read_suite(PROBES / "mole_pairs.toml")
    asked = replace(asked, pairs=asked.pairs[:12])
    result = ablate(minilm, asked, metrics=["retrieval"], heads=[(3, 2)], method=["zero"])
    every = [*(p.clean for p in asked.pairs), *(p.corrupted for p in asked.pairs)]
    vectors = torch.stack([sentence_vector(minilm, s) for s in every])
    labels = [s.marks[0].label for s in every]
    for i, pair in enumerate(asked.pairs):
        own, other = (
            [k for k, s in enumerate(every) if labels[k] == label and s.group != pair.group]
            for label in (labels[i], labels[i + len(asked.pairs)])
        )
        value = float((vectors[own] @ vectors[i]).mean() - (vectors[other] @ vectors[i]).mean())
        assert result.clean_values["retrieval"][i] == pytest.approx(value, abs=1e-5)


def test_retrieval_within_groups(tiny_bert):
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    alike = tuple(Pair(p.clean, replace(p.corrupted, marks=p.clean.marks)) for p in suite().pairs)
    result = ablate(silent, Suite("s", "?", (), pairs=alike[:4]), metrics=["retrieval"], heads=[(0, 1)], method=["zero"])  # fmt: skip
    a, b = (sentence_vector(silent, s) for s in (alike[0].clean, alike[1].clean))
    assert result.clean_values["retrieval"][0] == pytest.approx(float(a @ b - a @ sentence_vector(silent, alike[1].corrupted)), abs=1e-5)  # fmt: skip
    with pytest.raises(HeadwiseError, match="has one pair"):
        ablate(silent, Suite("s", "?", (), pairs=alike), metrics=["retrieval"])


@pytest.mark.parametrize(
    ("name", "metric"), [("mole_pairs", "retrieval"), ("adjective_pairs", "similarity")]
)
def test_minilm_can_do_what_is_asked_of_it(minilm, name, metric):
    """There is something to lose: its behaviour is above zero, that of a random model is not."""
    asked = headwise.read_suite(PROBES / f"{name}.toml")
    clean, untrained = (
        ablate(m, asked, metrics=[metric], heads=[(0, 0)], method=["zero"], n_null=0)
        for m in (minilm, headwise.model.loading.random_like(minilm, 0))
    )
    assert clean.can() and not untrained.can()
