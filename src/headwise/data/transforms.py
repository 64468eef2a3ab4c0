"""Suites derived from suites: links to deciding words, and halves of minimal pairs."""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace

from headwise.errors import BadSuite

from .suite import Link, Sentence, Suite


def cues(suite: Suite) -> Suite:
    """Both sentences of every pair, with links of the relation `cue` from the deciding word (dependent) to the marked word (governor).

    The pairs' own links, or if they have none those from each swapped word to the one that is read (see `metrics`).
    """
    found: list[Sentence] = []
    for pair in suite.pairs:
        for sentence in (pair.clean, pair.corrupted):
            read = max((mark.word for mark in sentence.marks), default=len(sentence.words) - 1)
            swapped = [word for word in pair.changed if word != read]
            links = tuple(Link(link.dependent, link.governor, "cue") for link in sentence.links)
            links = links or tuple(Link(word, read, "cue") for word in swapped)
            found.append(replace(sentence, links=links))
    return _suite(suite, "cues", found)


def after_governors(suite: Suite, relation: str) -> Suite:
    """The same sentences with each link of a relation moved to the word after its governor; links to no word are dropped."""
    moved = tuple(
        replace(
            s,
            links=tuple(
                Link(k.dependent, k.governor + 1, k.relation)
                for k in s.links
                if k.relation == relation
                and k.governor + 1 < len(s.words)
                and s.words[k.governor + 1][:1].isalpha()
            ),
        )
        for s in suite.sentences
    )
    return replace(suite, sentences=moved)


def deciding_words(suite: Suite, relation: str = "") -> frozenset[str]:
    """Deciding words of a suite, in lower case: dependents of links, and swapped words of pairs without links.

    Use it to fit on other words: `burrow_sentences("mole", n, without=deciding_words(pairs))`.

    Args:
        suite: Pairs, or sentences with links.
        relation: The links that count; all, if none is named. burrow's sentences have links of syntax besides.
    """
    found = {
        sentence.words[link.dependent].lower()
        for sentence in suite.sentences
        for link in sentence.links
        if relation in ("", link.relation)
    }
    for pair in suite.pairs:
        if not pair.clean.links:
            found |= {
                s.words[i].lower() for s in (pair.clean, pair.corrupted) for i in pair.changed
            }
    return frozenset(found)


def halves(suite: Suite, seed: int = 0) -> tuple[Suite, Suite]:
    """The minimal pairs of half of the groups, drawn at random whatever their labels, and those of the others.

    Raises:
        BadSuite: There are no pairs, or they are of one group.
    """
    groups = list(dict.fromkeys(pair.group for pair in suite.pairs))
    if not groups:
        raise BadSuite(
            f"This analysis needs minimal pairs, and {suite.name!r} has none. Name a suite with pairs = [...], such as "
            "gender_pairs, mole_pairs or adjective_pairs; docs/suites.md says how to write one."
        )
    if len(groups) < 2:
        raise BadSuite(
            f"The pairs of {suite.name!r} come from {len(groups)} group; heads are selected on one half of the groups and "
            "tested on the other, so there must be two at least, and ten or more for a conclusion."
        )
    random.Random(seed).shuffle(groups)
    first, second = groups[: len(groups) // 2], groups[len(groups) // 2 :]
    return _pairs_of(suite, first), _pairs_of(suite, second)


def _pairs_of(suite: Suite, groups: Collection[str]) -> Suite:
    chosen = set(groups)
    pairs = tuple(pair for pair in suite.pairs if pair.group in chosen)
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    return replace(suite, pairs=pairs, sentences=sentences)


def _suite(suite: Suite, what: str, sentences: Sequence[Sentence]) -> Suite:
    return Suite(
        f"{suite.name}: {what}",
        suite.question,
        tuple(sentences),
        license=suite.license,
        about=suite.about,
    )
