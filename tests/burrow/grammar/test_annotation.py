"""What is written to a file can be read again."""

from dataclasses import replace

import pytest

import headwise
from headwise import burrow_sentences
from headwise.burrow.grammar.annotation import conllu_text, toml_text, write_suite


@pytest.mark.parametrize("phenomenon", ["senses", "mysteries", "adjectives", "gender"])
def test_conllu_can_be_read_again(phenomenon, tmp_path):
    suite = burrow_sentences(phenomenon, 40)
    path = tmp_path / "some.conllu"
    path.write_text(conllu_text(suite))
    again = headwise.read_suite(path)
    assert len(again.groups) == len(suite)
    start = 0
    for passage in suite.sentences:
        parts = []
        while sum(len(part.words) for part in parts) < len(passage.words):
            parts.append(again.sentences[start])
            start += 1
        assert sum((part.words for part in parts), ()) == passage.words
        assert sum((part.tags for part in parts), ()) == passage.tags
        offset, links = 0, set()
        for part in parts:
            links |= {(link.dependent + offset, link.governor + offset) for link in part.links}
            offset += len(part.words)
        assert links <= {(link.dependent, link.governor) for link in passage.links}
    assert start == len(again.sentences)


def test_a_toml_suite_can_be_read_again(tmp_path):
    suite = burrow_sentences("mole", 40)
    path = tmp_path / "mole.toml"
    path.write_text(toml_text(suite, ["sense"]))
    again = headwise.read_suite(path)
    assert [s.words for s in again.sentences] == [
        s.words for g in suite.groups for s in suite.sentences if s.group == g
    ]
    assert again.relations["sense"] == suite.relations["sense"]
    assert {s.text: s.tags for s in again.sentences} == {s.text: s.tags for s in suite.sentences}
    assert set(again.labels) == {"animal", "unit", "mark", "spy", "sense"}


def test_what_was_drawn_twice_is_written_once(tmp_path):
    suite = burrow_sentences("mole", 10)
    twice = replace(suite, sentences=suite.sentences * 2)
    assert (
        write_suite(twice, tmp_path / "s.toml")
        == len(headwise.read_suite(tmp_path / "s.toml"))
        == 10
    )
