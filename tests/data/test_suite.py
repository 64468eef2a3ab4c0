import pytest
import torch

import headwise
from headwise import read_suite
from headwise.data.suite import Mark, Pair, Sentence, Suite, as_suite
from headwise.errors import BadSuite


def test_text_and_spans_agree():
    sentence = Sentence(("It", "'s", "late", "!"), (False, True, False, True), "g")
    assert sentence.text == "It's late!"
    assert [sentence.text[a:b] for a, b in sentence.spans()] == list(sentence.words)


def test_head_takes_groups_of_every_label():
    sentences = tuple(
        Sentence(("mole",), (True,), f"{label}{n}", marks=(Mark(0, label),))
        for label in "ab"
        for n in range(5)
    )
    suite = Suite("s", "?", sentences)
    assert sorted(suite.sample_groups(4).groups) == ["a0", "a1", "b0", "b1"]


def test_head_takes_whole_pairs_of_a_group():
    suite = read_suite("probes/adjective_pairs.toml")
    few = suite.sample_groups(5, 2)
    assert len(few.groups) == 5 and len(few.pairs) == 10
    kept = {(s.group, s.text) for s in few.sentences}
    assert kept == {(s.group, s.text) for p in few.pairs for s in (p.clean, p.corrupted)}
    assert len(read_suite("probes/mole.toml").sample_groups(5, 2)) == 10


def labelled(group, label):
    marks = (Mark(0, label),) if label else ()
    return Sentence((f"mole{group}{label}",), (True,), group, marks=marks)


LABELLED = [labelled(g, label) for g in ("in-1", "in-2", "out-1") for label in ("a", "b", "c", "")]
PAIRS = (Pair(LABELLED[0], LABELLED[1]), Pair(LABELLED[4], LABELLED[6]), Pair(LABELLED[8], LABELLED[9]))  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "kept", "pairs"),
    [
        ({}, range(12), [0, 1, 2]),
        ({"label": "a"}, [0, 4, 8], []),
        ({"label": ["a", "b"]}, [0, 1, 4, 5, 8, 9], [0, 2]),
        ({"group": "in-"}, range(8), [0, 1]),
        ({"group": ("in-2", "out")}, range(4, 12), [1, 2]),
        ({"label": ("a", "c"), "group": "in-"}, [0, 2, 4, 6], [1]),
    ],
)
def test_sentences_are_chosen_by_label_and_group(chosen, kept, pairs):
    suite = Suite("s", "?", tuple(LABELLED), pairs=PAIRS)
    found = suite.where(**chosen)
    assert found.sentences == tuple(LABELLED[i] for i in kept)
    assert found.pairs == tuple(PAIRS[i] for i in pairs)
    assert found.name == "s" and suite.sentences == tuple(LABELLED)


def test_a_choice_without_sentences_is_refused():
    suite = Suite("s", "?", tuple(LABELLED))
    with pytest.raises(
        BadSuite, match=r"'s' has no sentence labelled d\. Its labels are a, b, c, its"
    ):
        suite.where(label="d")
    with pytest.raises(BadSuite, match=r"begins with 'up'.* its groups in-1, in-2, out-1\."):
        suite.where(group="up")


def test_words_that_were_divided_elsewhere_stay_as_they_are(burrow):
    words = ["Dr.", "Smith", "'s", "3.14", "moles", ",", "he", "said", "."]
    (sentence,) = Suite.from_texts([words]).sentences
    assert sentence.words == tuple(words)
    assert sentence.text == "Dr. Smith 's 3.14 moles, he said."
    cache = headwise.capture(burrow, [words, tuple(words), "The mole dug."], ["pattern"])
    assert cache.words(0)["pattern", 0].shape[-1] == cache.words(1)["pattern", 0].shape[-1] == 9
    text = headwise.capture(burrow, [sentence.text], ["pattern"])
    torch.testing.assert_close(text.sentence(0)["pattern", 1], cache.sentence(0)["pattern", 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([["The", ""]], "'' is no word"),
        ([["The ", "mole"]], "'The ' is no word: it is empty or begins or ends in white space"),
        ([["The", "a\ud800b"]], "cannot be encoded"),
        ([[]], r"got list '\[\]'"),
        ([["The", 3]], r"got list .*'The', 3"),
        ([3], r"given as a text, a list of words or a Sentence; got int '3'\.$"),
        ([[1, 2]], r"got list '\[1, 2\]'\.$"),
        ([None], "got NoneType"),
        (["a\ud800b"], "cannot be encoded"),
        (["a", "  "], "at least one word each; got '  '"),
        (3, "list of texts; got int"),
        (None, "list of texts; got NoneType"),
        ([], "at least one word each; got none"),
        (Suite("none", "?", ()), "'none' has no sentences"),
        (Suite("s", "?", (Sentence.of("a"),))[:0], "'s' has no sentences"),
    ],
)  # fmt: skip
def test_what_is_no_suite_is_named(given, message):
    with pytest.raises(BadSuite, match=message):
        as_suite(given)


def test_texts_and_sentences_are_a_suite():
    """One text is one sentence; words that a caller split stay as they are."""
    split = Sentence(("can", "not"), (False, True), "g")
    assert as_suite("The  mole dug.")[0].text == "The  mole dug."
    assert as_suite(["a mole", split]).sentences == (Sentence.of("a mole"), split)
    suite = Suite("s", "?", (split,))
    assert as_suite(suite) is suite


def test_thousands_of_groups_are_divided_as_few_are():
    """Every group once: looking through all sentences for each took seconds here and minutes for more."""
    suite = Suite("s", "?", tuple(Sentence((str(i),), (False,), str(i)) for i in range(10_000)))
    first, second = suite.split()
    assert len(first) == len(second) == 5000
