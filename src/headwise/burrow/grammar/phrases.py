"""Noun phrases and predicates: the pieces that every kind of text is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .lexicon import Adjective, Fragment, is_held_out
from .writer import Point, Writer

NOT_TELLING = frozenset(("AUX", "DET", "ADP", "PRON", "PART"))


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with its adjectives, as it was written.

    Attributes:
        noun: The noun.
        position: Where it stands.
        adjectives: The adjectives, each with its position.
    """

    noun: str
    position: int
    adjectives: tuple[tuple[int, Adjective], ...]

    @property
    def effects(self) -> list[Fragment]:
        """What may follow from any of the adjectives."""
        return [effect for _, adjective in self.adjectives for effect in adjective.effects]


def adjectives_for(w: Writer, noun: str) -> list[Adjective]:
    """The adjectives that may describe a noun in this text."""
    key = (noun, w.held_out)
    known = _ADJECTIVES.get(key)
    if known is None:
        fixed = w.lexicon.fixed_pairs
        known = _ADJECTIVES[key] = [
            adjective
            for adjective in w.lexicon.adjectives_of.get(w.lexicon.class_of.get(noun, ""), ())
            if (is_held_out(adjective.word, noun) and (adjective.word, noun) not in fixed)
            == w.held_out
        ]
    return known


def n_describing(w: Writer, noun: str) -> int:
    """How many adjectives describe a noun, held out or not."""
    return len(w.lexicon.adjectives_of[w.lexicon.class_of[noun]])


_ADJECTIVES: dict[tuple[str, bool], list[Adjective]] = {}


def noun_phrase(
    w: Writer, noun: str, determiner: str, n_adjectives: int, also: Adjective | None = None
) -> NounPhrase:
    """Writes determiner, adjectives in their usual order, now and then with an adverb, and the noun.

    Args:
        w: The text.
        noun: The noun.
        determiner: What stands first.
        n_adjectives: How many adjectives, if there are as many.
        also: One that is among them.
    """
    options = [adjective for adjective in adjectives_for(w, noun) if adjective is not also]
    n = min(n_adjectives - (also is not None), len(options))
    chosen = w.chance.subset(options, n, n_describing(w, noun)) if n else []
    chosen += [also] if also else []
    chosen.sort(key=lambda adjective: (adjective.order, adjective.word))
    w.say(determiner)
    placed: list[tuple[int, Adjective]] = []
    for adjective in chosen:
        if w.chance.happens(0.12):
            w.add(w.chance.pick(w.lexicon.adverbs["degree"]), "ADV")
        placed.append((w.add(adjective.word, "ADJ"), adjective))
    return NounPhrase(noun, w.add(noun, "NOUN"), tuple(placed))


def telling(fragment: Fragment) -> tuple[tuple[str, ...], str]:
    """The first word of a phrase that says something, and what stands before it."""
    for i, (word, tag) in enumerate(fragment):
        if tag not in NOT_TELLING:
            return tuple(w for w, _ in fragment[:i]), word
    return tuple(w for w, _ in fragment[:-1]), fragment[-1][0]


def predicate(
    w: Writer,
    kind: str,
    fragment: Fragment,
    peers: Iterable[Fragment],
    rivals: Iterable[Fragment],
    causes: Sequence[int],
) -> int:
    """Writes a phrase that the hidden state decided and returns the position of its telling word.

    Args:
        w: The text.
        kind: Kind of the point.
        fragment: The phrase.
        peers: Phrases that could stand there as well, the phrase itself among them or not.
        rivals: Phrases that could not.
        causes: Positions of the words that decide it.
    """
    before, word = telling(fragment)
    start = w.say(fragment)
    right = {word, *(second for first, second in map(telling, peers) if first == before)}
    wrong = {second for first, second in map(telling, rivals) if first == before} - right
    position = start + len(before)
    if wrong:
        w.points.append(
            Point(position, kind, tuple(sorted(right)), tuple(sorted(wrong)), tuple(causes))
        )
    for cause in causes:
        w.link(cause, position, kind)
    return position


def somebody(w: Writer) -> tuple[str, str]:
    """A first name and its gender, `male` or `female`; not yet written."""
    gender = ("male", "female")[w.chance.number((0.5, 0.5))]
    return w.chance.pick(w.lexicon.people["names"][gender]), gender


def some_noun(w: Writer, *classes: str) -> str:
    """A noun of one of some classes (of any, if none is named)."""
    names = classes or DESCRIBED
    return w.chance.pick(w.lexicon.nouns[w.chance.pick(names)])


def described_noun(w: Writer) -> str:
    """A noun that some adjective may describe in this text."""
    return w.chance.until(lambda: some_noun(w), lambda noun: bool(adjectives_for(w, noun)))


DESCRIBED = (
    "animal", "animal", "animal", "person", "person", "vehicle", "building", "furniture", "clothing", "food", "tool",
    "instrument", "plant", "landform", "container", "machine", "toy", "document", "jewel", "fabric",
)  # fmt: skip
