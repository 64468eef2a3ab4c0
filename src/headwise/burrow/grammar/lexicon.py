"""The words of the grammar: lists in `data/*.toml`, read once.

Every form has one part of speech within a file; a phrase such as `was stroked` takes its tags from
the lists of its own file first. Which combinations are held out of training is decided by a hash of
the words, so it is the same everywhere and needs no list.
"""

import itertools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from hashlib import blake2b
from importlib import resources
from typing import Any

from headwise.errors import HeadwiseError

Fragment = tuple[tuple[str, str], ...]

ORDER = ("opinion", "size", "texture", "state", "age", "colour", "material")
HELD_OUT_SHARE = 8  # one combination in eight


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective, what it can describe and what follows from it."""

    word: str
    order: int
    classes: tuple[str, ...]
    effects: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """A part of life and its words."""

    name: str
    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sense:
    """One meaning of an ambiguous word: its domain and its predicates."""

    word: str
    name: str
    domain: str
    continuations: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A place for plain narration."""

    name: str
    people: tuple[str, ...]
    settings: tuple[Fragment, ...]
    actions: tuple[tuple[str, tuple[str, ...]], ...]
    events: tuple[Fragment, ...]
    reasons: tuple[Fragment, ...]


@lru_cache(maxsize=1)
def load() -> "Lexicon":
    """The lexicon, read and checked at the first call."""
    folder = resources.files("headwise.burrow.grammar") / "data"
    return Lexicon(
        {
            file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
            if file.name.endswith(".toml")
        }
    )


class Lexicon:
    """All words, by what they are good for.

    Raises:
        HeadwiseError: A phrase contains a word that no list and no `[tags]` table knows; all of them
            are named.
    """

    def __init__(self, files: dict[str, dict[str, Any]]):
        self._unknown: dict[str, list[str]] = {}
        self._own_tags = {name: dict(_tags_of(content)) for name, content in files.items()}
        self._tags: dict[str, str] = {}
        for own in (self._own_tags["words"], *self._own_tags.values()):
            for word, tag in own.items():
                self._tags.setdefault(word, tag)
        self._phrases: dict[str, Fragment] = {}
        self._read: list[Fragment] = []
        nouns = {c: [n.split("/") for n in listed] for c, listed in files["nouns"]["nouns"].items()}
        self._plurals = {n[0]: n[1] for listed in nouns.values() for n in listed if len(n) > 1}
        self.nouns = {name: tuple(n[0] for n in listed) for name, listed in nouns.items()}
        self.class_of = {noun: name for name, listed in self.nouns.items() for noun in listed}
        self.adverbs = {k: tuple(v) for k, v in files["nouns"]["adverbs"].items()}
        self.adjectives = tuple(
            Adjective(
                a["word"], ORDER.index(a["order"]), tuple(a["of"]),
                self._fragments("adjectives", a["effects"]),
            )
            for a in files["adjectives"]["adjectives"]
        )  # fmt: skip
        self.adjectives_of = {
            name: tuple(a for a in self.adjectives if name in a.classes) for name in self.nouns
        }
        self.domains = {
            name: Domain(name, *(tuple(d[k]) for k in ("people", "things", "places")))
            for name, d in files["senses"]["domains"].items()
        }
        self.senses = {
            entry["word"]: tuple(
                Sense(
                    entry["word"], s["name"], s["domain"],
                    self._fragments("senses", s["continuations"]),
                )
                for s in entry["senses"]
            )
            for entry in files["senses"]["words"]
        }  # fmt: skip
        self.scenes = tuple(
            self._scene(file, name, content)
            for file in ("scenes_a", "scenes_b")
            for name, content in files[file]["scenes"].items()
        )
        self.people: dict[str, Any] = self._people(files["people"])
        if self._unknown:
            lists = "; ".join(f"{k}: {' '.join(sorted(set(v)))}" for k, v in self._unknown.items())
            raise HeadwiseError(f"Words of unknown part of speech, by file: {lists}.")

    def _scene(self, file: str, name: str, content: dict[str, Any]) -> Scene:
        return Scene(
            name,
            tuple(content["people"]),
            self._fragments(file, content["settings"]),
            tuple((a["verb"], tuple(a["objects"])) for a in content["actions"]),
            self._fragments(file, content["events"]),
            tuple(((f[0][0], "SCONJ"), *f[1:]) for f in self._fragments(file, content["reasons"])),
        )

    def _people(self, content: dict[str, Any]) -> dict[str, Any]:
        """Names, pairs and stories; every phrase becomes a fragment, every list of words a tuple."""

        def tagged(key: str, value: Any) -> Any:
            if isinstance(value, dict):
                return {k: tagged(k, v) for k, v in value.items()}
            if isinstance(value, list) and value and isinstance(value[0], str):
                if key in PHRASES:
                    return self._fragments("people", value)
                return tuple(value)
            if isinstance(value, list):
                return tuple(tagged(key, v) for v in value)
            return self._fragments("people", [value])[0] if key in PHRASES else value

        return {key: tagged(key, value) for key, value in content.items() if key != "tags"}

    def phrase(self, text: str) -> Fragment:
        """A phrase of the grammar's own, split into words with their tags."""
        found = self._phrases.get(text)
        if found is None:
            found = self._fragment("words", text)
            if self._unknown:
                self._unknown.clear()
                raise HeadwiseError(f"No part of speech is known for a word in {text!r}.")
            self._phrases[text] = found
        return found

    def _fragments(self, file: str, texts: Iterable[str]) -> tuple[Fragment, ...]:
        fragments = tuple(self._fragment(file, text) for text in texts)
        self._read += fragments
        return fragments

    def _fragment(self, file: str, text: str) -> Fragment:
        own = self._own_tags[file]
        pairs: list[tuple[str, str]] = []
        for part in text.split():
            word, _, given = part.partition("/")
            tag = (
                given or self._own_tags["words"].get(word) or own.get(word) or self._tags.get(word)
            )
            if tag is None:
                self._unknown.setdefault(file, []).append(word)
            pairs.append((word, tag or "X"))
        return tuple(pairs)

    def plural(self, noun: str) -> str:
        """The plural of a noun."""
        if noun in self._plurals:
            return self._plurals[noun]
        if noun.endswith(("s", "x", "z", "ch", "sh")):
            return noun + "es"
        if noun.endswith("y") and noun[-2] not in "aeiou":
            return noun[:-1] + "ies"
        return noun + "s"

    @cached_property
    def fixed_pairs(self) -> frozenset[tuple[str, str]]:
        """Adjective-noun pairs that stand in phrases of the lists, so cannot be held out."""
        singular = {self.plural(noun): noun for noun in self.class_of}
        return frozenset(
            (first[0], singular.get(second[0], second[0]))
            for phrase in self._read
            for first, second in itertools.pairwise(phrase)
            if first[1] == "ADJ"
        )


PHRASES = frozenset(
    ("clauses", "companions", "end", "effects", "done", "trait", "clue", "weapons", "rooms", "alibis", "glue", "reflexive")
)  # fmt: skip


def _tags_of(content: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Word and tag for all that a file lists, whatever it is listed for."""
    for tag, words in content.get("tags", {}).items():
        yield from ((word, tag) for word in words)
    for listed in content.get("nouns", {}).values():
        yield from ((form, "NOUN") for noun in listed for form in noun.split("/"))
    for listed in content.get("adverbs", {}).values():
        yield from ((word, "ADV") for word in listed)
    yield from ((a["word"], "ADJ") for a in content.get("adjectives", ()))
    for domain in content.get("domains", {}).values():
        yield from ((word, "NOUN") for words in domain.values() for word in words)
    for scene in content.get("scenes", {}).values():
        yield from ((word, "NOUN") for word in scene["people"])
        for action in scene["actions"]:
            yield action["verb"], "VERB"
            yield from ((word, "NOUN") for word in action["objects"])
    yield from _people_tags(content)


def _people_tags(content: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for names in content.get("names", {}).values():
        yield from ((name, "PROPN") for name in names)
    gender = content.get("gender", {})
    yield from ((word, "NOUN") for pair in gender.get("pairs", ()) for word in pair)
    predicates = gender.get("predicates", {})
    yield from ((word, "VERB") for word in predicates.get("reflexive", ()))
    for action in predicates.get("possessive", ()):
        yield action["verb"], "VERB"
        yield from ((word, "NOUN") for word in action["objects"])
    for completion in content.get("completions", ()):
        yield completion["name"], "PROPN"
        for end in completion["ends"]:
            yield from ((word, "NOUN") for word in end["context"])
            yield from ((name.split()[-1], "PROPN") for name in end["companions"])
            yield from ((word, "PROPN") for word in end["end"].split() if word[0].isupper())
    for landmark in content.get("landmarks", ()):
        yield landmark["name"], "PROPN"
        yield landmark["place"], "PROPN"
        yield landmark["kind"], "NOUN"
        yield landmark["material"], "NOUN"
        yield landmark["look"], "ADJ"
    for relative in content.get("relatives", ()):
        yield relative["noun"], "NOUN"
        yield relative["done"], "VERB"
    yield from ((word, "NOUN") for word in content.get("mystery", {}).get("victims", ()))


@cache
def is_held_out(first: str, second: str) -> bool:
    """Whether two words may not meet in training."""
    digest = blake2b(f"{first}|{second}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % HELD_OUT_SHARE == 0
