"""Words of a passage with the grammar's annotation of each.

A `Writer` takes words one by one, looks after capitals, *a* and *an*, and notes marks, links and
points. A *point* is a word that only the hidden state decides (*dug* after *mole*, the murderer's
name): it keeps which words could stand there and which could stand there had the hidden state been
another.
"""

from dataclasses import dataclass, field

from headwise.data.suite import Link, Mark

from .chance import Chance
from .lexicon import Fragment, Lexicon

PUNCTUATION = frozenset(".,;:!?")


@dataclass(frozen=True, slots=True)
class Point:
    """A word that the hidden state decides.

    Attributes:
        word: Its position.
        kind: What it depends on: `sense`, `pronoun`, `murderer`, `effect`, `agreement`, ...
        right: Words that can stand there, capitals as written.
        wrong: Words that would stand there under another hidden state.
        causes: Positions of the words that decide it.
    """

    word: int
    kind: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    causes: tuple[int, ...]


@dataclass(slots=True)
class Writer:
    """A text under way.

    Attributes:
        chance: Where choices come from.
        lexicon: The words.
        held_out: Whether combinations are drawn from those that training never sees, or from the others.
        words: What has been written.
        tags: Universal part of speech of each word.
        surprisals: Surprisal of each word given the hidden state, in nats.
        starts: Positions at which sentences begin.
        marks: Labelled words.
        links: Related words beyond syntax: `sense`, `antecedent`, `clue`, `effect`, ...
        points: Words that the hidden state decides.
        group: What this text has in common with others: set by the phenomenon.
    """

    chance: Chance
    lexicon: Lexicon
    held_out: bool = False
    words: list[str] = field(default_factory=list[str])
    tags: list[str] = field(default_factory=list[str])
    surprisals: list[float] = field(default_factory=list[float])
    starts: list[int] = field(default_factory=lambda: [0])
    marks: list[Mark] = field(default_factory=list[Mark])
    links: list[Link] = field(default_factory=list[Link])
    points: list[Point] = field(default_factory=list[Point])
    group: str = ""

    def __len__(self) -> int:
        return len(self.words)

    @property
    def last(self) -> int:
        """Position of the word written last."""
        return len(self.words) - 1

    def add(self, word: str, tag: str) -> int:
        """Writes one word and returns its position."""
        words = self.words
        position = len(words)
        if position == self.starts[-1]:
            word = word[0].upper() + word[1:]
        elif words[-1] in ("a", "A") and takes_an(word):
            words[-1] += "n"
        words.append(word)
        self.tags.append(tag)
        self.surprisals.append(self.chance.settle())
        return position

    def say(self, *parts: str | Fragment) -> int:
        """Writes phrases, whose words the lexicon knows, and returns the position of the first word."""
        start = len(self.words)
        for part in parts:
            for word, tag in self.lexicon.phrase(part) if isinstance(part, str) else part:
                self.add(word, tag)
        return start

    def stop(self, mark: str = ".") -> None:
        """Ends the sentence."""
        self.add(mark, "PUNCT")
        self.starts.append(len(self.words))

    def link(self, dependent: int, governor: int, relation: str) -> None:
        """Relates two words."""
        self.links.append(Link(dependent, governor, relation))


def takes_an(word: str) -> bool:
    """Whether *an*, not *a*, stands before a word."""
    return word[0] in "aeiou" and word[:3] not in ("uni", "one", "use")
