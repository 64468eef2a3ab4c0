"""Annotation: a passage as a `Sentence`, and as files (CoNLL-U and TOML suites).

A passage of several sentences is one `Sentence` of a suite, so that a word can be related to what
stands sentences before it. CoNLL-U has one tree per sentence; there a passage is a document, and what
goes beyond trees stands in the last column: `Label=animal|Links=sense:1.4,clue:2.3`, where 2.3 is the
third word of the second sentence of the document.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from headwise._files import write_text
from headwise.data._toml_writer import toml_of
from headwise.data.suite import Link, Mark, Sentence, Suite
from headwise.errors import HeadwiseError

from .syntax import tree_of
from .writer import PUNCTUATION, Writer

Spans = list[tuple[int, int]]


def sentence_of(w: Writer, group: str, source: str) -> Sentence:
    """Words, tags, marks and all links of a passage: syntax first, then what goes beyond it."""
    tags: list[str] = []
    links: list[Link] = []
    for start, end in _spans(w.words):
        tree = tree_of(w.words[start:end], w.tags[start:end])
        tags += tree.tags
        links += [
            Link(start + word, start + head, relation)
            for word, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True))
            if head >= 0
        ]
    return Sentence(
        words=tuple(w.words),
        spaces=tuple(following not in PUNCTUATION for following in [*w.words[1:], "."]),
        group=group,
        marks=tuple(w.marks),
        links=(*links, *w.links),
        tags=tuple(tags),
        source=source,
    )


def cut_at(
    whole: Sentence, last: int, marks: tuple[Mark, ...], links: tuple[Link, ...]
) -> Sentence:
    """A passage up to a word, with marks and links of its own."""
    return replace(
        whole,
        words=whole.words[: last + 1],
        spaces=(*whole.spaces[:last], False),
        tags=whole.tags[: last + 1],
        marks=marks,
        links=links,
    )


def _spans(words: Sequence[str]) -> Spans:
    """First and last position (exclusive) of each sentence; each ends with a full stop."""
    ends = [i + 1 for i, word in enumerate(words) if word == "."]
    return list(zip([0, *ends], ends, strict=False))


def write_suite(suite: Suite, path: Path, relations: Iterable[str] = ()) -> int:
    """Writes a suite to a `.conllu` or `.toml` file, whole or not at all.

    Args:
        suite: What to write.
        path: The file; its ending says the format.
        relations: Links that a `.toml` file gets; a word that one comes from is marked with its name, so
            none where marks are what is to be read.

    Returns:
        How many sentences were written: a `.toml` file holds none twice.

    Raises:
        HeadwiseError: Another ending, or a place that cannot be written.
    """
    if path.suffix == ".conllu":
        text = conllu_text(suite)
    elif path.suffix == ".toml":
        text = toml_text(suite, relations)
    else:
        raise HeadwiseError(f"{path}: expected a name that ends in .toml or .conllu.")
    write_text(path, text)
    return len(_once(suite)) if path.suffix == ".toml" else len(suite)


def _once(suite: Suite) -> list[Sentence]:
    """Its sentences, each the first time."""
    first: dict[str, Sentence] = {}
    for sentence in suite.sentences:
        first.setdefault(" ".join(sentence.words).lower(), sentence)
    return list(first.values())


def conllu_text(suite: Suite) -> str:
    """A generated suite in CoNLL-U.

    Raises:
        HeadwiseError: The suite was not generated: its sentences have no whole trees.
    """
    from conllu.models import Metadata, Token, TokenList

    blocks: list[str] = []
    for document, sentence in enumerate(suite.sentences):
        spans = _spans(sentence.words)
        trees, beyond = _trees(sentence, spans)
        labels = {mark.word: mark.label for mark in sentence.marks}
        for number, (start, end) in enumerate(spans, start=1):
            metadata = {"newdoc id": f"{suite.name}-{document}"} if number == 1 else {}
            metadata["sent_id"] = f"{suite.name}-{document}-{number}"
            metadata["text"] = _between(sentence, start, end)
            tokens = TokenList(metadata=Metadata(metadata))
            for word in range(start, end):
                head, relation = trees[word]
                misc: dict[str, str] = {}
                if word in labels:
                    misc["Label"] = labels[word]
                if word in beyond:
                    misc["Links"] = ",".join(beyond[word])
                if not sentence.spaces[word]:
                    misc["SpaceAfter"] = "No"
                tokens.append(
                    Token(
                        id=word - start + 1, form=sentence.words[word], lemma="_",
                        upos=sentence.tags[word], xpos=None, feats=None,
                        head=head - start + 1 if head >= 0 else 0,
                        deprel=relation, deps=None, misc=misc or None,
                    )
                )  # fmt: skip
            blocks.append(tokens.serialize())
    return "".join(blocks)


def _between(sentence: Sentence, start: int, end: int) -> str:
    spans = sentence.spans()
    return sentence.text[spans[start][0] : spans[end - 1][1]]


def _trees(
    sentence: Sentence, spans: Spans
) -> tuple[dict[int, tuple[int, str]], dict[int, list[str]]]:
    """Head and relation of every word, and the links of each word that are not of its tree."""
    starts = [start for start, _ in spans]
    trees: dict[int, tuple[int, str]] = {}
    beyond: dict[int, list[str]] = {}
    for link in sentence.links:
        if link.relation in BEYOND_SYNTAX:
            number = bisect_right(starts, link.dependent)
            place = f"{link.relation}:{number}.{link.dependent - starts[number - 1] + 1}"
            beyond.setdefault(link.governor, []).append(place)
        else:
            trees[link.dependent] = (link.governor, link.relation)
    for start, end in spans:
        roots = [word for word in range(start, end) if word not in trees]
        if len(roots) != 1 or len(sentence.tags) != len(sentence.words):
            raise HeadwiseError(
                f"{sentence.source}: not a generated sentence: its words make no single tree, which CoNLL-U asks for."
            )
        trees[roots[0]] = (-1, "root")
    return trees, beyond


BEYOND_SYNTAX = frozenset(
    ("sense", "continuation", "antecedent", "clue", "effect", "pred", "coreference", "described", "agreement", "completion",
     "landmark", "relative", "trait")
)  # fmt: skip


def toml_text(suite: Suite, relations: Iterable[str] = ()) -> str:
    """A suite in Headwise's own format, with its marks, its tags and the links of some relations.

    The format holds no sentence twice, so of those that were drawn several times the first is written.

    Args:
        suite: What to write.
        relations: Links to write; the format lets a word depend on one other only, so of several the
            first stands.

    Raises:
        HeadwiseError: No word would be marked.
    """
    wanted = frozenset(relations)
    if lacking := sorted(wanted - set(suite.relations)):
        raise HeadwiseError(
            f"{suite.name} has no links of {', '.join(map(repr, lacking))}; it has those of {', '.join(suite.relations) or 'no relation'}."
        )
    labels = dict(suite.labels)
    sentences = tuple(_labelled(sentence, wanted, labels) for sentence in _once(suite))
    if not labels:
        raise HeadwiseError(
            f"{suite.name} has neither marks nor links of {', '.join(sorted(wanted)) or 'any relation named'}, so a "
            f"suite would hold nothing to ask about. It has links of {', '.join(suite.relations)}."
        )
    return toml_of(replace(suite, sentences=sentences, labels=labels, pairs=()))


def _labelled(sentence: Sentence, wanted: frozenset[str], labels: dict[str, str]) -> Sentence:
    """The sentence with links of some relations alone, and marks at both of their ends."""
    names = {mark.word: mark.label for mark in sentence.marks}
    links: list[Link] = []
    for link in sentence.links:
        if link.relation in wanted and link.dependent not in names:
            labels.setdefault(link.relation, f"a word that another needs ({link.relation})")
            names[link.dependent] = link.relation
            links.append(link)
    for link in links:
        if link.governor not in names:
            labels.setdefault("governor", "a word that others are linked to")
            names[link.governor] = "governor"
    marks = tuple(Mark(word, label) for word, label in sorted(names.items()))
    return replace(sentence, marks=marks, links=tuple(links))
