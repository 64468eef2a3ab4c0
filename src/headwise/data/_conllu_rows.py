"""Rows of a CoNLL-U sentence: ten columns each, with identifiers that count.

Words are numbered 1, 2, 3 and so on. `3-4` stands before the words 3 and 4 and says how they are written together; `2.1` is an empty node after
word 2. What an identifier says is checked against where its line stands, as two sentences without an empty line between them would otherwise be
one, with links between the wrong words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from conllu.exceptions import ParseException
from conllu.parser import parse_dict_value, parse_id_value, parse_int_value

from headwise._formatting import brief
from headwise.errors import BadSuite

from .sentence import UPOS

COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
MOST_DIGITS = 9  # of a number: no sentence has more words

Fail = Callable[[int, str], BadSuite]


@dataclass(frozen=True, slots=True)
class Word:
    """One syntactic word.

    Attributes:
        line: 1-based number of its line in the file.
        form: The word as it is written.
        tag: Its universal part of speech, or empty.
        head: Number of its governor; 0 if it has none.
        relation: Its relation to the governor, or empty.
        is_glued: Whether no space follows it.
    """

    line: int
    form: str
    tag: str
    head: int
    relation: str
    is_glued: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Several syntactic words that are written as one token, such as Spanish `del` for `de` and `el`.

    Attributes:
        line: 1-based number of its line in the file.
        first: Number of its first word.
        last: Number of its last word.
        form: The token as it is written.
        is_glued: Whether no space follows it.
    """

    line: int
    first: int
    last: int
    form: str
    is_glued: bool


def rows_of(
    lines: Sequence[tuple[int, str]], fail: Fail
) -> tuple[tuple[Word, ...], tuple[Range, ...]]:
    """The words of a sentence and its multiword tokens, checked; empty nodes are left out.

    Args:
        lines: Lines that are no comments, each with its number in the file.
        fail: Makes the error from the number of a line and what is wrong with it.

    Raises:
        BadSuite: A line has not ten columns, no form, or an identifier that does not follow from the one before.
    """
    words: list[Word] = []
    ranges: list[Range] = []
    n_empty = 0
    for number, line in lines:
        columns = [column or "_" for column in _columns(number, line, fail)]
        identifier = _identifier(number, columns[0], fail)
        is_glued = (parse_dict_value(columns[9]) or {}).get("SpaceAfter") == "No"
        if isinstance(identifier, int):
            if identifier != len(words) + 1:
                raise _out_of_order(number, columns[0], len(words), fail)
            n_empty = 0
            head = _number(number, columns, fail)
            tag, relation = (columns[i] if columns[i] != "_" else "" for i in (3, 7))
            words.append(Word(number, columns[1], tag, head, relation, is_glued))
            continue
        first, kind, second = identifier
        if kind == ".":
            if (first, second) != (len(words), n_empty + 1):
                raise _out_of_order(number, columns[0], len(words), fail)
            n_empty += 1
            continue
        if first != len(words) + 1 or (ranges and ranges[-1].last >= first):
            raise _out_of_order(number, columns[0], len(words), fail)
        ranges.append(Range(number, first, second, columns[1], is_glued))
    if ranges and ranges[-1].last > len(words):
        raise fail(
            ranges[-1].line,
            f"the multiword token {ranges[-1].first}-{ranges[-1].last} ends beyond its sentence of {len(words)} words.",
        )
    return tuple(words), tuple(ranges)


def _columns(number: int, line: str, fail: Fail) -> list[str]:
    """Ten columns, of which the first two say something."""
    columns = line.split("\t")
    if len(columns) != len(COLUMNS):
        raise fail(
            number,
            f"a CoNLL-U line has {len(COLUMNS)} tab-separated columns, this one has {len(columns)}: {brief(line)}.",
        )
    if not columns[1].strip() or columns[1] != columns[1].strip(" "):
        raise fail(
            number,
            f"the column FORM holds {brief(columns[1])}; expected a word, without spaces around it.",
        )
    for i in (3, 6, 7):
        if columns[i] != columns[i].strip():
            raise fail(number, f"the column {COLUMNS[i]} holds {brief(columns[i])}; expected no white space around it.")  # fmt: skip
    if columns[3] not in ("", "_", *UPOS):
        close = get_close_matches(columns[3][:20].upper(), UPOS, n=1)
        raise fail(
            number,
            f"{brief(columns[3])} is no universal part of speech; these are {', '.join(UPOS)}.{f' Did you mean {close[0]}?' if close else ''} Tags of another kind go into the column XPOS.",
        )
    return columns


def _identifier(number: int, given: str, fail: Fail) -> "int | tuple[int, str, int]":
    """1, 1-2 or 1.1."""
    try:
        if len(given) <= 2 * MOST_DIGITS and (found := parse_id_value(given)) is not None:
            return found
    except ParseException:
        pass
    raise fail(
        number,
        f"{brief(given)} is no identifier; expected the number of a word (3), a range (3-4) or an empty node (2.1), without spaces.",
    )


def _number(number: int, columns: Sequence[str], fail: Fail) -> int:
    """HEAD; 0 where none is given."""
    given = columns[6]
    try:
        if len(given) <= MOST_DIGITS:
            return parse_int_value(given) or 0
    except ParseException:
        pass
    raise fail(
        number,
        f"not valid CoNLL-U: the head of {brief(columns[1])} is {brief(given)}; expected the number of a word, 0 or _.",
    )


def _out_of_order(number: int, given: str, n_words: int, fail: Fail) -> BadSuite:
    return fail(
        number,
        f"the identifier {given} after {n_words} words of its sentence; identifiers count 1, 2, 3, and a sentence ends with an empty line."
        f"{' Is that line missing?' if given == '1' else ''}",
    )
