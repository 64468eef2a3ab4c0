"""Files are read by what they are."""

import pytest

from headwise import HeadwiseError, read_suite


def test_missing_path_and_unknown_format(tmp_path):
    with pytest.raises(HeadwiseError, match=r"no file or folder|Cannot use the path"):
        read_suite(tmp_path / "nothing.toml")
    other = tmp_path / "suite.yaml"
    other.write_text("{}")
    with pytest.raises(HeadwiseError, match=r"ending in '\.yaml'"):
        read_suite(other)


def test_not_utf8(tmp_path):
    path = tmp_path / "latin.conllu"
    path.write_bytes(b"# text = caf\xe9\n")
    with pytest.raises(HeadwiseError, match="not UTF-8 at byte 12"):
        read_suite(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b", "a\ud800b", "x" * 5000 + ".toml"])
def test_names_that_no_file_could_have(name):
    with pytest.raises(HeadwiseError, match=r"no file or folder|Cannot use the path"):
        read_suite(name)
