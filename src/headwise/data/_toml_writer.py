"""Suites as text in Headwise's own format, the other way round from `toml.read`.

What was written is read again and compared, so that no file holds another suite than the one that was saved.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from headwise._formatting import brief
from headwise.errors import BadSuite

from .sentence import Pair, Sentence

if TYPE_CHECKING:
    from .suite import Suite

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
UNWRITTEN = re.compile(r'["\\\x00-\x1f\x7f]')  # in a string of TOML


def toml_of(suite: "Suite") -> str:
    """A suite as text; `toml.read` reads it.

    Raises:
        BadSuite: The format cannot hold it: no sentences or one that occurs twice, tags of some sentences only, a split of the data's own, words
            that are not those that the text is split into, a word with two marks or links, a link of a word that has another label, or a name
            with other characters than letters, digits, dots, dashes and underscores.
    """
    if not NAME.fullmatch(suite.name):
        raise BadSuite(f"{brief(suite.name)} cannot be the name of a suite in a file: letters, digits, dots, dashes and underscores. Rename it: dataclasses.replace(suite, name=...).")  # fmt: skip
    if any(sentence.split for sentence in suite.sentences):
        raise BadSuite(
            f"The suite {suite.name!r} has a split of its own, which TOML cannot hold. Keep the file that it was read from, or save its sentences "
            "without it: dataclasses.replace(sentence, split=None)."
        )
    groups = _by_group(suite)
    lines = [
        "format = 1",
        f"name = {quoted(suite.name)}",
        f"question = {quoted(suite.question)}",
        f"license = {quoted(suite.license)}",
        "",
        "[labels]",
        *(f"{quoted(label)} = {quoted(meaning)}" for label, meaning in _labels(suite).items()),
    ]
    for name, (alone, pairs) in groups.items():
        lines += ["", "[[groups]]", f"name = {quoted(name)}"]
        lines += [
            *_listed("sentences", map(_sentence, alone)),
            *_listed("pairs", map(_pair, pairs)),
        ]
    written = "\n".join(lines) + "\n"
    _compare(suite, written, groups)
    return written


def _by_group(suite: "Suite") -> dict[str, tuple[list[Sentence], list[Pair]]]:
    """The sentences of each group that are of no pair, and its pairs: the order of the file."""
    paired = {s for pair in suite.pairs for s in (pair.clean, pair.corrupted)}
    groups: dict[str, tuple[list[Sentence], list[Pair]]] = {name: ([], []) for name in suite.groups}
    for sentence in suite.sentences:
        if sentence not in paired:
            groups[sentence.group][0].append(sentence)
    for pair in suite.pairs:
        groups.setdefault(pair.group, ([], []))[1].append(pair)
    return groups


def _compare(
    suite: "Suite", written: str, groups: dict[str, tuple[list[Sentence], list[Pair]]]
) -> None:
    """Refuses a text that is not read as the suite that it was made from.

    Raises:
        BadSuite: It is not.
    """
    from .toml import suite_of

    try:
        read = suite_of(Path(f"{suite.name}.toml"), written)
    except BadSuite as error:
        raise BadSuite(
            f"The suite {suite.name!r} cannot be written as TOML, as it could not be read again: {error}"
        ) from error
    expected = [
        sentence
        for alone, pairs in groups.values()
        for sentence in (*alone, *(s for pair in pairs for s in (pair.clean, pair.corrupted)))
    ]
    for one, other in zip_longest(expected, read.sentences):
        if one is None or other is None or _content(one) != _content(other):
            shown = one or other
            raise BadSuite(
                f"{brief(shown.text if shown else '')} cannot be written as TOML: it would be read with other words, tags or marks ("
                f"{' '.join(w[:20] for w in (other.words[:12] if other else ()))}). Keep the file that it was read from."
            )
    answers = [(p.right, p.wrong) for _, pairs in groups.values() for p in pairs]
    if answers != [(p.right, p.wrong) for p in read.pairs] or read.labels != _labels(suite):
        raise BadSuite(f"The suite {suite.name!r} cannot be written as TOML: its pairs or labels would be read as others.")  # fmt: skip


def _content(sentence: Sentence) -> tuple[object, ...]:
    """What a file holds of a sentence, whatever the order of marks and links."""
    marks = {mark.word: mark.label for mark in sentence.marks}
    links = {link.dependent: (link.governor, link.relation) for link in sentence.links}
    return sentence.words, sentence.text, sentence.group, sentence.tags, marks, links


def quoted(text: str) -> str:
    """A string of TOML."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}

    def escaped(match: re.Match[str]) -> str:
        return escapes.get(match[0]) or f"\\u{ord(match[0]):04X}"

    return f'"{UNWRITTEN.sub(escaped, text)}"'


def marked(sentence: Sentence) -> str:
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
            f"{brief(sentence.text)} cannot be written as TOML, in which a word has one label and at most one link, named as its label. Keep the file that it was read from."
        )
    if loose := [word for word in targets.values() if word not in labels]:
        raise BadSuite(
            f"In {brief(sentence.text)} a word is linked to {brief(sentence.words[loose[0]])}, which has no label, so TOML cannot hold the link. Give it one."
        )
    numbers = {word: i for i, word in enumerate(dict.fromkeys(targets.values()), start=1)}
    text, end = sentence.text, 0
    parts: list[str] = []
    for word, (start, after) in enumerate(sentence.spans()):
        parts.append(_plain(text[end:start]))
        if word in labels:
            number = f"#{numbers[word]}" if word in numbers else ""
            target = f">{numbers[targets[word]]}" if word in targets else ""
            parts.append(f"[{text[start:after]}|{labels[word]}{number}{target}]")
        else:
            parts.append(_plain(text[start:after]))
        end = after
    return "".join([*parts, _plain(text[end:])])


def _plain(text: str) -> str:
    return text.replace("[", "[[").replace("]", "]]")


def _labels(suite: "Suite") -> dict[str, str]:
    """Those that are declared, and those that only marks have."""
    used = [mark.label for sentence in suite.sentences for mark in sentence.marks]
    return {label: suite.labels.get(label, label) for label in dict.fromkeys([*suite.labels, *used])}  # fmt: skip


def _sentence(sentence: Sentence) -> str:
    if not sentence.tags:
        return quoted(marked(sentence))
    return _table({"text": marked(sentence), "tags": " ".join(sentence.tags)})


def _pair(pair: Pair) -> str:
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
