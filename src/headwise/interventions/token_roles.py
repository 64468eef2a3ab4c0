"""Token roles: positions by their role in a sentence, for ablation and patching at some positions.

Every token has one role: `end`, where the next token is predicted; the label of its word, if that is marked, or `marked` if
its label is another in the corrupted sentence; `changed`, if its word differs between the sentences of a pair; `special`, if it is of no word; else `other`.
"""

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from headwise.errors import HeadwiseError

from .prompts import Prompts

END, MARKED, CHANGED, SPECIAL, OTHER = "end", "marked", "changed", "special", "other"
Masks = tuple[list[Bool[ndarray, " _"]], list[Bool[ndarray, " _"]]]


def roles(prompts: Prompts) -> tuple[list[list[str]], list[list[str]]]:
    """The role of every token of the rows, and of the rows of a decoder that has an encoder before it."""
    first: list[list[str]] = []
    second: list[list[str]] = []
    for number, owner in enumerate(prompts.owners):
        sentence = prompts.sentences[owner]
        of_word = {mark.word: mark.label for mark in sentence.marks}
        if prompts.pairs:
            pair = prompts.pairs[owner]
            for word in pair.changed:
                of_word.setdefault(word, CHANGED)
            shared = {m.label for m in pair.clean.marks} & {m.label for m in pair.corrupted.marks}
            of_word |= {mark.word: MARKED for mark in sentence.marks if mark.label not in shared}
        own = [
            SPECIAL if word is None else of_word.get(word, OTHER)
            for word in prompts.rows[number].words
        ]
        at = prompts.ends[owner][1]
        if prompts.targets:
            target = [OTHER] * len(prompts.targets[number].tokens)
            target[at] = END
            second.append(target)
        elif at >= 0:
            own[at] = END
        first.append(own)
    return first, second


def names(prompts: Prompts) -> list[str]:
    """Roles that occur, in the order in which they are met."""
    first, second = roles(prompts)
    return list(dict.fromkeys(role for row in (*first, *second) for role in row))


def masks(prompts: Prompts, name: str) -> Masks:
    """Where a role is.

    Raises:
        HeadwiseError: No token has it.
    """
    known = names(prompts)
    if name not in known:
        raise HeadwiseError(f"No position is called {name!r} here; there are: {', '.join(known)}.")
    found = tuple(
        [np.array([role == name for role in row]) for row in side] for side in roles(prompts)
    )
    return found[0], found[1]
