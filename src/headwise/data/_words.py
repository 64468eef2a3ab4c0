"""Words of plain texts: runs of letters, marks and digits, and punctuation.

A word is a run of letters, digits and combining marks, with hyphens and apostrophes inside and with what joins letters without being seen (U+200C,
U+200D, U+00AD and other format characters). What Unicode calls line separators (U+2028, U+0085 and others) ends no word that goes on behind it.
Punctuation marks and symbols are words of their own, with the marks that stand on them. The usual names of special tokens, such as `[MASK]` and
`<|endoftext|>`, are one word each.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from headwise._formatting import brief
from headwise.errors import BadSuite

CLOSING = frozenset(".,;:!?%'…،؛؟۔।。，、！？：；")  # noqa: RUF001 (punctuation of several scripts)
JOINER = "\u200d"  # of emojis, and of letters in Indic scripts
SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
SPECIAL = (
    r"\[(?:MASK|CLS|SEP|PAD|UNK|BOS|EOS)\]|</?s>|<(?:mask|pad|unk|bos|eos|cls|sep|(?:start|end)_of_turn|extra_id_\d{1,3})>"
    r"|<\|[^\s|<>]{1,60}\|>"
)
# No space, but part of one number: 20 000; and spaces that do not break.
ONE_WORD = re.compile(rf"\d{{1,3}}(?: \d{{3}})+|(?:[^\s]|[\u00a0\u2007\u202f{SEPARATORS}])+")


def _marks_and_unseen() -> tuple[str, str]:
    """Combining marks, and format characters such as U+200C, as ranges of a regular expression; none is beyond these planes."""
    found: dict[str, list[int]] = {"M": [], "Cf": []}
    for code in (*range(0x20000), *range(0xE0000, 0xE0200)):
        category = unicodedata.category(chr(code))
        kind = "M" if category[0] == "M" else category
        if kind in found:
            found[kind].append(code)
    marks, unseen = map(_ranges, found.values())
    return marks, unseen


def _ranges(codes: list[int]) -> str:
    gaps = [(a, b) for a, b in pairwise(codes) if b > a + 1]
    starts, ends = [codes[0], *(b for _, b in gaps)], [*(a for a, _ in gaps), codes[-1]]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


_MARKS, _UNSEEN = _marks_and_unseen()
_RUN = rf"[\w{_MARKS}][\w{_MARKS}{_UNSEEN}]*"
_SIGN = rf"[^\w\s][{_MARKS}]*"
WORDS = re.compile(
    rf"{SPECIAL}|{_RUN}(?:[-'’{SEPARATORS}]{_RUN})*|{_SIGN}(?:{JOINER}{_SIGN})*"  # noqa: RUF001 (both apostrophes occur in text)
)


def split_words(text: str) -> tuple[list[str], list[bool]]:
    """Words of a text and whether white space follows each.

    Raises:
        BadSuite: The text holds half of a surrogate pair, which no tokenizer takes.
    """
    check_encodable(text)
    matches = list(WORDS.finditer(text))
    words = [match.group() for match in matches]
    return words, [text[match.end() : match.end() + 1].isspace() for match in matches]


def is_one_word(text: str) -> bool:
    """Whether a text can be marked as one word: it holds no space, but for the thousands of a number (20 000)."""
    return ONE_WORD.fullmatch(text) is not None and not (text[0].isspace() or text[-1].isspace())


def check_encodable(text: str) -> None:
    """Refuses half of a surrogate pair.

    Raises:
        BadSuite: There is one.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadSuite(
            f"{brief(text)} cannot be encoded: its character {error.start + 1} ({text[error.start]!r}) is half of a surrogate pair. "
            "Read the text with the encoding that it was written in, or replace the character."
        ) from error


def continued(text: str, option: str) -> str:
    """A text with what comes next, as it would be written: with a space between, but for punctuation that closes, such as a full stop.

    There is none either where one of the two brings white space of its own, and between characters that are as wide as they are high (Chinese,
    Japanese).
    """
    before, after = text[-1:], option[:1]
    is_written_together = (
        not before
        or not after
        or before.isspace()
        or after.isspace()
        or after in CLOSING
        or unicodedata.category(after) in ("Pe", "Pf")
        or (_is_wide(before) and _is_wide(after))
    )
    return f"{text}{'' if is_written_together else ' '}{option}"


def _is_wide(character: str) -> bool:
    is_wide = unicodedata.east_asian_width(character) in ("W", "F")
    return is_wide and "HANGUL" not in unicodedata.name(character, "")


def places_of(words: Sequence[str], written: str) -> list[tuple[int, int]] | None:
    """First character of each word in a text, and the one after its last; None where words and white space do not make up the text."""
    places: list[tuple[int, int]] = []
    end = 0
    for word in words:
        start = written.find(word, end)
        if start < 0 or written[end:start].strip():
            return None
        end = start + len(word)
        places.append((start, end))
    return None if written[end:].strip() else places
