import pytest

from headwise import BadSuite, HeadwiseError, read_suite
from headwise.data.toml import parse

LABELS = {"unit": "", "animal": "", "noun": "", "amod": ""}


def suite(tmp_path, groups, labels='unit = "mol"\nanimal = "mammal"', extra=""):
    path = tmp_path / "suite.toml"
    path.write_text(
        f'format = 1\nname = "s"\nquestion = "?"\n{extra}\n[labels]\n{labels}\n{groups}',
        encoding="utf-8",
    )
    return path


def group(name, *sentences):
    return f'[[groups]]\nname = "{name}"\nsentences = {list(sentences)!r}\n'


def test_marks_become_words():
    sentence = parse("one [mole|unit] of carbon dioxide", LABELS, "g")
    assert sentence.words == ("one", "mole", "of", "carbon", "dioxide")
    assert [(mark.word, mark.label) for mark in sentence.marks] == [(1, "unit")]
    assert sentence.text == "one mole of carbon dioxide"


def test_links_are_written_by_number():
    sentence = parse("A [sea-green|amod>1], [cold|amod>1] [pool|noun#1].", LABELS, "g")
    assert sentence.words == ("A", "sea-green", ",", "cold", "pool", ".")
    assert [(link.dependent, link.governor, link.relation) for link in sentence.links] == [
        (1, 4, "amod"),
        (3, 4, "amod"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "The [mole|animal]'s tail, (really) it's [[sic]]!",
        "[Mole|unit], said I.",
        "a  [mole|unit] b",
    ],
)
def test_text_is_what_was_written_without_marks(line):
    import re

    plain = re.sub(r"\[([^|\]]+)\|[^\]]*\]", r"\1", line).replace("[[", "[").replace("]]", "]")
    assert parse(line, LABELS, "g").text == plain


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one [mole|unit of gas", "never closed"),
        ("one mole|unit] of gas", r"A \] without its \["),
        ("one [mole|moon]", "Unknown sense or label 'moon'.*unit, animal"),
        ("one [mole]", r"not of the form \[word\|label\]"),
        ("one [big mole|unit]", "exactly one word"),
        ("one [ mole|unit]", "exactly one word"),
        ("one [|unit]", "exactly one word"),
        ("one [a [mole|unit]|unit]", "opened inside"),
        ("a [blue|amod>1] sky", "leads nowhere"),
        ("a [blue|noun#1] [sky|noun#1]", "Two words carry the number #1"),
        ("  ", "without words"),
    ],
)
def test_bad_marks_are_named(line, message):
    with pytest.raises(HeadwiseError, match=message):
        parse(line, LABELS, "g", "suite.toml: group g")


def test_a_whole_suite(tmp_path):
    path = suite(tmp_path, group("gas", "one [mole|unit]") + group("lawn", "a [mole|animal]"))
    suite_ = read_suite(path)
    assert suite_.groups == ("gas", "lawn")
    assert len(suite_.sha256) == 64
    assert not suite_.has_own_split


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (group("empty"), "group 'empty' is empty"),
        (group("a", "one [mole|unit]") + group("a", "a [mole|animal]"), "two groups are called 'a'"),
        (group("a", "One [mole|unit]") + group("b", "one [mole|animal]"), "stands twice, in group 'a'"),
        ("", "groups: Field required"),
        ("oops = 1\n" + group("a", "x"), "labels.oops"),
        ("[[groups]\n", "not valid TOML"),
    ],
)  # fmt: skip
def test_bad_files_are_refused(tmp_path, groups, message):
    with pytest.raises(HeadwiseError, match=message):
        read_suite(suite(tmp_path, groups))


def pairs(*lines):
    written = ", ".join(
        "{" + ", ".join(f'{k} = "{v}"' for k, v in zip(("clean", "corrupted", "right", "wrong"), line, strict=False)) + "}"
        for line in lines
    )  # fmt: skip
    return f'[[groups]]\nname = "g"\npairs = [{written}]\n'


def test_pairs(tmp_path):
    path = suite(
        tmp_path,
        group("a", "one [mole|unit]")
        + pairs(
            ("a wild [mole|animal] was", "a whole [mole|unit] was", "asleep", "dissolved"),
            ("the [mole|animal] in June", "the quick [mole|animal] in June"),
        ),
    )
    found = read_suite(path)
    assert [s.text for s in found.sentences] == [
        "one mole", "a wild mole was", "a whole mole was", "the mole in June", "the quick mole in June"
    ]  # fmt: skip
    first, second = found.pairs
    assert (first.clean, first.corrupted) == found.sentences[1:3]
    assert (first.right, first.wrong, first.changed, first.group) == (
        "asleep",
        "dissolved",
        (1,),
        "g",
    )
    assert second.changed == () and second.right == ""
    assert found.sample_groups(1).pairs == () and len(found.sample_groups(2).pairs) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("a [mole|unit] was", "a [mole|animal] was"), "differs in at least one word"),
        (("a [mole|unit] was", "a big [mole|animal] was"), "3 words and .* has 4"),
        (("a mole was", "a big mole was"), "Make them equally long"),
        (("a [mole|unit] was", "one [mole|unit] was", "x", "x"), "Give two different words"),
        (("a [mole|unit] was", "one [mole|unit] was", "x"), "right='x' and wrong=''"),
    ],
)
def test_pairs_that_say_nothing(tmp_path, line, message):
    with pytest.raises(HeadwiseError, match=message):
        read_suite(suite(tmp_path, pairs(line)))


def tagged(*entries):
    written = ", ".join(f'{{ text = "{text}", tags = "{tags}" }}' for text, tags in entries)
    return f'[[groups]]\nname = "g"\nsentences = [\n{written}\n]\n'


def test_tags_of_sentences_and_pairs(tmp_path):
    of_pairs = """[[groups]]
name = "p"
pairs = [
  { clean = "a [mole|animal] dug", corrupted = "a [mole|unit] weighed", tags = "DET NOUN VERB" },
  { clean = "a wild [mole|animal]", corrupted = "one big [mole|unit]", tags = "DET ADJ NOUN", corrupted_tags = "NUM ADJ NOUN" },
]
"""
    path = suite(
        tmp_path, tagged(("One [mole|unit], sir.", "NUM NOUN PUNCT NOUN PUNCT")) + of_pairs
    )
    found = [" ".join(sentence.tags) for sentence in read_suite(path).sentences]
    assert found == [
        "NUM NOUN PUNCT NOUN PUNCT",
        "DET NOUN VERB",
        "DET NOUN VERB",
        "DET ADJ NOUN",
        "NUM ADJ NOUN",
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("one [mole|unit]", "NUM")], r"suite\.toml:11: group g: 2 words and 1 tags.*one/NUM mole/\?"),
        ([("a [mole|unit]", "DET NOUN NOUN")], r"a/DET mole/NOUN \?/NOUN"),
        ([("one [mole|unit]", "NUM NOUNS")], r"suite\.toml:11: .*'NOUNS' is no universal part of speech.*Did you mean NOUN"),
        ([("one [mole|unit]", "NUM NOUN"), ("a [mole|animal]", "")], r"suite\.toml:11: .*no tags for 'a mole', though other"),
    ],
)  # fmt: skip
def test_tags_that_do_not_fit(tmp_path, entries, message):
    with pytest.raises(HeadwiseError, match=message):
        read_suite(suite(tmp_path, tagged(*entries)))


@pytest.mark.parametrize("word", ["3.14", "U.S.", "20 000", "20\u00a0000", "1 000 000", "हिन्दी", "Zu\u0308rich", "mo\u2028le", "a@b.org", "...", "n't", "soft\u00adhyphen"])  # fmt: skip
def test_what_a_mark_holds_is_one_word(word):
    sentence = parse(f"see [{word}|unit]s here", LABELS, "g")
    assert sentence.words == ("see", word, "s", "here")
    assert sentence.text == f"see {word}s here"
    assert [mark.word for mark in sentence.marks] == [1]


@pytest.mark.parametrize(
    "word", ["a b", "20 00", "a\nb", "a\tb", " a", "\u00a0a", "\u2028", "20  000"]
)
def test_what_holds_a_space_is_not(word):
    with pytest.raises(HeadwiseError, match="exactly one word"):
        parse(f"[{word}|unit]", LABELS, "g")


def test_a_link_to_itself_is_refused(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        'format = 1\nname = "s"\nlabels = {amod = "a"}\n[[groups]]\nname = "g"\nsentences = ["the [king|amod#1>1] digs"]\n'
    )
    with pytest.raises(
        BadSuite, match=r"s\.toml:6: group g: The link amod>1 leads from a word to itself"
    ):
        read_suite(path)


def test_two_sentences_of_one_group_may_differ_in_case(tmp_path):
    path = tmp_path / "s.toml"
    head = 'format = 1\nname = "s"\n'
    pair = '{clean = "the Turkey was", corrupted = "the turkey was", right = "it", wrong = "he"}'
    path.write_text(f'{head}[[groups]]\nname = "g"\npairs = [{pair}]\n')
    assert len(read_suite(path).pairs) == 1
    other = 'sentences = ["THE turkey was"]'
    path.write_text(path.read_text() + f'[[groups]]\nname = "h"\n{other}\n')
    with pytest.raises(BadSuite, match="stands twice"):
        read_suite(path)
