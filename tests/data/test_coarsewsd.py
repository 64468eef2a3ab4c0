import pytest

from headwise import HeadwiseError, read_suite

FILES = {
    "classes_map.txt": '{"0": "mole_mole_(animal)", "1": "mole_mole_(unit)"}',
    "train.data.txt": "1\ta mole digs\n1\tone mole weighs\n",
    "train.gold.txt": "0\n1\n",
    "test.data.txt": "0\tmole , again\n",
    "test.gold.txt": "0\n",
}


def folder(tmp_path):
    path = tmp_path / "mole"
    path.mkdir()
    for name, text in FILES.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_own_split_and_senses(tmp_path):
    suite = read_suite(folder(tmp_path))
    assert suite.name == "mole"
    assert suite.has_own_split
    assert [sentence.split for sentence in suite.sentences] == ["train", "train", "test"]
    assert [s.marks[0].label for s in suite.sentences] == [
        "mole_(animal)",
        "mole_(unit)",
        "mole_(animal)",
    ]
    assert suite.sentences[0].words[1] == "mole"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train.gold.txt", "0\n", "train.data.txt has 2 lines and train.gold.txt has 1"),
        ("test.gold.txt", "7\n", r"test\.gold\.txt:1: unknown sense '7'"),
        ("test.data.txt", "9\tmole\n", r"test\.data\.txt:1: .*position '9' in a sentence of 1 words"),
        ("test.data.txt", "mole\n", r"test\.data\.txt:1"),
        ("classes_map.txt", "{", "not JSON"),
        ("classes_map.txt", "[]", "expected an object"),
        ("classes_map.txt", "{}", "expected an object"),
        ("classes_map.txt", "", "not JSON"),
        ("classes_map.txt", "[" * 100_000, "not a map of senses"),
        ("classes_map.txt", '{"0": ' + "1" * 5000 + "}", "not a map of senses"),
        ("classes_map.txt", '{"0": ["mole"], "1": "b"}', r"the sense '0' is .*; expected a name"),
        ("classes_map.txt", '{"0": "mole_", "1": "b"}', "expected a name"),
        ("classes_map.txt", '{"0": "a", "1": "mole_a"}', r"two senses have one name \(a, a\)"),
        ("test.data.txt", "9" * 5000 + "\tmole\n", r"test\.data\.txt:1: .*position '9{20}'\.\.\. in"),
        ("test.data.txt", "\N{ARABIC-INDIC DIGIT ZERO}\tmole\n", r"test\.data\.txt:1"),
        ("test.data.txt", "-1\tmole\n", r"test\.data\.txt:1"),
        ("test.data.txt", "0\t\n", r"test\.data\.txt:1: .*of 0 words"),
        ("test.data.txt", "\n", r"test\.data\.txt:1"),
        ("test.gold.txt", "x" * 10**5 + "\n", r"unknown sense 'x{60}'\.\.\.; classes_map.txt has 0, 1\."),
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, file, text, message):
    path = folder(tmp_path)
    (path / file).write_text(text)
    with pytest.raises(HeadwiseError, match=message) as error:
        read_suite(path)
    assert len(str(error.value).replace(str(tmp_path), "")) < 400


def test_empty_parts(tmp_path):
    path = folder(tmp_path)
    for name in ("train.data.txt", "train.gold.txt"):
        (path / name).write_text("")
    assert len(read_suite(path)) == 1
    for name in ("test.data.txt", "test.gold.txt"):
        (path / name).write_text("")
    with pytest.raises(HeadwiseError, match="no sentence in this folder"):
        read_suite(path)


@pytest.mark.parametrize(("mark", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n")])
def test_byte_order_marks_and_line_ends_are_no_part_of_the_text(tmp_path, mark, end):
    path = folder(tmp_path)
    plain = read_suite(path)
    for name, text in FILES.items():
        (path / name).write_bytes((mark + text.replace("\n", end)).encode())
    assert read_suite(path).sentences == plain.sentences


@pytest.mark.parametrize(
    "character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r", "\xa0"]
)
def test_only_line_feeds_end_lines(tmp_path, character):
    path = folder(tmp_path)
    (path / "test.data.txt").write_bytes(f"1\ta{character}b mole\n".encode())
    assert read_suite(path)[2].words == (f"a{character}b", "mole")


def test_missing_files_are_named(tmp_path):
    path = folder(tmp_path)
    (path / "test.gold.txt").unlink()
    with pytest.raises(HeadwiseError, match=r"missing: test\.gold\.txt"):
        read_suite(path)
