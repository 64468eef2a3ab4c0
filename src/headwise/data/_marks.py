"""Marks inside a sentence: `one [mole|unit] of gas`, read in one pass.

What stands between the brackets and is no mark is the sentence as it is written, white space included.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from headwise._formatting import brief, listing
from headwise.errors import BadSuite

from ._words import check_encodable, is_one_word, split_words
from .sentence import Link, Mark, Sentence

MARK = re.compile(r"(?P<word>[^|]*)\|(?P<label>[^#>|]+)(?:#(?P<number>\d+))?(?:>(?P<target>\d+))?")
BRACKET = re.compile(r"[\[\]]")

Fail = Callable[[str], BadSuite]


def parse(line: str, labels: Mapping[str, str], group: str, source: str = "") -> Sentence:
    """Reads one sentence with its marks.

    Args:
        line: A sentence such as `one [mole|unit] of carbon dioxide`.
        labels: The labels that marks may carry.
        group: The sentence's group.
        source: Where the line stands, for error messages.

    Raises:
        BadSuite: A mark is not closed, holds not exactly one word, is of an unknown label or linked to nowhere, there is no word, or half of a surrogate pair.
    """

    def fail(problem: str) -> BadSuite:
        return BadSuite(f"{source}: {problem} In: {brief(line)}.")

    check_encodable(line)
    words: list[str] = []
    spaces: list[bool] = []
    marks: list[Mark] = []
    numbered: dict[str, int] = {}
    links: list[tuple[int, str, str]] = []
    plain: list[str] = []
    for text, is_mark in _segments(line, fail):
        content, found, followed = text, [text], [False]
        if is_mark:
            content, label, number, target = _mark(text, labels, fail)
            found = [content]
            marks.append(Mark(len(words), label))
            if number:
                if number in numbered:
                    raise fail(f"Two words carry the number #{number[:20]}.")
                numbered[number] = len(words)
            if target:
                links.append((len(words), target, label))
        else:
            found, followed = split_words(content)
        if spaces and content[:1].isspace():
            spaces[-1] = True
        words += found
        spaces += followed
        plain.append(content)
    if not words:
        raise fail("A sentence without words.")
    for word, target, label in links:
        if target not in numbered:
            raise fail(
                f"The link {label[:40]}>{target[:20]} leads nowhere: no word carries #{target[:20]}."
            )
        if numbered[target] == word:
            raise fail(f"The link {label[:40]}>{target[:20]} leads from a word to itself.")
    return Sentence(
        words=tuple(words),
        spaces=tuple(spaces),
        group=group,
        marks=tuple(marks),
        links=tuple(Link(word, numbered[target], label) for word, target, label in links),
        source=source,
        written="".join(plain),
    )


def _mark(text: str, labels: Mapping[str, str], fail: Fail) -> tuple[str, str, str, str]:
    """Word, label, number and target of the inside of a mark."""
    match = MARK.fullmatch(text)
    if match is None:
        raise fail(f"{brief(f'[{text}]')} is not of the form [word|label].")
    word, label = match["word"], match["label"]
    if label not in labels:
        raise fail(f"Unknown sense or label {brief(label)}; [labels] has {listing(labels)}.")
    if not is_one_word(word):
        raise fail(f"A mark holds exactly one word, {brief(f'[{text}]')} does not.")
    return word, label, match["number"] or "", match["target"] or ""


def _segments(line: str, fail: Fail) -> Iterator[tuple[str, bool]]:
    """Splits a line into plain text and the insides of its marks."""
    plain: list[str] = []
    start, is_inside = 0, False
    while bracket := BRACKET.search(line, start):
        at = bracket.start()
        plain.append(line[start:at])
        start = at + 1
        if not is_inside and line.startswith(bracket[0], start):
            plain.append(bracket[0])
            start += 1
            continue
        if is_inside == (bracket[0] == "["):
            raise fail(
                "A mark is opened inside a mark."
                if is_inside
                else "A ] without its [ (write ]] for the bracket itself)."
            )
        yield "".join(plain), is_inside
        plain, is_inside = [], not is_inside
    if is_inside:
        raise fail("A mark is never closed: a ] is missing.")
    yield "".join([*plain, line[start:]]), False
