"""Words and links of many sentences in columns."""

import numpy as np

from headwise.attention.annotations import Corpus, classes_of
from headwise.data.suite import Link, Mark, Sentence

TAGGED = Sentence(
    ("old", "moles", "dig"), (True,) * 3, "g",
    links=(Link(0, 1, "amod"), Link(1, 2, "nsubj")), tags=("ADJ", "NOUN", "VERB"),
)  # fmt: skip
PLAIN = Sentence(("a", "mole"), (True,) * 2, "h", marks=(Mark(1, "NOUN"),))


def test_columns_by_hand():
    corpus = Corpus.of([TAGGED, PLAIN])
    assert corpus.starts.tolist() == [0, 3, 5] and corpus.lengths.tolist() == [3, 2]
    assert corpus.names == ("", "ADJ", "NOUN", "VERB") and corpus.has_tags
    assert corpus.classes.tolist() == [1, 2, 3, 0, 0]  # a mark is no part of speech
    assert corpus.of_class(["NOUN", "VERB"]).tolist() == [False, True, True, False, False]
    assert corpus.labels == ("amod", "nsubj")
    assert corpus.links.tolist() == [[0, 0, 1, 0], [0, 1, 2, 1]]


def test_without_annotations_columns_are_empty():
    corpus = Corpus.of([PLAIN])
    assert classes_of(PLAIN) == ("", "")
    assert not corpus.has_tags and corpus.labels == ()
    assert corpus.links.shape == (0, 4) and not corpus.of_class(["NOUN"]).any()
    nothing = Corpus.of([])
    assert np.array_equal(nothing.starts, [0]) and len(nothing.lengths) == 0
