"""What is measured: by hand where it is arithmetic, and refused where a model cannot give it."""

from dataclasses import replace

import pytest

import headwise
from headwise import HeadwiseError, ablate
from headwise.data.suite import Mark, Pair, Sentence, Suite
from headwise.interventions.metrics import usual
from headwise.interventions.prompts import how_it_speaks
from helpers.sweeps import TEXTS, suite


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
