"""Suites made of suites: who decides what a word means, and nouns with their adjectives and without."""

from collections.abc import Sequence
from dataclasses import replace

from .suites import Link, Mark, Sentence, Suite


def cues(suite: Suite) -> Suite:
    """Both sentences of every pair, with links of the relation `cue`: from what decides (dependent) to what needs it (governor).

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


def described_or_bare(suite: Suite, relation: str = "amod") -> Suite:
    """Nouns with their adjectives, and the same sentences with these left out, marked as one or the other.

    Only of adjectives that stand right before their noun, or before another of it; *an* becomes *a* and the other way round where
    the next word asks for it.
    """
    found: list[Sentence] = []
    for sentence in suite.sentences:
        nouns: dict[int, set[int]] = {}
        for link in sentence.links:
            if link.relation == relation:
                nouns.setdefault(link.governor, set()).add(link.dependent)
        for noun, adjectives in nouns.items():
            if adjectives == set(range(noun - len(adjectives), noun)):
                found += [
                    replace(sentence, marks=(Mark(noun, "described"),)),
                    _bare(sentence, noun, len(adjectives)),
                ]
                break  # one noun of each sentence, so that none is seen twice
    return _suite(suite, "described or bare", found)


def _bare(sentence: Sentence, noun: int, n: int) -> Sentence:
    kept = [i for i in range(len(sentence.words)) if not noun - n <= i < noun]
    words = [sentence.words[i] for i in kept]
    at = noun - n
    if at > 0 and words[at - 1].lower() in ("a", "an"):
        article = words[at - 1][0] + ("n" if words[at][0].lower() in "aeiou" else "")
        words[at - 1] = article
    if at == 0:
        words[0] = words[0].capitalize()
    return replace(
        sentence,
        words=tuple(words),
        spaces=tuple(sentence.spaces[i] for i in kept),
        tags=tuple(sentence.tags[i] for i in kept) if sentence.tags else (),
        marks=(Mark(at, "bare"),),
        links=(),
    )


def _suite(suite: Suite, what: str, sentences: Sequence[Sentence]) -> Suite:
    return Suite(
        f"{suite.name}: {what}",
        suite.question,
        tuple(sentences),
        license=suite.license,
        about=suite.about,
    )
