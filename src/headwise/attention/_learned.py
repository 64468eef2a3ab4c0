"""Baselines that are fitted: a learned ranking of words, and words that were answers before.

The learned one says of every visible word how much it looks like an answer, from a linear model of what
it is without its meaning: where it stands, how rare and how long it is, which rules point at it, and, if they are given, parts of speech. It never
sees a form, so that it cannot learn words by heart. Fitted
by ridge regression of "is a right word" within each question, which needs for each part of the data its
sums of squares only: forty fits take little longer than one.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from ._candidates import Options
from ._crossfit import Fitted, Splits
from ._traits import Traits
from .annotations import Corpus
from .baselines import MAX_OFFSET, is_right
from .questions import NOBODY, Questions

RIDGE = 3.0
MOST_GROUPS = 600  # that a ranking is fitted on
SHARE_OF_WORDS = 0.01  # of which a part of speech is worth a column
NEAR = 8  # words, which have a column each


def features(
    options: Options,
    traits: Traits,
    rules: Sequence[Int[ndarray, " question"]],
    corpus: Corpus | None = None,
) -> Float[ndarray, "row feature"]:
    """What each visible word is, without its meaning.

    Args:
        options: The words.
        traits: Their properties in plain text.
        rules: Where rules point: whether each points at a word is a feature of it.
        corpus: Parts of speech, if they may be used.
    """
    word, offset = options.word, options.offset
    everything = np.ones(len(word), dtype=bool)
    from_start = options.count_before(everything)
    from_end = options.count(everything) - 1 - from_start
    frequency = _level(traits.count)
    columns = [
        *_buckets(np.abs(offset) * np.sign(offset), [*range(-NEAR, 0), *range(1, NEAR + 1)]),
        *_buckets(from_start, [0, 1, 2, 3]),
        *_buckets(from_end, [0, 1, 2, 3]),
        *_buckets(traits.pieces[word], [1, 2]),
        *_buckets(np.minimum(traits.letters[word], 9) // 3, [0, 1, 2]),
        *_buckets(_level(traits.rank), [0, 1, 2, 3], word),
        *_buckets(frequency, [0, 1, 2, 3], word),
        *_buckets(
            np.where(traits.previous < 0, NOBODY, frequency[traits.previous]), [0, 1, 2, 3], word
        ),
        *_buckets(np.where(traits.next < 0, NOBODY, frequency[traits.next]), [0, 1, 2, 3], word),
        traits.is_beside_mark(traits.previous)[word],
        traits.is_beside_mark(traits.next)[word],
        np.abs(offset) / 20,
        offset < 0,
        from_start / np.maximum(options.count(everything), 1),
        traits.form[word] == traits.form[options.query],
        traits.is_capital[word],
        traits.is_plain[word],
        traits.has_digit[word],
        *(options.points_at(places) for places in rules),
    ]
    if corpus is not None:
        classes = corpus.classes[word]
        common = np.bincount(classes, minlength=1) >= SHARE_OF_WORDS * len(word)
        for name in np.flatnonzero(common):
            own = classes == name
            columns += [own, own & (offset < 0)]
            columns.append(own & (np.abs(offset) > 1))
        columns += _first_of_class(options, classes)
    return np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)


def _buckets(
    values: Int[ndarray, " _"],
    numbers: Sequence[int],
    word: Int[ndarray, " row"] | None = None,
) -> list[Bool[ndarray, " row"]]:
    values = values if word is None else values[word]
    return [values == number for number in numbers]


def _level(values: Int[ndarray, " word"]) -> Int[ndarray, " word"]:
    """Fifths of the words by a number."""
    edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8]) if len(values) else np.zeros(4)
    return np.searchsorted(edges, values, side="left")


def _first_of_class(options: Options, classes: Int[ndarray, " row"]) -> list[Bool[ndarray, " row"]]:
    """Whether no word of the same class stands nearer on the same side, or earlier, or later in the text."""
    side = (options.offset > 0).astype(int)
    key = (options.question * 2 + side) * (int(classes.max(initial=0)) + 1) + classes
    whole = options.question * (int(classes.max(initial=0)) + 1) + classes
    near = np.zeros(len(classes), dtype=bool)
    order = np.argsort(np.abs(options.offset), kind="stable")
    near[order[np.unique(key[order], return_index=True)[1]]] = True
    first, last = (np.zeros(len(classes), dtype=bool) for _ in range(2))
    first[np.unique(whole, return_index=True)[1]] = True
    last[len(whole) - 1 - np.unique(whole[::-1], return_index=True)[1]] = True
    return [near, near & (side == 0), first, last]


def ranking(
    name: str,
    blocks: Sequence[Options],
    table_of: Callable[[int], Float[ndarray, "row feature"]],
    groups: Int[ndarray, " question"],
    inside: Bool[ndarray, " question"],
    splits: Splits,
) -> Fitted:
    """Fits a linear ranking of words on every half, and every quarter, of every split.

    Args:
        name: What it is called.
        blocks: The words, some questions at a time.
        table_of: Features of the words of a block.
        groups: Group of each question.
        inside: Questions to fit it on.
        splits: Which groups lie in which quarter.
    """
    names, group = np.unique(groups, return_inverse=True)
    fits = inside & (group < MOST_GROUPS)
    ends = np.cumsum([len(block.questions) for block in blocks])
    own = [slice(e - len(b.questions), e) for b, e in zip(blocks, ends, strict=True)]
    n_fitted = min(len(names), MOST_GROUPS)
    sums = [
        _squares(block, table_of(i), group[part], fits[part], n_fitted)
        for i, (block, part) in enumerate(zip(blocks, own, strict=True))
    ]
    squares, products = (np.sum(x, axis=0) for x in zip(*sums, strict=True))
    quarter = splits.quarter[:, names]
    weights = _weights(squares, products, quarter[:, :n_fitted])
    flat = weights.reshape(-1, weights.shape[-1]).T
    hits = np.concatenate([_is_first(b, table_of(i) @ flat) for i, b in enumerate(blocks)])
    hits = hits.reshape(-1, len(splits), N_FITS).transpose(1, 2, 0)
    lies = quarter[:, group]
    split, question = np.ogrid[: len(splits), : len(groups)]
    # The first two fits are those of the halves, the others those of the quarters.
    return Fitted(name, hits[split, 1 - lies // 2, question], hits[split, 2 + (lies ^ 1), question])


N_FITS = 6


def _squares(
    options: Options,
    table: Float[ndarray, "row feature"],
    group: Int[ndarray, " question"],
    fits: Bool[ndarray, " question"],
    n_groups: int,
) -> tuple[Float[ndarray, "group feature feature"], Float[ndarray, "group feature"]]:
    """Sums of squares of features, and of their products with being right, of the questions of each group."""
    n_features = table.shape[1]
    squares = np.zeros((n_groups, n_features, n_features), dtype=np.float32)
    products = np.zeros((n_groups, n_features), dtype=np.float32)
    # Centred within each question: only differences between its words can be learned.
    starts = options.starts[:-1]
    means = np.add.reduceat(table, starts, axis=0) / np.diff(options.starts)[:, None]
    rows = np.flatnonzero(fits[options.question])
    rows = rows[np.argsort(group[options.question[rows]], kind="stable")]
    of_row = group[options.question[rows]]
    for g in np.unique(of_row):
        own = rows[np.searchsorted(of_row, g) : np.searchsorted(of_row, g, side="right")]
        centred = table[own] - means[options.question[own]]
        squares[g] = centred.T @ centred
        products[g] = centred[options.is_right[own]].sum(axis=0)
    return squares, products


def _weights(
    squares: Float[ndarray, "group feature feature"],
    products: Float[ndarray, "group feature"],
    quarter: Int[ndarray, "split group"],
) -> Float[ndarray, "split fit feature"]:
    """Ridge regressions on the two halves and the four quarters of every split."""
    n_splits, n_groups = quarter.shape
    n_features = products.shape[1]
    belongs = (quarter[:, None] == np.arange(4)[:, None]).astype(np.float32)
    belongs = belongs.reshape(-1, n_groups)
    xx = (belongs @ squares.reshape(n_groups, -1)).reshape(n_splits, 4, n_features, n_features)
    xy = (belongs @ products).reshape(n_splits, 4, n_features)
    xx = np.concatenate([xx[:, [0, 2]] + xx[:, [1, 3]], xx], axis=1)
    xy = np.concatenate([xy[:, [0, 2]] + xy[:, [1, 3]], xy], axis=1)
    xx += RIDGE * np.eye(n_features, dtype=np.float32)
    return np.linalg.solve(xx, xy[..., None])[..., 0]


def _is_first(options: Options, scores: Float[ndarray, "row fit"]) -> Bool[ndarray, "question fit"]:
    """Whether a right word has the highest score of its question, alone."""
    starts = options.starts[:-1]
    right = options.is_right[:, None]
    low = np.float32(-np.inf)
    return np.maximum.reduceat(np.where(right, scores, low), starts, axis=0) > np.maximum.reduceat(
        np.where(right, low, scores), starts, axis=0
    )


def known_answers(
    blocks: Sequence[Options], traits: Traits, groups: Int[ndarray, " question"], splits: Splits
) -> list[Fitted]:
    """The nearest, first and last word that was an answer in another group of the fitting half."""
    names, group = np.unique(groups, return_inverse=True)
    ends = np.cumsum([len(block.questions) for block in blocks])
    parts = [group[e - len(b.questions) : e] for b, e in zip(blocks, ends, strict=True)]
    answers = np.zeros((len(names), len(traits.forms)), dtype=bool)
    for block, of_question in zip(blocks, parts, strict=True):
        right = np.flatnonzero(block.is_right)
        answers[of_question[block.question[right]], traits.form[block.word[right]]] = True
    used = np.flatnonzero(answers.any(axis=0))
    column = np.full(len(traits.forms), -1)
    column[used] = np.arange(len(used))
    half = splits.quarter[:, names] // 2
    found = [
        _known(block, column[traits.form[block.word]], answers[:, used], of_question, half)
        for block, of_question in zip(blocks, parts, strict=True)
    ]
    return [
        Fitted(f"{way} word that was an answer in the fitting half", both[0], both[1])
        for way in found[0]
        for both in [np.concatenate([one[way] for one in found], axis=-1)]
    ]


def _known(
    options: Options,
    answer: Int[ndarray, " row"],
    answers: Bool[ndarray, "group answer"],
    group: Int[ndarray, " question"],
    half: Int[ndarray, "split group"],
) -> dict[str, Bool[ndarray, "2 split question"]]:
    """Whether words that were answers are right: of the other half, and of the same.

    Args:
        options: The words.
        answer: Which answer each word is; -1 if it is none.
        answers: Whether each group has each answer.
        group: Group of each question.
        half: Half of each group.
    """
    ways = {
        "nearest": (None, options.nearness),
        "nearest before": (options.offset < 0, options.nearness),
        "nearest after": (options.offset > 0, options.nearness),
        "first": (None, -options.place),
        "last": (None, options.place),
    }
    rows = np.flatnonzero(answer >= 0)
    question, which = options.question[rows], answer[rows]
    own = answers[group[question], which]
    found = {way: np.zeros((2, len(half), len(group)), dtype=bool) for way in ways}
    for s, of_group in enumerate(half):
        number = np.stack([answers[of_group == h].sum(axis=0) for h in (0, 1)])
        lies = of_group[group]
        for kind, fitted_on in enumerate((1 - lies, lies)):
            # In its own half a word's own group does not count, or every answer would be known.
            others = number[fitted_on[question], which] - (own if kind == 1 else 0)
            fits = np.zeros(len(answer), dtype=bool)
            fits[rows] = others > 0
            for way, (side, preference) in ways.items():
                places = options.pick(fits if side is None else fits & side, preference)
                found[way][kind, s] = is_right(options.questions, places)
    return found


def own_positions(
    found: Int[ndarray, "head question"],
    q: Questions,
    groups: Int[ndarray, " question"],
    splits: Splits,
) -> tuple[Bool[ndarray, "head split question"], Bool[ndarray, "head split question"]]:
    """The distance at which each head's most attended word stands most often, if visible, or the next such distances.

    Args:
        found: The most attended word of every head.
        q: The questions.
        groups: Group of each question.
        splits: Which groups lie in which half.

    Returns:
        Whether that is right, counted on the other half and on the half in which the question lies.
    """
    if not len(q):
        nothing = np.zeros((len(found), len(splits), 0), dtype=bool)
        return nothing, nothing
    names, group = np.unique(groups, return_inverse=True)
    n_offsets = 2 * MAX_OFFSET + 1
    offset = np.where(found == NOBODY, n_offsets, found - q.query + MAX_OFFSET)
    near = (offset >= 0) & (offset < n_offsets)
    half = np.stack([splits.quarter[:, names] // 2 == h for h in (0, 1)], axis=1)
    half = half.reshape(-1, len(names)).astype(np.float32)
    best = np.empty((len(found), len(half), N_FALLBACKS), dtype=int)
    for head, (own, kept) in enumerate(zip(offset, near, strict=True)):
        number = np.bincount(group[kept] * n_offsets + own[kept], minlength=len(names) * n_offsets)
        number = half @ number.reshape(len(names), n_offsets).astype(np.float32)
        best[head] = np.argsort(-number, axis=1, kind="stable")[:, :N_FALLBACKS] - MAX_OFFSET
    # What a distance is right about depends on what is visible and where the right words are: few such keys.
    keys = np.concatenate([np.stack([q.first, q.end]).T, q.targets], axis=1) - q.query[:, None]
    keys[:, 2:][q.targets == NOBODY] = n_offsets
    keys[:, :2] = np.clip(keys[:, :2], -MAX_OFFSET, MAX_OFFSET + 1)
    keys, key = np.unique(keys, axis=0, return_inverse=True)
    key = key.ravel()
    chosen = np.zeros((*best.shape[:2], len(keys)), dtype=int)
    for way in reversed(range(N_FALLBACKS)):
        own = best[..., way, None]
        visible = (own >= keys[:, 0]) & (own < keys[:, 1]) & (own != 0)
        chosen = np.where(visible, own, chosen)
    right = np.zeros(chosen.shape, dtype=bool)
    for target in keys[:, 2:].T:
        right |= chosen == target
    right &= chosen != 0
    right = right.reshape(len(found), len(splits), 2, len(keys))
    lies = splits.halves(groups)
    split = np.arange(len(splits))[:, None]
    return right[:, split, 1 - lies, key], right[:, split, lies, key]


N_FALLBACKS = 3
