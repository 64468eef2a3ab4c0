"""CoNLL-U treebanks: words, parts of speech and dependency links.

Multiword tokens and empty nodes are left out: the words are the syntactic words, as relations are
annotated on them. Those of a multiword token are written together where that gives the token (`do` and `n't`), with spaces where it does not
(`de` and `el` for `del`). A document (`# newdoc`) is a group; without documents each sentence is its own.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from headwise._files import hash_files, read_lines
from headwise._formatting import brief
from headwise.errors import BadSuite

from ._conllu_rows import COLUMNS, Fail, Range, Word, rows_of
from .suite import Link, Sentence, Suite

Lines = list[tuple[int, str]]


def read(path: Path) -> Suite:
    """Reads a `.conllu` file.

    Raises:
        HeadwiseError: A line has not ten tab-separated columns or no word, identifiers do not count 1, 2, 3, a head points outside its sentence
            or at itself, heads go in a circle, the words are left out (`_`), or there is no sentence at all; file and line are named.
    """

    def fail(line: int, problem: str) -> BadSuite:
        return BadSuite(f"{path}:{line}: {problem}")

    sentences: list[Sentence] = []
    document = ""
    for block in _blocks(read_lines(path)):
        first = block[0][0]
        comments = [(number, line) for number, line in block if line.startswith("#")]
        document = _document(comments, fail) or document
        words, ranges = rows_of([row for row in block if not row[1].startswith("#")], fail)
        if not words and len(comments) < len(block):
            raise fail(first, "a sentence without words.")
        if words:
            source = f"{path.name}:{first}"
            sentences.append(_sentence(words, ranges, document or source, source, fail))
    if not sentences:
        raise BadSuite(f"{path}: no sentence in this file. Is it a CoNLL-U treebank?")
    if {word for sentence in sentences for word in sentence.words} == {"_"} and len(sentences) > 1:
        raise BadSuite(
            f"{path}: every word is left out (_), as in treebanks whose text has another licence. Merge the text into it with the program "
            "that comes with the treebank."
        )
    return Suite(
        name=path.stem,
        question=f"What do heads do on {path.stem}?",
        sentences=tuple(sentences),
        path=str(path),
        sha256=hash_files([path]),
    )


def _blocks(lines: Sequence[str]) -> Iterator[Lines]:
    """Blocks between empty lines, each line with its 1-based number."""
    block: Lines = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip(" "):
            block.append((number, line))
        elif block:
            yield block
            block = []


def _document(comments: Lines, fail: Fail) -> str:
    """The document that begins with this sentence, if one does; refuses a file with other columns."""
    found = ""
    for number, comment in comments:
        key, _, value = (part.strip(" \t") for part in comment[1:].partition("="))
        if key in ("newdoc", "newdoc id"):
            found = value or f"document at line {number}"
        if key == "global.columns" and tuple(value.split()) != COLUMNS:
            raise fail(
                number,
                f"the columns of this file are {brief(value)}; Headwise reads the ten of CoNLL-U, {' '.join(COLUMNS)}. Convert it.",
            )
    return found


def _sentence(
    words: Sequence[Word], ranges: Sequence[Range], group: str, source: str, fail: Fail
) -> Sentence:
    links: list[Link] = []
    for position, word in enumerate(words):
        if not 0 <= word.head <= len(words) or word.head == position + 1:
            raise fail(
                word.line,
                f"the head of {brief(word.form)} is {word.head}, which is "
                f"{'the word itself' if word.head == position + 1 else 'outside its sentence'}; expected 0 to {len(words)}.",
            )
        if word.head and word.relation:
            links.append(Link(position, word.head - 1, word.relation))
    circle = _circle([word.head for word in words])
    if circle:
        shown = [brief(words[i].form, 20) for i in (*circle[:8], circle[0])]
        if len(circle) > 8:
            shown.insert(-1, "...")
        raise fail(
            words[circle[0]].line,
            f"the heads of these words go in a circle, so they are no tree: {' -> '.join(shown)}.",
        )
    tags = tuple(word.tag for word in words)
    return Sentence(
        words=tuple(word.form for word in words),
        spaces=_spaces(words, ranges),
        group=group,
        links=tuple(links),
        tags=tags if any(tags) else (),
        source=source,
    )


def _circle(heads: Sequence[int]) -> list[int]:
    """Words whose heads lead back to themselves, each the dependent of the next; none in a tree."""
    passed_from: list[int | None] = [None] * len(heads)
    for start in range(len(heads)):
        path: list[int] = []
        word = start
        while word >= 0 and passed_from[word] is None:
            passed_from[word] = start
            path.append(word)
            word = heads[word] - 1
        if word >= 0 and path and passed_from[word] == start:
            return path[path.index(word) :]
    return []


def _spaces(words: Sequence[Word], ranges: Sequence[Range]) -> tuple[bool, ...]:
    """Whether a space follows each word."""
    spaces = [not word.is_glued for word in words]
    for token in ranges:
        inside = slice(token.first - 1, token.last)
        is_whole = "".join(word.form for word in words[inside]) == token.form
        n_inner = token.last - token.first
        spaces[inside] = [*[not is_whole] * n_inner, not token.is_glued and spaces[token.last - 1]]
    return tuple(spaces)
