"""Rules that know no model: what a sceptic would hold against an attention head.

A head that looks at the word before, or at the next noun, scores high on adjacent pairs without
knowing anything of the relation. So every head stands beside the best of these rules, which is chosen
on the selection part like the head itself:

- a fixed offset: the word `k` places away, for every `k` up to 20 (`-1` is the previous word);
- the nearest word of the right part of speech before, after or on either side;
- the last word of the next run of such words (*the next noun run* finds the head of a compound);
- the farthest word of the previous run.

The right part of speech is that of the answers in the selection part: the most frequent one alone, and
all that make a twentieth of them or more. Where a suite has no parts of speech, the labels of its marks
stand in for them.

In UD English EWT dev the last of the next run of nouns and names is right for 89% of adjectives, above
every published adjective head; the next word for 75%.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from .suites import Sentence

MAX_OFFSET = 20
SHARE_OF_ANSWERS = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """A word that looks and the words that would be right.

    Attributes:
        sentence: Index of the sentence.
        looker: Position of the word that looks.
        targets: Positions that are right.
        first: First position that the looker can see.
        end: End of what it can see, exclusive.
    """

    sentence: int
    looker: int
    targets: tuple[int, ...]
    first: int
    end: int


def classes_of(sentence: Sentence) -> tuple[str, ...]:
    """Part of speech of every word, or the label that marks it where no parts of speech are known."""
    if sentence.tags:
        return sentence.tags
    labels = {mark.word: mark.label for mark in sentence.marks}
    return tuple(labels.get(word, "") for word in range(len(sentence.words)))


def answer_classes(
    questions: Iterable[Question], classes: Sequence[Sequence[str]]
) -> list[frozenset[str]]:
    """Sets of parts of speech worth a rule: the most frequent answer's, and all frequent ones."""
    counts = Counter(name for q in questions for t in q.targets if (name := classes[q.sentence][t]))
    if not counts:
        return []
    total = counts.total()
    frequent = frozenset(n for n, count in counts.items() if count >= SHARE_OF_ANSWERS * total)
    return list(dict.fromkeys((frozenset((counts.most_common(1)[0][0],)), frequent)))


def rules(
    questions: Sequence[Question],
    classes: Sequence[Sequence[str]],
    sets: Sequence[frozenset[str]],
) -> Iterator[tuple[str, Int[ndarray, " question"]]]:
    """Every rule with the word it points at for each question, -1 where there is none; the plainest first.

    Args:
        questions: Who looks, and what can be seen.
        classes: Part of speech of every word of every sentence.
        sets: Parts of speech that answers have, from `answer_classes`.
    """
    lookers = np.array([q.looker for q in questions], dtype=int)
    first = np.array([q.first for q in questions], dtype=int)
    end = np.array([q.end for q in questions], dtype=int)
    for names in sets:
        title = "/".join(sorted(names))
        found = np.array([_nearest(q, classes[q.sentence], names) for q in questions], dtype=int)
        found = found.reshape(-1, 5)
        for column, name in enumerate(
            (
                f"nearest {title} before",
                f"nearest {title} after",
                f"nearest {title}",
                f"last of the next {title} run",
                f"first of the previous {title} run",
            )
        ):
            yield name, found[:, column]
    for distance in range(1, MAX_OFFSET + 1):
        for offset in (-distance, distance):
            place = lookers + offset
            yield offset_name(offset), np.where((place >= first) & (place < end), place, -1)


def offset_name(offset: int) -> str:
    """How a fixed offset is called."""
    if abs(offset) == 1:
        return "previous word" if offset < 0 else "next word"
    return f"{abs(offset)} words {'before' if offset < 0 else 'after'}"


def _nearest(
    question: Question, classes: Sequence[str], names: frozenset[str]
) -> tuple[int, int, int, int, int]:
    """Nearest word before, after and either way; end of the next and beginning of the previous run."""
    looker = question.looker
    before = looker - 1
    while before >= question.first and classes[before] not in names:
        before -= 1
    after = looker + 1
    while after < question.end and classes[after] not in names:
        after += 1
    previous_run, next_run = before, after
    while previous_run - 1 >= question.first and classes[previous_run - 1] in names:
        previous_run -= 1
    while next_run + 1 < question.end and classes[next_run + 1] in names:
        next_run += 1
    before = before if before >= question.first else -1
    after = after if after < question.end else -1
    if before < 0 or after < 0:
        nearest = max(before, after)
    else:
        nearest = before if looker - before <= after - looker else after
    return (
        before,
        after,
        nearest,
        next_run if after >= 0 else -1,
        previous_run if before >= 0 else -1,
    )


def is_right(
    questions: Sequence[Question], places: Int[ndarray, " question"]
) -> Bool[ndarray, " question"]:
    """Whether the word pointed at is one of the right ones."""
    return np.array(
        [int(place) in q.targets for q, place in zip(questions, places, strict=True)], dtype=bool
    )


def has_distractor(
    questions: Sequence[Question], classes: Sequence[Sequence[str]]
) -> Bool[ndarray, " question"]:
    """Whether a wrong word of a right answer's part of speech is as near as the nearest right one."""
    return np.array([_distracted(q, classes[q.sentence]) for q in questions], dtype=bool)


def _distracted(question: Question, classes: Sequence[str]) -> bool:
    names = {classes[target] for target in question.targets} - {""}
    reach = min(abs(target - question.looker) for target in question.targets)
    near = range(
        max(question.first, question.looker - reach), min(question.end, question.looker + reach + 1)
    )
    return any(
        classes[word] in names and word not in question.targets and word != question.looker
        for word in near
    )


def uniform(questions: Sequence[Question]) -> float:
    """Hit rate to be expected of a head that looks at any visible word alike."""
    rates = [
        len(q.targets) / n
        for q in questions
        if (n := q.end - q.first - (q.first <= q.looker < q.end)) > 0
    ]
    return float(np.mean(rates)) if rates else float("nan")
