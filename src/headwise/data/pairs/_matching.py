"""Pairs of sentences from prompts with a right and a wrong continuation: each beside one of which the wrong one is right.

A minimal pair needs a second sentence after which the answers change places. Where data bring prompts alone (BLiMP), another prompt of the same data serves. All that are paired with one another are of
one group, so that no sentence stands on both sides of a split.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from headwise._files import hash_files
from headwise._formatting import brief
from headwise.data.sentence import AnySentence, Mark, Pair, Sentence, as_sentence
from headwise.data.suite import Suite
from headwise.errors import BadSuite


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sentence that stops where an answer comes.

    Attributes:
        sentence: What comes before.
        right: The word that fits.
        wrong: The word that does not.
    """

    sentence: Sentence
    right: str
    wrong: str


LAST = "last word"  # where two sentences are compared that have nothing else in common


def matched(prompts: Sequence[Prompt]) -> tuple[list[Pair], int]:
    """Minimal pairs, and how many prompts have no other that they could be paired with.

    Another of as many words is taken first. The last words are marked, with which `align='marks'` compares sentences whose other words do not correspond. Time:
    linear in the prompts.
    """
    partner = _partners(prompts, lambda p: (p.right, p.wrong, len(p.sentence.words)), range(len(prompts)))  # fmt: skip
    rest = [i for i in range(len(prompts)) if i not in partner]
    # Also with those that have a partner, which are then the corrupted sentence of several.
    partner |= {i: j for i, j in _partners(prompts, lambda p: (p.right, p.wrong, 0), range(len(prompts))).items() if i in rest}  # fmt: skip
    if not partner:
        return [], len(prompts)
    group = _together([*partner.items()], [prompt.sentence.text for prompt in prompts])
    pairs: list[Pair] = []
    for i, j in sorted(partner.items()):
        both = [_ended(prompts[k].sentence, group[i]) for k in (i, j)]
        pairs.append(Pair(both[0], both[1], prompts[i].right, prompts[i].wrong))
    return pairs, len(prompts) - len(pairs)


def _ended(sentence: Sentence, group: str) -> Sentence:
    return replace(sentence, group=group, marks=(Mark(len(sentence.words) - 1, LAST),))


def _partners(
    prompts: Sequence[Prompt], key: Callable[[Prompt], tuple[str, str, int]], among: Iterable[int]
) -> dict[int, int]:
    """For each prompt another with the answers the other way round; each is taken about as often as the next."""
    places: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for i in among:
        places[key(prompts[i])].append(i)
    found: dict[int, int] = {}
    for (right, wrong, n), own in places.items():
        others = places.get((wrong, right, n), [])
        for k, i in enumerate(own):
            # The next in turn, but for the same text with the answers exchanged.
            turn = (others[(k + step) % len(others)] for step in range(min(2, len(others))))
            text = prompts[i].sentence.text
            if (j := next((j for j in turn if prompts[j].sentence.text != text), None)) is not None:
                found[i] = j
    return found


def _together(edges: Sequence[tuple[int, int]], texts: Sequence[str]) -> list[str]:
    """A group for each prompt: those that are in one pair, or have one text, are in one."""
    first = {text: i for i, text in reversed(list(enumerate(texts)))}
    rows, columns = zip(*edges, *((i, first[text]) for i, text in enumerate(texts)), strict=True)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(texts)))
    _, found = connected_components(graph, directed=False)
    return [str(group) for group in found]


def pair_of(where: str, clean: AnySentence, corrupted: AnySentence, right: str, wrong: str, group: str) -> Pair:  # fmt: skip
    """A pair that can be compared word by word.

    Raises:
        BadSuite: Both are the same, they have other numbers of words, or one answer alone or the same twice is given.
    """
    a, b = (replace(as_sentence(given), group=group, source=where) for given in (clean, corrupted))
    if not a.words or not b.words:
        raise BadSuite(f"{where}: a sentence without words.")
    if a.words == b.words:
        raise BadSuite(f"{where}: both sentences are {brief(a.text)}. A pair differs in at least one word.")  # fmt: skip
    if len(a.words) != len(b.words):
        raise BadSuite(
            f"{where}: {brief(a.text)} has {len(a.words)} words and {brief(b.text)} has {len(b.words)}, so the pair cannot be compared word by word. Make them equally long, or write a "
            ".toml suite, in which marks say which words belong together."
        )
    if bool(right) != bool(wrong) or (right and right == wrong):
        raise BadSuite(f"{where}: right is {brief(right)} and wrong is {brief(wrong)}. Give two different words, or neither.")  # fmt: skip
    return Pair(a, b, right, wrong)


def suite_of(path: Path, name: str, pairs: Sequence[Pair], about: str = "") -> Suite:
    """Pairs of a file as a suite; sentences that are compared at their last words are marked there."""
    is_ended = any(mark.label == LAST for pair in pairs for mark in pair.clean.marks)
    return Suite(
        name=name,
        question=f"Which heads does the model need for {name.replace('_', ' ')}?",
        sentences=sentences_of(pairs),
        labels={LAST: "the last word before what comes next"} if is_ended else {},
        path=str(path),
        sha256=hash_files([path]),
        about=about,
        pairs=tuple(pairs),
    )


def sentences_of(pairs: Sequence[Pair]) -> tuple[Sentence, ...]:
    """Every sentence of some pairs once."""
    return tuple(dict.fromkeys(s for pair in pairs for s in (pair.clean, pair.corrupted)))
