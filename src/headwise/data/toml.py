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

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice, zip_longest
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headwise._files import hash_files, read_text
from headwise._formatting import brief
from headwise.errors import BadSuite

from ._marks import parse as parse
from ._toml_text import lines_of_strings, values_of
from .sentence import UPOS, Pair, Sentence
from .suite import Suite

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
    return replace(suite_of(path, written), path=str(path), sha256=hash_files([path]))


def suite_of(path: Path, written: str) -> Suite:
    """A suite from the text of a file.

    Args:
        path: The file, for messages.
        written: What it holds.

    Raises:
        BadSuite: As `read`.
    """
    return suite_of_values(path, values_of(path, written), written)


def suite_of_values(path: Path, values: Mapping[str, object], written: str) -> Suite:
    """A suite from what a file holds, or a part of it.

    Args:
        path: The file, for messages.
        values: The keys of a suite.
        written: The text of the file, for the lines of its sentences.

    Raises:
        BadSuite: As `read`.
    """
    file = _validate(path, values)
    lines = lines_of_strings(written)
    sentences: list[Sentence] = []
    pairs: list[Pair] = []
    first_seen: dict[str, str] = {}  # in any case: what is fitted may not be scored
    words_seen: set[tuple[str, ...]] = set()
    for group in file.groups:
        if not group.lines:
            raise BadSuite(
                f"{path}: group {brief(group.name)} is empty. Give it sentences or pairs, or delete it."
            )
        made: list[Sentence] = []
        for line, tags in group.lines:
            number = f":{lines[line]}" if line in lines else ""
            source = f"{path.name}{number}: group {group.name[:60]}"
            made.append(_tagged(parse(line, file.labels, group.name, source), tags))
        of_pairs = iter(made[len(group.sentences) :])
        for pair, clean, corrupted in zip(group.pairs, of_pairs, of_pairs, strict=True):
            pairs.append(_pair(path, pair, clean, corrupted))
        for sentence in made:
            key = " ".join(sentence.words).lower()
            if key in first_seen and (
                first_seen[key] != group.name or sentence.words in words_seen
            ):
                raise BadSuite(
                    f"{path}: the sentence {brief(sentence.text)} stands twice, in group {brief(first_seen[key])} and "
                    f"in group {brief(group.name)}. Delete one: a copy could be fitted and scored at once."
                )
            first_seen[key] = group.name
            words_seen.add(sentence.words)
        sentences += made
    _all_or_none(sentences)
    return Suite(
        name=file.name,
        question=file.question,
        sentences=tuple(sentences),
        labels=file.labels,
        license=file.license,
        pairs=tuple(pairs),
    )


def _pair(path: Path, pair: _Pair, clean: Sentence, corrupted: Sentence) -> Pair:
    """A pair that can be compared word by word, or at its marks."""
    if clean.words == corrupted.words:
        raise BadSuite(
            f"{path}: both sentences of a pair are {brief(clean.text)}. A pair differs in at least one word."
        )
    labels = [[mark.label for mark in sentence.marks] for sentence in (clean, corrupted)]
    if len(clean.words) != len(corrupted.words) and not (labels[0] and labels[0] == labels[1]):
        raise BadSuite(
            f"{path}: {brief(clean.text)} has {len(clean.words)} words and {brief(corrupted.text)} has {len(corrupted.words)}, so the "
            "pair cannot be compared word by word. Make them equally long, or mark the words that belong together with the "
            "same labels."
        )
    if bool(pair.right) != bool(pair.wrong) or (pair.right and pair.right == pair.wrong):
        raise BadSuite(
            f"{path}: the pair {brief(clean.text)} has right={brief(pair.right)} and wrong={brief(pair.wrong)}. Give two different words, or "
            "neither."
        )
    return Pair(clean, corrupted, pair.right, pair.wrong)


def _tagged(sentence: Sentence, tags: str) -> Sentence:
    """A sentence with the tags that the file gives it, one per word."""
    given = tuple(tags.split())
    unknown = [tag for tag in given if tag not in UPOS]
    if unknown:
        close = get_close_matches(unknown[0][:20].upper(), UPOS, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise BadSuite(
            f"{sentence.source}: {brief(unknown[0])} is no universal part of speech; these are {', '.join(UPOS)}.{hint} "
            f"In the tags of: {brief(sentence.text)}."
        )
    if given and len(given) != len(sentence.words):
        beside = zip_longest(sentence.words, given, fillvalue="?")
        aligned = " ".join(f"{w[:20]}/{t}" for w, t in islice(beside, 12))
        more = " ..." if max(len(given), len(sentence.words)) > 12 else ""
        raise BadSuite(
            f"{sentence.source}: {len(sentence.words)} words and {len(given)} tags. Give one tag per word, punctuation included: "
            f"{aligned}{more}."
        )
    return replace(sentence, tags=given)


def _all_or_none(sentences: list[Sentence]) -> None:
    """Refuses a file in which some sentences have tags: rules by part of speech would see only these."""
    bare = next((s for s in sentences if not s.tags), None)
    if bare and any(s.tags for s in sentences):
        raise BadSuite(
            f"{bare.source}: no tags for {brief(bare.text)}, though other sentences of the file have some. Give tags to all "
            "sentences, or to none."
        )


def _validate(path: Path, values: Mapping[str, object]) -> _File:
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [
            f"{'.'.join(str(part)[:40] for part in problem['loc'][:6]) or 'file'}: {problem['msg'][:100]}"
            for problem in found[:3]
        ]
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise BadSuite(
            f"{path}: not a suite of format 1: {'; '.join(problems)}{more}. See docs/suites.md."
        ) from error
    name, times = Counter(group.name for group in file.groups).most_common(1)[0]
    if times > 1:
        raise BadSuite(f"{path}: two groups are called {brief(name)}. Join or rename them.")
    return file
