"""What is measured: by hand where it is arithmetic, and refused where a model cannot give it."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, ablate
from headwise.activations import hooks
from headwise.data.suite import Link, Mark, Pair, Sentence, Suite
from headwise.interventions.metrics import attention, usual
from headwise.interventions.prompts import Prompts, how_it_speaks
from helpers.paths import PROBES
from helpers.sweeps import TEXTS, suite


def linked():
    """The clean sentences, with a link from the first word to the second."""
    sentences = tuple(
        Sentence(s.words, s.spaces, s.group, s.marks, (Link(0, 1, "first"),))
        for s in (pair.clean for pair in suite().pairs)
    )
    return Suite("linked", "?", sentences)


def test_attention_further_up(tiny_gpt2):
    asked = linked()
    measure = attention("first: governor->dependent", layer=1, head=2)
    result = ablate(tiny_gpt2, asked, metrics=[measure], heads=[(0, 1)], method=["zero"])
    prompts = Prompts.of(tiny_gpt2, asked, answers=False)
    for i, row in enumerate(prompts.rows):
        places = [[k for k, w in enumerate(row.words) if w == x] for x in (1, 0)]

        def mass(places=places, row=row):
            with hooks.capture(tiny_gpt2, ["pattern"], [1]) as seen:
                tiny_gpt2.forward(torch.tensor([row.tokens]))
            return float(seen["pattern", 1][0, 2][places[0]][:, places[1]].sum(-1).mean())

        before = mass()
        with hooks.edit(tiny_gpt2, "z", lambda z, _: 0 * z, [0], [1]):
            after = mass()
        assert result.intact["attention"][i] == pytest.approx(before, abs=1e-5)
        assert result.costs["attention"][0, 0, i] == pytest.approx(before - after, abs=1e-5)
    with pytest.raises(HeadwiseError, match="no relation 'last'"):
        ablate(tiny_gpt2, asked, metrics=[attention("last", 1)])


@pytest.mark.parametrize("classifier", ["logistic", "centroid"])
def test_a_saved_probe_is_a_metric(tiny_bert, classifier):
    texts = [(f"g{i}", f"the {w} forest", "a", "b") for i, w in enumerate(("blue", "red") * 6)]
    sentences = tuple(
        Sentence(*_words(text), group=group, marks=(Mark(2, "xy"[i % 2]),))
        for i, (group, text, _, _) in enumerate(texts)
    )
    asked = Suite("s", "?", sentences)
    probe = headwise.fit_probe(tiny_bert, asked, layer=1, classifier=classifier)
    result = ablate(
        tiny_bert, asked, metrics=[probe, "shift"], heads=[(0, 0), (1, 0)], method=["zero"]
    )
    prompts = Prompts.of(tiny_bert, asked, answers=False)
    vectors = []
    for row in prompts.rows:
        with hooks.capture(tiny_bert, ["residual"], [1]) as seen:
            tiny_bert.forward(torch.tensor([row.tokens]))
        own = [k for k, word in enumerate(row.words) if word == 2]
        vectors.append(seen["residual", 1][0, own].mean(0).double().numpy())
    labels = np.array([probe.labels.index("xy"[i % 2]) for i in range(len(texts))])
    margins = probe.margin(np.array(vectors), labels)
    np.testing.assert_allclose(result.intact["probe"], margins, atol=1e-4)
    assert np.abs(result.costs["probe"][0, 1]).max() < 1e-6  # it reads before layer 1
    assert np.abs(result.costs["shift"][0, 1]).max() > 1e-4
    head = headwise.fit_probe(tiny_bert, asked, site="z", layer=1, head=0)
    with pytest.raises(HeadwiseError, match="reads the residual stream"):
        ablate(tiny_bert, asked, metrics=[head])


def _words(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces


def test_two_metrics_that_fit(tiny_gpt2, tiny_bert):
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    plain = Suite("s", "?", tuple(pair.clean for pair in suite().pairs))
    unmarked = Suite("s", "?", tuple(Sentence.of(text) for _, text, _, _ in TEXTS))
    assert [how_it_speaks(m) for m in (tiny_gpt2, tiny_bert, silent)] == ["next", "mask", ""]
    assert usual(tiny_gpt2, suite()) == ("logit difference", "kl")
    assert usual(tiny_gpt2, plain) == ("kl", "loss")
    assert usual(tiny_bert, plain) == ("kl", "shift")
    assert usual(silent, suite()) == ("retrieval", "margin")  # a behaviour first
    assert usual(silent, unmarked) == ("shift",)
    alike = tuple(Pair(p.clean, replace(p.corrupted, marks=p.clean.marks), p.right, p.wrong) for p in suite().pairs)  # fmt: skip
    unlabelled = Suite("s", "?", (), pairs=alike)
    assert usual(silent, unlabelled) == ("similarity", "contrast")
    wordless = Suite("s", "?", (), pairs=tuple(Pair(p.clean, p.corrupted) for p in alike[:4]))
    assert usual(silent, wordless) == ("retrieval", "contrast")
    for asked in (suite(), unmarked):
        assert len(ablate(silent, asked, heads=[(0, 0)], method=["zero"]).table) in (1, 2)


def sentence_vector(model, sentence, changed=None):
    """As sentence-transformers makes it: the mean of the final vectors of all tokens, at length 1."""
    tokens = model.tokenizer(sentence.text, return_tensors="pt")["input_ids"]
    with changed or nullcontext(), torch.no_grad():
        found = model.forward(tokens)[0].double().mean(0)
    return found / found.norm()


def test_similarity_to_right_and_wrong_words(minilm):
    """By the library's own model class, without and with a head ablated; the words are as the clean model has them."""
    asked = headwise.read_suite(PROBES / "adjective_pairs.toml").sample_groups(3)
    result = ablate(minilm, asked, metrics=["similarity"], heads=[(3, 2)], method=["zero"])
    for i, pair in enumerate(asked.pairs):
        right, wrong = (sentence_vector(minilm, Sentence.of(w)) for w in (pair.right, pair.wrong))
        before = sentence_vector(minilm, pair.clean)
        without = hooks.edit(minilm, "z", lambda z, _: 0 * z, [3], [2])
        after = sentence_vector(minilm, pair.clean, without)
        clean = float(before @ right - before @ wrong)
        assert result.intact["similarity"][i] == pytest.approx(clean, abs=1e-5)
        cost = clean - float(after @ right - after @ wrong)
        assert result.costs["similarity"][0, 0, i] == pytest.approx(cost, abs=1e-5)
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
        assert result.intact["retrieval"][i] == pytest.approx(value, abs=1e-5)


def test_retrieval_within_groups(tiny_bert):
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    alike = tuple(Pair(p.clean, replace(p.corrupted, marks=p.clean.marks)) for p in suite().pairs)
    result = ablate(silent, Suite("s", "?", (), pairs=alike[:4]), metrics=["retrieval"], heads=[(0, 1)], method=["zero"])  # fmt: skip
    a, b = (sentence_vector(silent, s) for s in (alike[0].clean, alike[1].clean))
    assert result.intact["retrieval"][0] == pytest.approx(float(a @ b - a @ sentence_vector(silent, alike[1].corrupted)), abs=1e-5)  # fmt: skip
    with pytest.raises(HeadwiseError, match="has one pair"):
        ablate(silent, Suite("s", "?", (), pairs=alike), metrics=["retrieval"])


@pytest.mark.parametrize(
    ("name", "metric"), [("mole_pairs", "retrieval"), ("adjective_pairs", "similarity")]
)
def test_minilm_can_do_what_is_asked_of_it(minilm, name, metric):
    """There is something to lose: its behaviour is above zero, that of a random model is not."""
    asked = headwise.read_suite(PROBES / f"{name}.toml")
    clean, untrained = (
        ablate(m, asked, metrics=[metric], heads=[(0, 0)], method=["zero"], controls=0)
        for m in (minilm, headwise.model.loading.random_like(minilm, 0))
    )
    assert clean.can() and not untrained.can()


def test_what_cannot_be_measured(tiny_gpt2, tiny_bert):
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    with pytest.raises(HeadwiseError, match="no output head"):
        ablate(silent, suite(), metrics=["kl"])
    plain = Suite("s", "?", tuple(pair.clean for pair in suite().pairs))
    with pytest.raises(HeadwiseError, match="has no pairs"):
        ablate(silent, plain, metrics=["contrast"])
    with pytest.raises(HeadwiseError, match="between labels"):
        ablate(silent, plain, metrics=["margin"])
    lonely = Suite(
        "s",
        "?",
        (*plain.sentences, Sentence(*_words("a red one"), group="z", marks=(Mark(1, "new"),))),
    )
    with pytest.raises(HeadwiseError, match="in the group 'z' alone"):
        ablate(silent, lonely, metrics=["margin"])
    ahead = Pair(
        Sentence(*_words("the blue forest"), group="g", marks=(Mark(0, "x"),)),
        Sentence(*_words("the blue creature"), group="g", marks=(Mark(0, "x"),)),
    )
    with pytest.raises(HeadwiseError, match="cannot be seen from it"):
        ablate(tiny_gpt2, Suite("s", "?", (), pairs=(ahead, ahead)), metrics=["contrast"])


def test_words_that_a_tokenizer_does_not_know(tiny_bert):
    pair = Pair(
        Sentence.of("the blue creature"), Sentence.of("the red creature"), "\u2603", "forest"
    )
    with pytest.raises(HeadwiseError, match="does not know the word"):
        ablate(tiny_bert, Suite("s", "?", (), pairs=(pair, pair)))
    same = Pair(pair.clean, pair.corrupted, "forest", "forest")
    with pytest.raises(HeadwiseError, match="same tokens"):
        ablate(tiny_bert, Suite("s", "?", (), pairs=(same, same)))
