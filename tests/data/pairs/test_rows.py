"""Minimal pairs as rows of a CSV file or of JSON Lines."""

import json

import pytest

from headwise import BadSuite, read_suite

ROWS = [
    {"clean": "The king sat as", "corrupted": "The queen sat as", "right": "he", "wrong": "she", "group": "royal"},
    {"clean": "An uncle, old, came as", "corrupted": "An aunt, old, came as", "right": "he", "wrong": "she", "group": "family"},
]  # fmt: skip


def as_csv(rows, separator=","):
    lines = [separator.join(rows[0])]
    lines += [separator.join(f'"{value}"' for value in row.values()) for row in rows]
    return "\n".join(lines)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("frame", ["{}", "\ufeff{}", "{}\r\n", "{}\n\n"])
def test_rows_become_pairs(tmp_path, ending, frame):
    text = "\n".join(map(json.dumps, ROWS)) if ending == "jsonl" else as_csv(ROWS, "\t" if ending == "tsv" else ",")  # fmt: skip
    path = tmp_path / f"own.{ending}"
    path.write_bytes(frame.format(text).replace("\n", "\r\n" if "\r" in frame else "\n").encode())
    suite = read_suite(path)
    assert suite.name == "own" and suite.groups == ("royal", "family")
    assert [(p.clean.text, p.corrupted.text, p.right, p.wrong, p.group) for p in suite.pairs] == [tuple(row.values()) for row in ROWS]  # fmt: skip


def test_answers_and_groups_may_be_left_out_and_words_may_be_a_list(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"clean": ["U.S.", "moles"], "corrupted": ["U.K.", "moles"]}\n{"clean": "a b", "corrupted": "a c"}')  # fmt: skip
    a, b = read_suite(path).pairs
    assert a.clean.words == ("U.S.", "moles") and a.right == "" and a.group != b.group


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own.csv", "clean,right\na,b", r"own\.csv:1: no column 'corrupted'"),
        ("own.csv", "clean,corrupted,rigt\na b,a c,d", r"own\.csv:2: an unknown column 'rigt'"),
        ("own.csv", "clean,corrupted\na b", r"own\.csv:2: fewer cells than columns"),
        ("own.csv", "clean,corrupted\na b,a c,d", r"own\.csv:2: more cells than columns"),
        ("own.csv", 'clean,corrupted\n"a b,a c', r"own\.csv:\d: not CSV"),
        ("own.csv", "clean,corrupted\n,a c", r"own\.csv:2: clean is"),
        ("own.csv", "clean,corrupted,clean\na b,a c,x y", "1: two columns are named 'clean'"),
        ("own.jsonl", '{"clean": "a b", "clean": "x y", "corrupted": "a c"}', "a key is given twice"),
        ("own.csv", "clean,corrupted,group\na b,a c,g\na c,a b,h", "3: the sentence 'a c' stands in another group"),
        ("own.csv", "", r"own\.csv:1: no column 'clean'"),
        ("own.csv", "clean,corrupted\n", "no rows"),
        ("own.csv", "clean,corrupted\na b,a c\na b,a c", r"own\.csv:3: the pair of 'a b' stands twice"),
        ("own.csv", "clean,corrupted,right\na b,a c,d", "own.csv:2: right is 'd' and wrong is ''"),
        ("own.jsonl", '{"clean": 3, "corrupted": "a"}', r"own\.jsonl:1: clean is '3'; expected a text"),
        ("own.jsonl", '{"corrupted": "a"}', r"own\.jsonl:1: clean is missing"),
        ("own.jsonl", '{"clean": ["a", 1], "corrupted": "a"}', r"own\.jsonl:1: clean is"),
        ("own.jsonl", '{"clean": [], "corrupted": "a"}', "A sentence is given as"),
        ("own.jsonl", "[" * 9000, r"own\.jsonl:1: not JSON"),
        ("own.jsonl", "", "no rows"),
    ],
)  # fmt: skip
def test_rows_that_are_none(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadSuite, match=message):
        read_suite(tmp_path / name)


def test_a_million_characters_take_no_time(tmp_path):
    """Time is a matter of benchmarks; here it is that nothing breaks at size."""
    path = tmp_path / "own.csv"
    path.write_text("clean,corrupted\n" + "\n".join(f"a{i} b,a{i} c" for i in range(20_000)))
    assert len(read_suite(path).pairs) == 20_000
