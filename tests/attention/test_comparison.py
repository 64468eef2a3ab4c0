"""What heads are compared with: the right words as clusters."""

import numpy as np
import pytest

from headwise.attention._comparison import clusters_of
from headwise.attention._counting import Case
from headwise.attention.annotations import Corpus
from headwise.attention.relation_query import Relation
from headwise.data.suite import Sentence
from helpers.columns import questions, traits_of


@pytest.mark.parametrize(("tag", "n", "clusters"), [("ADJ", 4, 4), ("ADJ", 12, 12), ("DET", 2, 30)])
def test_few_words_are_few_clusters(tag, n, clusters):
    """But for closed classes, of which a few words may be all there are."""
    words = [(f"w{i % n}", "noun") for i in range(30)]
    made = [Sentence(w, (True, True), f"g{i}", tags=(tag, "NOUN")) for i, w in enumerate(words)]
    corpus = Corpus.of(made)
    asked = questions(*((i, 0, (1,), 0, 2) for i in range(30)))
    case = Case(Relation("amod", ("amod",)), "dependent->governor", asked)
    found = clusters_of(case, corpus, traits_of(corpus), np.arange(30), 30)
    assert found.n == clusters and found.counts[0] == 30
