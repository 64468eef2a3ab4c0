"""Pairs of persons by field: which of burrow's words are royal, of the family, names or work."""

from dataclasses import replace

from headwise.data.suite import Mark, Pair, Sentence, Suite

MALE = ("he", "him", "his", "himself")
FIELDS = {
    "royalty": {
        "king", "queen", "prince", "princess", "duke", "duchess", "emperor", "empress", "count", "countess", "baron", "baroness", "lord", "lady",
    },
    "family": {
        "father", "mother", "brother", "sister", "uncle", "aunt", "son", "daughter", "nephew", "niece", "husband", "wife", "grandfather", "grandmother",
        "grandson", "granddaughter", "groom", "bride", "widower", "widow", "bridegroom",
    },
}  # fmt: skip


def by_field(suite: Suite) -> Suite:
    """`burrow_pairs("gender")` with each person labelled male or female, in groups named `<field>-<words>`.

    Fields are royalty, family, names (words that begin with a capital letter) and work (all others).
    """
    pairs = tuple(_labelled(pair) for pair in suite.pairs)
    return replace(
        suite, pairs=pairs, sentences=tuple(s for p in pairs for s in (p.clean, p.corrupted))
    )


def _labelled(pair: Pair) -> Pair:
    group = f"{field_of(*pair.group.split('-', 1))}-{pair.group}"
    labels = ("male", "female") if pair.right in MALE else ("female", "male")
    clean, corrupted = (
        _marked(sentence, group, label)
        for sentence, label in zip((pair.clean, pair.corrupted), labels, strict=True)
    )
    return replace(pair, clean=clean, corrupted=corrupted)


def _marked(sentence: Sentence, group: str, label: str) -> Sentence:
    person = next(mark for mark in sentence.marks if mark.label == "person")
    return replace(sentence, group=group, marks=(Mark(person.word, label),))


def field_of(first: str, second: str = "") -> str:
    """The field of a pair of persons."""
    for field, known in FIELDS.items():
        if known & {first.lower(), second.lower()}:
            return field
    return "names" if first[:1].isupper() else "work"
