"""Steering: add a direction to a word at one layer, more and more of it, and see what the model then does.

If a direction is what a model goes by, then adding it turns what the model says, the more the more is added, in both
signs; what it says elsewhere stays; and a step of the same length in a random direction does nothing of the kind.
A dose of 1 is one step of the direction, for one of class means their whole distance. Doses are counted towards the
other class of each word: at a dose of 1 words of either class are moved by the distance to the other, at -1 as far the other way.

Random directions vary as the words do at that layer (Gaussian, with their covariance within classes), which is a harder
control than directions into which nothing ever points. Turner et al. 2023, Activation addition; Rimsky et al. 2024,
Steering Llama 2 via contrastive activation addition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from .. import metrics as metrics_
from .. import sources, words
from ..errors import HeadwiseError
from ..metrics import AnyMetric, Reading
from ..metrics.ends import read_words
from ..models import Model
from ..places import Masks
from ..prompts import Prompts
from ..showing import Viewable
from ..sources import Place, Source
from ..stats import cluster_bootstrap
from ..suites import Sentence, Suite
from ..sweep import Change, Sweep, Variant
from .at_words import Words, streams_of
from .direction import Direction

DOSES = (-2.0, -1.0, 0.5, 1.0, 1.5, 2.0, 3.0)
WORD = "word"


@dataclass(frozen=True, eq=False)
class SteerResult(Viewable):
    """What steering does, dose by dose.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        direction: The direction.
        metrics: What was measured.
        says: What each metric is.
        doses: In steps of the direction, towards the other class of each word.
        n_random: Random directions.
        intact: The metric of every sentence of the intact model, by metric.
        values: The same when steered, `[direction, dose, sentence]`, by metric; the direction itself first, then random ones.
        groups: Group of each sentence, as an index.
        elsewhere: What adding as much does to sentences of another question, `[direction, dose]`: nats (or 1 - cosine, of a model
            that says nothing) between the intact and the steered model, means; NaN where none were given.
        table: One row per `metric` and `dose`: mean `value`, with its 95% interval over groups (`low`, `high`), its `intact` mean, and the
            mean over random directions (`random`); `flipped`, the share of sentences with the right sign before that have the wrong
            one after, of random directions on average (`flipped_random`) and at most (`flipped_random_max`), NaN where the sign says
            nothing; `elsewhere` and `elsewhere_random`.
    """

    model: str
    suite: str
    direction: Direction
    metrics: tuple[str, ...]
    says: dict[str, str]
    doses: tuple[float, ...]
    n_random: int
    intact: dict[str, Float[ndarray, " sentence"]]
    values: dict[str, Float[ndarray, "direction dose sentence"]]
    groups: Int[ndarray, " sentence"]
    elsewhere: Float[ndarray, "direction dose"]
    table: pd.DataFrame

    def row(self, dose: float, metric: str | None = None) -> pd.Series:
        """One row of the table; of the first metric by default."""
        t = self.table
        return t[(t["metric"] == (metric or self.metrics[0])) & (t["dose"] == dose)].iloc[0]

    @property
    def best(self) -> pd.Series:
        """The dose that turns most sentences, by the first metric; the smallest of equals."""
        rows = self.table[self.table["metric"] == self.metrics[0]]
        turned = np.array(rows["flipped"], dtype=float)
        return rows.iloc[int(np.nan_to_num(turned, nan=-1.0).argmax())]


def steer(
    model: Model,
    suite: Suite,
    direction: Direction,
    layer: int | None = None,
    *,
    doses: Sequence[float] = DOSES,
    metrics: Sequence[AnyMetric] | None = None,
    between: tuple[str, str] | None = None,
    unrelated: Suite | None = None,
    n_random: int = 10,
    seed: int = 0,
) -> SteerResult:
    """Adds a direction, more and more of it, to the read word of every sentence.

    The read word is the last marked one, and its label says which class it is of; sentences of which it is of neither class are
    left out.

    Args:
        model: The model that the direction was fitted on.
        suite: Minimal pairs, of which the clean sentences are steered, or sentences with marks; others than the direction was
            fitted on.
        direction: The direction.
        layer: If given, must be the direction's own.
        doses: How many steps are added towards the other class.
        metrics: What is measured, see `headwise.metrics.METRICS`; by default the first that model and suite can give.
        between: Labels of the classes, the one ahead first; those of the direction by default.
        unrelated: Sentences of another question, steered at their read word, to see what else changes.
        n_random: Random directions of the same length.
        seed: Fixes them and the intervals.

    Raises:
        HeadwiseError: A direction of another model or layer, after the final norm, or fitted on these sentences; fewer than two
            sentences of its classes; a metric that the model or the suite cannot give.
    """
    direction.require(model)
    direction.require_layer(layer)
    direction.require_unseen(suite)
    if direction.normed:
        raise HeadwiseError(
            f"The direction {direction.name} lies after the final norm, where nothing is left to steer. Fit one at a layer of the "
            "stream with Direction.of_classes."
        )
    if not doses or not all(np.isfinite(dose) for dose in doses):
        raise HeadwiseError(f"Doses are finite numbers, at least one; got {list(doses)}.")
    ahead, behind = between or (direction.positive, direction.negative)
    suite = of_classes(suite, ahead, behind)
    wanted = metrics_.usual(model, suite)[:1] if metrics is None else tuple(metrics)
    steered = _Steered.of(model, suite, direction, wanted, ahead)
    added = np.concatenate(
        [direction.vector[None], _random(model, suite, direction, n_random, ahead, seed)]
    )
    values = steered.run(added, doses, "steering")
    elsewhere = np.full((len(added), len(doses)), np.nan)
    if unrelated is not None:
        speaks = "kl" if metrics_.usual(model, unrelated)[0] not in ("margin", "contrast", "shift") else "shift"  # fmt: skip
        other = _Steered.of(model, unrelated, direction, (speaks,), None)
        elsewhere = other.run(added, doses, "steering elsewhere")[0][1:].mean(axis=-1)
        elsewhere = elsewhere.reshape(len(added), len(doses))
    by_metric = {
        r.name: found[1:].reshape(len(added), len(doses), -1)
        for r, found in zip(steered.readings, values, strict=True)
    }
    intact = {r.name: found[0] for r, found in zip(steered.readings, values, strict=True)}
    groups = steered.prompts.groups
    rows = [
        _row(r, intact[r.name], by_metric[r.name][:, k], elsewhere[:, k], groups, dose, seed)
        for r in steered.readings
        for k, dose in enumerate(doses)
    ]
    return SteerResult(
        model=model.name,
        suite=suite.name,
        direction=direction,
        metrics=tuple(r.name for r in steered.readings),
        says={r.name: r.says for r in steered.readings},
        doses=tuple(doses),
        n_random=n_random,
        intact=intact,
        values=by_metric,
        groups=groups,
        elsewhere=elsewhere,
        table=pd.DataFrame(rows),
    )


def of_classes(suite: Suite, ahead: str, behind: str) -> Suite:
    """The sentences whose read word is of one of two classes; of pairs, those that have one sentence of each.

    Raises:
        HeadwiseError: There are fewer than two.
    """

    def fits(sentence: Sentence) -> bool:
        name = read_label(sentence)
        return name in (ahead, behind) or (behind == "others" and name != "")

    pairs = tuple(
        pair
        for pair in suite.pairs
        if fits(pair.clean) and fits(pair.corrupted)
        and (read_label(pair.clean) == ahead) != (read_label(pair.corrupted) == ahead)
    )  # fmt: skip
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    if not suite.pairs:
        sentences = tuple(s for s in suite.sentences if fits(s))
    if len(sentences) < 2:
        raise HeadwiseError(
            f"{suite.name!r} has {len(sentences)} sentence(s) to steer whose marked word is {ahead!r} or {behind!r}; expected two or more. "
            "Add some, or say which classes lie ahead and behind: between=('ahead', 'behind')."
        )
    return replace(suite, sentences=sentences, pairs=pairs)


def read_label(sentence: Sentence) -> str:
    """Label of the word that is read, the last marked one; empty if none is."""
    return max(sentence.marks, key=lambda mark: mark.word).label if sentence.marks else ""


def _random(
    model: Model, suite: Suite, direction: Direction, n: int, ahead: str, seed: int
) -> Float[ndarray, "draw d_model"]:
    """Directions in which words vary anyway, as long as the direction."""
    chosen = [max(s.marks, key=lambda mark: mark.word) for s in suite.sentences]
    at = Words.of(model, suite, [[mark.word] for mark in chosen])
    x = streams_of(model, at, [direction.layer])[0]
    labels = np.array([chosen[i].label for i in at.sentences])
    for name in set(labels.tolist()):
        x[labels == name] -= x[labels == name].mean(axis=0)
    drawn = np.random.default_rng(seed).standard_normal((n, len(x))) @ x
    length = np.linalg.norm(drawn, axis=1, keepdims=True)
    # Where words do not vary, as at layer 0, any direction is as good.
    flat = length[:, 0] <= 1e-9
    drawn[flat] = np.random.default_rng(seed).standard_normal((int(flat.sum()), x.shape[1]))
    length = np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn * np.linalg.norm(direction.vector) / length


@dataclass(frozen=True, eq=False)
class _Moved(Source):
    """What a word's stream is, with something added.

    Attributes:
        added: What is added, for each row.
    """

    added: Float[Tensor, "row d_model"]

    def at(
        self, place: Place, rows: Sequence[int], n: int
    ) -> tuple[Float[Tensor, "row pos d_model"], Tensor]:
        """As `Source.at`."""
        values, has = super().at(place, rows, n)
        return values + self.added[list(rows)][:, None].to(values), has


@dataclass(frozen=True, eq=False)
class _Steered:
    """Sentences ready to be steered.

    Attributes:
        model: The model.
        prompts: The sentences as rows.
        readings: What is measured.
        place: Where something is added.
        signs: Of every row, which sign of the direction leads to the other class.
        own: The stream as it is.
        at: The pieces of the read word.
    """

    model: Model
    prompts: Prompts
    readings: list[Reading]
    place: Place
    signs: Float[ndarray, " row"]
    own: Source
    at: Masks

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        direction: Direction,
        wanted: Sequence[AnyMetric],
        ahead: str | None,
    ) -> "_Steered":
        metrics_.check(model, wanted)
        prompts = Prompts.of(model, suite, answers=metrics_.need_answers(wanted))
        place: Place = ("residual", model.stacks[0].side, direction.layer)
        stream = sources.read_all(model, prompts, [place])
        chosen = read_words(prompts)
        masks = [
            np.array([word == chosen[owner] for word in row.words])
            for row, owner in zip(prompts.rows, prompts.owners, strict=True)
        ]
        labels = [read_label(sentence) for sentence in prompts.sentences]
        signs = [-1.0 if labels[owner] == ahead else 1.0 for owner in prompts.owners]
        return _Steered(
            model=model,
            prompts=prompts,
            readings=metrics_.bind(model, suite, prompts, wanted),
            place=place,
            signs=np.array(signs),
            own=Source(stream, sources.themselves(prompts)),
            at=(masks, [np.zeros(len(row.tokens), dtype=bool) for row in prompts.targets]),
        )

    def run(
        self, added: Float[ndarray, "direction d_model"], doses: Sequence[float], doing: str
    ) -> list[Float[ndarray, "variant sentence"]]:
        """Metrics of the intact model, and of every direction with every dose."""
        moved: dict[str, Source] = {}
        variants: list[Variant] = []
        for i, vector in enumerate(added):
            for dose in doses:
                name = f"{i} {dose}"
                shift = self.signs[:, None] * dose * vector
                added_to = torch.from_numpy(shift).float()
                moved[name] = _Moved(self.own.vectors, self.own.index, added_to)
                site, side, layer = self.place
                variants.append((Change(site, side, layer, None, name, WORD),))
        usual = words.usual_batch_tokens(self.model)
        sweep = Sweep(self.model, self.prompts, self.readings, moved, {WORD: self.at}, usual)
        return sweep.run(variants, doing)


def _row(
    reading: Reading,
    intact: Float[ndarray, " sentence"],
    values: Float[ndarray, "direction sentence"],
    elsewhere: Float[ndarray, " direction"],
    groups: Int[ndarray, " sentence"],
    dose: float,
    seed: int,
) -> dict[str, object]:
    low, high = cluster_bootstrap(values[:1], groups, seed=seed)
    right = intact > 0
    turned = np.full(len(values), np.nan)
    if reading.flips and right.any():
        turned = (values[:, right] <= 0).mean(axis=1)
    has_random = len(values) > 1
    return {
        "metric": reading.name,
        "dose": dose,
        "value": values[0].mean(),
        "low": float(low[0]),
        "high": float(high[0]),
        "intact": intact.mean(),
        "random": values[1:].mean() if has_random else np.nan,
        "flipped": turned[0],
        "flipped_random": turned[1:].mean() if has_random else np.nan,
        "flipped_random_max": turned[1:].max() if has_random else np.nan,
        "elsewhere": elsewhere[0],
        "elsewhere_random": elsewhere[1:].mean() if has_random else np.nan,
    }


def pooled(results: Sequence[SteerResult], seed: int = 0) -> pd.DataFrame:
    """Several directions, each between two classes of its own, as one dose-response.

    Args:
        results: With the same doses and the same first metric.
        seed: Fixes intervals.

    Returns:
        One row per dose: `dose`, `sentences` with the right sign before, `flipped`, the share of them that have the wrong one after,
        with its 95% interval over groups (`low`, `high`), `flipped_random`, mean over random directions, `value` and `random`, means of the
        metric, and `elsewhere` and `elsewhere_random`, as in `SteerResult`.
    """
    metric = results[0].metrics[0]
    right = [result.intact[metric] > 0 for result in results]
    groups: list[Int[ndarray, " sentence"]] = []
    n_before = 0  # groups of one result are not those of another
    for result, own in zip(results, right, strict=True):
        groups.append(result.groups[own] + n_before)
        n_before += len(result.groups)
    rows: list[dict[str, float]] = []
    for k, dose in enumerate(results[0].doses):
        values = [r.values[metric][:, k, own] for r, own in zip(results, right, strict=True)]
        own = np.concatenate([v[0] for v in values])
        random = np.concatenate([v[1:].mean(axis=0) for v in values])
        flipped = (own <= 0).astype(float)
        by_chance = np.concatenate([(v[1:] <= 0).mean(axis=0) for v in values])
        low, high = cluster_bootstrap(flipped[None], np.concatenate(groups), seed=seed)
        weights = [own.sum() for own in right]
        rows.append(
            {
                "dose": dose,
                "sentences": len(own),
                "flipped": flipped.mean(),
                "low": float(low[0]),
                "high": float(high[0]),
                "flipped_random": by_chance.mean(),
                "value": own.mean(),
                "random": random.mean(),
                "elsewhere": float(np.average([r.elsewhere[0, k] for r in results], weights=weights)),
                "elsewhere_random": float(
                    np.average([r.elsewhere[1:, k].mean() for r in results], weights=weights)
                ),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
