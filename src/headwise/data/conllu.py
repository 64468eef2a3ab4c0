"""CoNLL-U treebanks: words, parts of speech and dependency links.

Multiword tokens and empty nodes are left out: the words are the syntactic words, as relations are
annotated on them. A document (`# newdoc`) is a group; without documents each sentence is its own.
"""

from collections.abc import Iterator
from pathlib import Path

import conllu
from conllu.exceptions import ParseException
from conllu.models import Token, TokenList

from headwise._files import hash_files, read_text
from headwise.errors import BadSuite

from .suite import Link, Sentence, Suite

N_COLUMNS = 10


def read(path: Path) -> Suite:
    """Reads a `.conllu` file.

    Raises:
        HeadwiseError: A line has not ten tab-separated columns, a head points outside its sentence
            or at itself, heads go in a circle, or there is no sentence at all; file and line are named.
    """
    sentences: list[Sentence] = []
    document: str | None = None
    for first_line, block in _blocks(read_text(path)):
        parsed = _parse(path, first_line, block)
        if parsed is None:
            continue
        document = next(
            (
                str(value or f"document at line {first_line}")
                for key, value in parsed.metadata.items()
                if key in ("newdoc", "newdoc id")
            ),
            document,
        )
        source = f"{path.name}:{first_line}"
        sentences.append(_sentence(path, first_line, block, parsed, document or source))
    if not sentences:
        raise BadSuite(f"{path}: no sentence in this file. Is it a CoNLL-U treebank?")
    return Suite(
        name=path.stem,
        question=f"What do heads do on {path.stem}?",
        sentences=tuple(sentences),
        path=str(path),
        sha256=hash_files([path]),
    )


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Blank-line separated blocks with the 1-based number of their first line."""
    block: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _parse(path: Path, first_line: int, block: list[str]) -> TokenList | None:
    for number, line in enumerate(block, start=first_line):
        n_columns = line.count("\t") + 1
        if not line.startswith("#") and n_columns != N_COLUMNS:
            raise BadSuite(
                f"{path}:{number}: a CoNLL-U line has {N_COLUMNS} tab-separated columns, this one has "
                f"{n_columns}: {line[:60]!r}."
            )
    try:
        parsed = conllu.parse("\n".join(block) + "\n\n")
    except ParseException as error:
        raise BadSuite(f"{path}:{first_line}: not valid CoNLL-U: {error}.") from error
    return parsed[0] if parsed and parsed[0] else None


def _sentence(
    path: Path, first_line: int, block: list[str], parsed: TokenList, group: str
) -> Sentence:
    tokens = [token for token in parsed if isinstance(token["id"], int)]
    lines = [
        number
        for number, line in enumerate(block, start=first_line)
        if line.split("\t", 1)[0].isdecimal()
    ]
    if not tokens:
        raise BadSuite(f"{path}:{first_line}: a sentence without words.")
    links: list[Link] = []
    heads = [token["head"] or 0 for token in tokens]
    for position, (token, head, line) in enumerate(zip(tokens, heads, lines, strict=True)):
        if head == 0:
            continue
        if not 0 < head <= len(tokens) or head == position + 1:
            raise BadSuite(
                f"{path}:{line}: the head of {token['form']!r} is {head}, which is "
                f"{'the word itself' if head == position + 1 else 'outside its sentence'}; "
                f"expected 0 to {len(tokens)}."
            )
        links.append(Link(position, head - 1, str(token["deprel"])))
    circle = _circle(heads)
    if circle:
        words = " -> ".join(repr(tokens[i]["form"]) for i in (*circle, circle[0]))
        raise BadSuite(
            f"{path}:{lines[circle[0]]}: the heads of these words go in a circle, so they are no tree: {words}."
        )
    return Sentence(
        words=tuple(str(token["form"]) for token in tokens),
        spaces=_spaces(parsed, tokens),
        group=group,
        links=tuple(links),
        tags=tuple(str(token["upos"]) for token in tokens),
        source=f"{path.name}:{first_line}",
    )


def _circle(heads: list[int]) -> list[int]:
    """Words whose heads lead back to themselves, each the dependent of the next; none in a tree."""
    is_safe = [False] * len(heads)
    for start in range(len(heads)):
        path: list[int] = []
        word = start
        while word >= 0 and not is_safe[word] and word not in path:
            path.append(word)
            word = heads[word] - 1
        if word in path:
            return path[path.index(word) :]
        for passed in path:
            is_safe[passed] = True
    return []


def _spaces(parsed: TokenList, tokens: list[Token]) -> tuple[bool, ...]:
    """Whether a space follows each word; words of a multiword token are written together."""
    glued = {token["id"] for token in tokens if (token["misc"] or {}).get("SpaceAfter") == "No"}
    for token in parsed:
        if isinstance(token["id"], tuple) and token["id"][1] == "-":
            first, _, last = token["id"]
            glued.update(range(first, last))
            if (token["misc"] or {}).get("SpaceAfter") == "No":
                glued.add(last)
    return tuple(token["id"] not in glued for token in tokens)
