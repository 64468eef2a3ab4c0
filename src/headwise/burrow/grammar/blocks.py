"""Blocks of words that are swapped for each other in minimal pairs: every word is in one block, so clusters of pairs are clusters of words.

Properties of the deciding word (frequency, pieces, links) then vary between groups and never across them. Words swapped for each other have as many
of burrow's tokens and the same article before them.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from headwise.model.registry import BURROW

from .lexicon import Adjective, Lexicon, is_held_out
from .phrases import telling
from .placing import Cue, cues_of
from .writer import takes_an

PARTNERS = 3  # words swapped in for one that is held out
FITTED = (
    3  # of so many groups of words that training saw with a sense, one is left to fit directions on
)

Item = TypeVar("Item")


class Group(NamedTuple):
    """Deciding words of the pairs of one group and of no other.

    Attributes:
        name: The words.
        clean: Those of clean passages; if nothing is held out, both sides may be either.
        corrupted: Those that are swapped in.
    """

    name: str
    clean: tuple[Cue, ...]
    corrupted: tuple[Cue, ...]


@cache
def groups_of(lexicon: Lexicon, words: tuple[str, ...], held_out: bool) -> tuple[Group, ...]:
    """Groups of words that set senses, of one ambiguous word or of several; other words are left to fit directions on.

    Args:
        lexicon: The words.
        words: The ambiguous words.
        held_out: Whether training never saw the clean words with their senses.
    """
    seen = {
        word: [cue for sense in lexicon.senses[word] for cue in cues_of(lexicon, sense, False)]
        for word in words
    }
    used: set[str] = set()
    if not held_out:
        pairs: list[tuple[Cue, Cue]] = []
        for cues in seen.values():
            free = [cue for cue in cues if cue.noun not in used]
            pairs += matched(free, lambda a, b: may_swap(lexicon, a, b), lambda cue: cue.noun)
            used |= {cue.noun for pair in pairs for cue in pair}
        return tuple(
            Group(f"{a.noun} {b.noun}", (a,), (b,))
            for i, (a, b) in enumerate(pairs)
            if i % FITTED < FITTED - 1
        )
    unseen: dict[str, Cue] = {}  # one sense for each, or a word would be in two groups
    for word in words:
        for sense in lexicon.senses[word]:
            for cue in cues_of(lexicon, sense, True):
                unseen.setdefault(cue.noun, cue)
    used |= set(unseen)
    partners: dict[str, list[Cue]] = {noun: [] for noun in unseen}
    for _ in range(PARTNERS):  # one for every word before any has two
        for noun, cue in unseen.items():
            known = [partner.sense.name for partner in partners[noun]]
            fresh = (
                c
                for c in seen[cue.sense.word]
                if c.noun not in used and c.sense.name not in known and may_swap(lexicon, cue, c)
            )
            if other := next(fresh, None):
                partners[noun].append(other)
                used.add(other.noun)
    return tuple(
        Group(" ".join((noun, *(p.noun for p in own))), (unseen[noun],), tuple(own))
        for noun, own in partners.items()
        if own
    )


def matched(
    items: Sequence[Item], fit: Callable[[Item, Item], bool], name: Callable[[Item], str]
) -> list[tuple[Item, Item]]:
    """Pairs of items that fit, no name in two of them; those that fit few others choose first."""
    free = {
        i: {j for j, other in enumerate(items) if j != i and fit(item, other)}
        for i, item in enumerate(items)
    }
    pairs: list[tuple[Item, Item]] = []
    while open_to := [i for i, others in free.items() if others]:
        i = min(open_to, key=lambda i: len(free[i]))
        j = min(free[i], key=lambda j: (len(free[j]), j))
        pairs.append((items[i], items[j]))
        taken = {
            k for k, item in enumerate(items) if name(item) in (name(items[i]), name(items[j]))
        }
        free = {k: others - taken for k, others in free.items() if k not in taken}
    return pairs


def may_swap(lexicon: Lexicon, cue: Cue, other: Cue) -> bool:
    """Whether one word can replace another and determines another sense of the same ambiguous word."""
    if cue.sense.word != other.sense.word or cue.sense is other.sense:
        return False
    domains = lexicon.domains[cue.sense.domain], lexicon.domains[other.sense.domain]
    own, rival = ((*d.people, *d.things, *d.places) for d in domains)
    return cue.noun not in rival and other.noun not in own and alike(cue.noun, other.noun)


def alike(word: str, other: str) -> bool:
    """Whether two words have as many tokens and the same article."""
    return takes_an(word) == takes_an(other) and n_tokens(word) == n_tokens(other)


class Exchange(NamedTuple):
    """Two adjectives that are swapped for each other, and the nouns that may have either."""

    adjectives: tuple[Adjective, Adjective]
    nouns: tuple[str, ...]


@cache
def nouns_of(lexicon: Lexicon, held_out: bool) -> dict[str, frozenset[str]]:
    """To each adjective the nouns that it may describe, of those that training never showed with it or of the others."""
    return {
        adjective.word: frozenset(
            noun
            for name in adjective.classes
            for noun in lexicon.nouns[name]
            if is_held_out(adjective.word, noun) == held_out
            and (adjective.word, noun) not in lexicon.fixed_pairs
        )
        for adjective in lexicon.adjectives
    }


@cache
def exchanges(lexicon: Lexicon, held_out: bool) -> tuple[Exchange, ...]:
    """Adjectives in pairs, each in one only.

    Args:
        lexicon: The words.
        held_out: Whether training never saw their nouns with either, or may have seen them with both.
    """
    nouns = nouns_of(lexicon, held_out)
    begins = {a.word: {telling(effect)[0] for effect in a.effects} for a in lexicon.adjectives}

    def fit(a: Adjective, b: Adjective) -> bool:
        return (
            len(nouns[a.word] & nouns[b.word]) > 1
            and n_tokens(a.word) == n_tokens(b.word)
            and bool(begins[a.word] & begins[b.word])
        )

    pairs = matched(lexicon.adjectives, fit, lambda adjective: adjective.word)
    return tuple(Exchange((a, b), tuple(sorted(nouns[a.word] & nouns[b.word]))) for a, b in pairs)


@cache
def n_tokens(word: str) -> int:
    """How many of burrow's tokens a word has."""
    return len(_tokenize()(word))


@cache
def _tokenize() -> Callable[[str], list[str]]:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_file=str(BURROW / "tokenizer.json")).tokenize
