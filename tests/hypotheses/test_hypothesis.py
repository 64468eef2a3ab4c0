"""A hypothesis from a file and from Python: the same sentences, the same report."""

import pytest

import headwise
from headwise import HeadwiseError, Hypothesis
from headwise.hypotheses.registration import UNREGISTERED

FILE = """format = 1
name = "own"
question = "Do nouns attend to adjectives?"
claim = "In some head nouns attend to their adjectives."
suite = "adjective_noun"

[looks]
relation = "amod"
smallest = 0.1

[matters]
pairs = "adjective_pairs"
methods = ["zero"]
"""


@pytest.fixture(scope="module")
def report(tiny_bert, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.toml"
    path.write_text(FILE)
    return Hypothesis.read(path).test(tiny_bert, smoke=True)


def test_a_whole_report(report):
    assert report.analysis == "own" and report.verdict in ("inconclusive", "not supported")
    assert report.answer.startswith("In some head nouns attend to their adjectives: ")
    assert {"looks", "matters"} == {measure.kind for measure in report.heads.measures}
    assert [s.title for s in report.sections][-2:] == ["Evidence on each head", "Registration"]
    assert report.sections[-1].findings == [UNREGISTERED]
    assert "at least 10 points" in " ".join(report.method)


def test_the_same_in_python(report, tiny_bert):
    made = Hypothesis.of(
        "own", "Do nouns attend to adjectives?", "In some head nouns attend to their adjectives.",
        headwise.read_suite("adjective_noun"), pairs=headwise.read_suite("adjective_pairs"),
        looks={"relation": "amod", "smallest": 0.1}, matters={"methods": ["zero"]},
    )  # fmt: skip
    assert made.test(tiny_bert, smoke=True) == report


def test_sentences_in_the_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(FILE.replace('suite = "adjective_noun"', "").replace('pairs = "adjective_pairs"', "") + """
[suite.labels]
adj = "a"
noun = "b"
amod = "c"
[[suite.groups]]
name = "g"
sentences = ["a [blue|amod>1] [mole|noun#1] slept"]
pairs = [{ clean = "the king sat", corrupted = "the queen sat", right = "he", wrong = "she" }]
""")  # fmt: skip
    suites = Hypothesis.read(path).suites()
    assert list(suites["looks"].relations) == ["amod"] and len(suites["matters"].pairs) == 1


def test_sentences_beside_the_file_come_first(tmp_path):
    headwise.read_suite("adjective_noun").sample_groups(3).save(tmp_path / "near.toml")
    (tmp_path / "own.toml").write_text(FILE.replace('suite = "adjective_noun"', 'suite = "near.toml"'))  # fmt: skip
    assert len(Hypothesis.read(tmp_path / "own.toml").suites()["looks"].groups) == 3
    (tmp_path / "own.toml").write_text(FILE.replace('suite = "adjective_noun"', 'suite = "far.toml"'))  # fmt: skip
    with pytest.raises(HeadwiseError, match=r"no file or folder .*far\.toml"):
        Hypothesis.read(tmp_path / "own.toml").suites()


def test_other_data_take_the_place_of_all(tmp_path):
    made = Hypothesis.of("own", "Q?", "C.", "adjective_noun", looks={"relation": "amod"}, matters={"pairs": "gender_pairs"})  # fmt: skip
    other = headwise.read_suite("adjective_pairs")
    assert made.suites(data=other) == {"looks": other, "matters": other}
    assert made.suites()["matters"].name == "gender_pairs"


def test_burrow_is_tested_in_its_own_english():
    made = Hypothesis.of("own", "Q?", "C.", "adjective_noun", burrow="adjectives", looks={"relation": "amod"})  # fmt: skip
    assert made.suites(model="burrow")["looks"].name != "adjective_noun"
    assert made.suites(model="minilm")["looks"].name == "adjective_noun"
    assert made.suites(model="burrow", seed=1)["looks"] != made.suites(model="burrow")["looks"]


@pytest.mark.parametrize("more", [{"look": {}}, {"looks": {"relation": ""}}, {}, {"looks": {"relation": "amod", "smallest": 2}}])  # fmt: skip
def test_what_python_gives_is_checked_alike(more):
    with pytest.raises(HeadwiseError, match="Not a hypothesis"):
        Hypothesis.of("own", "Q?", "C.", "mole", **more)
