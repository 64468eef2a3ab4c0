"""Properties of the readers: what is written is read back equal, and whatever a file holds, it is a suite or one short error."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headwise import BadSuite, HeadwiseError, Suite, read_suite
from headwise.data._words import places_of, split_words
from headwise.data.sentence import UPOS, Link, Mark, Pair, Sentence
from headwise.data.toml import parse

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)
words = st.text("abcñéहि\u0301\u200d\u2028日.,'-3[]|#>_\"\\", min_size=1, max_size=6)
labels = st.sampled_from(["animal", "unit", "a b", "é"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("suites")


def content(sentence):
    """What a file holds of a sentence."""
    marks, links = ({*sentence.marks}, {*sentence.links})
    return sentence.text, sentence.words, sentence.group, sentence.tags, marks, links


def is_read_back(suite, folder):
    """Whether the format holds the suite; where it does, it comes back."""
    try:
        path = suite.save(folder / "s.toml")
    except BadSuite as error:
        assert len(str(error)) < 1000
        return False
    back = read_suite(path)
    in_file = sorted(suite.sentences, key=lambda s: suite.groups.index(s.group))
    assert [content(s) for s in back] == [content(s) for s in in_file]
    assert (back.name, back.question, back.license) == (suite.name, suite.question, suite.license)
    assert [(p.right, p.wrong) for p in back.pairs] == [(p.right, p.wrong) for p in suite.pairs]
    return True


@few
@given(st.text(max_size=60))
def test_words_and_white_space_make_up_the_text(text):
    try:
        sentence = Sentence.of(text)
    except BadSuite:
        assert any("\ud800" <= character <= "\udfff" for character in text)
        return
    found, spaces = split_words(text)
    assert places_of(found, text) is not None and len(found) == len(spaces)
    assert sentence.text == text
    assert "".join(found) == "".join(text.split()) or any(c in text for c in "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e")  # fmt: skip


@few
@given(st.lists(texts, min_size=1, max_size=4), texts)
def test_texts_are_read_back(folder, given_texts, question):
    assume(all(split_words(text)[0] for text in given_texts))
    suite = Suite.from_texts(given_texts, question=question)
    different = {" ".join(sentence.words).lower() for sentence in suite}
    assert is_read_back(suite, folder) == (len(different) == len(suite))


@st.composite
def annotated(draw):
    """What is known of a sentence, anything at all: words, spaces, group, marks, links and tags."""
    found = draw(st.lists(words, min_size=1, max_size=5))
    places = st.integers(0, len(found) - 1)
    marks = draw(st.dictionaries(places, labels, max_size=3))
    ends = {a: draw(places) for a in marks if draw(st.booleans())}
    links = [(a, end, marks[a]) for a, end in ends.items() if a != end]
    tags = draw(st.lists(st.sampled_from(UPOS), min_size=len(found), max_size=len(found)))
    spaces = draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    return found, spaces, draw(texts), [*marks.items()], links, tags


def sentence_of(known):
    found, spaces, group, marks, links, tags = known
    marked, linked = (tuple(kind(*one) for one in some) for kind, some in ((Mark, marks), (Link, links)))  # fmt: skip
    return Sentence(tuple(found), tuple(spaces), group, marked, linked, tuple(tags))


@few
@given(st.lists(annotated(), min_size=1, max_size=3))
def test_annotated_sentences_are_read_back_or_refused(folder, known):
    is_read_back(Suite("s", "?", tuple(map(sentence_of, known))), folder)


@few
@given(annotated(), st.sampled_from(["king", "."]), st.booleans())
def test_pairs_are_read_back_or_refused(folder, known, right, has_answers):
    sentence = sentence_of(known)
    other = replace(sentence, words=(*sentence.words[:-1], "other"))
    answers = (right, "else") if has_answers else ("", "")
    pair = Pair(sentence, other, *answers)
    is_read_back(Suite("s", "?", (sentence, other), pairs=(pair,)), folder)


def is_form(text):
    return bool(text.strip()) and text == text.strip(" ") and not {*text} & {"\t", "\r"}


@st.composite
def treebank(draw):
    """Words of a sentence with heads that make a tree, and the rows that say so."""
    forms = draw(st.lists(lines.filter(is_form), min_size=1, max_size=6))
    heads = [draw(st.integers(0, i)) for i in range(len(forms))]
    tags = [draw(st.sampled_from([*UPOS, "_"])) for _ in forms]
    glued = [draw(st.booleans()) for _ in forms]
    rows: list[str] = []
    for i, (form, head, tag, is_glued) in enumerate(zip(forms, heads, tags, glued, strict=True), 1):
        misc, relation = "SpaceAfter=No" if is_glued else "_", "dep" if head else "root"
        rows.append("\t".join([str(i), form, "_", tag, "_", "_", str(head), relation, "_", misc]))
        if draw(st.booleans()):
            rows.append("\t".join([f"{i}.1", *"_________"]))
    return (forms, heads, tags, glued), rows


@few
@given(st.lists(treebank(), min_size=2, max_size=3), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_treebanks_are_read_back(folder, sentences, has_mark, end):
    path = folder / "s.conllu"
    blocks = [end.join(rows) + end for _, rows in sentences]
    path.write_bytes((("\ufeff" if has_mark else "") + end.join(blocks)).encode())
    assume(any(form != "_" for (forms, *_), _ in sentences for form in forms))
    for sentence, ((forms, heads, tags, glued), _) in zip(read_suite(path), sentences, strict=True):
        assert sentence.words == tuple(forms)
        assert sentence.spaces == tuple(not one for one in glued)
        assert {(k.dependent, k.governor) for k in sentence.links} == {(i, h - 1) for i, h in enumerate(heads) if h}  # fmt: skip
        known = ["" if tag == "_" else tag for tag in tags]
        assert sentence.tags == (tuple(known) if any(known) else ())


def word_folder(folder, files):
    path = folder / "mole"
    path.mkdir(exist_ok=True)
    names = ("classes_map.txt", "train.data.txt", "train.gold.txt", "test.data.txt", "test.gold.txt")  # fmt: skip
    for name, written in zip(names, files, strict=True):
        (path / name).write_bytes(written)
    return path


@few
@given(st.lists(st.tuples(st.lists(lines.filter(lambda w: w and not {*w} & {*" \t\r"}), min_size=1, max_size=5), st.integers(0, 4), st.sampled_from("01")), min_size=2, max_size=5))  # fmt: skip
def test_word_folders_are_read_back(folder, cases):
    data = "".join(f"{at % len(found)}\t{' '.join(found)}\n" for found, at, _ in cases).encode()
    gold = "".join(f"{sense}\n" for *_, sense in cases).encode()
    suite = read_suite(word_folder(folder, (b'{"0": "mole_a", "1": "mole_b"}', data, gold, data, gold)))  # fmt: skip
    for sentence, (found, at, sense) in zip(suite, [*cases, *cases], strict=True):
        assert sentence.words == tuple(found)
        assert sentence.marks == (Mark(at % len(found), "ab"[int(sense)]),)


def built_of(*pieces):
    """Files that are near a format: its pieces in any order, with anything between them."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=5), max_size=25).map("".join)


TOML = built_of(
    "format = 1\n", 'name = "s"\n', "[labels]\n", 'a = "b"\n', '[[groups]]\nname = "g"\n', "sentences = [", '"one [mole|a]"', '"""', "'", "[", "]", "{", "}", "=", ".", ",", "\\",
    "pairs = [", '{clean = "a", corrupted = "b"}', '{text = "a b", tags = "X X"}', "#", "\n", "\r", "1979-05-27", "0x", "nan",
)  # fmt: skip
CONLLU = built_of(
    "1\ta\t_\tX\t_\t_\t0\troot\t_\t_\n", "2\tb\t_\tX\t_\t_\t1\tdep\t_\tSpaceAfter=No\n", "1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n", "1.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n", "\n", "\t", "_", "1", "-", ".",
    "# newdoc id = d\n", "# global.columns = ID FORM\n", "#", "=", "|", " ", "\r\n", "\u2028",
)  # fmt: skip
HEADER = 'format = 1\nname = "s"\n[labels]\na = "b"\n[[groups]]\nname = "g"\n'


@pytest.mark.parametrize("kind", ["toml", "conllu"])
def test_any_text_is_a_suite_or_one_error(folder, kind):
    @few
    @given((TOML | TOML.map(HEADER.__add__) if kind == "toml" else CONLLU) | st.binary(max_size=60))
    def holds(written):
        path = folder / f"any.{kind}"
        path.write_bytes(written if isinstance(written, bytes) else written.encode("utf-8", "surrogatepass"))  # fmt: skip
        is_suite_or_error(path)

    holds()


def is_suite_or_error(path):
    try:
        assert len(read_suite(path)) > 0
    except HeadwiseError as error:
        assert len(str(error)) < 600 + len(str(path))


@few
@given(st.tuples(*[built_of("0", "1", "\t", "\n", "a mole digs", '{"0": "a"}', "{", "}", '"', " ", "\r\n").map(str.encode) for _ in range(5)]) | st.tuples(*[st.binary(max_size=20)] * 5))  # fmt: skip
def test_any_word_folder_is_a_suite_or_one_error(folder, files):
    files = [file.replace(b"\x00", b"") for file in files]
    is_suite_or_error(word_folder(folder, files))


@few
@given(built_of("[", "]", "[[", "]]", "|", "mole", "a", "#1", ">1", " ", "[mole|a]", "\n", "\u0301"))  # fmt: skip
def test_any_line_is_a_sentence_or_one_error(line):
    try:
        sentence = parse(line, {"a": ""}, "g")
    except HeadwiseError as error:
        assert len(str(error)) < 400
        return
    spans = sentence.spans()
    assert [sentence.text[a:b] for a, b in spans] == list(sentence.words)
