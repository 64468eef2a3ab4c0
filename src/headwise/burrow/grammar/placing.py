"""The word that sets a sense, at many places of a passage.

In training it is mostly the first noun of its passage, so a rule that reads no model finds it. In suites other sentences open the
passage, the ambiguous word itself may stand before, and somebody of no domain may be the subject; the rest is as in training, and
burrow still takes the sense (`tests/burrow/grammar/test_pairs.py`). One word decides, and it alone.
"""

from functools import cache
from typing import NamedTuple

from .lexicon import Lexicon, Sense
from .phrases import somebody
from .stories.narration import filler, neutral_scenes
from .stories.senses import context_words, target
from .writer import Writer

N_BLOCKS = 9  # parts of the words that set a sense: about two words each
PEOPLE, THINGS, PLACES, ANY = range(4)


class Cue(NamedTuple):
    """A word that sets a sense.

    Attributes:
        sense: The sense.
        kind: Whether it is one of `PEOPLE`, `THINGS` or `PLACES`; `ANY` for predicates that fit all of these.
        noun: The word.
    """

    sense: Sense
    kind: int
    noun: str


@cache
def cues_of(lexicon: Lexicon, sense: Sense, held_out: bool) -> tuple[Cue, ...]:
    """The words that set a sense and stand on one side of the division: people, things and places in turn."""
    of_kinds = context_words(lexicon, sense, held_out).words
    return tuple(Cue(sense, kind, noun) for kind, nouns in enumerate(of_kinds) for noun in nouns)


def blocks_of(
    lexicon: Lexicon, sense: Sense, held_out: bool, without: frozenset[str]
) -> dict[int, tuple[Cue, ...]]:
    """The same in `N_BLOCKS` parts, by their number; the words of one part are of as many kinds as can be.

    Words left out leave the others where they are, so that a group is called the same with them and without.
    """
    cues = cues_of(lexicon, sense, held_out)
    blocks = {
        b: tuple(c for c in cues[b::N_BLOCKS] if c.noun not in without) for b in range(N_BLOCKS)
    }
    return {b: block for b, block in blocks.items() if block}


def senses_passage(w: Writer) -> None:
    """A passage of any ambiguous word; its group is the word that sets the sense."""
    senses = [sense for own in w.lexicon.senses.values() for sense in own]
    usable = [sense for sense in senses if cues_of(w.lexicon, sense, w.held_out)]
    cue = w.chance.hidden(cues_of(w.lexicon, w.chance.hidden(usable), w.held_out))
    varied_sense(w, cue)
    w.group = cue.noun


def varied_sense(w: Writer, cue: Cue) -> int:
    """A passage in which one word sets the sense of another; returns where it stands."""
    match w.chance.number((0.3, 0.2, 0.5)):
        case 0:
            pass
        case 1:
            filler(w, 1)
        case _:
            _before_it_is_set(w, cue.sense.word)
            filler(w, w.chance.number((0.55, 0.45)))
    cause = _about(w, cue)
    filler(w, w.chance.number((0.35, 0.4, 0.25)))
    target(w, cue.sense, [cause])
    return cause


def _before_it_is_set(w: Writer, word: str) -> None:
    """Names the ambiguous word, of which nothing is known yet."""
    if w.chance.happens(0.5):
        w.add(somebody(w)[0], "PROPN")
        w.say(w.chance.pick(("mentioned a", "remembered a", "talked about a", "thought of a")))
    else:
        w.say("there was a")
    w.add(word, "NOUN")
    w.stop()


def _about(w: Writer, cue: Cue) -> int:
    """A sentence with the word, its subject or not."""
    if cue.kind == PEOPLE and w.chance.happens(0.4):
        w.say("the")
        cause = w.add(cue.noun, "NOUN")
        w.say(w.chance.pick(("arrived", "spoke", "waited", "came back", "stayed")))
    else:
        if cue.kind == THINGS and w.chance.happens(0.25):
            w.say("there was a")
        else:
            _subject(w)
            w.say(w.chance.pick(DID[cue.kind]))
        cause = w.add(cue.noun, "NOUN")
    w.stop()
    return cause


DID = {
    PEOPLE: ("looked at the", "pointed at the", "talked about the", "asked about the"),
    THINGS: ("saw a", "found a", "bought a", "noticed a", "remembered a", "looked at the", "asked about the"),
    PLACES: ("was in the", "went to the", "waited in the", "came from the"),
    ANY: ("looked at the", "pointed at the", "talked about the", "asked about the"),
}  # fmt: skip


def _subject(w: Writer) -> None:
    if w.chance.happens(0.75):
        w.add(somebody(w)[0], "PROPN")
    else:
        w.say("the")
        w.add(w.chance.pick(w.chance.pick(neutral_scenes(w.lexicon)).people), "NOUN")
