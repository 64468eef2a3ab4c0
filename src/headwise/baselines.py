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

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from .corpus import Corpus
from .questions import NOBODY, Questions

MAX_OFFSET = 20
SHARE_OF_ANSWERS = 0.05


def answer_classes(questions: Questions, corpus: Corpus) -> list[frozenset[str]]:
    """Sets of parts of speech worth a rule: the most frequent answer's, and all frequent ones."""
    answers = _target_classes(questions, corpus)
    counts = np.bincount(answers[answers > 0], minlength=len(corpus.names))
    if not counts.any():
        return []
    frequent = np.flatnonzero(counts >= SHARE_OF_ANSWERS * counts.sum())
    sets = ([int(counts.argmax())], frequent.tolist())
    return list(dict.fromkeys(frozenset(corpus.names[i] for i in chosen) for chosen in sets))


def _target_classes(questions: Questions, corpus: Corpus) -> Int[ndarray, "question target"]:
    """Part of speech of every right word; 0 where it has none or there is no word."""
    if not len(questions):
        return np.zeros_like(questions.targets)
    places = corpus.starts[questions.sentence][:, None] + questions.targets
    is_word = questions.targets != NOBODY
    return np.where(is_word, corpus.classes[np.where(is_word, places, 0)], 0)


def rules(
    questions: Questions, corpus: Corpus, sets: Sequence[frozenset[str]]
) -> Iterator[tuple[str, Int[ndarray, " question"]]]:
    """Every rule with the word it points at for each question, -1 where there is none; the plainest first.

    Args:
        questions: Who looks, and what can be seen.
        corpus: Words and their parts of speech.
        sets: Parts of speech that answers have, from `answer_classes`.
    """
    for names in sets:
        title = "/".join(sorted(names))
        for name, places in _nearest(questions, corpus, names).items():
            yield name.format(title), places
    for distance in range(1, MAX_OFFSET + 1):
        for offset in (-distance, distance):
            place = questions.looker + offset
            visible = (place >= questions.first) & (place < questions.end)
            yield offset_name(offset), np.where(visible, place, NOBODY)


def offset_name(offset: int) -> str:
    """How a fixed offset is called."""
    if abs(offset) == 1:
        return "previous word" if offset < 0 else "next word"
    return f"{abs(offset)} words {'before' if offset < 0 else 'after'}"


def _nearest(
    questions: Questions, corpus: Corpus, names: frozenset[str]
) -> dict[str, Int[ndarray, " question"]]:
    """Where rules point that look for a word of some parts of speech."""
    start = corpus.starts[questions.sentence]
    at, low, high = (start + x for x in (questions.looker, questions.first, questions.end))
    fits = corpus.of_class(names)
    n = len(fits)
    word = np.arange(n)
    # For each place, the last word before it that fits, or that does not; and the next one after it.
    last_fit, last_other = (
        np.concatenate([[-1], np.maximum.accumulate(np.where(x, word, -1))]) for x in (fits, ~fits)
    )
    next_fit, next_other = (
        np.concatenate([np.minimum.accumulate(np.where(x, word, n)[::-1])[::-1], [n]])
        for x in (fits, ~fits)
    )
    before, after = last_fit[at], next_fit[np.minimum(at + 1, n)]
    run_before, run_after = last_other[before] + 1, next_other[after] - 1
    has_before, has_after = before >= low, after < high
    is_before_nearer = has_before & (~has_after | (at - before <= after - at))

    def pointed(places: Int[ndarray, " question"], found: Bool[ndarray, " question"]):
        return np.where(found, places - start, NOBODY)

    return {
        "nearest {} before": pointed(before, has_before),
        "nearest {} after": pointed(after, has_after),
        "nearest {}": pointed(np.where(is_before_nearer, before, after), has_before | has_after),
        "last of the next {} run": pointed(np.minimum(run_after, high - 1), has_after),
        "first of the previous {} run": pointed(np.maximum(run_before, low), has_before),
    }


def is_right(
    questions: Questions, places: Int[ndarray, "*rest question"]
) -> Bool[ndarray, "*rest question"]:
    """Whether the word pointed at is one of the right ones."""
    right = (places[..., None] == questions.targets).any(axis=-1)
    return right & (places != NOBODY)


def has_distractor(questions: Questions, corpus: Corpus) -> Bool[ndarray, " question"]:
    """Whether a wrong word of a right answer's part of speech is as near as the nearest right one."""
    found = np.zeros(len(questions), dtype=bool)
    start, reach = corpus.starts[questions.sentence], questions.nearest
    low = np.maximum(questions.first, questions.looker - reach)
    high = np.minimum(questions.end, questions.looker + reach + 1)
    answers = _target_classes(questions, corpus)
    inside = (questions.targets >= low[:, None]) & (questions.targets < high[:, None])
    sees_itself = (questions.looker >= low) & (questions.looker < high)
    for name in np.unique(answers[answers > 0]):
        is_answer = answers == name
        before = np.concatenate([[0], np.cumsum(corpus.classes == name)])
        near = before[start + high] - before[start + low]
        own = corpus.classes[start + questions.looker] == name
        wrong = near - (is_answer & inside).sum(axis=1) - (sees_itself & own)
        found |= is_answer.any(axis=1) & (wrong > 0)
    return found


def uniform(questions: Questions) -> float:
    """Hit rate to be expected of a head that looks at any visible word alike; NaN without questions."""
    sees_itself = (questions.first <= questions.looker) & (questions.looker < questions.end)
    visible = questions.end - questions.first - sees_itself
    n_right = (questions.targets != NOBODY).sum(axis=1)
    rates = n_right[visible > 0] / visible[visible > 0]
    return float(rates.mean()) if len(rates) else float("nan")
