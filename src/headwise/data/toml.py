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

A sentence may bring the universal part of speech of each of its words, punctuation included:

    sentences = [{ text = "one [mole|unit] of gas", tags = "NUM NOUN ADP NOUN" }]

A group may also hold minimal pairs, of equal length or with the same marks:

    pairs = [{clean = "the [king|person] wrote that", corrupted = "the [queen|person] wrote that", right = "he", wrong = "she"}]

`tags` of a pair are those of both its sentences; where the corrupted one has others, they are in `corrupted_tags`.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headwise._files import hash_files, read_text
from headwise.errors import BadSuite, HeadwiseError

from .suite import UPOS, Link, Mark, Pair, Sentence, Suite, split_words

MARK = re.compile(r"(?P<word>[^|]*)\|(?P<label>[^#>|]+)(?:#(?P<number>\d+))?(?:>(?P<target>\d+))?")

NonEmpty = Annotated[str, Field(min_length=1)]


class _Sentence(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    text: NonEmpty
    tags: str = ""


class _Pair(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    clean: NonEmpty
    corrupted: NonEmpty
    right: str = ""
    wrong: str = ""
    tags: str = ""
    corrupted_tags: str = ""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: NonEmpty
    sentences: list[NonEmpty | _Sentence] = []
    pairs: list[_Pair] = []

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Every sentence with its tags, those of pairs one after the other."""
        alone = [(s, "") if isinstance(s, str) else (s.text, s.tags) for s in self.sentences]
        of_pairs = [
            line
            for pair in self.pairs
            for line in (
                (pair.clean, pair.tags),
                (pair.corrupted, pair.corrupted_tags or pair.tags),
            )
        ]
        return [*alone, *of_pairs]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    question: str = ""
    license: str = ""
    labels: dict[str, str] = {}
    groups: Annotated[list[_Group], Field(min_length=1)]


def read(path: Path) -> Suite:
    """Reads a `.toml` suite.

    Raises:
        HeadwiseError: The file is not TOML or not of this format, a mark is unclosed, of an unknown
            label or on more than one word, a link leads nowhere, a group is empty or named twice, a
            sentence occurs twice, tags are unknown, too many, too few or given to some sentences only, or
            a pair does not differ or cannot be compared.
    """
    written = read_text(path)
    file = _validate(path, written)
    sentences: list[Sentence] = []
    pairs: list[Pair] = []
    first_seen: dict[str, str] = {}
    for group in file.groups:
        if not group.lines:
            raise BadSuite(
                f"{path}: group {group.name!r} is empty. Give it sentences or pairs, or delete it."
            )
        made: list[Sentence] = []
        for line, tags in group.lines:
            source = f"{path.name}{_line_of(line, written)}: group {group.name}"
            made.append(_tagged(parse(line, file.labels, group.name, source), tags))
        of_pairs = iter(made[len(group.sentences) :])
        for pair, clean, corrupted in zip(group.pairs, of_pairs, of_pairs, strict=True):
            pairs.append(_pair(path, pair, clean, corrupted))
        for sentence in made:
            key = " ".join(sentence.words).lower()
            if key in first_seen:
                raise BadSuite(
                    f"{path}: the sentence {sentence.text!r} stands twice, in group {first_seen[key]!r} and "
                    f"in group {group.name!r}. Delete one: a copy could be fitted and scored at once."
                )
            first_seen[key] = group.name
        sentences += made
    _all_or_none(sentences)
    return Suite(
        name=file.name,
        question=file.question,
        sentences=tuple(sentences),
        labels=file.labels,
        license=file.license,
        path=str(path),
        sha256=hash_files([path]),
        pairs=tuple(pairs),
    )


def _pair(path: Path, pair: _Pair, clean: Sentence, corrupted: Sentence) -> Pair:
    """A pair that can be compared word by word, or at its marks."""
    if clean.words == corrupted.words:
        raise BadSuite(
            f"{path}: both sentences of a pair are {clean.text!r}. A pair differs in at least one word."
        )
    labels = [[mark.label for mark in sentence.marks] for sentence in (clean, corrupted)]
    if len(clean.words) != len(corrupted.words) and not (labels[0] and labels[0] == labels[1]):
        raise BadSuite(
            f"{path}: {clean.text!r} has {len(clean.words)} words and {corrupted.text!r} has {len(corrupted.words)}, so the "
            "pair cannot be compared word by word. Make them equally long, or mark the words that belong together with the "
            "same labels."
        )
    if bool(pair.right) != bool(pair.wrong) or (pair.right and pair.right == pair.wrong):
        raise BadSuite(
            f"{path}: the pair {clean.text!r} has right={pair.right!r} and wrong={pair.wrong!r}. Give two different words, or "
            "neither."
        )
    return Pair(clean, corrupted, pair.right, pair.wrong)


def _line_of(line: str, written: str) -> str:
    """Where a sentence stands in the file's text, as `:17`; empty if it is written with escapes."""
    at = written.find(line)
    return f":{written.count(chr(10), 0, at) + 1}" if at >= 0 else ""


def _tagged(sentence: Sentence, tags: str) -> Sentence:
    """A sentence with the tags that the file gives it, one per word."""
    given = tuple(tags.split())
    unknown = [tag for tag in given if tag not in UPOS]
    if unknown:
        close = get_close_matches(unknown[0].upper(), UPOS, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise BadSuite(
            f"{sentence.source}: {unknown[0]!r} is no universal part of speech; these are {', '.join(UPOS)}.{hint} "
            f"In the tags of: {sentence.text!r}."
        )
    if given and len(given) != len(sentence.words):
        aligned = " ".join(f"{w}/{t}" for w, t in zip_longest(sentence.words, given, fillvalue="?"))
        raise BadSuite(
            f"{sentence.source}: {len(sentence.words)} words and {len(given)} tags. Give one tag per word, punctuation included: "
            f"{aligned}."
        )
    return replace(sentence, tags=given)


def _all_or_none(sentences: list[Sentence]) -> None:
    """Refuses a file in which some sentences have tags: rules by part of speech would see only these."""
    bare = next((s for s in sentences if not s.tags), None)
    if bare and any(s.tags for s in sentences):
        raise BadSuite(
            f"{bare.source}: no tags for {bare.text!r}, though other sentences of the file have some. Give tags to all "
            "sentences, or to none."
        )


def _validate(path: Path, written: str) -> _File:
    try:
        file = _File.model_validate(tomllib.loads(written))
    except tomllib.TOMLDecodeError as error:
        raise BadSuite(f"{path}: not valid TOML: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise BadSuite(
            f"{path}: not a suite of format 1: {problems}. See docs/suites.md."
        ) from error
    names = [group.name for group in file.groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadSuite(f"{path}: two groups are called {twice[0]!r}. Join or rename them.")
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
        return BadSuite(f"{source}: {problem} In: {line!r}.")

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
    """Splits a line into plain text and the insides of its marks."""
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
