"""Whether any of many effects is above zero: sign-flip test over clusters, with the maximum over all tests.

Under the null hypothesis the sign of a cluster's sum is arbitrary. All tests share the same random signs, which keeps their correlation; each is
compared with its own flips (`p`) and with the largest of all at every flip (`p_fwer`; Westfall and
Young 1993; Romano and Wolf 2005), in units of its own spread (blocks of exchangeable items: Winkler, Ridgway, Webster, Smith and Nichols
2014).

Flipped sums are symmetric and those of hits and degradations need not be: many small gains and few large losses look like a gain. The observed t is
therefore corrected for skewness (Hall 1992) wherever that makes it smaller. Losses too rare to have been seen cannot be corrected for: where 1
cluster in 10 loses 9 and the others gain 1, the mean is 0 and a third of all samples of 10 clusters hold gains only.

Where two factors cross, each is flipped in turn, the observed t has the two-way standard error, and the larger p counts.

Time: `tests * clusters * n_flips / 2` multiplications for each factor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import stats

from headwise.errors import HeadwiseError

from .clusters import Clusters, sum_by_cluster
from .influence import Contrast, Spread, spread_of

N_EXHAUSTIVE = 12  # clusters; all their flips are no more than the flips that are drawn
MIN_TESTED_ITEMS = 20
MIN_TESTED_CLUSTERS = 10
EPSILON = 1e-5  # in units of a test's spread: sums that are equal differ in their last digits
BLOCK = 2**21  # numbers


@dataclass(frozen=True, eq=False)
class Block:
    """Tests on one set of items.

    Attributes:
        values: What each test says of each item; is its mean above zero?
        clusters: Which cluster each item belongs to. Blocks of one family share the codes: those with the same are flipped together.
        codes: Class of each item, if every class is to count alike.
    """

    values: Float[ndarray, "test item"]
    clusters: Clusters
    codes: Int[ndarray, " item"] | None = None


@dataclass(frozen=True, eq=False)
class Tests:
    """One-sided tests of a family, in the order of its blocks.

    Attributes:
        p: Of each test alone; NaN where there are too few items or clusters or a value is missing, and such tests take no part in the rest.
        p_fwer: Of each as one of the family: the chance that the best of all would look as good if none were above zero.
        q_fdr: Share of false discoveries to be expected among tests with a q this low (Benjamini and Hochberg 1995).
        t: The mean in units of its standard error.
        se: Standard error over clusters; two-way where factors cross.
        critical: The largest of `criticals`.
        criticals: How many standard errors about an estimate hold its effect at `level`, for all tests at once: that of the flips, and at least
            Bonferroni's, as tests whose effects are alike but not zero look more alike when flipped than they are.
        bars: What t of each test must exceed to be above zero at `level` over the family: more where clusters differ in size, and where values
            are skewed as the data are.
        maxima: For each factor, the largest of all tests at every flip, sorted; in units of the root of the sum of squares.
    """

    __test__ = False  # for pytest, which would take the name for a test

    p: Float[ndarray, " test"]
    p_fwer: Float[ndarray, " test"]
    q_fdr: Float[ndarray, " test"]
    t: Float[ndarray, " test"]
    se: Float[ndarray, " test"]
    critical: float
    criticals: Float[ndarray, " test"]
    bars: Float[ndarray, " test"]
    maxima: tuple[Float[ndarray, " _"], ...] = ()


def max_t(
    blocks: Sequence[Block],
    *,
    seed: int,
    n_flips: int = 5000,
    level: float = 0.05,
    min_items: int = MIN_TESTED_ITEMS,
    min_clusters: int = MIN_TESTED_CLUSTERS,
) -> Tests:
    """Tests every row of every block against zero, one-sided, over the family of all.

    Args:
        blocks: The tests.
        seed: Fixes the flips.
        n_flips: How many are drawn; with 12 clusters or fewer all of them are tried.
        level: Family-wise error rate of the critical value.
        min_items: Blocks with fewer items are not tested.
        min_clusters: Blocks with fewer clusters (of either factor) are not tested.

    Raises:
        HeadwiseError: Blocks differ in the number of crossed factors.
    """
    kept: list[Block] = []
    takes_part: list[Bool[ndarray, " test"]] = []
    for block in blocks:
        enough = len(block.clusters) >= max(1, min_items) and block.clusters.n >= min_clusters
        rows = np.asarray(np.isfinite(block.values).all(axis=1) & enough)
        takes_part.append(rows)
        if rows.all():
            kept.append(block)
        elif rows.any():
            kept.append(Block(block.values[rows], block.clusters, block.codes))
    tested = np.concatenate([np.empty(0, dtype=bool), *takes_part])
    found = {name: np.full(len(tested), np.nan) for name in COLUMNS}
    if not kept:
        return Tests(**found, critical=float("nan"), maxima=())
    numbers = {len(block.clusters.factors) for block in kept}
    if len(numbers) > 1:
        raise HeadwiseError(
            "Blocks of one family are clustered by the same factors; got some by one and some by two that cross. Make the clusters once, "
            "of all items, and take parts with Clusters.where."
        )
    spreads = [spread_of(b.values, b.clusters, _contrast(b)) for b in kept]
    value = np.concatenate([s.value for s in spreads])
    se = np.sqrt(np.concatenate([s.variance for s in spreads]))
    found["t"][tested] = _over(value, se)
    found["se"][tested] = se
    n_factors = numbers.pop()
    crossed_t = found["t"][tested] if n_factors == 2 else None
    by_factor = [
        _by_factor(kept, spreads, f, crossed_t, seed + f, n_flips, level) for f in range(n_factors)
    ]
    *columns, maxima = zip(*by_factor, strict=True)
    for name, column in zip(("p", "p_fwer", "criticals", "bars"), columns, strict=True):
        found[name][tested] = np.max(column, axis=0)
    df = np.concatenate([np.full(len(b.values), b.clusters.n - 1) for b in kept])
    # Flips of effects that are real and alike are more alike than the effects' own errors, which would make intervals too short.
    bonferroni = stats.t.isf(level / tested.sum(), df)
    found["criticals"][tested] = np.maximum(found["criticals"][tested], bonferroni)
    found["q_fdr"][tested] = stats.false_discovery_control(found["p"][tested])
    critical = float(found["criticals"][tested].max())
    return Tests(**found, critical=critical, maxima=tuple(maxima))


def p_against(block: Block, family: Tests) -> Float[ndarray, " test"]:
    """Family-wise p of further tests, against the largest of a family that they are no part of.

    For tests that differ little from some of the family (the same in another split of the data), so that their null distribution is the
    same: no new flips are drawn. They may be no sparser over clusters than the family and no less alike among themselves.

    Args:
        block: The tests; clusters by the factors of the family.
        family: What `max_t` found.

    Returns:
        NaN where the family was not tested.
    """
    found = [np.full(len(block.values), np.nan)]
    spread = spread_of(block.values, block.clusters, _contrast(block))
    crossed_t = _over(spread.value, np.sqrt(spread.variance)) if len(family.maxima) == 2 else None
    for factor, maxima in enumerate(family.maxima):
        names = np.unique(block.clusters.factors[factor])
        _, observed, _ = _observed([block], [spread], factor, names, crossed_t)
        # One is added above and below: the observed signs are one of the flips, and no p is zero (Phipson and Smyth 2010).
        above = len(maxima) - np.searchsorted(maxima, observed - EPSILON, side="left")
        found.append((1 + above) / (1 + len(maxima)))
    return np.fmax.reduce(found)


COLUMNS = ("p", "p_fwer", "q_fdr", "t", "se", "criticals", "bars")
Columns = tuple[
    Float[ndarray, " test"],
    Float[ndarray, " test"],
    Float[ndarray, " test"],
    Float[ndarray, " test"],
    Float[ndarray, " maximum"],
]


def _contrast(block: Block) -> Contrast:
    if block.codes is None:
        return Contrast.mean(block.values.shape[1])
    return Contrast.balanced(block.codes)


def _by_factor(
    blocks: Sequence[Block],
    spreads: Sequence[Spread],
    factor: int,
    crossed_t: Float[ndarray, " test"] | None,
    seed: int,
    n_flips: int,
    level: float,
) -> Columns:
    """p, family-wise p, critical t and bars, when the clusters of one factor are flipped, and the largest of every flip."""
    names = np.unique(np.concatenate([block.clusters.factors[factor] for block in blocks]))
    scaled, observed, n = _observed(blocks, spreads, factor, names, crossed_t)
    # Drawn for the names of all blocks, so that a cluster has one sign in every test of the family.
    signs = _flips(len(names), n_flips, seed)
    p, p_fwer, critical, largest = _compare(scaled.astype(np.float32), observed, n, signs, level)
    skew = np.concatenate([_skewness(spread.influences[factor]) for spread in spreads])
    effective = np.concatenate(
        [np.full(len(b.values), _effective(b, b.clusters.factors[factor])) for b in blocks]
    )
    bars = _to_t(_to_u(_uncorrected(critical, skew, n), n), effective)
    return p, p_fwer, critical, bars, largest


def _effective(block: Block, cluster: Int[ndarray, " item"]) -> float:
    """As how many clusters of one size these count: of sums that are flipped, the largest cannot outweigh itself."""
    share = np.bincount(cluster, _contrast(block).of_item)
    return float(1 / (share**2).sum())


def _observed(
    blocks: Sequence[Block],
    spreads: Sequence[Spread],
    factor: int,
    names: Int[ndarray, " cluster"],
    crossed_t: Float[ndarray, " test"] | None,
) -> tuple[Float[ndarray, "test cluster"], Float[ndarray, " test"], Float[ndarray, " test"]]:
    """Sums of the clusters of one factor in units of their own spread, what was observed in that unit, and how many clusters there are."""
    codes = [block.clusters.factors[factor] for block in blocks]
    sums: list[Float[ndarray, "test cluster"]] = []
    sizes: list[ndarray] = []
    skews: list[Float[ndarray, " test"]] = []
    for block, spread, code in zip(blocks, spreads, codes, strict=True):
        index = np.searchsorted(names, code)
        sums.append(_weighted_sums(block, index, len(names)))
        sizes.append(np.full(len(block.values), float(len(np.unique(code)))))
        skews.append(_skewness(spread.influences[factor]))
    total, n = np.concatenate(sums), np.concatenate(sizes)
    length = np.sqrt((total**2).sum(axis=1))
    scaled = np.divide(total, length[:, None], out=np.zeros_like(total), where=length[:, None] > 0)
    t = _to_t(scaled.sum(axis=1), n)
    if crossed_t is not None:
        t = np.minimum(t, crossed_t)
    return scaled, _to_u(_corrected(t, np.concatenate(skews), n), n), n


def _weighted_sums(
    block: Block, index: Int[ndarray, " item"], n: int
) -> Float[ndarray, "test cluster"]:
    """What each cluster adds to the mean."""
    if block.codes is None:
        return sum_by_cluster(block.values, index, n).astype(np.float64)
    return sum_by_cluster(block.values.astype(np.float64) * _contrast(block).of_item, index, n)


def _compare(
    scaled: Float[ndarray, "test cluster"],
    observed: Float[ndarray, " test"],
    n: Float[ndarray, " test"],
    signs: Float[ndarray, "cluster flip"],
    level: float,
) -> tuple[
    Float[ndarray, " test"],
    Float[ndarray, " test"],
    Float[ndarray, " test"],
    Float[ndarray, " maximum"],
]:
    """Every flip and its mirror image; the data as they are count as one that is at least as large."""
    n_all = 2 * signs.shape[1]
    count = np.empty(len(scaled))
    largest = np.full((2, signs.shape[1]), -np.inf, dtype=np.float32)
    for rows in _blocks(np.arange(len(scaled)), signs.shape[1]):
        flipped = scaled[rows] @ signs
        bar = (observed[rows, None] - EPSILON).astype(np.float32)
        # The first column, the data themselves, is counted once in any case.
        count[rows] = 1 + (flipped[:, 1:] >= bar).sum(axis=1) + (flipped <= -bar).sum(axis=1)
        np.maximum(largest[0], flipped.max(axis=0), out=largest[0])
        np.maximum(largest[1], -flipped.min(axis=0), out=largest[1])
    maxima = np.sort(largest.ravel())
    # The first of all maxima is that of the data themselves.
    others = np.sort(np.delete(largest.ravel(), 0))
    above = len(others) - np.searchsorted(others, observed - EPSILON, side="left")
    bar = maxima[min(len(maxima) - 1, int(np.ceil((1 - level) * len(maxima))) - 1)]
    return count / n_all, (1 + above) / n_all, _to_t(np.full(len(n), float(bar)), n), others


def _blocks(rows: Int[ndarray, " row"], width: int) -> Iterator[Int[ndarray, " _"]]:
    """Rows a few at a time, so that a matrix with `width` numbers for each stays small."""
    step = max(1, BLOCK // width)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _flips(n_clusters: int, n_flips: int, seed: int) -> Float[ndarray, "cluster flip"]:
    """Columns of signs, the observed one first, without their mirror images: all there are, or a random sample."""
    if n_clusters <= N_EXHAUSTIVE:
        # Counting upwards in binary with the last cluster's sign fixed: half of all flips, of which the others are mirror images.
        bits = np.arange(2 ** max(0, n_clusters - 1)) >> np.arange(n_clusters)[:, None] & 1
        return (1 - 2 * bits).astype(np.float32)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2, size=(n_clusters, n_flips // 2), dtype=np.int8) * 2 - 1
    return np.concatenate([np.ones((n_clusters, 1)), drawn], axis=1, dtype=np.float32)


def _to_t(u: Float[ndarray, " test"], n: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """From the sum in units of the root of the sum of squares to Student's t of as many clusters, which rises with it.

    Tests with different numbers of clusters are compared in the former unit, in which their null distributions are nearly the same.
    """
    # u**2 reaches n where all sums are equal, and t would be infinite.
    room = np.maximum(n - u**2, n * 1e-9)
    return u * np.sqrt((n - 1) / room)


def _to_u(t: Float[ndarray, " test"], n: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    return t * np.sqrt(n / (n - 1 + t**2))


def _over(value: Float[ndarray, " test"], se: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """Effect over standard error; 0 where there is neither, and a large number where only the latter is 0."""
    least = np.maximum(se, 1e-6 * np.abs(value))
    return np.divide(value, least, out=np.zeros_like(value), where=least > 0)


def _skewness(influence: Float[ndarray, "test cluster"]) -> Float[ndarray, " test"]:
    """Skewness over clusters, without the bias that it has at a normal distribution (G1; Joanes and Gill 1998)."""
    n = influence.shape[1]
    centred = influence - influence.mean(axis=1, keepdims=True)
    square = centred**2
    second = square.mean(axis=1)
    centred *= square
    third = centred.mean(axis=1)
    skew = np.divide(third, second**1.5, out=np.zeros_like(third), where=second > 0)
    return skew * np.sqrt(n * (n - 1)) / max(1, n - 2)


def _corrected(
    t: Float[ndarray, " test"], skew: Float[ndarray, " test"], n: Float[ndarray, " test"]
) -> Float[ndarray, " test"]:
    """Hall's transformation of t, where it is smaller than t.

    It holds for a test alone; far out in the tail, where the largest of many skewed tests lies, it is too little.
    """
    root, skew = np.sqrt(n), _as_shown(skew, n)
    t = np.clip(t, -1e6, 1e6)
    # Hall's cubic is flat at t = 3 root(n) / |skew|. An effect so far from zero that it lies beyond is no longer what skewness made: from
    # there on it rises with t, or no head that is nearly always right could be told from zero with 50 clusters.
    flat = np.divide(3 * root, -skew, out=np.full(len(t), np.inf), where=skew < 0)
    inside = np.minimum(t, flat)
    moved = inside + skew * inside**2 / (3 * root) + skew**2 * inside**3 / (27 * n)
    return np.minimum(t, moved + (t - inside) + skew / (6 * root))


def _as_shown(skew: Float[ndarray, " test"], n: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """The skewness that is corrected for.

    Normal data of few clusters look skewed by chance, and a skewness that is large shows by half in them: what exceeds half its standard
    error at a normal distribution is doubled, up to the root of the number of clusters, which is the most that a sample can show.
    """
    error = np.sqrt(6 * n * (n - 1) / (np.maximum(n - 2, 1) * (n + 1) * (n + 3)))
    return np.sign(skew) * np.clip(2 * np.abs(skew) - error, 0, np.sqrt(n))


def _uncorrected(
    t: Float[ndarray, " test"], skew: Float[ndarray, " test"], n: Float[ndarray, " test"]
) -> Float[ndarray, " test"]:
    """The t that `_corrected` makes this one: Hall's cubic is a cube that is moved, so it has a closed inverse."""
    root, skew = np.sqrt(n), _as_shown(skew, n)
    moved = t - skew / (6 * root)
    flat = np.divide(3 * root, -skew, out=np.full(len(t), np.inf), where=skew < 0)
    some = np.where(skew == 0, 1.0, skew)
    inside = np.where(skew == 0, moved, 3 * root / some * (np.cbrt(1 + skew * moved / root) - 1))
    # At the flat point the cubic is a third of it; beyond, it goes on with slope 1.
    return np.maximum(t, np.where(moved > flat / 3, moved + 2 * flat / 3, inside))
