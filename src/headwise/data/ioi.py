"""The indirect-object identification task, a standard benchmark for circuits.

*When Mary and John went to the store, John gave a drink to* should go on with *Mary*: the name that did not
come twice. In the corrupted sentence the other of the two gives, so the other name is right.
Wang, Variengien, Conmy, Shlegeris and Steinhardt 2022, Interpretability in the wild; sentences are our own.
"""

import random
from hashlib import sha256

from headwise._validate import check_counts
from headwise.errors import HeadwiseError

from ._words import split_words
from .sentence import Link, Mark, Pair, Sentence
from .suite import Suite

NAMES = (
    "Mary", "John", "Anna", "Peter", "Sarah", "David", "Laura", "Simon", "Emma", "James", "Alice", "Robert",
    "Rachel", "Daniel", "Julia", "Martin", "Kate", "Paul", "Lucy", "Mark", "Helen", "Adam", "Jane", "Tom",
)  # fmt: skip
PLACES = ("store", "park", "station", "library", "harbour", "museum", "market", "hospital")
THINGS = ("drink", "book", "coin", "letter", "key", "ring", "ticket", "flower")
TEMPLATES = (
    "When {a} and {b} went to the {place}, {giver} gave a {thing} to",
    "After {a} and {b} had left the {place}, {giver} handed a {thing} to",
    "While {a} and {b} were waiting at the {place}, {giver} showed a {thing} to",
    "Then {a} and {b} met at the {place}, and {giver} offered a {thing} to",
    "{a} and {b} had a long talk in the {place} before {giver} sold a {thing} to",
    "Because {a} and {b} were late for the {place}, {giver} threw a {thing} to",
)
LABELS = {
    "indirect_object": "the name that comes once, and should come next",
    "subject": "the name that comes twice, where it comes first",
    "giver": "where it comes again",
}


def ioi_pairs(
    n: int,
    *,
    seed: int = 0,
) -> Suite:
    """Minimal pairs of the indirect-object task.

    The name that comes once stands first in half of them and second in the other half. Marks are
    `indirect_object`, `subject` and `giver`; links of the relation `repeated` lead from the giver to the subject. A group is
    a template with an order of names.

    Args:
        n: Number of pairs.
        seed: Fixes them.

    Raises:
        HeadwiseError: `n` below 1, or more than there are.
    """
    check_counts(seed=seed)
    most = len(TEMPLATES) * len(PLACES) * len(THINGS) * len(NAMES) * (len(NAMES) - 1) // 2
    if not 1 <= n <= most:
        raise HeadwiseError(f"n is the number of pairs and must be from 1 to {most:,}; got {n}.")
    rng = random.Random(seed)
    pairs: list[Pair] = []
    seen: set[tuple[str, ...]] = set()
    while len(pairs) < n:
        number = len(pairs) % (2 * len(TEMPLATES))
        place, thing = rng.choice(PLACES), rng.choice(THINGS)
        a, b = rng.sample(NAMES, 2)
        if (key := (str(number % len(TEMPLATES)), place, thing, *sorted((a, b)))) in seen:
            continue
        seen.add(key)
        pairs.append(_pair(number, place, thing, a, b))
    text = "\n".join(f"{pair.clean.text} {pair.right}" for pair in pairs)
    return Suite(
        name="ioi_pairs",
        question="Which heads does it take to know who was given something?",
        sentences=tuple(s for pair in pairs for s in (pair.clean, pair.corrupted)),
        labels=LABELS,
        license="MIT",
        path=f"ioi_pairs({n}, seed={seed})",
        sha256=sha256(text.encode()).hexdigest(),
        about="The sentences come from templates with names, places and things drawn at random.",
        pairs=tuple(pairs),
    )


def _pair(number: int, place: str, thing: str, a: str, b: str) -> Pair:
    """`a` stands before `b`; who gives depends on the order."""
    template, first_gives = TEMPLATES[number % len(TEMPLATES)], number >= len(TEMPLATES)
    giver, other = (a, b) if first_gives else (b, a)
    group = f"{number % len(TEMPLATES)} {'second' if first_gives else 'first'}"
    clean, corrupted = (
        _sentence(template.format(a=a, b=b, place=place, thing=thing, giver=who), a, b, who, group)
        for who in (giver, other)
    )
    return Pair(clean, corrupted, right=other, wrong=giver)


def _sentence(text: str, a: str, b: str, giver: str, group: str) -> Sentence:
    words, spaces = split_words(text)
    again = len(words) - 1 - words[::-1].index(giver)
    names = {giver: "subject", a if giver == b else b: "indirect_object"}
    marks = [Mark(words.index(name), label) for name, label in names.items()]
    marks = sorted([*marks, Mark(again, "giver")], key=lambda mark: mark.word)
    link = Link(words.index(giver), again, "repeated")
    return Sentence(tuple(words), tuple(spaces), group, tuple(marks), (link,), source=text)
