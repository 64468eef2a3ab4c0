"""Kings and queens, Harry Potter and the prince, the Eiffel tower, a car that was crashed.

Pronouns agree with who they stand for, over somebody else; a first name is completed, a landmark
described and a mishap followed up as the words before them ask for.
"""

from collections.abc import Sequence
from typing import Any

from headwise.burrow.grammar.lexicon import Fragment, is_held_out
from headwise.burrow.grammar.phrases import (
    adjectives_for,
    described_noun,
    n_describing,
    predicate,
    some_noun,
    somebody,
)
from headwise.burrow.grammar.writer import Point, Writer

from .narration import filler, neutral_scenes, pronoun

GENDERS = ("male", "female")
BESIDE = ("near", "behind", "beside", "with", "past")


def gender_passage(w: Writer) -> None:
    """Somebody, perhaps beside somebody of the other gender, and a pronoun that must agree."""
    gender = w.chance.pick(GENDERS)
    predicates = w.lexicon.people["gender"]["predicates"]
    shape = w.chance.number((0.25, 0.25, 0.3, 0.2))
    if shape in (0, 1):
        options = predicates["reflexive"] if shape == 0 else predicates["possessive"]
        key = _verb if shape == 0 else _possessive_verb
        position, chosen = _person(w, gender, options, key)
        if w.chance.happens(0.55):
            w.say(w.chance.pick(BESIDE))
            _somebody_of(w, GENDERS[1 - GENDERS.index(gender)], "the")
        if shape == 0:
            w.say(chosen)
            pronoun(w, gender, 2, position)
        else:
            w.add(chosen["verb"], "VERB")
            pronoun(w, gender, 1, position)
            w.add(w.chance.pick(chosen["objects"]), "NOUN")
        if w.chance.happens(0.3):
            w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).settings))
        w.stop()
    else:
        position, chosen = _person(w, gender, predicates["clauses"], _verb)
        if shape == 2:
            w.say(
                w.chance.pick(
                    ("went away", "stayed", "came back", "waited", "left/VERB", "sat down")
                )
            )
            if w.chance.happens(0.5):
                w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).settings))
            w.say("because")
        else:
            w.say(w.chance.pick(("waited", "stood", "stayed")))
            w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).settings))
            w.stop()
            _objects_only(w)
        pronoun(w, gender, 0, position)
        w.say(chosen)
        w.stop()
    w.group = gender


def _verb(option: Any) -> str:
    return " ".join(word for word, _ in option)


def _possessive_verb(option: Any) -> str:
    return str(option["verb"])


def _person(w: Writer, gender: str, options: Any, key: Any) -> tuple[int, Any]:
    """Writes who it is about; what they will do goes with them on this side of the division."""
    if w.chance.happens(0.35) and not w.held_out:
        name = w.chance.pick(w.lexicon.people["names"][gender])
        return w.add(name, "PROPN"), w.chance.pick(options)
    noun = w.chance.until(
        lambda: w.chance.pick(w.lexicon.people["gender"]["pairs"])[GENDERS.index(gender)],
        lambda noun: any(is_held_out(noun, key(o)) == w.held_out for o in options),
    )
    usable = [o for o in options if is_held_out(noun, key(o)) == w.held_out]
    w.say("the")
    if not w.held_out and w.chance.happens(0.2):
        adjectives = [a for a in w.lexicon.adjectives_of["person"] if not is_held_out(a.word, noun)]
        w.add(w.chance.pick(adjectives).word, "ADJ")
    return w.add(noun, "NOUN"), w.chance.pick(usable, len(options))


def _somebody_of(w: Writer, gender: str, determiner: str) -> None:
    if w.chance.happens(0.3):
        w.add(w.chance.pick(w.lexicon.people["names"][gender]), "PROPN")
    else:
        w.say(determiner)
        w.add(w.chance.pick(w.lexicon.people["gender"]["pairs"])[GENDERS.index(gender)], "NOUN")


def _objects_only(w: Writer) -> None:
    """Sentences without anybody whom a pronoun could mean."""
    for _ in range(w.chance.number((0.5, 0.35, 0.15))):
        w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).events))
        w.stop()


def agreement_passage(w: Writer) -> None:
    """A verb agrees with its subject, over a noun of another number."""
    plural = bool(w.chance.pick((0, 1)))
    noun = described_noun(w)
    w.say("the")
    if w.chance.happens(0.3):
        w.add(w.chance.pick(adjectives_for(w, noun), n_describing(w, noun)).word, "ADJ")
    subject = w.add(w.lexicon.plural(noun) if plural else noun, "NOUN")
    other = w.chance.until(
        lambda: some_noun(w), lambda other: is_held_out(noun, other) == w.held_out
    )
    form = w.lexicon.plural(other) if w.chance.happens(0.5) else other
    match w.chance.number((0.4, 0.25, 0.35)):
        case 0:
            w.say(w.chance.pick(("near", "behind", "beside", "under")), "the")
        case 1:
            w.say("that/PRON", w.chance.pick(("passed", "met", "followed", "watched")), "the")
        case _:
            w.say(w.chance.pick(("with", "beyond", "between")), "the")
    w.add(form, "NOUN")
    pairs = (("was", "were"), ("is", "are"), ("has", "have"))
    pair = pairs[w.chance.number((0.5, 0.3, 0.2))]
    verb = w.add(pair[plural], "AUX")
    w.points.append(Point(verb, "agreement", (pair[plural],), (pair[1 - plural],), (subject,)))
    w.link(subject, verb, "agreement")
    if pair[0] == "has":
        w.say("been")
    adjective = w.chance.pick(adjectives_for(w, noun), n_describing(w, noun))
    w.link(w.add(adjective.word, "ADJ"), subject, "pred")
    w.stop()
    w.group = "plural" if plural else "singular"


def completion_passage(w: Writer) -> None:
    """A first name that many bear, completed as the story requires.

    Now and then nobody is named, and the words of one story only stand together.
    """
    if not w.held_out and w.chance.happens(0.3):
        end = w.chance.pick([end for entry in _completions(w) for end in entry["ends"]])
        _world(w, end["context"], len(end["context"]), 3 + w.chance.number((0.6, 0.4)))
        w.group = _verb(end["end"])
    else:
        _completed(w, "context", _world)


def companion_passage(w: Writer) -> None:
    """The same with names as cues: William or Sussex make Harry the prince.

    Now and then nobody is to be completed, and the names stand among the words of their story.
    """
    if not w.held_out and w.chance.happens(0.3):
        end = w.chance.pick([end for entry in _completions(w) for end in entry["ends"]])
        _world(w, end["context"], len(end["context"]), 1 + w.chance.number((0.6, 0.4)))
        _company(w, end["companions"], len(end["companions"]), 2)
        w.group = _verb(end["end"])
    else:
        _completed(w, "companions", _company)


def _completions(w: Writer) -> Any:
    return w.lexicon.people["completions"]


def _completed(w: Writer, cue_kind: str, tell: Any) -> None:
    """A story, told by nouns or by names, and the first name that it completes."""
    usable = {
        entry["name"]: [
            end for end in entry["ends"] if _usable(entry["name"], end, cue_kind, w.held_out)
        ]
        for entry in _completions(w)
    }
    entry = w.chance.pick([entry for entry in _completions(w) if usable[entry["name"]]])
    end = w.chance.pick(usable[entry["name"]])
    words = _usable(entry["name"], end, cue_kind, w.held_out)
    causes = tell(w, words, len(end[cue_kind]), 1 + w.chance.number((0.5, 0.35, 0.15)))
    filler(w, w.chance.number((0.5, 0.3, 0.2)))
    w.say(
        w.chance.pick(
            ("then came", "the story/NOUN was about", "everyone knew", "this/PRON was the day of", "everyone loved",
             "the people waited for", "the last to arrive/VERB was")
        )
    )  # fmt: skip
    w.add(entry["name"], "PROPN")
    ends: list[Fragment] = [e["end"] for e in entry["ends"]]
    _complete(w, end["end"], ends, causes)
    w.stop()
    w.group = f"{entry['name']} {_verb(end['end'])}"


def _company(w: Writer, names: Sequence[Fragment], among: int, n_sentences: int) -> list[int]:
    """Sentences that mention people and places of one story; returns where these stand."""
    causes: list[int] = []
    for _ in range(n_sentences):
        if w.chance.happens(0.5):
            w.add(somebody(w)[0], "PROPN")
            w.say(w.chance.pick(("talked about", "remembered", "described", "thought of")))
        else:
            w.say(
                w.chance.pick(("everyone talked about", "nobody remembered", "someone asked about"))
            )
        w.say(w.chance.pick(names, among))
        causes.append(w.last)
        w.stop()
    return causes


def _world(w: Writer, nouns: Sequence[str], among: int, n_sentences: int) -> list[int]:
    """Sentences that mention the words of one story; returns where these stand."""
    causes: list[int] = []
    for _ in range(n_sentences):
        match w.chance.number((0.35, 0.3, 0.35)):
            case 0:
                w.add(somebody(w)[0], "PROPN")
                w.say(w.chance.pick(("saw the", "talked about the", "remembered a", "noticed a")))
            case 1:
                w.say("there was a")
            case _:
                w.say(w.chance.pick(SOMEONE))
        causes.append(w.add(w.chance.pick(nouns, among), "NOUN"))
        w.stop()
    return causes


SOMEONE = ("everyone looked at the", "nobody noticed the", "someone asked about the")


def _complete(w: Writer, end: Fragment, ends: list[Fragment], causes: list[int]) -> None:
    start = w.say(end)
    wrong = tuple(sorted({e[0][0] for e in ends} - {end[0][0]}))
    w.points.append(Point(start, "completion", (end[0][0],), wrong, tuple(causes)))
    for cause in causes:
        w.link(cause, start, "completion")


def _usable(name: str, end: Any, cue_kind: str, held_out: bool) -> list[Any]:
    """The words of a story, or its names, that may or must not stand with this end."""
    key = f"{name} {_verb(end['end'])}"
    return [
        cue
        for cue in end[cue_kind]
        if is_held_out(key, cue if isinstance(cue, str) else cue[-1][0]) == held_out
    ]


MINIATURE = {"place": "the/DET shop/NOUN", "material": "plastic/NOUN", "look": "small/ADJ"}


def landmark_passage(w: Writer) -> None:
    """The Eiffel tower is in Paris, of steel and tall; a miniature one is small and of plastic."""
    landmarks = w.lexicon.people["landmarks"]
    chosen = w.chance.pick(landmarks)
    small = w.chance.happens(0.3)
    w.add(somebody(w)[0], "PROPN")
    w.say(
        w.chance.pick(
            ("saw the", "talked about the", "remembered the", "described the", "looked at the")
        )
    )
    causes = [w.add("miniature", "ADJ")] if small else []
    causes.append(w.add(chosen["name"], "PROPN"))
    w.add(chosen["kind"], "NOUN")
    w.stop()
    filler(w, w.chance.number((0.5, 0.3, 0.2)))
    n_facts = 1 + w.chance.number((0.4, 0.4, 0.2))
    facts = w.chance.sample(("place", "material", "look"), n_facts)
    for i, fact in enumerate(facts):
        w.say("the" if i == 0 else "it")
        if i == 0:
            again = w.add(chosen["kind"], "NOUN")
            w.link(causes[-1], again, "coreference")
        w.say({"place": "was in", "material": "was made/VERB of", "look": "was"}[fact])
        if fact == "look" and w.chance.happens(0.5):
            w.say("very/ADV")
        word = MINIATURE[fact] if small else chosen[fact]
        tag = {"place": "PROPN", "material": "NOUN", "look": "ADJ"}[fact]
        fragment = w.lexicon.phrase(word) if small else ((word, tag),)
        start = w.say(fragment)
        rivals = {c[fact] for c in landmarks if c is not chosen} | {MINIATURE[fact].split("/")[0]}
        wrong = tuple(sorted(rivals - {fragment[0][0], chosen[fact] if not small else ""}))
        w.points.append(Point(start, "landmark", (fragment[0][0],), wrong, tuple(causes)))
        for cause in causes:
            w.link(cause, start, "landmark")
        w.stop()
    w.group = chosen["name"]


def relative_passage(w: Writer) -> None:
    """The car that was crashed was towed away."""
    relatives = w.lexicon.people["relatives"]
    chosen = w.chance.pick(relatives)
    rivals = [
        e
        for r in relatives
        if r["noun"] == chosen["noun"] and r is not chosen
        for e in r["effects"]
    ]
    done: Fragment = chosen["done"]
    w.say("the")
    n = w.chance.number((0.7, 0.3)) if adjectives_for(w, chosen["noun"]) else 0
    if n:
        adjectives = adjectives_for(w, chosen["noun"])
        w.add(w.chance.pick(adjectives, n_describing(w, chosen["noun"])).word, "ADJ")
    noun = w.add(chosen["noun"], "NOUN")
    if w.chance.happens(0.5):
        w.say("that/PRON was")
        cause = w.say(done)
        if w.chance.happens(0.4):
            w.say(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).settings))
    else:
        w.say("was")
        cause = w.say(done)
        w.stop()
        filler(w, w.chance.number((0.5, 0.3, 0.2)))
        w.say(w.chance.pick(("the", "later the", "soon the", "then the")))
        w.link(noun, w.add(chosen["noun"], "NOUN"), "coreference")
    predicate(w, "relative", w.chance.pick(chosen["effects"]), chosen["effects"], rivals, [cause])
    w.stop()
    w.group = f"{chosen['noun']} {_verb(done)}"
