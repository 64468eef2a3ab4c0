"""Moves (direct contribution): whether each head moves a word along a direction, towards the word's class.

The stream at a word is a sum of what heads, MLPs and embeddings wrote (see `_components`), and its position along a direction is the sum of their
contributions. The effect of a head is its mean contribution to words of one class minus that to words of the other. Effects sum to the distance of
the classes along the direction, and each is a share of that.

A direction must come from sentences with other deciding words than the tested ones (see `unseen_words`). A head must pass each of these tests, over
the family of all heads:

- permuted labels: does it separate the classes at all?
- random directions with the covariance of the words: is it this direction?
- its own values under uniform attention: does it depend on what the head attends to?
- heads of models with random weights: does its t exceed the largest of theirs? (see `controls`)

Time: a pass over the sentences for the model and one for each random-weight model, whatever the number of directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import check_counts
from headwise.activations import hooks
from headwise.activations.sites import Site
from headwise.data.suite import Suite, as_suite
from headwise.model.heads import shape_of, sides
from headwise.model.model import Model
from headwise.stats.deciding import LEVEL, N_RANDOM

from . import nulls
from ._along import table_of, trajectory_of, whole_of
from ._columns import CONTRIBUTIONS, SOURCES, TRAJECTORY, WORDS
from ._measuring import Sample, measure
from ._stream.by_key import trace
from ._stream.components import Component, components
from ._stream.word_positions import streams_of
from .controls import Control, Refit, against_random_weights
from .decomposition import recorder_of
from .direction import Direction


@dataclass(frozen=True, eq=False, repr=False)
class DirectionTestResult(Result):
    """Direct contributions along a direction.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        direction: The direction.
        between: The positive and the negative class.
        n_words: Words of each.
        missing: Marked words without a vector.
        components: The components.
        shape: Layers of the stack that the words are read from, and heads of each; components end below the direction's layer.
        contributions: The contribution of each component to each word, as a length in the direction's metric.
        codes: 1 for a word of the positive class, 0 for the negative one.
        groups: Group of each word, as an index.
        total: Distance of the classes along the direction, which is the sum of all effects.
        whole: The same (`effect`) with its interval over groups (`effect_low`, `effect_high`), `se`, `df` and `t`; the `cosine` of the classes' own step with the
            direction, `p` against permuted labels and `p_random` against random directions; `separated`, how often a word of the positive
            class lies further ahead
            than one of the negative class (0.5 is chance); `uniform`, the distance in the same model with all attention uniform, `excess` over that
            with its interval (`excess_low`, `excess_high`), `excess_t` and `excess_p`; `control_t`, the largest t of a model with random weights.
        error: Largest difference between the sum of a word's contributions and where it lies, relative to the largest of the latter.
        cases: Words, and
        clusters: their clusters, by the factor (groups, deciding words) that has fewest.
        critical: What a t must exceed to be above zero with 5% error over all heads and MLPs; NaN with too few cases or clusters.
        control: The results of models with random weights.
        n_folds: Directions that were fitted, each without the deciding words of the sentences measured along it.
        left_out: Sentences excluded from fitting because they share a deciding word with the tested ones.
        table: One row per component; see `columns`. One-sided p values are of heads and MLPs, what is under uniform attention of heads; NaN for the rest.
        trajectory: Where words lie along the direction at every layer of the stream, before anything of later layers.
        sources: Of the heads with the largest effects, where it came from.
        words: The words that these heads took most from.
    """

    model: str
    suite: str
    direction: Direction
    between: tuple[str, str]
    n_words: tuple[int, int]
    missing: int
    components: tuple[Component, ...]
    shape: tuple[int, int]
    contributions: Float[ndarray, "component word"]
    codes: Int[ndarray, " word"]
    groups: Int[ndarray, " word"]
    total: float
    whole: dict[str, float]
    error: float
    cases: int
    clusters: int
    critical: float
    control: Control
    n_folds: int
    left_out: int
    table: pd.DataFrame
    trajectory: pd.DataFrame
    sources: pd.DataFrame
    words: pd.DataFrame
    columns: ClassVar[Columns] = CONTRIBUTIONS
    further: ClassVar[Mapping[str, Columns]] = {
        "trajectory": TRAJECTORY,
        "sources": SOURCES,
        "words": WORDS,
    }

    def significant(self) -> pd.DataFrame:
        """The rows of heads that pass every test and exceed every head of the controls, strongest first; `evidence.moves` also requires a minimum share."""
        t = self.table.sort_values(by="effect", ascending=False)
        p = t[["p_fwer", "p_random_fwer", "excess_p_fwer"]].to_numpy(dtype=float)
        least = t[["t", "excess_t"]].min(axis=1)
        moves = (t["kind"] == "head") & (t["effect_low"] > 0) & (p < LEVEL).all(axis=1)
        # NaN without controls: what was not controlled was not shown.
        return t.loc[moves & (least > t["control_t"])]

    def _summary(self) -> str:
        heads = self.table["kind"].tolist().count("head")
        return f"{heads} heads along {self.direction.name}; {self._found('move words')}"


def direction_test(
    model: Model,
    suite: Suite,
    direction: Direction | Sequence[Direction],
    *,
    between: tuple[str, str] | None = None,
    layer: int | None = None,
    keys: str | Sequence[Sequence[int]] | None = None,
    refit: Refit | None = None,
    positions: int | str = 0,
    n_null: int = N_RANDOM,
    n_null_directions: int = 1000,
    n_permutations: int = 2000,
    n_traced: int = 8,
    seed: int = 0,
) -> DirectionTestResult:
    """Measures the direct contribution of every head, MLP and embedding to marked words along a direction.

    Args:
        model: The model that the direction was fitted on.
        suite: Sentences with marks, with other deciding words than it was fitted on; where they bring their own parts, the test part is used.
        direction: The direction; or several, each fitted without some of the deciding words; every sentence is measured along one that was
            fitted without its own.
        between: Labels of the classes, the one ahead first; those of the direction by default.
        layer: If given, must be the direction's own.
        keys: Which words are the `key words` whose contribution is reported separately: places for every sentence, or a relation by which the
            read word is linked to them; by default every word that it is linked to.
        refit: Fits the direction on another model, as `lambda m: [from_classes(m, fitted, ("animal", "unit"), layer=6)]`; without it there is
            no control by random weights, and no head can be a yes.
        positions: Which word is read, as in `headwise.probe`.
        n_null: How many models with random weights are tested.
        n_null_directions: How many random directions are drawn.
        n_permutations: How often labels are permuted.
        n_traced: For how many heads the source tokens are computed.
        seed: Random seed of permutations, directions and weights.

    Raises:
        HeadwiseError: A direction of another model or layer, or fitted on these sentences or on their deciding words; unknown labels, a class with
            one example, or key words outside a sentence.
    """
    check_counts(n_null=n_null, n_null_directions=n_null_directions, seed=seed)
    suite = as_suite(suite)
    several = [direction] if isinstance(direction, Direction) else list(direction)
    for one in several:
        one.require(model)
        one.require_layer(layer)
    ends = between or (several[0].positive, several[0].negative)
    (found,) = direction_tests(
        model, suite, [(several, ends)], positions=positions, keys=keys, refit=refit, n_null=n_null,
        n_traced=n_traced, n_permutations=n_permutations, n_null_directions=n_null_directions, seed=seed,
    )  # fmt: skip
    return found


def direction_tests(
    model: Model,
    suite: Suite,
    questions: Sequence[tuple[Sequence[Direction], tuple[str, str]]],
    *,
    keys: str | Sequence[Sequence[int]] | None = None,
    refit: Refit | None = None,
    left_out: int = 0,
    positions: int | str = 0,
    n_null: int = N_RANDOM,
    n_null_directions: int = 1000,
    n_permutations: int = 2000,
    n_traced: int = 8,
    seed: int = 0,
) -> list[DirectionTestResult]:
    """As `direction_test`, for the same words along several directions of one layer, each with its two classes.

    Args:
        model: The model.
        suite: The sentences.
        questions: Directions (several where they are cross-fitted) and classes.
        keys: As in `direction_test`.
        refit: Gives for another model the directions of every question.
        left_out: Sentences that were kept out of fitting, for the record.
        positions: As in `direction_test`.
        n_null: As in `direction_test`.
        n_null_directions: As in `direction_test`.
        n_permutations: As in `direction_test`.
        n_traced: As in `direction_test`.
        seed: As in `direction_test`.

    Raises:
        HeadwiseError: As in `direction_test`.
    """
    check_counts(n_null=n_null, n_null_directions=n_null_directions, seed=seed)
    sample = [Sample.of(model, suite, own, ends, positions) for own, ends in questions]
    first = sample[0].directions[0]
    recorder = recorder_of(model, first.layer, normed=first.normed, even=True)
    names = components(recorder.wiring, recorder.layer)
    measured, streams = measure(recorder, sample, "measuring contributions")
    site = "pattern" if len(model.stacks) == 1 else "encoder.pattern"
    with hooks.edit(model, site, alike, layers=range(first.layer)):
        even = _ends(model, sample[0])
    control = against_random_weights(model, sample, refit, n_null, seed)
    readers = [
        nulls.random_readers(a.directions[0], streams, a.codes, n_null_directions, seed)
        for a in sample
    ]
    tables = [
        table_of(names, a, m, r, control, n_permutations, len(questions), seed)
        for a, m, r in zip(sample, measured, readers, strict=True)
    ]
    heads = [c for c in names if c.kind == "head"]
    best = [
        sorted(heads, key=lambda c: -effects[names.index(c)])[:n_traced]
        for effects in (table["effect"].to_numpy(dtype=float) for table, _ in tables)
    ]
    plain = recorder_of(model, first.layer, normed=first.normed)
    traced = trace(plain, suite, sample, best, keys)
    before = streams_of(model, sample[0].words, range(first.layer + 1))
    before = _normed(model, before) if first.normed else before
    results: list[DirectionTestResult] = []
    for q, (a, m) in enumerate(zip(sample, measured, strict=True)):
        (table, critical), (sources, said) = tables[q], traced[q]
        effects = table["effect"].to_numpy(dtype=float)
        lies = np.abs(m.lies).max()
        results.append(
            DirectionTestResult(
                model=model.name,
                suite=suite.name,
                direction=a.directions[0],
                between=a.between,
                n_words=(int(a.codes.sum()), int((1 - a.codes).sum())),
                missing=a.examples.missing,
                components=names,
                shape=shape_of(model, sides(model)[0]),
                contributions=m.contributions,
                codes=a.codes,
                groups=a.examples.groups,
                total=float(effects.sum()),
                whole=whole_of(a, m, even, readers[q], control, n_permutations, seed),
                error=float(np.abs(m.contributions.sum(axis=0) - m.lies).max() / max(lies, 1e-12)),
                cases=len(a.codes),
                clusters=a.clusters.n,
                critical=critical,
                control=control,
                n_folds=len(a.directions),
                left_out=left_out,
                table=table,
                trajectory=trajectory_of(before, a),
                sources=sources,
                words=said,
            )
        )
    return results


def alike(pattern: Tensor, _: Site) -> Tensor:
    """Uniform attention over all visible tokens."""
    seen = (pattern > 0).to(pattern.dtype)
    return seen / seen.sum(-1, keepdim=True)


def _ends(model: Model, sample: Sample) -> Float[ndarray, "word d_model"]:
    """The stream at the words, where the direction lies."""
    first = sample.directions[0]
    streams = streams_of(model, sample.words, [first.layer])
    return (_normed(model, streams) if first.normed else streams)[0]


def _normed(
    model: Model, streams: Float[ndarray, "layer word d_model"]
) -> Float[ndarray, "layer word d_model"]:
    """As the final norm would make them."""
    import torch

    final = recorder_of(model, normed=True).wiring.final
    assert final is not None
    with torch.no_grad():
        given = torch.from_numpy(streams).to(model.device, model.dtype)
        return final(given).double().cpu().numpy()
