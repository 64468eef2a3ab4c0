"""A suite that is saved is the suite that is read."""

from dataclasses import replace

import pytest

import headwise
from headwise import BadSuite, Suite, burrow_pairs
from headwise.data.shipped import find_suite
from headwise.data.suite import Link, Mark

SHIPPED = ("mole", "mole_pairs", "adjective_noun", "adjective_pairs", "gender_steps", "eiffel_tower", "creature", "adjective_binding")  # fmt: skip


def plain(suite):
    """All but where it was read."""
    sentences = [replace(s, source="") for s in suite.sentences]
    by_group = sorted(sentences, key=lambda s: suite.groups.index(s.group))
    pairs = [replace(p, clean=replace(p.clean, source=""), corrupted=replace(p.corrupted, source="")) for p in suite.pairs]  # fmt: skip
    return suite.name, suite.question, suite.license, dict(suite.labels), by_group, pairs


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_suites_come_back(name, tmp_path):
    suite = headwise.read_suite(find_suite(name))
    path = suite.save(tmp_path / "suite.toml")
    assert plain(headwise.read_suite(path)) == plain(suite)
    assert [p.name for p in path.parent.iterdir()] == ["suite.toml"]


def test_texts_and_generated_pairs_come_back(tmp_path):
    texts = Suite.from_texts(['A "mole" dug [deep].', "C:\\moles are rare"])
    assert plain(headwise.read_suite(texts.save(tmp_path / "texts.toml"))) == plain(texts)
    pairs = replace(burrow_pairs("mole", 20), name="pairs")
    stripped = [replace(p, clean=replace(p.clean, links=()), corrupted=replace(p.corrupted, links=())) for p in pairs.pairs]  # fmt: skip
    bare = replace(pairs, pairs=tuple(stripped), sentences=tuple(s for p in stripped for s in (p.clean, p.corrupted)))  # fmt: skip
    back = headwise.read_suite(bare.save(tmp_path / "pairs.toml"))
    in_file = sorted(bare.pairs, key=lambda p: bare.groups.index(p.group))
    assert [(p.right, p.wrong, p.group, p.clean.words, p.clean.marks) for p in back.pairs] == [
        (p.right, p.wrong, p.group, p.clean.words, p.clean.marks) for p in in_file
    ]


def test_what_the_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    suite = Suite.from_texts(["the blue creature roamed"])
    (sentence,) = suite.sentences
    twice = replace(sentence, marks=(Mark(1, "a"), Mark(1, "b")))
    unnamed = replace(sentence, marks=(Mark(1, "a"),), links=(Link(1, 2, "amod"),))
    loose = replace(sentence, marks=(Mark(1, "amod"),), links=(Link(1, 2, "amod"),))
    for wrong, message in ((twice, "one label"), (unnamed, "one label"), (loose, "has no label")):
        with pytest.raises(BadSuite, match=message):
            replace(suite, sentences=(wrong,)).save(tmp_path / "x.toml")
    with pytest.raises(BadSuite, match="Rename it"):
        replace(suite, name="a: b").save(tmp_path / "x.toml")
    with pytest.raises(BadSuite, match="a suite is saved as"):
        suite.save(tmp_path / "x.csv")
    with pytest.raises(headwise.HeadwiseError, match="cannot be written"):
        suite.save(tmp_path / "no" / "x.toml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    ["a\nb\tc  d ", "q\"uote\\ [x] ]] [[ [[mole|unit]]", "bell\x07 del\x7f nul\x00", "cafe\u0301 हिन्दी a\u2028b", "[MASK] <|endoftext|>", "def f(x):\r\n    return x"],
)  # fmt: skip
def test_a_text_comes_back_as_it_was(text, tmp_path):
    suite = replace(Suite.from_texts([text], question=text), license=text, labels={text: text})
    assert plain(headwise.read_suite(suite.save(tmp_path / "s.toml"))) == plain(suite)


def test_marks_and_links_stand_in_the_text_as_it_was_written(tmp_path):
    given = Suite.from_texts(["the  blue [creature]\n roamed"])
    linked = replace(given[0], marks=(Mark(3, "noun"), Mark(1, "amod")), links=(Link(1, 3, "amod"),))  # fmt: skip
    back = headwise.read_suite(replace(given, sentences=(linked,)).save(tmp_path / "s.toml"))
    assert back[0].text == given[0].text and back[0].links == linked.links
    assert set(back[0].marks) == set(linked.marks)


GLUED = headwise.Sentence(("do", "n't"), (False, True), "g")
ONE = headwise.Sentence.of("a mole")


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ((GLUED,), "would be read with other words"),
        ((replace(ONE, marks=(Mark(1, "a|b"),)),), "could not be read again"),
        ((replace(ONE, marks=(Mark(1, "a#1"),)),), "could not be read again|other words, tags or marks"),
        ((headwise.Sentence(("[", "a"), (True, False), "g", (Mark(0, "x"),)),), "could not be read again"),
        ((replace(ONE, split="train"),), "split of its own"),
        ((replace(ONE, tags=("DET", "NOUN")), headwise.Sentence.of("b")), "no tags for 'b'"),
        ((replace(ONE, tags=("DET", "")),), "2 words and 1 tags"),
        ((ONE, ONE), "stands twice"),
        ((), "groups: List should have at least 1 item|groups: Field required"),
    ],
)  # fmt: skip
def test_what_would_be_read_as_another_suite_is_not_written(sentences, message, tmp_path):
    with pytest.raises(BadSuite, match=message):
        replace(Suite.from_texts(["x"]), sentences=sentences).save(tmp_path / "x.toml")
    with pytest.raises(headwise.HeadwiseError, match="cannot be encoded as UTF-8"):
        replace(Suite.from_texts(["x"]), license="\ud800").save(tmp_path / "x.toml")
    assert not list(tmp_path.iterdir())
