"""A hypothesis as a file: what is read, and what is said of what is wrong in it."""

import pytest

from headwise import HeadwiseError
from headwise.hypotheses.file import HypothesisFile, read

GOOD = """format = 1
name = "own"
question = "Do nouns attend?"
claim = "Nouns attend."
suite = "adjective_noun"

[looks]
relation = "amod"
"""


def file(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults(tmp_path):
    found, written = read(file(tmp_path, GOOD))
    assert written == GOOD and found.kinds == ("looks",)
    assert found.looks.order == "governor->dependent" and found.smallest == {"looks": 0.05}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('relation = "amod"', 'relaton = "amod"', r"own\.toml:8: there is no key 'looks.relaton'; .*Did you mean 'relation'"),
        ("[looks]", "[look]", r"own\.toml:7: there is no key 'look'; .*Did you mean 'looks'"),
        ('relation = "amod"', "", r"own\.toml:7: the key 'looks.relation' is missing"),
        ('claim = "Nouns attend."', "", r"own\.toml: the key 'claim' is missing"),
        ("[looks]", "[looks]\nsmallest = 1.5", r"own\.toml:8: looks.smallest: input should be less than 1, got 1.5"),
        ("[looks]", "[looks]\nsmallest = 0", r"own\.toml:8: looks.smallest: input should be greater than 0"),
        ("[looks]", '[looks]\norder = "up"', r"own\.toml:8: looks.order: input should be 'dependent->governor', 'governor->dependent' or 'column', got 'up'"),
        ("format = 1", "format = 2", r"own\.toml:1: format: input should be 1, got 2"),
        ('name = "own"', 'name = "a/b"', r"own\.toml:2: name: "),
        ('[looks]\nrelation = "amod"\n', "", "no kind of evidence is named"),
        ('[looks]\nrelation = "amod"', '[moves]\nhow = "ov"', "needs a relation"),
        ("format = 1", "format = ", "not valid TOML"),
        ('suite = "adjective_noun"', "suite = 3", r"own\.toml:5: suite: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path, before, after, message):
    assert before in GOOD
    with pytest.raises(HeadwiseError, match=message):
        read(file(tmp_path, GOOD.replace(before, after)))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(HeadwiseError, match="headwise new mine writes one"):
        read(tmp_path / "mine.toml")


def test_every_field_has_a_line_in_the_schema():
    described = HypothesisFile.model_json_schema()["properties"]
    assert set(described) == set(HypothesisFile.model_fields)
