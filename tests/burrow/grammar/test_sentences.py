"""The grammar: what it holds out, what it charges, what it says about its own sentences."""

from collections import Counter

import pytest

import headwise
from headwise import HeadwiseError, burrow_sentences
from headwise.burrow.grammar.annotation import conllu_text, toml_text


def test_mole_for_a_probe():
    suite = burrow_sentences("mole", 200)
    labels = Counter(sentence.marks[0].label for sentence in suite.sentences)
    assert labels == dict.fromkeys(("animal", "unit", "mark", "spy"), 50)
    context = {}
    for sentence in suite.sentences:
        (mark,) = sentence.marks
        assert sentence.words[mark.word] == "mole"
        setting = [link for link in sentence.links if link.relation == "sense"]
        assert setting and all(link.dependent < link.governor == mark.word for link in setting)
        words = {sentence.words[link.dependent] for link in setting}
        context.setdefault(sentence.group, set()).update(words)
    groups = sorted(context)
    for i, one in enumerate(groups):
        for other in groups[i + 1 :]:
            assert not context[one] & context[other], "a word that sets a sense is in two groups"


def test_bad_requests():
    with pytest.raises(HeadwiseError, match=r"no phenomenon 'mol'.*Did you mean 'mole'"):
        burrow_sentences("mol", 3)
    with pytest.raises(HeadwiseError, match="at least 1; got 0"):
        burrow_sentences("mole", 0)
    with pytest.raises(
        HeadwiseError, match="has no links of 'no such relation'; it has those of det"
    ):
        toml_text(burrow_sentences("agreement", 3), ["no such relation"])
    with pytest.raises(HeadwiseError, match="nothing to ask about"):
        toml_text(burrow_sentences("agreement", 3))
    with pytest.raises(HeadwiseError, match="no single tree"):
        conllu_text(headwise.Suite("s", "?", (headwise.Sentence.of("Hello world."),)))
