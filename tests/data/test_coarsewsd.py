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
    ],
)  # fmt: skip
def test_bad_files_are_named(tmp_path, file, text, message):
    path = folder(tmp_path)
    (path / file).write_text(text)
    with pytest.raises(HeadwiseError, match=message):
        read_suite(path)


def test_missing_files_are_named(tmp_path):
    path = folder(tmp_path)
    (path / "test.gold.txt").unlink()
    with pytest.raises(HeadwiseError, match=r"missing: test\.gold\.txt"):
        read_suite(path)
