"""Splits: folds of whole groups, with near-duplicates joined.

A probe that was fitted on a near-duplicate of a sentence scores memory. So a group (a document, a template, a scene) is
never on both sides of a split, and groups that hold nearly the same sentence count as one. Sentences
are nearly the same if the cosine of their character n-grams (TF-IDF, 3 to 5 letters within words) is
0.8 or more: one other word in a sentence of ten is, another sentence on the same matter is not. The oftener a template
is filled, the less TF-IDF makes of what it shares; so sentences of eight different words and more are compared by which words they hold as well (a cosine of 0.87 or more).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from headwise.errors import HeadwiseError

ALIKE = 0.8
ALIKE_IN_WORDS = 0.87  # seven of eight words
LONG = 8  # different words; of short sentences many share most words and say something else
ROWS_AT_ONCE = 512

Splits = tuple[tuple[Int[ndarray, " _"], Int[ndarray, " _"]], ...]

RareLabels = Literal["refuse", "reduce", "drop"]


@dataclass(frozen=True, eq=False)
class Folds:
    """How examples are divided.

    Attributes:
        draws: For each draw of folds the fitted and the scored examples of each fold, as indices.
        groups: Group of each example; groups with near-duplicates are one.
        n_alike: Examples with a near-duplicate in another group: joined, or, where the data bring their
            own split, on the other side of it.
        own: Whether the data brought the split.
    """

    draws: tuple[Splits, ...]
    groups: Int[ndarray, " example"]
    n_alike: int
    own: bool

    @property
    def splits(self) -> Splits:
        """The folds of the first draw."""
        return self.draws[0]


def own_split(
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    is_test: ndarray,
    texts: Sequence[str],
    labels: Sequence[str],
) -> Folds:
    """The split that the data bring.

    Raises:
        HeadwiseError: A label occurs in the test part only.
    """
    absent = set(codes[is_test].tolist()) - set(codes[~is_test].tolist())
    if absent:
        raise HeadwiseError(
            f"The label {labels[min(absent)]!r} occurs in the test part only; nothing can be fitted for it."
        )
    first, second = near_duplicates(texts)
    across = is_test[first] != is_test[second]
    leaked = {*first[across & is_test[first]], *second[across & is_test[second]]}
    split = (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    return Folds(((split,),), groups, len(leaked), own=True)


def grouped_folds(
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    texts: Sequence[str],
    labels: Sequence[str],
    n_folds: int,
    seed: int,
    rare_labels: RareLabels = "refuse",
    n_draws: int = 1,
) -> Folds:
    """Stratified folds of whole groups, drawn once or several times.

    Args:
        codes: Label of each example, an index into `labels`.
        groups: Group of each example.
        texts: Sentence of each example.
        labels: Names of the labels, for messages.
        n_folds: How many folds.
        seed: Fixes them.
        rare_labels: With a label that occurs in fewer groups than there are folds: refuse, or make fewer folds;
            labels to drop have been dropped before, see `scarce`.
        n_draws: How often folds are drawn.

    Raises:
        HeadwiseError: Fewer than two folds, or a label in too few groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if n_folds < 2:
        raise HeadwiseError(f"folds={n_folds}: at least 2 are needed to score what was not fitted.")
    joined, n_alike = join_alike(groups, texts)
    n_groups = {name: len(np.unique(joined[codes == code])) for code, name in enumerate(labels)}
    scarcest = min(n_groups, key=lambda name: n_groups[name])
    least = n_groups[scarcest]
    alike = _joined(groups, joined, texts)
    if max(n_groups.values()) == 1:
        raise HeadwiseError(
            f"{alike}Every label occurs in one group only, so any feature of a group predicts its label, and no honest split "
            "is possible. Give each label several groups."
        )
    if least < n_folds and (rare_labels != "reduce" or least < 2):
        remedy = f"pass folds={least}" if least >= 2 else 'leave it out with rare_labels="drop"'
        raise HeadwiseError(
            f"{alike}The label {scarcest!r} occurs in {least} group(s), fewer than the {n_folds} folds. Add groups or "
            f"{remedy}."
        )
    draws: list[Splits] = []
    for draw in range(n_draws):
        # Neighbouring seeds share no draw: seed + draw would repeat them.
        own = int(np.random.default_rng([seed, draw]).integers(2**31)) if draw else seed
        folder: Any = StratifiedGroupKFold(min(n_folds, least), shuffle=True, random_state=own)
        draws.append(tuple(folder.split(np.zeros(len(codes)), codes, joined)))
    return Folds(tuple(draws), joined, n_alike, own=False)


def _joined(
    groups: Int[ndarray, " example"], joined: Int[ndarray, " example"], texts: Sequence[str]
) -> str:
    """How many groups became one for their nearly alike sentences, with an example; empty if none did."""
    before, after = len(np.unique(groups)), len(np.unique(joined))
    if before == after:
        return ""
    largest = np.bincount(joined).argmax()
    first, second = (
        texts[np.flatnonzero((joined == largest) & (groups == g))[0]]
        for g in np.unique(groups[joined == largest])[:2]
    )
    return (
        f"Of {before} groups {after} are left, as groups with nearly the same sentences count as one: {first!r} and {second!r}, for example. "
        "Vary the sentences of different groups. "
    )


def scarce(
    codes: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    texts: Sequence[str],
    n_folds: int,
) -> list[int]:
    """Labels that occur in fewer groups than there are folds."""
    joined, _ = join_alike(groups, texts)
    return [
        int(code) for code in np.unique(codes) if len(np.unique(joined[codes == code])) < n_folds
    ]


def join_alike(
    groups: Int[ndarray, " example"], texts: Sequence[str]
) -> tuple[Int[ndarray, " example"], int]:
    """Groups in which those with near-duplicates are one, and how many examples that concerned."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = near_duplicates(texts)
    across = groups[first] != groups[second]
    n = int(groups.max(initial=-1)) + 1
    edges = (np.ones(int(across.sum())), (groups[first[across]], groups[second[across]]))
    _, component = connected_components(coo_array(edges, shape=(n, n)), directed=False)
    return component[groups], len({*first[across], *second[across]})


def near_duplicates(
    texts: Sequence[str],
) -> tuple[Int[ndarray, " pair"], Int[ndarray, " pair"]]:
    """Pairs of different examples whose sentences are nearly the same, each pair once."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.preprocessing import normalize

    found = set[tuple[int, int]]()
    if any(text.strip() for text in texts):
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
        found |= _pairs(cast(Any, letters.fit_transform(texts)), ALIKE)
    if any(len(text.split()) >= LONG for text in texts):
        words = CountVectorizer(token_pattern=r"\w+", binary=True)
        held: Any = words.fit_transform(texts)
        own = np.flatnonzero(held.sum(axis=1) >= LONG)
        found |= {
            (int(own[a]), int(own[b])) for a, b in _pairs(normalize(held[own]), ALIKE_IN_WORDS)
        }
    pairs = np.array(sorted(found), dtype=int).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _pairs(vectors: Any, least: float) -> set[tuple[int, int]]:
    """Pairs of rows of length 1 whose inner product is large, some rows at a time."""
    vectors, found = vectors.tocsr(), set[tuple[int, int]]()
    for start in range(0, vectors.shape[0], ROWS_AT_ONCE):
        likeness = (vectors[start : start + ROWS_AT_ONCE] @ vectors.T).tocoo()
        alike = (likeness.data >= least) & (likeness.row + start < likeness.col)
        found |= set(zip((likeness.row[alike] + start).tolist(), likeness.col[alike].tolist(), strict=True))  # fmt: skip
    return found
