"""Deciding words: which words determine the label of a marked word, so that none of them is in both fitting and testing.

A direction fitted on sentences about *gardener* may only repeat their label for a test sentence about *gardener*, whatever suite or group either is
in. Fitting and testing therefore share none of these words:

- those that the marked word needs, by links of a relation beyond syntax (burrow's `sense`, a suite's own `cue`);
- in a minimal pair, those in which its sentences differ;
- where neither is given, every word that occurs with one label only, as any of these may be deciding.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .suite import Sentence, Suite

# Universal Dependencies; any other relation says what a word needs beyond its place in the tree.
SYNTAX = frozenset(
    [
        "acl",
        "advcl",
        "advmod",
        "amod",
        "appos",
        "aux",
        "case",
        "cc",
        "ccomp",
        "clf",
        "compound",
        "conj",
        "cop",
        "csubj",
        "dep",
        "det",
        "discourse",
        "dislocated",
        "expl",
        "fixed",
        "flat",
        "goeswith",
        "iobj",
        "list",
        "mark",
        "nmod",
        "nsubj",
        "nummod",
        "obj",
        "obl",
        "orphan",
        "parataxis",
        "punct",
        "reparandum",
        "root",
        "vocative",
        "xcomp",
    ]
)
LEAST = 20  # sentences that must be left to fit on, and
LEAST_OF_CLASS = 5  # of each label


def deciding_by_sentence(suite: Suite) -> list[frozenset[str] | None]:
    """The deciding words of every sentence, in lower case; None where the suite does not give them."""
    of_pair: dict[int, frozenset[str]] = {}
    for pair in suite.pairs:
        for sentence in (pair.clean, pair.corrupted):
            read = _read(sentence)
            changed = [sentence.words[i].lower() for i in pair.changed if i != read]
            of_pair[id(sentence)] = frozenset(changed)
    return [_linked(sentence) or of_pair.get(id(sentence)) or None for sentence in suite.sentences]


def _read(sentence: Sentence) -> int:
    """The word that is read: the last marked one."""
    return max((mark.word for mark in sentence.marks), default=-1)


def _linked(sentence: Sentence) -> frozenset[str]:
    read = _read(sentence)
    places = {
        link.dependent
        for link in sentence.links
        if link.governor == read and link.relation.partition(":")[0] not in SYNTAX
    }
    return frozenset(sentence.words[place].lower() for place in places)


@dataclass(frozen=True, slots=True)
class DecidingWords:
    """Deciding words of some sentences.

    Attributes:
        deciding: Deciding words; of sentences that do not give them, all words that occur with one label only.
        unresolved: All words of sentences that do not give their deciding words.
    """

    deciding: frozenset[str]
    unresolved: frozenset[str]

    @staticmethod
    def of(suite: Suite) -> "DecidingWords":
        """All sentences of a suite together."""
        own, silent = _may_decide(suite), [words is None for words in deciding_by_sentence(suite)]
        unresolved = [
            frozenset(map(str.lower, s.words))
            for s, is_silent in zip(suite.sentences, silent, strict=True)
            if is_silent
        ]
        return DecidingWords(frozenset().union(*own), frozenset().union(*unresolved))

    def shared_by(self, suite: Suite) -> list[bool]:
        """For every sentence of another suite, whether it shares a deciding word with these."""
        known = self.deciding | self.unresolved
        return [
            bool((words or may) & (known if words else self.deciding))
            for words, may in zip(deciding_by_sentence(suite), _may_decide(suite), strict=True)
        ]


def _may_decide(suite: Suite) -> list[frozenset[str]]:
    """As `deciding_by_sentence`; for a sentence that does not give them, its words that occur with no other label."""
    labels: dict[str, set[str]] = {}
    for sentence in suite.sentences:
        for word in sentence.words:
            labels.setdefault(word.lower(), set()).update(mark.label for mark in sentence.marks)
    found: list[frozenset[str]] = []
    for sentence, deciding in zip(suite.sentences, deciding_by_sentence(suite), strict=True):
        marked = {sentence.words[mark.word].lower() for mark in sentence.marks}
        own = {w for w in map(str.lower, sentence.words) if w[:1].isalpha() and len(labels[w]) == 1}
        found.append(frozenset(own - marked) if deciding is None else deciding)
    return found


def without_shared_words(fitted: Suite, tested: Suite) -> tuple[Suite, int]:
    """The sentences to fit on that share no deciding word with the tested ones, and how many were left out."""
    there = list(zip(deciding_by_sentence(tested), _may_decide(tested), strict=True))
    known = frozenset[str]().union(*(words for words, _ in there if words))
    may = frozenset[str]().union(*(own for words, own in there if not words))
    kept = list(fitted.sentences)
    # With each sentence that goes, more words stand with one label only.
    while True:
        left = replace(fitted, sentences=tuple(kept))
        deciding = zip(kept, deciding_by_sentence(left), _may_decide(left), strict=True)
        kept = [
            s
            for s, words, own in deciding
            if not (known & (words or frozenset(map(str.lower, s.words))) or may & own)
        ]
        if len(kept) == len(left.sentences):
            break
    texts = {s.text for s in kept}
    pairs = tuple(p for p in fitted.pairs if p.clean.text in texts and p.corrupted.text in texts)
    n = len(fitted.sentences) - len(kept)
    return replace(fitted, sentences=tuple(kept), pairs=pairs), n


def enough(fitted: Suite, labels: Sequence[str]) -> bool:
    """Whether there is enough left to fit directions between labels."""
    counts = Counter(mark.label for s in fitted.sentences for mark in s.marks)
    return sum(counts[n] for n in labels) >= LEAST and all(
        counts[n] >= LEAST_OF_CLASS for n in labels
    )


def blocks_of(suite: Suite) -> list[int]:
    """The block of every sentence: sentences of one group, or with a common deciding word, form one block."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = [f"group {sentence.group}" for sentence in suite.sentences]
    for name, words in zip(names, _may_decide(suite), strict=True):
        root(name)
        for word in words:
            parent[root(f"word {word}")] = root(name)
    number: dict[str, int] = {}
    return [number.setdefault(root(name), len(number)) for name in names]


def folds_of(suite: Suite, n: int) -> list[int] | None:
    """Divides whole blocks into parts that have words of every label alike; None if there are too few."""
    blocks = blocks_of(suite)
    labels = [max(s.marks, key=lambda m: m.word).label if s.marks else "" for s in suite.sentences]
    names = sorted(set(labels))
    counts = {b: Counter[str]() for b in blocks}
    for block, label in zip(blocks, labels, strict=True):
        counts[block][label] += 1
    parts = [Counter[str]() for _ in range(n)]
    of_block: dict[int, int] = {}
    # The largest first, each to the part that has least of what the block is of.
    for block in sorted(counts, key=lambda b: -sum(counts[b].values())):
        own = counts[block]
        fill = [sum(part[name] * own[name] for name in own) for part in parts]
        of_block[block] = fill.index(min(fill))
        parts[of_block[block]] += own
    if any(part[name] < 2 for part in parts for name in names):
        return None
    return [of_block[block] for block in blocks]
