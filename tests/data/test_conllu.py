import pytest

from headwise import HeadwiseError, read_suite


def row(*columns):
    return "\t".join(map(str, columns))


def token(number, form, head, relation, upos="X", misc="_"):
    return row(number, form, form, upos, "_", "_", head, relation, "_", misc)


def write(tmp_path, *lines):
    path = tmp_path / "bank.conllu"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


def test_words_links_documents_and_spaces(tmp_path):
    suite = read_suite(
        write(
            tmp_path,
            "# newdoc id = letters",
            token(1, "A", 3, "det"),
            token(2, "blue", 3, "amod", "ADJ"),
            token(3, "sky", 0, "root", "NOUN", "SpaceAfter=No"),
            token(4, ".", 3, "punct"),
            "",
            row("1-2", "don't", *["_"] * 8),
            token(1, "do", 3, "aux"),
            token(2, "n't", 3, "advmod"),
            token("2.1", "x", "_", "_"),
            token(3, "go", 0, "root"),
        )
    )
    first, second = suite.sentences
    assert first.text == "A blue sky."
    assert second.text == "don't go"
    assert second.words == ("do", "n't", "go")
    assert first.group == second.group == "letters"
    assert suite.relations == {"det": 1, "amod": 1, "punct": 1, "aux": 1, "advmod": 1}
    assert (first.links[1].dependent, first.links[1].governor) == (1, 2)
    assert first.tags[1] == "ADJ"
    assert second.source == "bank.conllu:7"


def test_a_sentence_without_document_is_its_own_group(tmp_path):
    suite = read_suite(write(tmp_path, token(1, "Go", 0, "root"), "", token(1, "Stop", 0, "root")))
    assert len(suite.groups) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([token(1, "Go", 0, "root"), "2\tnow"], r"bank\.conllu:2: .* has 2"),
        ([token(1, "Go", 5, "obj")], r"bank\.conllu:1: the head of 'Go' is 5, which is outside"),
        ([token(1, "Go", 1, "obj")], r"bank\.conllu:1: .*the word itself"),
        ([token(1, "Go", -1, "obj")], r"bank\.conllu:1: "),
        (
            [
                token(1, "Go", 0, "root"),
                token(2, "to", 4, "x"),
                token(3, "a", 2, "x"),
                token(4, "b", 3, "x"),
            ],
            r"bank\.conllu:2: the heads .* in a circle, so they are no tree: 'to' -> 'b' -> 'a' -> 'to'",
        ),
        ([token(1, "Go", "up", "obj")], r"bank\.conllu:1: not valid CoNLL-U"),
        (["# only a comment"], "no sentence"),
        ([""], "no sentence"),
    ],
)
def test_bad_lines_are_named(tmp_path, lines, message):
    with pytest.raises(HeadwiseError, match=message):
        read_suite(write(tmp_path, *lines))


def rows(*numbers):
    return [token(n, f"w{i}", 0, "root") for i, n in enumerate(numbers)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (rows(1, 2, 1, 2), r"bank\.conllu:3: the identifier 1 after 2 words .* empty line\. Is that line missing\?"),
        (rows(1, 3), r"bank\.conllu:2: the identifier 3 after 1 words"),
        (rows(1, 1), r"bank\.conllu:2: the identifier 1 after 1 words"),
        (rows(2, 1), r"bank\.conllu:1: the identifier 2 after 0 words"),
        (rows(0, 1), r"bank\.conllu:1: the identifier 0"),
        (rows("01", 2), r"bank\.conllu:1: '01' is no identifier"),
        (rows(" 1"), r"bank\.conllu:1: ' 1' is no identifier"),
        (rows("\N{ARABIC-INDIC DIGIT ONE}"), r"bank\.conllu:1: .* is no identifier"),
        (rows("9" * 5000), r"bank\.conllu:1: '9{60}'\.\.\. is no identifier"),
        (rows("_", 2), r"bank\.conllu:1: '_' is no identifier"),
        (rows("", 2), r"bank\.conllu:1: '_' is no identifier"),
        (rows("1.1", 1), r"bank\.conllu:1: the identifier 1\.1 after 0 words"),
        (rows(1, "1.2"), r"bank\.conllu:2: the identifier 1\.2"),
        (rows(1, "2.1", 2), r"bank\.conllu:2: the identifier 2\.1 after 1 words"),
        (rows(1, "1-2", 2), r"bank\.conllu:2: the identifier 1-2 after 1 words"),
        (rows("1-3", 1, "2-3", 2, 3), r"bank\.conllu:3: the identifier 2-3"),
        (rows("1-3", 1, 2), r"bank\.conllu:1: the multiword token 1-3 ends beyond its sentence of 2 words"),
        (rows("1-999999999", 1), r"bank\.conllu:1: the multiword token 1-999999999 ends beyond"),
        (rows("2-1", 1), r"bank\.conllu:1: '2-1' is no identifier"),
        ([token(1, "Go", "7" * 5000, "obj")], r"bank\.conllu:1: .*the head of 'Go' is '7{60}'\.\.\.; expected"),
        ([token(1, "", 0, "root")], r"bank\.conllu:1: the column FORM holds ''"),
        ([token(1, " ", 0, "root")], r"bank\.conllu:1: the column FORM holds ' '"),
        ([token(1, "Go ", 0, "root")], r"bank\.conllu:1: the column FORM holds 'Go '"),
        ([token(1, "x" * 10**6, 0, "root") + "\t_"], r"bank\.conllu:1: .* has 11: '1\\tx+'\.\.\.\.$"),
        (["# global.columns = ID FORM HEAD", row(1, "Go", 0)], r"bank\.conllu:1: the columns of this file are 'ID FORM HEAD'"),
        ([*rows("1.1")], r"the identifier 1\.1"),
        ([*rows("0.1")], r"bank\.conllu:1: a sentence without words"),
        ([token(1, "_", 0, "root"), "", token(1, "_", 0, "root")], "every word is left out"),
    ],
)  # fmt: skip
def test_identifiers_and_columns_are_read(tmp_path, lines, message):
    with pytest.raises(HeadwiseError, match=message) as error:
        read_suite(write(tmp_path, *lines))
    assert len(str(error.value).replace(str(tmp_path), "")) < 400


def test_ranges_and_empty_nodes_stand_where_they_may(tmp_path):
    suite = read_suite(write(tmp_path, *rows("0.1", "0.2", "1-2", 1, 2, "2.1", "3-4", 3, "3.1", 4)))
    assert len(suite[0].words) == 4


def test_words_of_a_token_that_they_do_not_spell_have_spaces(tmp_path):
    del_token = row("2-3", "del", *["_"] * 7, "SpaceAfter=No")
    lines = [token(1, "cerca", 0, "root"), del_token, token(2, "de", 3, "case"), token(3, "el", 1, "det"), token(4, ".", 1, "punct")]  # fmt: skip
    assert read_suite(write(tmp_path, *lines))[0].text == "cerca de el."


def test_an_underscore_is_no_relation_and_no_part_of_speech(tmp_path):
    bare = [token(1, "A", 2, "_", "_"), token(2, "b", 0, "root", "_")]
    some = [token(1, "A", 2, "det", "_"), token(2, "b", 0, "root", "NOUN"), token(3, "c", "_", "obj")]  # fmt: skip
    suite = read_suite(write(tmp_path, *bare, "", *some))
    assert suite.relations == {"det": 1}
    assert suite[0].tags == () and suite[1].tags == ("", "NOUN", "X")


def test_empty_columns_say_nothing(tmp_path):
    suite = read_suite(write(tmp_path, row(1, "A", "", "", "", "", 2, "", "", ""), token(2, "b", "", "root", misc="")))  # fmt: skip
    assert suite[0].links == () and suite[0].text == "A b" and suite[0].tags == ("", "X")


@pytest.mark.parametrize("comment", ["# newdoc", "# newdoc id =", "#newdoc id = "])
def test_a_document_without_a_name_is_one_group(tmp_path, comment):
    lines = [comment, *rows(1), "", *rows(1), "", "# newdoc id = b", "", *rows(1)]
    suite = read_suite(write(tmp_path, *lines))
    assert [s.group for s in suite] == ["document at line 1"] * 2 + ["b"]


@pytest.mark.parametrize(
    "character",
    ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r", "\xa0", "\u3000"],
)
def test_only_line_feeds_end_lines(tmp_path, character):
    inside = f"a{character}b"
    suite = read_suite(
        write(tmp_path, f"# text = {inside}", f"# newdoc id = {inside}", token(1, inside, 0, "root", misc=f"Gloss={inside}|SpaceAfter=No"), token(2, ".", 1, "punct"))
    )  # fmt: skip
    assert suite[0].words == (inside, ".") and suite[0].text == f"{inside}."
    assert suite[0].group == inside and suite[0].source == "bank.conllu:1"


@pytest.mark.parametrize(("mark", "end"), [("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n")])
def test_byte_order_marks_and_line_ends_are_no_part_of_the_text(tmp_path, mark, end):
    lines = ["# newdoc id = a", token(1, "Go", 0, "root"), token(2, "now", 1, "advmod"), "", token(1, "Stop", 0, "root")]  # fmt: skip
    plain = read_suite(write(tmp_path, *lines))
    path = tmp_path / "bank.conllu"
    path.write_bytes((mark + end.join(lines) + end).encode())
    assert read_suite(path).sentences == plain.sentences


def test_a_long_chain_of_heads_is_no_circle(tmp_path):
    """One step for each word, wherever the walk begins: a sentence of 20,000 words in well under a second."""
    n = 20_000
    chain = [token(i, "w", i + 1 if i < n else 0, "dep") for i in range(1, n + 1)]
    assert len(read_suite(write(tmp_path, *chain))[0].links) == n - 1
    chain[-1] = token(n, "w", 1, "dep")
    with pytest.raises(HeadwiseError, match="in a circle") as error:
        read_suite(write(tmp_path, *chain))
    assert len(str(error.value).replace(str(tmp_path), "")) < 400
