"""TOML that would exhaust the reader: one short error each, in time that grows with the file alone."""

import pytest

from headwise import HeadwiseError, read_suite
from headwise.data._toml_text import lines_of_strings

HEAD = 'format = 1\nname = "s"\n[labels]\na = "b"\n'
LONG = 20_000


def suite_of(line):
    return f'{HEAD}[[groups]]\nname = "g"\nsentences = ["""{line}"""]\n'


def written(tmp_path, text):
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "x = " + "[" * LONG + "]" * LONG,
        HEAD + "x = " + "{a = " * LONG + "1" + "}" * LONG,
        HEAD + ".".join("a" * LONG) + " = 1",
        HEAD + "[" + ".".join(["'a'"] * LONG) + "]",
        "format = " + "1" * 5000,
        "format = -" + "1_0" * 5000,
        "format = 0x" + "1" * LONG,
        HEAD + f"x = {'9' * LONG}.0",
        HEAD + "".join(f"k{i} = 1\n" for i in range(LONG)),
        HEAD + "k" * LONG + " = 1",
        HEAD + ("k" * LONG + " = {}\n") * 2,
        f"[{'k' * LONG}]\n" * 2,
        HEAD + f'[[groups]]\nname = "g"\nsentences = [{"1," * LONG}]',
        HEAD + f'[[groups]]\nname = "{"g" * LONG}"',
        HEAD + f'[[groups]]\nname = "{"g" * LONG}"\nsentences = ["a"]\n' * 2,
        HEAD + f'[[groups]]\nname = "{"g" * LONG}"\nsentences = ["a [b"]',
        HEAD + f'[[groups]]\nname = "g"\nsentences = ["{"a " * LONG}", "{"a " * LONG}"]',
        HEAD + f'[[groups]]\nname = "g"\nsentences = [{{text = "{"a " * LONG}", tags = "{"X " * (LONG + 1)}"}}]',
        HEAD + f'[[groups]]\nname = "g"\nsentences = [{{text = "a", tags = "{"X" * LONG}"}}]',
        HEAD + f'[[groups]]\nname = "g"\npairs = [{{clean = "{"a " * LONG}", corrupted = "{"b " * (LONG + 1)}"}}]',
        HEAD + f'[[groups]]\nname = "g"\npairs = [{{clean = "a", corrupted = "b", right = "{"b" * LONG}"}}]',
        suite_of("[mole" * LONG),
        suite_of("[" + "mole " * LONG),
        suite_of("[" + "m|" * LONG + "]"),
        suite_of(f"[m|{'l' * LONG}]"),
        suite_of(f"[m|a>{'1' * LONG}]"),
        suite_of(f"[m|a#{'1' * LONG}] [m|a#{'1' * LONG}]"),
        suite_of("mole " * LONG + "]"),
        HEAD + "".join(f'"{"l" * 100}{i}" = ""\n' for i in range(1000)) + '[[groups]]\nname = "g"\nsentences = ["[m|b]"]',
        HEAD + "x = '''" + "'" * LONG,
        HEAD + 'x = """' + "\\" * LONG,
        "\x00" * LONG,
        HEAD + "x = 0000-99-99T99:99:99",
    ],
    ids=range(33),
)  # fmt: skip
def test_what_is_no_suite_is_one_short_error(tmp_path, text):
    with pytest.raises(HeadwiseError) as error:
        read_suite(written(tmp_path, text))
    assert len(str(error.value).replace(str(tmp_path), "")) < 600


@pytest.mark.parametrize(("mark", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n")])
def test_byte_order_marks_and_line_ends_are_no_part_of_a_suite(tmp_path, mark, end):
    path = written(tmp_path, suite_of("one [mole|a]\nof gas"))
    plain = read_suite(path)
    path.write_bytes((mark + path.read_text(encoding="utf-8").replace("\n", end)).encode())
    assert read_suite(path).sentences == plain.sentences and plain[0].source == "s.toml:7: group g"


def test_strings_are_found_on_their_lines():
    text = "a = 'x' # 'not'\nb = [\"y\",\n\"\"\"\nz\n'''\"\"\", '''w''']\nc = \"x\"\nd = \"\"\ne = 'q\"'"
    assert lines_of_strings(text) == {"x": 1, "y": 2, "z\n'''": 3, "w": 5, "": 7, 'q"': 8}


def test_every_sentence_is_looked_up_once(tmp_path):
    """Where a sentence stands is found in one pass over the file, however many there are, with escapes too."""
    n = 1000
    lines = "".join(f'"a \\"mole\\" {i}",\n' if i % 2 else f"'the mole {i}',\n" for i in range(n))
    suite = read_suite(written(tmp_path, f'{HEAD}[[groups]]\nname = "g"\nsentences = [\n{lines}]'))
    assert suite[n - 2].source == f"s.toml:{7 + n - 1}: group g"
    assert suite[n - 1].source == "s.toml: group g"
