"""The same passage about a tower, the Eiffel tower and the miniature Eiffel tower, truncated before what distinguishes them.

Passages of groups `place ...` end before the place (*The tower was in*), those of `size ...` before the look (*The tower
was*). Towers with other names are left to training; a bare tower has no place of its own.
"""

from headwise.burrow.grammar.annotation import cut_at, sentence_of
from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import Lexicon
from headwise.burrow.grammar.phrases import somebody
from headwise.burrow.grammar.writer import Writer
from headwise.data.suite import Link, Mark, Sentence

from .narration import filler

TOLD = {"bare": (), "eiffel": ("Eiffel",), "miniature": ("miniature", "Eiffel")}
LABELS = {
    "bare": "a tower, nothing else being said of it",
    "eiffel": "the Eiffel tower",
    "miniature": "a miniature of the Eiffel tower",
}
OPENINGS = ("saw the", "talked about the", "remembered the", "described the", "looked at the")


def tower_passages(lexicon: Lexicon, n: int, seed: int, source: str) -> list[Sentence]:
    """About `n` passages, three of each group."""
    made: list[Sentence] = []
    for i in range(-(-n // 3)):
        kind = ("place", "size")[i % 2]
        for label, names in TOLD.items():
            # Names cost no draw, so every way of telling has the same frame.
            w = Writer(Chance(f"towers {seed} {i}"), lexicon)
            made.append(_passage(w, names, label, kind, f"{kind} {i // 2}", f"{source}: {i}"))
    return made


def _passage(
    w: Writer, names: tuple[str, ...], label: str, kind: str, group: str, source: str
) -> Sentence:
    w.add(somebody(w)[0], "PROPN")
    w.say(w.chance.pick(OPENINGS))
    causes = [w.add(name, "PROPN" if name[0].isupper() else "ADJ") for name in names]
    w.add("tower", "NOUN")
    w.stop()
    filler(w, w.chance.number((0.5, 0.3, 0.2)))
    w.say("the tower was in" if kind == "place" else "the tower was")
    end = w.last
    w.add(*{"place": ("Paris", "PROPN"), "size": ("tall", "ADJ")}[kind])  # for the tree; cut off
    w.stop()
    links = tuple(Link(cause, end, "landmark") for cause in causes)
    return cut_at(sentence_of(w, group, source), end, (Mark(end, label),), links)
