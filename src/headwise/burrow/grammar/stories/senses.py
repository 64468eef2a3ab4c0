"""Ambiguous words, the words that determine their sense, and the predicates that follow."""

from functools import cache
from typing import NamedTuple

from headwise.burrow.grammar.lexicon import Domain, Fragment, Lexicon, Sense, is_held_out
from headwise.burrow.grammar.phrases import predicate, somebody
from headwise.burrow.grammar.writer import Writer
from headwise.data.suite import Mark

from .narration import filler


class Context(NamedTuple):
    """People, things and places that may set a sense, and how many of each the domain has."""

    words: tuple[tuple[str, ...], ...]
    sizes: tuple[int, ...]


@cache
def context_words(lexicon: Lexicon, sense: Sense, held_out: bool) -> Context:
    """People, things and places that may set a sense, in training or held out of it.

    Args:
        lexicon: The words.
        sense: The sense they set.
        held_out: Which side of the division.
    """
    # What is said of the word in training cannot be held out.
    said = {word for s in lexicon.senses[sense.word] for f in s.continuations for word, _ in f}

    def usable(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            word
            for word in words
            if (is_held_out(f"{sense.word}.{sense.name}", word) and word not in said) == held_out
        )

    whole = _whole(lexicon.domains[sense.domain])
    return Context(tuple(map(usable, whole.words)), whole.sizes)


def _whole(domain: Domain) -> Context:
    lists = (domain.people, domain.things, domain.places)
    return Context(lists, tuple(map(len, lists)))


def sense_passage(w: Writer, word: str | None = None) -> None:
    """A text in which context sets the sense of a word and the sense decides what follows.

    Now and then the word is missing and the text is of its domain only: from these it can be learned
    which words belong together, whatever they are held out of.
    """
    if word is None and w.chance.happens(0.2):
        domain = w.chance.pick(tuple(w.lexicon.domains.values()))
        _context(w, _whole(domain), 3 + w.chance.number((0.6, 0.4)))
        w.group = domain.name
        return
    words = (word,) if word else tuple(w.lexicon.senses)
    options = {v: [s for s in w.lexicon.senses[v] if any(context_of(w, s).words)] for v in words}
    sense = w.chance.pick(options[w.chance.pick([v for v in words if options[v]])])
    context = context_of(w, sense)
    w.group = f"{sense.word} {sense.name}"
    match w.chance.number((0.7, 0.15, 0.15)):
        case 0:
            _before(w, sense, context)
        case 1:
            _compound(w, sense, context)
        case _:
            _after(w, sense, context)


def context_of(w: Writer, sense: Sense) -> Context:
    """The words that may set a sense in this text."""
    return context_words(w.lexicon, sense, w.held_out)


def _before(w: Writer, sense: Sense, context: Context) -> None:
    """What sets the sense comes first, then perhaps something else, then the word."""
    causes = _context(w, context, 1 + w.chance.number((0.6, 0.4)))
    filler(w, w.chance.number((0.45, 0.3, 0.15, 0.1)))
    target(w, sense, causes)


def _context(w: Writer, context: Context, n_sentences: int) -> list[int]:
    """Sentences that mention words of a domain; returns where these stand."""
    causes: list[int] = []
    for _ in range(n_sentences):
        _, things, _ = context.words
        kinds = [i for i in range(3) if context.words[i]]
        kind = w.chance.pick(kinds)
        noun = w.chance.pick(context.words[kind], context.sizes[kind])
        if kind == 0:
            w.say("the")
            causes.append(w.add(noun, "NOUN"))
            if things and w.chance.happens(0.5):
                w.say(
                    w.chance.pick(("looked at", "pointed at", "talked about", "asked about")), "the"
                )
                causes.append(w.add(w.chance.pick(things, context.sizes[1]), "NOUN"))
            else:
                w.say(w.chance.pick(("arrived", "spoke", "waited", "came back", "stayed")))
        elif kind == 1:
            if w.chance.happens(0.5):
                w.add(somebody(w)[0], "PROPN")
                w.say(w.chance.pick(("saw", "found", "bought", "noticed", "remembered")), "a")
            else:
                w.say("there was a")
            causes.append(w.add(noun, "NOUN"))
            if w.chance.happens(0.3):
                w.say("and a")
                causes.append(w.add(w.chance.pick(things, context.sizes[1]), "NOUN"))
        else:
            w.add(somebody(w)[0], "PROPN")
            w.say(w.chance.pick(("was in the", "went to the", "waited in the", "came from the")))
            causes.append(w.add(noun, "NOUN"))
        w.stop()
    return causes


def target(w: Writer, sense: Sense, causes: list[int]) -> None:
    """The word, and what follows from its sense."""
    match w.chance.number((0.5, 0.2, 0.2, 0.1)):
        case 0:
            w.say("the")
        case 1:
            w.say(w.chance.pick(("then", "soon", "later", "meanwhile", "finally")), "the")
        case 2:
            w.add(somebody(w)[0], "PROPN")
            w.say(w.chance.pick(("said that", "saw that", "heard that", "knew that")), "the")
        case _:
            w.say("once a")
    _mention(w, sense, causes)
    _continuation(w, sense, causes)
    w.stop()


def _compound(w: Writer, sense: Sense, context: Context) -> None:
    """The word right after, or two words after, what sets its sense."""
    (people, things, places), sizes = context
    if places and (not people or w.chance.happens(0.6)):
        place = w.chance.pick(places, sizes[2])
        if w.chance.happens(0.5):
            w.say("in the")
            cause = w.add(place, "NOUN")
            w.say("the")
        else:
            w.say("the")
            cause = w.add(place, "NOUN")
    elif people:
        w.say("the")
        cause = w.add(w.chance.pick(people, sizes[0]), "NOUN")
        w.say(w.chance.pick(("said that", "saw that", "heard that", "knew that")), "the")
    else:
        w.say("near the")
        cause = w.add(w.chance.pick(things, sizes[1]), "NOUN")
        w.say("the")
    _mention(w, sense, [cause])
    _continuation(w, sense, [cause])
    w.stop()


def _after(w: Writer, sense: Sense, context: Context) -> None:
    """The word comes before what sets its sense, then once more."""
    if w.chance.happens(0.5):
        w.add(somebody(w)[0], "PROPN")
        w.say(w.chance.pick(("mentioned a", "remembered a", "talked about a", "thought of a")))
    else:
        w.say("there was a")
    early = _mention(w, sense, [])
    w.stop()
    causes = _context(w, context, 1 + w.chance.number((0.6, 0.4)))
    for cause in causes:
        w.link(cause, early, "sense")
    filler(w, w.chance.number((0.7, 0.3)))
    target(w, sense, causes)


def _mention(w: Writer, sense: Sense, causes: list[int]) -> int:
    position = w.add(sense.word, "NOUN")
    w.marks.append(Mark(position, f"{sense.word}.{sense.name}"))
    for cause in causes:
        w.link(cause, position, "sense")
    return position


def _continuation(w: Writer, sense: Sense, causes: list[int]) -> None:
    rivals = [f for s in w.lexicon.senses[sense.word] if s is not sense for f in s.continuations]
    chosen = w.chance.pick(sense.continuations)
    predicate(w, "continuation", chosen, sense.continuations, rivals, causes)
    if w.chance.happens(0.25):
        rest: list[Fragment] = [f for f in sense.continuations if f is not chosen]
        w.say("and")
        predicate(w, "continuation", w.chance.pick(rest), rest, rivals, causes)
