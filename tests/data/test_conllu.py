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
