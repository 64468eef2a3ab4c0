import pytest

from headwise import HeadwiseError, Sentence, Suite
from headwise.attention.annotations import Corpus
from headwise.attention.relation_query import ANY, Relation, WordPattern, parse
from headwise.data.suite import Link, Mark

# a fluffy mole near the old mole-hill barked ; "mole" is marked and is both governor and dependent
SENTENCE = Sentence(
    words=("a", "fluffy", "mole", "near", "the", "old", "stone", "barked"),
    spaces=(True,) * 7 + (False,),
    group="g",
    marks=(Mark(2, "animal"),),
    links=(
        Link(0, 2, "det"), Link(1, 2, "amod"), Link(5, 6, "amod"), Link(6, 2, "nmod"), Link(2, 7, "nsubj"),
    ),
    tags=("DET", "ADJ", "NOUN", "ADP", "DET", "ADJ", "NOUN", "VERB"),
)  # fmt: skip
SUITE = Suite("tiny", "?", (SENTENCE,))


def pairs_of(relation):
    return [(d, g) for _, d, g in relation.pairs(Corpus.of([SENTENCE])).tolist()]


def one(text):
    (relation,) = parse(text, SUITE)
    return relation


@pytest.mark.parametrize(
    ("text", "pairs", "directions"),
    [
        ("amod", [(1, 2), (5, 6)], 3),
        ("amod: governor->dependent", [(1, 2), (5, 6)], ("governor->dependent",)),
        ("amod: governor -> dependent", [(1, 2), (5, 6)], ("governor->dependent",)),
        ("amod:  column", [(1, 2), (5, 6)], ("column",)),
        ("amod, det", [(0, 2), (1, 2), (5, 6)], 3),
        ("NOUN -> ADJ (amod)", [(1, 2), (5, 6)], ("governor->dependent",)),
        ("NOUN->ADJ", [(1, 2), (5, 6)], ("governor->dependent",)),
        ("ADJ -> NOUN", [(1, 2), (5, 6)], ("dependent->governor",)),
        ("'Mole' -> *  (amod, det)", [(0, 2), (1, 2)], ("governor->dependent",)),
        ("@animal -> VERB", [(2, 7)], ("dependent->governor",)),
        ("* -> @animal (nmod)", [(6, 2)], ("dependent->governor",)),
    ],
)
def test_what_is_meant(text, pairs, directions):
    relation = one(text)
    assert pairs_of(relation) == pairs
    assert (
        len(relation.directions) == directions
        if directions == 3
        else relation.directions == directions
    )


def test_every_label_with_enough_links():
    assert [r.text for r in parse("every", SUITE)] == ["amod", "det", "nmod", "nsubj"]
    (relation,) = parse("every >= 2: governor->dependent", SUITE)
    assert relation == Relation("amod: governor->dependent", ("amod",), ("governor->dependent",))


def test_several_and_what_is_named_twice():
    assert [r.text for r in parse(["amod", "every>=2", "det"], SUITE)] == ["amod", "det"]
    made = Relation("mine", (), ("column",), WordPattern(tag="NOUN"), ANY)
    assert parse(made, SUITE) == [made]
    assert pairs_of(made) == [(0, 2), (1, 2), (5, 6), (6, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amood", "no relation 'amood'. Nearest: amod"),
        (
            "amod: sideways",
            "'sideways' is no direction; expected one of dependent->governor, governor->dependent, column",
        ),
        ("amod: governer->dependent", "Did you mean 'governor->dependent'"),
        ("every>=9", "no label of 'tiny' has 9 links; the most frequent, 'amod', has 2"),
        ("noun -> ADJ", "'noun' describes no words"),
        (
            "VERB -> ADJ",
            "fits no linked words in 'tiny'. Most frequent there: NOUN with ADJ (amod)",
        ),
        (
            "NOUN -> NOUN",
            "does not determine the query: it fits 1 governors and 1 dependents",
        ),
        ("* -> *", "does not determine the query"),
        ("amod det!", "is not understood. Write a label"),
        ("", "is not understood"),
    ],
)
def test_what_is_not_understood(text, message):
    with pytest.raises(HeadwiseError) as caught:
        parse(text, SUITE)
    assert message in str(caught.value)


def test_no_links_and_no_relations():
    bare = Suite("bare", "?", (Sentence.of("Hello."),))
    with pytest.raises(HeadwiseError, match="links no words"):
        parse("amod", bare)
    with pytest.raises(HeadwiseError, match="No relation was named"):
        parse([], SUITE)
