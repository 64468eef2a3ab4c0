"""Two things, each with an adjective of its own, and one of them named again: what follows depends on its own adjective alone.

*There was a hollow carton and a shy clerk. The carton* goes on with what was done to it, or with what it did: some adjectives
ask for the one, others for the other. Each passage has four versions: with either thing named again, and with both adjectives
exchanged for others of their things that ask for the opposite. There is one adjective of each label in all four, so the words tell
nothing, nor does the thing, nor which stands nearer: who knows the answer has put the right adjective to the noun. What
burrow learned is to tell from the kinds of things which of two adjectives is whose (90% in passages of its training; where
either could be of either it is at chance, see its card on binding), so either thing could not have the other's.
"""

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import NamedTuple

from headwise.burrow.grammar.annotation import cut_at, sentence_of
from headwise.burrow.grammar.blocks import matched, nouns_of
from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import Adjective, Lexicon
from headwise.burrow.grammar.phrases import somebody, telling
from headwise.burrow.grammar.writer import Writer
from headwise.data.suite import Link, Mark, Sentence
from headwise.errors import HeadwiseError

from .adjectives import SEEN
from .narration import filler

LABELS = {
    "undergoes": "a thing of which it will be said what was done to it, as its adjective asks for",
    "acts": "a thing of which it will be said what it did",
}
N_WAYS = 4


class Thing(NamedTuple):
    """A kind of thing, and two adjectives of it.

    Attributes:
        adjectives: One of each label, in the order of `LABELS`.
        nouns: What may have either, and neither of the other thing's.
    """

    adjectives: tuple[Adjective, Adjective]
    nouns: tuple[str, ...]

    def less(self, other: "Thing", lexicon: Lexicon) -> "Thing":
        """Without what may have an adjective of the other's."""
        classes = {name for adjective in other.adjectives for name in adjective.classes}
        kept = tuple(noun for noun in self.nouns if lexicon.class_of[noun] not in classes)
        return Thing(self.adjectives, kept)

    @property
    def name(self) -> str:
        """The two adjectives."""
        return " ".join(adjective.word for adjective in self.adjectives)


@cache
def scenes_of(lexicon: Lexicon, held_out: bool) -> tuple[tuple[Thing, Thing], ...]:
    """Two things that can stand together; an adjective is in one scene only."""
    labels = {a.word: label_of(a) for a in lexicon.adjectives if label_of(a)}
    labelled = [adjective for adjective in lexicon.adjectives if adjective.word in labels]
    nouns = nouns_of(lexicon, held_out)

    def opposite(a: Adjective, b: Adjective) -> bool:
        return labels[a.word] != labels[b.word] and not nouns[a.word].isdisjoint(nouns[b.word])

    things: list[Thing] = []
    for pair in matched(labelled, opposite, lambda adjective: adjective.word):
        a, b = sorted(pair, key=lambda adjective: list(LABELS).index(labels[adjective.word]))
        things.append(Thing((a, b), tuple(sorted(nouns[a.word] & nouns[b.word]))))

    def apart(a: Thing, b: Thing) -> bool:
        return bool(a.less(b, lexicon).nouns and b.less(a, lexicon).nouns)

    scenes = matched(things, apart, lambda thing: thing.name)
    return tuple((a.less(b, lexicon), b.less(a, lexicon)) for a, b in scenes)


def label_of(adjective: Adjective) -> str:
    """What follows from an adjective; empty if things of both kinds do."""
    passive = [telling(effect)[0][:1] == ("was",) for effect in adjective.effects]
    if all(passive):
        return "undergoes"
    return "" if any(passive) else "acts"


def binding_passages(
    lexicon: Lexicon, n: int, seed: int, held_out: bool, source: str
) -> Iterator[Sentence]:
    """About `n` passages; a group is four adjectives."""
    scenes = scenes_of(lexicon, held_out)
    if not scenes:
        raise HeadwiseError(
            "Too few adjectives are held out for two things; ask for held_out=False."
        )
    for i in count():
        things = scenes[i % len(scenes)]
        for way in range(N_WAYS):
            if i * N_WAYS + way >= n:
                return
            # The same draws for each way of telling.
            w = Writer(Chance(f"binding {seed} {i}"), lexicon, held_out)
            hidden = [
                (w.chance.hidden(thing.nouns), thing.adjectives[(way + j) % 2])
                for j, thing in enumerate(things)
            ]
            if w.chance.happens(0.5):
                hidden.reverse()
            group = " ".join(thing.name for thing in things)
            yield _passage(w, hidden, way // 2, group, f"{source}: {i}.{way}")


def _passage(
    w: Writer, hidden: list[tuple[str, Adjective]], asked: int, group: str, source: str
) -> Sentence:
    filler(w, w.chance.number((0.6, 0.4)))
    predicative = w.chance.happens(0.4)
    causes: list[int] = []
    if not predicative:
        if w.chance.happens(0.5):
            w.add(somebody(w)[0], "PROPN")
            w.add(w.chance.pick(SEEN), "VERB")
        else:
            w.say("there was")
    for i, (noun, adjective) in enumerate(hidden):
        if predicative:
            w.say("the")
            w.add(noun, "NOUN")
            w.say("was")
            causes.append(w.add(adjective.word, "ADJ"))
            w.stop()
        else:
            w.say("and a" if i else "a")
            causes.append(w.add(adjective.word, "ADJ"))
            w.add(noun, "NOUN")
    if not predicative:
        w.stop()
    filler(w, w.chance.number((0.6, 0.4)))
    w.say("the")
    noun, adjective = hidden[asked]
    end = w.add(noun, "NOUN")
    w.say("was old")  # for the tree; cut off
    w.stop()
    marks = (Mark(end, label_of(adjective)),)
    links = (Link(causes[asked], end, "described"),)
    return cut_at(sentence_of(w, group, source), end, marks, links)
