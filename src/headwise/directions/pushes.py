"""Moves: does each head push a word along a direction, towards what the word means there?

The stream at a word is a sum of what heads, MLPs and embeddings wrote (see `parts`), and how far it lies along a
direction is the sum of their pushes. What counts is by how much a head pushes words of one class further than words of the
other: its effect. Effects sum to the distance of the classes along the direction, and each is a share of that.

A direction must come from other sentences than those that are asked. Its p values say that a head's push tells the
classes apart better than shuffled labels would (is there an effect at all?), and that it pushes further along this direction
than along random ones that vary as the words do (is it this direction?).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from ..errors import HeadwiseError
from ..examples import Examples
from ..models import Model
from ..showing import Viewable
from ..stats import balanced_bootstrap, cluster_bootstrap
from ..suites import Suite
from . import nulls
from .at_words import Words, streams_of
from .decomposition import recorder_of
from .direction import Direction
from .parts import Component, components, take_apart
from .sources import trace

LEVEL = 0.05
P_VALUES = ("p", "p_family", "q", "p_random", "p_random_family")


@dataclass(frozen=True, eq=False)
class DirectionResult(Viewable):
    """What pushes words along a direction.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        direction: The direction.
        between: The positive and the negative class.
        n_words: Words of each.
        missing: Marked words without a vector.
        components: What pushes.
        pushes: How far each component pushes each word, as a length in the direction's metric.
        codes: 1 for a word of the positive class, 0 for the negative one.
        groups: Group of each word, as an index.
        total: Distance of the classes along the direction, which is the sum of all effects.
        whole: The same with its interval over groups (`low`, `high`), the `cosine` of the classes' own step with the direction, `p` against
            shuffled labels and `p_random` against random directions; `separated`, how often a word of the positive class lies further ahead
            than one of the negative class (0.5 is chance).
        error: Largest difference between the sum of a word's pushes and where it lies, relative to the largest of the latter.
        table: One row per component: `name`, `kind`, `layer`, `head`; mean `push_positive` and `push_negative`; `effect`, their
            difference, with its 95% interval over groups (`low`, `high`); `share` of the total; `cosine` of the angle between the
            component's own step from class to class and the direction (-1 to 1, in its metric). Of heads and MLPs: `p`, one-sided, against
            labels shuffled within groups (or among groups of one label), `p_family` over all heads and MLPs, `q` (Benjamini-Hochberg);
            `p_random` and `p_random_family` against random directions that vary as the words do. NaN for the rest.
        trajectory: Where words lie along the direction at every layer of the stream, before anything of later layers: `layer`, `label`
            (each class, and `difference`), `mean`, `low`, `high`.
        sources: Of the heads with the largest effects, where it came from: `name`, `layer`, `head`, `source` (`the word itself`, `key
            words`, `no word`, tokens such as a first one, `other words`), `effect`, `low`, `high` and `share` of the head's effect.
        words: The words that these heads took most from: `name`, `word` (lower case), `occurrences`, and its mean `push` towards the class of
            the sentence that it stands in.
    """

    model: str
    suite: str
    direction: Direction
    between: tuple[str, str]
    n_words: tuple[int, int]
    missing: int
    components: tuple[Component, ...]
    pushes: Float[ndarray, "component word"]
    codes: Int[ndarray, " word"]
    groups: Int[ndarray, " word"]
    total: float
    whole: dict[str, float]
    error: float
    table: pd.DataFrame
    trajectory: pd.DataFrame
    sources: pd.DataFrame
    words: pd.DataFrame

    def row(self, name: str) -> pd.Series:
        """One component's row."""
        return self.table[self.table["name"] == name].iloc[0]

    @property
    def pushing(self) -> list[str]:
        """Heads that push words towards their class by both tests and by the interval, strongest first."""
        t = self.table.sort_values(by="effect", ascending=False)
        moves = (t["low"] > 0) & (t["p_family"] < LEVEL) & (t["p_random"] < LEVEL)
        return [str(name) for name in t["name"].to_numpy()[moves & (t["kind"] == "head")]]

    def grid(self, column: str = "share") -> Float[ndarray, "layer head"]:
        """A column of every head; NaN where there is none."""
        values = self.table[column].to_numpy(dtype=float)
        heads = [(c.layer, c.head, i) for i, c in enumerate(self.components) if c.kind == "head"]
        layers, numbers, rows = np.array(heads, dtype=int).reshape(-1, 3).T
        found = np.full((1 + layers.max(initial=-1), 1 + numbers.max(initial=-1)), np.nan)
        found[layers, numbers] = values[rows]
        return found


def test_direction(
    model: Model,
    suite: Suite,
    direction: Direction,
    between: tuple[str, str] | None = None,
    layer: int | None = None,
    *,
    position: int | str = 0,
    keys: str | Sequence[Sequence[int]] | None = None,
    n_traced: int = 8,
    n_shuffles: int = 2000,
    n_random: int = 1000,
    seed: int = 0,
) -> DirectionResult:
    """Measures how far every head, MLP and embedding pushes marked words along a direction.

    Args:
        model: The model that the direction was fitted on.
        suite: Sentences with marks, others than it was fitted on; where they bring their own parts, those to test on are asked.
        direction: The direction.
        between: Labels of the classes, the one ahead first; those of the direction by default.
        layer: If given, must be the direction's own.
        position: Which word is read, as in `headwise.probe`.
        keys: Which words are the `key words` whose contribution is told apart: places for every sentence, or a relation by which the
            read word is linked to them; by default every word that it is linked to.
        n_traced: Of how many heads it is asked from which words their push came.
        n_shuffles: How often labels are shuffled.
        n_random: How many random directions are drawn.
        seed: Fixes shuffles, random directions and intervals.

    Raises:
        HeadwiseError: A direction of another model or layer, or fitted on these sentences; unknown labels, a class with
            one example, or key words outside a sentence.
    """
    direction.require(model)
    recorder = recorder_of(model, direction.require_layer(layer), normed=direction.normed)
    positive, negative = between or (direction.positive, direction.negative)
    examples = _examples(model, suite, positive, negative, position)
    direction.require_unseen(_only(suite, examples))
    codes = (examples.codes == examples.labels.index(positive)).astype(int)
    asked = Words.of_examples(examples)
    names = components(recorder.wiring, recorder.layer)
    pushes = np.empty((len(names), len(codes)))
    steps = np.zeros((len(names), 2, model.d_model))
    lies = np.empty(len(codes))
    ends = np.empty((len(codes), model.d_model))
    for taken in take_apart(recorder, asked, "measuring pushes"):
        parts = taken.parts.double().cpu().numpy()
        pushes[:, taken.words] = direction.push(parts)
        ends[taken.words] = taken.total.cpu().numpy()
        lies[taken.words] = direction.push(ends[taken.words])
        for code in (0, 1):
            steps[:, code] += parts[:, codes[taken.words] == code].sum(axis=1)
    error = float(np.abs(pushes.sum(axis=0) - lies).max() / max(np.abs(lies).max(), 1e-12))
    step = steps[:, 1] / codes.sum() - steps[:, 0] / (1 - codes).sum()
    readers = nulls.random_readers(direction, ends, examples.codes, n_random, seed)
    table = _table(names, pushes, step, direction, codes, examples.groups, readers, n_shuffles, seed)  # fmt: skip
    effects = table["effect"].to_numpy(dtype=float)
    best = [names[i] for i in np.argsort(-effects) if names[i].kind == "head"]
    sources, said = trace(recorder, suite, examples, direction, best[:n_traced], keys, codes, seed)
    return DirectionResult(
        model=model.name,
        suite=suite.name,
        direction=direction,
        between=(positive, negative),
        n_words=(int(codes.sum()), int((1 - codes).sum())),
        missing=examples.missing,
        components=names,
        pushes=pushes,
        codes=codes,
        groups=examples.groups,
        total=float(effects.sum()),
        whole=_whole(lies, step.sum(axis=0), direction, codes, examples.groups, readers, n_shuffles, seed),
        error=error,
        table=table,
        trajectory=_trajectory(model, asked, direction, codes, examples.groups, (positive, negative), seed),
        sources=sources,
        words=said,
    )  # fmt: skip


def _examples(
    model: Model, suite: Suite, positive: str, negative: str, position: int | str
) -> Examples:
    """The words of two classes; a class of `others` is all that have another label."""
    known = {mark.label for sentence in suite.sentences for mark in sentence.marks}
    labels = [positive, negative]
    if negative == "others" and "others" not in known:
        labels = sorted(known)
    if missing := [name for name in labels if name not in known]:
        raise HeadwiseError(
            f"The suite {suite.name!r} has no label {missing[0]!r}; it has {', '.join(sorted(known))}. Say which of its classes "
            "should lie apart: between=('ahead', 'behind')."
        )
    examples = Examples.of(model, suite, "sense", position, labels)
    if suite.has_own_split:
        examples = examples.where(
            np.array([suite.sentences[i].split == "test" for i in examples.sentences])
        )
    is_positive = examples.codes == examples.labels.index(positive)
    for name, n in ((positive, is_positive.sum()), (negative, (~is_positive).sum())):
        if n < 2:
            raise HeadwiseError(
                f"The class {name!r} of {suite.name!r} has {int(n)} example(s), so nothing can be said of its mean. Add sentences; "
                "ten groups of each class or more say something."
            )
    return examples


def _only(suite: Suite, examples: Examples) -> Suite:
    """The sentences that are asked."""
    own = {int(i) for i in examples.sentences}
    kept = tuple(s for i, s in enumerate(suite.sentences) if i in own)
    return replace(suite, sentences=kept, pairs=())


def _table(
    names: tuple[Component, ...],
    pushes: Float[ndarray, "component word"],
    step: Float[ndarray, "component d_model"],
    direction: Direction,
    codes: Int[ndarray, " word"],
    groups: Int[ndarray, " word"],
    readers: Float[ndarray, "draw d_model"],
    n_shuffles: int,
    seed: int,
) -> pd.DataFrame:
    effect = nulls.between(pushes, codes)
    low, high = difference_interval(pushes, codes, groups, seed)
    tested = np.array([c.kind in ("head", "mlp") for c in names])
    p = {name: np.full(len(names), np.nan) for name in P_VALUES}
    if tested.any():
        shuffled = nulls.against_shuffled(pushes[tested], codes, groups, seed=seed, n_shuffles=n_shuffles)  # fmt: skip
        random = nulls.against_random(step[tested], direction, readers)
        found = (shuffled.p, shuffled.p_family, shuffled.q, random.p, random.p_family)
        for name, values in zip(P_VALUES, found, strict=True):
            p[name][tested] = values
    return pd.DataFrame(
        {
            "name": [c.name for c in names],
            "kind": [c.kind for c in names],
            "layer": pd.array([c.layer for c in names], dtype="Int64"),
            "head": pd.array([c.head for c in names], dtype="Int64"),
            "push_positive": pushes[:, codes == 1].mean(axis=1),
            "push_negative": pushes[:, codes == 0].mean(axis=1),
            "effect": effect,
            "low": low,
            "high": high,
            "share": effect / (effect.sum() or np.nan),
            "cosine": direction.cosine(step),
            **p,
        }
    )


def _whole(
    lies: Float[ndarray, " word"],
    step: Float[ndarray, " d_model"],
    direction: Direction,
    codes: Int[ndarray, " word"],
    groups: Int[ndarray, " word"],
    readers: Float[ndarray, "draw d_model"],
    n_shuffles: int,
    seed: int,
) -> dict[str, float]:
    """The whole stream, tested as its parts are."""
    low, high = difference_interval(lies[None], codes, groups, seed)
    shuffled = nulls.against_shuffled(lies[None], codes, groups, seed=seed, n_shuffles=n_shuffles)
    ahead, behind = lies[codes == 1], lies[codes == 0]
    return {
        "effect": float(ahead.mean() - behind.mean()),
        "low": float(low[0]),
        "high": float(high[0]),
        "cosine": float(direction.cosine(step[None])[0]),
        "p": float(shuffled.p[0]),
        "p_random": float(nulls.against_random(step[None], direction, readers).p[0]),
        "separated": float(
            (ahead[:, None] > behind).mean() + (ahead[:, None] == behind).mean() / 2
        ),
    }


def difference_interval(
    values: Float[ndarray, "part word"],
    codes: Int[ndarray, " word"],
    groups: Int[ndarray, " word"],
    seed: int,
) -> tuple[Float[ndarray, " part"], Float[ndarray, " part"]]:
    """95% intervals, over groups, of the mean of class 1 less that of class 0."""
    # The mean over two classes of signed values is half the difference of their means.
    signed = 2 * np.where(codes == 1, values, -values)
    return balanced_bootstrap(signed, codes, groups, seed=seed)


def _trajectory(
    model: Model,
    asked: Words,
    direction: Direction,
    codes: Int[ndarray, " word"],
    groups: Int[ndarray, " word"],
    between: tuple[str, str],
    seed: int,
) -> pd.DataFrame:
    """Where words lie along the direction at every layer, up to its own."""
    streams = streams_of(model, asked, range(direction.layer + 1))
    if direction.normed:
        streams = _normed(model, streams)
    at = direction.push(streams)
    rows: list[dict[str, object]] = []
    ends = difference_interval(at, codes, groups, seed)
    for layer in range(len(at)):
        for code, label in ((1, between[0]), (0, between[1])):
            own = codes == code
            low, high = cluster_bootstrap(at[layer, own], groups[own], seed=seed)
            mean = at[layer, own].mean()
            rows.append({"layer": layer, "label": label, "mean": mean, "low": float(low), "high": float(high)})  # fmt: skip
        difference = float(nulls.between(at[layer : layer + 1], codes)[0])
        rows.append({"layer": layer, "label": "difference", "mean": difference, "low": ends[0][layer], "high": ends[1][layer]})  # fmt: skip
    return pd.DataFrame(rows)


def _normed(
    model: Model, streams: Float[ndarray, "layer word d_model"]
) -> Float[ndarray, "layer word d_model"]:
    """As the final norm would make them."""
    import torch

    final = recorder_of(model, normed=True).wiring.final
    assert final is not None
    with torch.inference_mode():
        given = torch.from_numpy(streams).to(model.device, model.dtype)
        return final(given).double().cpu().numpy()
