"""Headwise's own suites: TOML with marks inside the sentences.

    format = 1
    name = "mole"
    question = "Where in the model does mole become an animal or a unit?"

    [labels]
    animal = "the small burrowing mammal"
    unit = "the chemist's amount of substance"

    [[groups]]
    name = "gas"
    sentences = ["one [mole|unit] of carbon dioxide"]

A mark is `[word|label]`. `[noun|noun#1]` numbers a word, and `[blue|amod>1]` links a word to number
1 of its sentence; the link's relation is the label. `[[` and `]]` stand for the brackets themselves.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import HeadwiseError
from ..suites import Link, Mark, Sentence, Suite, hash_files, read_text, split_words

MARK = re.compile(r"(?P<word>[^|]*)\|(?P<label>[^#>|]+)(?:#(?P<number>\d+))?(?:>(?P<target>\d+))?")

NonEmpty = Annotated[str, Field(min_length=1)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: NonEmpty
    sentences: list[NonEmpty]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    question: NonEmpty
    license: str = ""
    labels: Annotated[dict[str, str], Field(min_length=1)]
    groups: Annotated[list[_Group], Field(min_length=1)]


def read(path: Path) -> Suite:
    """Reads a `.toml` suite.

    Raises:
        HeadwiseError: The file is not TOML or not of this format, a mark is unclosed, of an unknown
            label or on more than one word, a link leads nowhere, a group is empty or named twice, or
            a sentence occurs twice.
    """
    file = _validate(path)
    sentences: list[Sentence] = []
    first_seen: dict[str, str] = {}
    for group in file.groups:
        if not group.sentences:
            raise HeadwiseError(
                f"{path}: group {group.name!r} is empty. Give it sentences or delete it."
            )
        for line in group.sentences:
            sentence = parse(line, file.labels, group.name, f"{path.name}: group {group.name}")
            key = " ".join(sentence.words).lower()
            if key in first_seen:
                raise HeadwiseError(
                    f"{path}: the sentence {sentence.text!r} stands twice, in group {first_seen[key]!r} and "
                    f"in group {group.name!r}. Delete one: a copy could be fitted and scored at once."
                )
            first_seen[key] = group.name
            sentences.append(sentence)
    return Suite(
        name=file.name,
        question=file.question,
        sentences=tuple(sentences),
        labels=file.labels,
        license=file.license,
        path=str(path),
        sha256=hash_files([path]),
    )


def _validate(path: Path) -> _File:
    try:
        file = _File.model_validate(tomllib.loads(read_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise HeadwiseError(f"{path}: not valid TOML: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise HeadwiseError(
            f"{path}: not a suite of format 1: {problems}. See docs/suites.md."
        ) from error
    names = [group.name for group in file.groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HeadwiseError(f"{path}: two groups are called {twice[0]!r}. Join or rename them.")
    return file


def parse(line: str, labels: dict[str, str], group: str, source: str = "") -> Sentence:
    """Reads one sentence with its marks.

    Args:
        line: A sentence such as `one [mole|unit] of carbon dioxide`.
        labels: The labels that marks may carry.
        group: The sentence's group.
        source: Where the line stands, for error messages.
    """

    def fail(problem: str) -> HeadwiseError:
        return HeadwiseError(f"{source}: {problem} In: {line!r}.")

    words: list[str] = []
    spaces: list[bool] = []
    marks: list[Mark] = []
    numbered: dict[str, int] = {}
    links: list[tuple[int, str, str]] = []
    for text, is_mark in _segments(line, fail):
        content = text
        if is_mark:
            match = MARK.fullmatch(text)
            if match is None:
                raise fail(f"[{text}] is not of the form [word|label].")
            content, label = match["word"], match["label"]
            if label not in labels:
                raise fail(f"Unknown sense or label {label!r}; [labels] has {', '.join(labels)}.")
            if len(split_words(content)[0]) != 1 or content != content.strip():
                raise fail(f"A mark holds exactly one word, [{text}] does not.")
            marks.append(Mark(len(words), label))
            if match["number"]:
                if match["number"] in numbered:
                    raise fail(f"Two words carry the number #{match['number']}.")
                numbered[match["number"]] = len(words)
            if match["target"]:
                links.append((len(words), match["target"], label))
        if spaces and content[:1].isspace():
            spaces[-1] = True
        found, followed = split_words(content)
        words += found
        spaces += followed
    if not words:
        raise fail("A sentence without words.")
    for _, target, label in links:
        if target not in numbered:
            raise fail(f"The link {label}>{target} leads nowhere: no word carries #{target}.")
    return Sentence(
        words=tuple(words),
        spaces=tuple(spaces),
        group=group,
        marks=tuple(marks),
        links=tuple(Link(word, numbered[target], label) for word, target, label in links),
        source=source,
    )


def _segments(line: str, fail: Callable[[str], HeadwiseError]) -> list[tuple[str, bool]]:
    """Cuts a line into plain text and the insides of its marks."""
    segments: list[tuple[str, bool]] = []
    plain, inside = "", False
    position = 0
    while position < len(line):
        pair, character = line[position : position + 2], line[position]
        if pair in ("[[", "]]") and not inside:
            plain += character
            position += 1
        elif character == "[":
            if inside:
                raise fail("A mark is opened inside a mark.")
            segments.append((plain, False))
            plain, inside = "", True
        elif character == "]":
            if not inside:
                raise fail("A ] without its [ (write ]] for the bracket itself).")
            segments.append((plain, True))
            plain, inside = "", False
        else:
            plain += character
        position += 1
    if inside:
        raise fail("A mark is never closed: a ] is missing.")
    return [*segments, (plain, False)]
