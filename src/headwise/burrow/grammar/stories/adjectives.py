"""Nouns that collect adjectives, and what follows from each of them.

A fluffy creature is stroked and a rusty one creaks: which of the two comes after *the creature* can
only be known from the adjectives that it was given, often a few sentences before.
"""

from headwise.burrow.grammar.lexicon import Adjective, Fragment
from headwise.burrow.grammar.phrases import (
    NounPhrase,
    adjectives_for,
    described_noun,
    n_describing,
    noun_phrase,
    predicate,
    somebody,
)
from headwise.burrow.grammar.writer import Writer

from .narration import filler, neutral_scenes

N_RIVALS = 4
Chosen = tuple[str, Adjective]
SEEN = ("saw", "found", "bought", "noticed", "remembered", "mentioned", "described")


def adjective_passage(w: Writer) -> None:
    """One or two nouns with adjectives, and what happened because of these."""
    match w.chance.number((0.2, 0.2, 0.1, 0.15, 0.2, 0.15)):
        case 0:
            phrase = _described(w, "the")
            _effect(w, phrase)
        case 1:
            w.add(somebody(w)[0], "PROPN")
            w.add(w.chance.pick(SEEN), "VERB")
            phrase = _described(w, "a")
            _setting(w)
            w.stop()
            filler(w, w.chance.number((0.6, 0.25, 0.15)))
            _again(w, phrase)
        case 2:
            phrase = _predicative(w)
            filler(w, w.chance.number((0.6, 0.4)))
            _again(w, phrase)
        case 3:
            _attractor(w)
        case 4:
            _two(w)
        case _:
            w.say("there was")
            phrase = _described(w, "a")
            _setting(w)
            w.stop()
            filler(w, w.chance.number((0.5, 0.3, 0.2)))
            _again(w, phrase)
    w.group = "adjective"


def varied_adjective(w: Writer, chosen: Chosen | None = None) -> None:
    """The same for suites: adjectives stand before the noun or after it, first or second of two, with others' adjectives around.

    In training an adjective mostly stands right before its noun's first mention, so a rule that reads no model finds it.

    Args:
        w: The text.
        chosen: A noun that is named again and one of its adjectives; any by default.
    """
    filler(w, w.chance.number((0.4, 0.45, 0.15)))
    match w.chance.number((0.42, 0.4, 0.18)):
        case 0:
            phrase = _predicative(w, chosen)
            filler(w, w.chance.number((0.4, 0.4, 0.2)))
            _again(w, phrase)
        case 1:
            _two(w, chosen)
        case _:
            w.say("there was")
            phrase = _described(w, "a", chosen)
            _setting(w)
            w.stop()
            filler(w, w.chance.number((0.4, 0.4, 0.2)))
            _again(w, phrase)
    w.group = "adjective"


def _described(w: Writer, determiner: str, chosen: Chosen | None = None) -> NounPhrase:
    noun, also = chosen or (described_noun(w), None)
    return noun_phrase(w, noun, determiner, 1 + w.chance.number((0.45, 0.37, 0.18)), also)


def _setting(w: Writer) -> None:
    if w.chance.happens(0.4):
        w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).settings))


def _rivals(w: Writer, phrase: NounPhrase, other: NounPhrase | None) -> list[Fragment]:
    """Effects of adjectives that the noun was not given."""
    own = {adjective.word for _, adjective in phrase.adjectives}
    pool = w.lexicon.adjectives_of[w.lexicon.class_of[phrase.noun]]
    drawn = w.chance.sample_hidden(pool, min(len(pool), N_RIVALS + len(own)))
    rivals = [effect for a in drawn if a.word not in own for effect in a.effects]
    return rivals + (other.effects if other is not None else [])


def _effect(w: Writer, phrase: NounPhrase, other: NounPhrase | None = None) -> None:
    """What one of the adjectives brings about; the subject has just been written."""
    position, adjective = w.chance.pick(phrase.adjectives)
    fragment = w.chance.pick(adjective.effects)
    predicate(w, "effect", fragment, phrase.effects, _rivals(w, phrase, other), (position,))
    if len(phrase.adjectives) > 1 and w.chance.happens(0.3):
        rest = tuple(pair for pair in phrase.adjectives if pair[0] != position)
        position, adjective = w.chance.pick(rest)
        w.say("and")
        peers = [effect for _, a in rest for effect in a.effects]
        fragment = w.chance.pick(adjective.effects)
        predicate(w, "effect", fragment, peers, _rivals(w, phrase, other), (position,))
    w.stop()


def _again(w: Writer, phrase: NounPhrase, other: NounPhrase | None = None) -> None:
    """Names the noun a second time, then the effect."""
    if w.chance.happens(0.25):
        w.say(w.chance.pick(("then", "later", "soon", "so", "once")))
    w.say("the")
    again = w.add(phrase.noun, "NOUN")
    w.link(phrase.position, again, "coreference")
    for position, _ in phrase.adjectives:
        w.link(position, again, "described")
    _effect(w, phrase, other)


def _predicative(w: Writer, chosen: Chosen | None = None) -> NounPhrase:
    """The creature was fluffy."""
    noun, also = chosen or (described_noun(w), None)
    w.say("the")
    subject = w.add(noun, "NOUN")
    w.say("was")
    if w.chance.happens(0.3):
        w.add(w.chance.pick(w.lexicon.adverbs["degree"]), "ADV")
    adjective = also or w.chance.pick(adjectives_for(w, noun), n_describing(w, noun))
    position = w.add(adjective.word, "ADJ")
    placed = [(position, adjective)]
    others = [a for a in adjectives_for(w, noun) if a.order != adjective.order]
    if others and w.chance.happens(0.4):
        w.say("and")
        second = w.chance.pick(others)
        placed.append((w.add(second.word, "ADJ"), second))
    for position, _ in placed:
        w.link(position, subject, "pred")
    w.stop()
    return NounPhrase(noun, subject, tuple(placed))


def _attractor(w: Writer) -> None:
    """A second noun with adjectives of its own stands between the noun and what happens to it."""
    phrase = _described(w, "the")
    if w.chance.happens(0.5):
        w.say(w.chance.pick(("near", "behind", "beside", "under")))
    else:
        w.say("that/PRON", w.chance.pick(("passed", "met", "followed", "watched")))
    other = _described(w, "a")
    _effect(w, phrase, other)


def _two(w: Writer, chosen: Chosen | None = None) -> None:
    """Two nouns, then what happened to each, in either order."""
    if w.chance.happens(0.4):
        w.add(somebody(w)[0], "PROPN")
        w.add(w.chance.pick(SEEN), "VERB")
    else:
        w.say("there was")
    first = _described(w, "a", chosen)
    w.say("and")
    second = _described(w, "a")
    while second.noun == first.noun:  # the same word twice could not be told apart later
        w.say("and")
        second = _described(w, "a")
    _setting(w)
    w.stop()
    filler(w, w.chance.number((0.6, 0.4)))
    order = [(first, second), (second, first)]
    if w.chance.happens(0.5):
        order.reverse()
    for phrase, other in order[: 1 + w.chance.number((0.4, 0.6))]:
        _again(w, phrase, other)
