"""Which words are read, and which labels."""

from dataclasses import replace

import pytest

import headwise
from headwise import HeadwiseError
from headwise.data.suite import Suite
from headwise.data.toml import parse
from helpers.senses import ABOUT, LABELS, suite


def test_parts_of_speech(tiny_bert):
    data = headwise.burrow_sentences("adjectives", 60)
    asked = {"label": "part of speech", "sites": ("residual",), "layers": [0], "folds": 4}
    asked |= {"classifiers": ("centroid",), "selectivity": False, "n_null": 0}
    result = headwise.probe(tiny_bert, data, **asked, rare_labels="drop", max_examples=400, draws=1)
    n_words = sum(len(s.words) for s in data.sentences)
    assert n_words > 400 >= len(result.truth)
    assert {"NOUN", "VERB", "ADJ", "DET"} <= set(result.labels)
    groups = {
        tag: {s.group for s in data.sentences for t in s.tags if t == tag} for tag in result.dropped
    }
    assert all(len(g) < 60 for g in groups.values()) and not set(result.dropped) & set(
        result.labels
    )
    # Before attention a tag is read off the word, even of a random model: most forms have one.
    table = result.table.set_index("site")
    assert table.loc["residual", "balanced_accuracy"] > 0.5
    assert table.loc["majority", "balanced_accuracy"] < 0.2
    two = headwise.probe(tiny_bert, data, **asked, labels=["NOUN", "ADJ"], draws=1)
    assert set(two.labels) == {"NOUN", "ADJ"}
    with pytest.raises(HeadwiseError, match=r"no label 'NOUNS'; it has .*NOUN"):
        headwise.probe(tiny_bert, data, **asked, labels=["NOUNS", "ADJ"], draws=1)
    with pytest.raises(HeadwiseError, match="has no parts of speech"):
        headwise.probe(tiny_bert, suite(), label="part of speech", draws=1)
    with pytest.raises(HeadwiseError, match=r"Unknown label 'upos'; known are 'mark'"):
        headwise.probe(tiny_bert, suite(), label="upos", draws=1)


def test_labels_are_read_at_other_words(minilm):
    """The word before tells the sense, and so does the one that the marked word governs."""
    before = headwise.probe(
        minilm,
        suite(),
        positions=-1,
        sites=("residual",),
        layers=[0],
        classifiers=("centroid",),
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert before.table.set_index("site").loc["residual", "accuracy"] == 1
    linked = [
        parse(
            f"[{clue}|by>1] old [mole|{sense}#1] {ABOUT[8 * i + n]}",
            LABELS | {"by": ""},
            f"{sense}{n}",
        )
        for i, (sense, clue) in enumerate((("unit", "one"), ("animal", "furry")))
        for n in range(8)
    ]
    linked = [replace(s, marks=tuple(m for m in s.marks if m.label != "by")) for s in linked]
    data = Suite("s", "?", (*linked, *suite().sentences), LABELS)
    result = headwise.probe(
        minilm,
        data,
        positions="by",
        sites=("residual",),
        layers=[0],
        classifiers=("centroid",),
        selectivity=False,
        n_null=0,
        draws=1,
    )
    assert result.missing == len(suite()) and len(result.truth) == 16
    assert result.table.set_index("site").loc["residual", "accuracy"] == 1
    with pytest.raises(HeadwiseError, match=r"positions='sens' is no relation .* It has"):
        headwise.probe(minilm, data, positions="sens", draws=1)
    with pytest.raises(HeadwiseError, match="has a word at positions=90"):
        headwise.probe(minilm, suite(), positions=90, draws=1)
