"""The control task of selectivity: random labels of word kinds (Hewitt and Liang 2019).

Every kind of word at a position beside the probed one gets a random label. A probe that learns this as well as the real task memorises. The
comparison means something only on the same examples, those whose kind was seen in fitting, and only if the
control is no easier than the task: if one frequent word has one label, predicting that is right most of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from headwise.data.suite import Suite
from headwise.probing.labelled_words import Examples

MIN_KINDS = 10
MOST_UNEVEN = 1.25  # the share of the control's most frequent label over that of the task's
BEFORE, AFTER = (-1, -2), (-1, 1, -2, 2)  # places that are tried, the nearest first


@dataclass(frozen=True, eq=False)
class Control:
    """A random label for each kind of word beside the probed one.

    Attributes:
        codes: Label of each example.
        known: Scored examples whose kind was seen in fitting, so that its label can be known.
        beside: Which word has the kind, counted from the read one.
    """

    codes: Int[ndarray, " example"]
    known: Bool[ndarray, " example"]
    beside: int


def control_task(
    examples: Examples,
    suite: Suite,
    splits: Sequence[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]],
    seed: int,
    *,
    is_causal: bool,
) -> tuple[Control | None, str]:
    """The control task at the nearest place where it is one, and how it is made or why there is none."""
    real = _largest(examples.codes)
    for beside in BEFORE if is_causal else AFTER:
        kind = _kinds(examples, suite, beside)
        if kind.max() + 1 < MIN_KINDS:
            continue
        codes = _dealt(kind, examples.codes, seed)
        if _largest(codes) > MOST_UNEVEN * real:
            continue
        known = np.zeros(len(codes), dtype=bool)
        for train, test in splits:
            known[test] = np.isin(kind[test], kind[train])
        is_task = all(len(np.unique(codes[train])) > 1 for train, _ in splits)
        if known.any() and is_task:
            return Control(codes, known, beside), _note(beside, int(kind.max()) + 1)
    return None, (
        f"No selectivity: beside the read word there are fewer than {MIN_KINDS} kinds of words, or one of them is so frequent that "
        "a task of random labels would be easier than the real one."
    )


def _note(beside: int, n_kinds: int) -> str:
    side = "before" if beside < 0 else "after"
    return (
        f"Selectivity: accuracy less that on random labels of the {n_kinds} kinds of words {abs(beside)} {side} the read one, both on "
        "the examples whose kind was fitted."
    )


def _largest(codes: Int[ndarray, " example"]) -> float:
    return float(np.bincount(codes).max() / len(codes))


def _kinds(examples: Examples, suite: Suite, beside: int) -> Int[ndarray, " example"]:
    """The form of the word beside, as a number; where there is none that is a kind, too."""
    forms: list[str] = []
    for i, word in zip(examples.sentences, examples.positions, strict=True):
        said, at = suite.sentences[int(i)].words, int(word) + beside
        forms.append(said[at].lower() if 0 <= at < len(said) else "")
    return np.unique(forms, return_inverse=True)[1].ravel()


def _dealt(
    kind: Int[ndarray, " example"], real: Int[ndarray, " example"], seed: int
) -> Int[ndarray, " example"]:
    """Labels of kinds, as frequent as the real ones as far as whole kinds allow: the most frequent kinds choose first."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(kind)
    left = np.bincount(real).astype(float)
    label_of = np.zeros(len(counts), dtype=int)
    for one in np.lexsort((rng.random(len(counts)), -counts)):
        open_to = np.maximum(left, 0)
        if counts[one] > left.max() or not open_to.sum():
            label = int(left.argmax())
        else:
            fits = np.where(left >= counts[one], open_to, 0)
            label = int(rng.choice(len(left), p=fits / fits.sum()))
        label_of[one] = label
        left[label] -= counts[one]
    return label_of[kind]
