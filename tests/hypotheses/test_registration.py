"""A claim on record: any change of a field, a sentence, a label or an answer is named, and a record of something else is refused."""

import json
from dataclasses import replace

import pytest

from headwise import HeadwiseError, Hypothesis
from headwise.hypotheses import Registration, register
from headwise.hypotheses.registration import UNREGISTERED, place_of, status

FILE = """format = 1
name = "own"
question = "Do they?"
claim = "They do."

[suite.labels]
animal = "a"
unit = "b"
amod = "c"

[[suite.groups]]
name = "g1"
sentences = ["the [mole|animal] dug", "a [blue|amod>1] [mole|animal#1] slept"]
pairs = [{ clean = "the [king|animal] sat", corrupted = "the [queen|animal] sat", right = "he", wrong = "she" }]

[[suite.groups]]
name = "g2"
sentences = ["one [mole|unit] of gas"]

[looks]
relation = "amod"
order = "governor->dependent"

[carries]
label = "mark"
at = 0

[matters]
metrics = ["kl"]
methods = ["zero", "mean"]
smallest = 0.1

[moves]
how = "classes"
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(FILE)
    register(Hypothesis.read(path))
    return path


def said(path):
    hypothesis = Hypothesis.read(path)
    return status(hypothesis, hypothesis.suites())


def test_registered_and_unchanged(own):
    assert said(own).startswith("Registered on 20") and said(own).endswith(" and unchanged.")
    record = Registration.read(place_of(Hypothesis.read(own)))
    assert record.fields["matters.smallest"] == 0.1 and len(record.sentences["carries"]) == 5


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('question = "Do they?"', 'question = "Do they do?"', "question was 'Do they?' and is 'Do they do?'"),
        ('claim = "They do."', 'claim = "They may."', "claim was 'They do.' and is 'They may.'"),
        ("smallest = 0.1", "smallest = 0.2", "matters.smallest was 0.1 and is 0.2"),
        ('order = "governor->dependent"', 'order = "column"', "looks.order was 'governor->dependent' and is 'column'"),
        ('methods = ["zero", "mean"]', 'methods = ["zero"]', "matters.methods was ['zero', 'mean'] and is ['zero']"),
        ('metrics = ["kl"]', 'metrics = ["loss"]', "matters.metrics was ['kl'] and is ['loss']"),
        ("at = 0", "at = -1", "carries.at was 0 and is -1"),
        ('label = "mark"', 'label = "mark"\nclassifier = "centroid"', "carries.classifier was 'logistic' and is 'centroid'"),
        ('label = "mark"', 'label = "mark"\nlabels = ["animal", "unit"]', "carries.labels was [] and is ['animal', 'unit']"),
        ('[moves]\nhow = "classes"\n', "", "moves was not there and is not there|moves.how was 'classes' and is not there"),
        ('relation = "amod"', 'relation = "amod"\nsmallest = 0.06', "looks.smallest was 0.05 and is 0.06"),
        ('question =', 'burrow = "senses"\nquestion =', "burrow was '' and is 'senses'"),
        ('unit = "b"', 'unit = "d"', "suite.labels was "),
        ("of gas", "of air", "the sentence 'one mole of gas' is gone; carries: the sentence 'one mole of air' was added"),
        ("[mole|unit] of", "[mole|animal] of", "the sentence 'one mole of gas' has other labels"),
        ("[blue|amod>1] [mole|animal#1]", "blue [mole|animal]", "the sentence 'a blue mole slept' has other labels, links"),
        ('right = "he"', 'right = "it"', "the sentence 'the king sat' has other labels, links, answers"),
        ('name = "g2"', 'name = "g3"', "the sentence 'one mole of gas' has other labels, links, answers or another group"),
    ],
)  # fmt: skip
def test_every_change_is_named(own, before, after, named):
    assert before in FILE
    own.write_text(FILE.replace(before, after))
    assert " and changed since: " in said(own)
    assert any(one in said(own) for one in named.split("|"))


def test_white_space_and_comments_are_no_change(own):
    own.write_text("# a comment\n" + FILE.replace("smallest = 0.1", "smallest  =  0.10"))
    assert said(own).endswith(" and unchanged.")


def test_other_sentences_than_those_on_record(own):
    hypothesis = Hypothesis.read(own)
    few = {kind: suite.sample_groups(1) for kind, suite in hypothesis.suites().items()}
    assert "unchanged, and tested on other sentences" in status(hypothesis, few)


def test_without_a_record(tmp_path):
    (tmp_path / "own.toml").write_text(FILE)
    assert said(tmp_path / "own.toml") == UNREGISTERED
    made = Hypothesis.of("a", "Q?", "C.", "mole", carries={})
    assert status(made, made.suites()) == UNREGISTERED
    with pytest.raises(HeadwiseError, match="Only a hypothesis in a file"):
        register(made)


def test_a_second_record_is_not_made_without_a_word(own):
    with pytest.raises(HeadwiseError, match="--overwrite replaces it"):
        register(Hypothesis.read(own))
    assert register(Hypothesis.read(own), overwrite=True).name == "own.registered.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data | {"date": "2020-01-01 00:00 UTC"}, "changed after it was registered"),
        (lambda data: data | {"fields": data["fields"] | {"matters.smallest": 0.2}}, "changed after"),
        (lambda data: data | {"format": "headwise registration 2"}, "newer version"),
        (lambda data: {}, "not a registration"),
        (lambda data: {k: v for k, v in data.items() if k != "fields"}, "damaged registration"),
    ],
)  # fmt: skip
def test_a_record_that_was_changed_is_refused(own, change, message):
    path = place_of(Hypothesis.read(own))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(HeadwiseError, match=message):
        said(own)


def test_a_record_of_another_hypothesis(own):
    own.write_text(FILE.replace('name = "own"', 'name = "other"'))
    with pytest.raises(HeadwiseError, match="is the registration of 'own', and this is 'other'"):
        said(own)


def test_half_a_record(own):
    path = place_of(Hypothesis.read(own))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(HeadwiseError, match="cannot be read as a registration"):
        said(own)
    assert replace(Hypothesis.read(own), path=None).name == "own"


def test_the_order_of_sentences_is_on_record(own):
    """It fixes which groups stand in which half."""
    one = '"the [mole|animal] dug", "a [blue|amod>1] [mole|animal#1] slept"'
    assert one in FILE
    own.write_text(FILE.replace(one, ", ".join(reversed(one.split(", ")))))
    assert "carries: the order of the sentences" in said(own)


def test_changed_and_tested_on_other_sentences(own):
    own.write_text(FILE.replace("smallest = 0.1", "smallest = 0.2"))
    hypothesis = Hypothesis.read(own)
    few = {kind: suite.sample_groups(1) for kind, suite in hypothesis.suites().items()}
    assert "is 0.2; tested on other sentences" in status(hypothesis, few)
