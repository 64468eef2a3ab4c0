"""Suites as text in Headwise's own format, the other way round from `toml.read`."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from headwise.errors import BadSuite

if TYPE_CHECKING:
    from .suite import Pair, Sentence, Suite

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def toml_of(suite: "Suite") -> str:
    """A suite as text; `toml.read` reads it.

    Raises:
        BadSuite: The format cannot hold it: a word with two marks or links, a link of a word that has another label, or a name with other
            characters than letters, digits, dots, dashes and underscores.
    """
    if not NAME.fullmatch(suite.name):
        raise BadSuite(f"{suite.name!r} cannot be the name of a suite in a file: letters, digits, dots, dashes and underscores. Rename it: dataclasses.replace(suite, name=...).")  # fmt: skip
    paired = {id(s) for pair in suite.pairs for s in (pair.clean, pair.corrupted)}
    lines = [
        "format = 1",
        f"name = {quoted(suite.name)}",
        f"question = {quoted(suite.question)}",
        f"license = {quoted(suite.license)}",
        "",
        "[labels]",
        *(f"{quoted(label)} = {quoted(meaning)}" for label, meaning in _labels(suite).items()),
    ]
    for name in suite.groups:
        alone = [_sentence(s) for s in suite.sentences if s.group == name and id(s) not in paired]
        pairs = [_pair(pair) for pair in suite.pairs if pair.group == name]
        lines += ["", "[[groups]]", f"name = {quoted(name)}"]
        lines += [*_listed("sentences", alone), *_listed("pairs", pairs)]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A string of TOML."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'


def marked(sentence: "Sentence") -> str:
    """A sentence with its marks and links in brackets.

    Raises:
        BadSuite: As `toml_of`.
    """
    labels = {mark.word: mark.label for mark in sentence.marks}
    targets = {link.dependent: link.governor for link in sentence.links}
    # The format has one label and one link a word, and a link is named by its word's label.
    fits = all(labels.get(link.dependent) == link.relation for link in sentence.links)
    if len(labels) < len(sentence.marks) or len(targets) < len(sentence.links) or not fits:
        raise BadSuite(
            f"{sentence.text!r} cannot be written as TOML, in which a word has one label and at most one link, named as its label. Keep the file that it was read from."
        )
    if loose := [word for word in targets.values() if word not in labels]:
        raise BadSuite(
            f"In {sentence.text!r} a word is linked to {sentence.words[loose[0]]!r}, which has no label, so TOML cannot hold the link. Give it one."
        )
    numbers = {word: i for i, word in enumerate(dict.fromkeys(targets.values()), start=1)}
    words = [word.replace("[", "[[").replace("]", "]]") for word in sentence.words]
    for word, label in labels.items():
        number = f"#{numbers[word]}" if word in numbers else ""
        target = f">{numbers[targets[word]]}" if word in targets else ""
        words[word] = f"[{sentence.words[word]}|{label}{number}{target}]"
    return replace(sentence, words=tuple(words)).text


def _labels(suite: "Suite") -> dict[str, str]:
    """Those that are declared, and those that only marks have."""
    used = [mark.label for sentence in suite.sentences for mark in sentence.marks]
    return {label: suite.labels.get(label, label) for label in dict.fromkeys([*suite.labels, *used])}  # fmt: skip


def _sentence(sentence: "Sentence") -> str:
    if not sentence.tags:
        return quoted(marked(sentence))
    return _table({"text": marked(sentence), "tags": " ".join(sentence.tags)})


def _pair(pair: "Pair") -> str:
    tags, corrupted = (" ".join(s.tags) for s in (pair.clean, pair.corrupted))
    given = {
        "clean": marked(pair.clean),
        "corrupted": marked(pair.corrupted),
        "right": pair.right,
        "wrong": pair.wrong,
        "tags": tags,
        "corrupted_tags": "" if corrupted == tags else corrupted,
    }
    return _table({name: value for name, value in given.items() if value})


def _table(values: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {quoted(value)}" for name, value in values.items()) + " }"


def _listed(name: str, entries: Iterable[str]) -> list[str]:
    inside = [f"  {entry}," for entry in entries]
    return [f"{name} = [", *inside, "]"] if inside else []
