"""Every sentence is one tree."""

import pytest

import headwise
from headwise import HeadwiseError, burrow_sentences
from headwise.burrow.grammar.annotation import conllu_text
from headwise.burrow.grammar.passages import PHENOMENA
from headwise.burrow.grammar.syntax import tree_of


@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_every_sentence_is_one_tree(phenomenon):
    suite = burrow_sentences(phenomenon, 150)
    for sentence in suite.sentences:
        conllu_text(headwise.Suite("one", "?", (sentence,)))  # refuses anything but whole trees
        for link in sentence.links:
            tags = sentence.tags[link.dependent], sentence.tags[link.governor]
            if link.relation == "amod":
                assert tags[0] == "ADJ" and tags[1] in ("NOUN", "PROPN")
            if link.relation == "det":
                assert tags[0] == "DET"
            if link.relation == "case":
                assert tags[0] == "ADP"


def tree(tagged):
    words, tags = zip(*(pair.split("/") for pair in tagged.split()), strict=True)
    found = tree_of(words, tags)
    return {
        word: (relation, words[head] if head >= 0 else "")
        for word, head, relation in zip(words, found.heads, found.relations, strict=True)
    }


def test_trees_by_hand():
    relative = tree(
        "The/DET very/ADV rusty/ADJ gate/NOUN that/PRON passed/VERB a/DET blue/ADJ car/NOUN creaked/VERB ./PUNCT"
    )
    assert relative["creaked"] == ("root", "")
    assert relative["gate"] == ("nsubj", "creaked")
    assert relative["rusty"] == ("amod", "gate")
    assert relative["very"] == ("advmod", "rusty")
    assert relative["passed"] == ("acl:relcl", "gate")
    assert relative["that"] == ("nsubj", "passed")
    assert relative["car"] == ("obj", "passed")
    assert relative["blue"] == ("amod", "car")
    passive = tree(
        "In/ADP the/DET kitchen/NOUN ,/PUNCT it/PRON was/AUX stroked/VERB by/ADP his/PRON aunt/NOUN ./PUNCT"
    )
    assert passive["kitchen"] == ("obl", "stroked")
    assert passive["it"] == ("nsubj:pass", "stroked")
    assert passive["was"] == ("aux:pass", "stroked")
    assert passive["his"] == ("nmod:poss", "aunt")
    copula = tree(
        "Therefore/ADV the/DET murderer/NOUN was/AUX Anna/PROPN because/SCONJ she/PRON had/AUX a/DET rope/NOUN ./PUNCT"
    )
    assert copula["Anna"] == ("root", "")
    assert copula["murderer"] == ("nsubj", "Anna")
    assert copula["had"] == ("advcl", "Anna")
    assert copula["rope"] == ("obj", "had")


def test_a_sentence_of_another_kind_is_refused():
    with pytest.raises(HeadwiseError, match="No rule for word 0 of: quickly/ADV"):
        tree_of(["Quickly", "."], ["ADV", "PUNCT"])
