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
