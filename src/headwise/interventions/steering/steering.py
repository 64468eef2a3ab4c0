"""Steering: a direction is added to a word at one layer, in several doses, and the effect is measured.

If a model uses a direction, adding it changes the model's output, increasingly with the dose and in both signs; the output in other sentences does
not change; and a step of the same length in a random direction has no such effect.
A dose of 1 is one step of the direction, for one of class means their whole distance. Doses are counted towards the
other class of each word: at a dose of 1 words of either class are moved by the distance to the other, at -1 as far the other way.

Random directions have the covariance of the words within classes at that layer, which is a harder control than isotropic directions. Off-target
effects are measured in the same sentence (see `_damage`) and in sentences of another question. Where the stream ends nothing is computed from what is
added, so that a flip there is a read-out and no intervention. Turner et al. 2023, Activation addition; Rimsky et al. 2024,
Steering Llama 2 via contrastive activation addition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import OneOrMore, check_counts
from headwise.activations import alignment
from headwise.data.suite import Sentence, Suite, as_suite
from headwise.directions._stream.word_positions import Words, streams_of
from headwise.directions.direction import Direction
from headwise.errors import HeadwiseError
from headwise.interventions import metrics as metrics_
from headwise.interventions._columns import STEERED
from headwise.interventions._replacing import replacements
from headwise.interventions._replacing.replacements import Place, Source
from headwise.interventions._runner import Change, Sweep, Variant
from headwise.interventions.metrics import AnyMetric, Reading
from headwise.interventions.metrics.word_vector import read_words
from headwise.interventions.prompts import Prompts, how_it_speaks
from headwise.interventions.token_roles import Masks
from headwise.model.model import Model
from headwise.stats import Clusters, mean_of

from ._damage import in_sentence

DOSES = (-2.0, -1.0, 0.5, 1.0, 1.5, 2.0, 3.0)
WORD = "word"


@dataclass(frozen=True, eq=False, repr=False)
class SteerResult(Result):
    """Effects of steering, dose by dose.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        direction: The direction.
        metrics: The metrics.
        says: What each metric is.
        doses: In steps of the direction, towards the other class of each word.
        n_null: Random directions.
        clean_values: The metric of every sentence of the clean model, by metric.
        values: The same when steered, `[direction, dose, sentence]`, by metric; the direction itself first, then random ones.
        groups: Group of each sentence, as an index.
        is_read_out: Whether nothing is computed after the layer.
        speaks: Whether the off-target effect is on the next-token distribution, or on the words' final vectors.
        beside: Off-target effect in the rest of the same sentences, `[direction, dose]` (see `_damage`): means over sentences; NaN where
            there is nothing else.
        elsewhere: Off-target effect in sentences of another question, `[direction, dose]`: KL divergence of the next-token distribution
            (nats), or 1 - cosine for a model without an output head, means; NaN where none were given.
        table: One row per `metric` and `dose`; see `columns`. What flips is NaN where the sign of the metric says nothing.
    """

    model: str
    suite: str
    direction: Direction
    metrics: tuple[str, ...]
    says: dict[str, str]
    doses: tuple[float, ...]
    n_null: int
    clean_values: dict[str, Float[ndarray, " sentence"]]
    values: dict[str, Float[ndarray, "direction dose sentence"]]
    groups: Int[ndarray, " sentence"]
    is_read_out: bool
    speaks: bool
    beside: Float[ndarray, "direction dose"]
    elsewhere: Float[ndarray, "direction dose"]
    table: pd.DataFrame
    columns: ClassVar[Columns] = STEERED

    def _summary(self) -> str:
        flipped = self.table["flipped"].max()
        most = "" if np.isnan(flipped) else f"; at most {flipped:.0%} flip"
        return f"{len(self.doses)} doses of {self.direction.name}, beside {self.n_null} random directions{most}"


def steer(
    model: Model,
    suite: Suite,
    direction: Direction,
    *,
    between: tuple[str, str] | None = None,
    layer: int | None = None,
    doses: Sequence[float] = DOSES,
    unrelated: Suite | None = None,
    metrics: OneOrMore[AnyMetric] | None = None,
    n_null: int = 10,
    seed: int = 0,
) -> SteerResult:
    """Adds a direction, in several doses, to the marked word of every sentence.

    The steered word is the last marked one, and its label gives its class; sentences with another label are left out.

    Args:
        model: The model that the direction was fitted on.
        suite: Minimal pairs, of which the clean sentences are steered, or sentences with marks; others than the direction was
            fitted on.
        direction: The direction.
        between: Labels of the classes, the one ahead first; those of the direction by default.
        layer: If given, must be the direction's own.
        doses: How many steps are added towards the other class.
        unrelated: Sentences of another question, steered at their marked word, to measure off-target effects.
        metrics: The metrics, see `headwise.interventions.metrics.METRICS`; by default the first that model and suite can give.
        n_null: Random directions of the same length.
        seed: Fixes them.

    Raises:
        HeadwiseError: A direction of another model or layer, after the final norm, or fitted on these sentences; fewer than two
            sentences of its classes; a metric that the model or the suite cannot give.
    """
    check_counts(n_null=n_null, seed=seed)
    suite = as_suite(suite)
    direction.require(model)
    direction.require_layer(layer)
    direction.require_unseen(suite)
    if direction.normed:
        raise HeadwiseError(
            f"The direction {direction.name} lies after the final norm, where nothing is left to steer. Fit one at a layer of the "
            "stream with directions.from_classes."
        )
    if not doses or not all(np.isfinite(dose) for dose in doses):
        raise HeadwiseError(f"Doses are finite numbers, at least one; got {list(doses)}.")
    ahead, behind = between or (direction.positive, direction.negative)
    suite = of_classes(suite, ahead, behind)
    wanted = metrics_.usual(model, suite)[:1] if metrics is None else metrics_.several(metrics)
    steered = _Steered.of(model, suite, direction, [*wanted, in_sentence], ahead)
    added = np.concatenate(
        [direction.vector[None], _random(model, suite, direction, n_null, ahead, seed)]
    )
    values = steered.run(added, doses, "steering")
    beside = _mean_known(values.pop()[1:]).reshape(len(added), len(doses))
    elsewhere = np.full((len(added), len(doses)), np.nan)
    if unrelated is not None:
        speaks = metrics_.distance(model)
        other = _Steered.of(model, unrelated, direction, (speaks,), None)
        elsewhere = other.run(added, doses, "steering elsewhere")[0][1:].mean(axis=-1)
        elsewhere = elsewhere.reshape(len(added), len(doses))
    readings = steered.readings[:-1]
    by_metric = {
        r.name: found[1:].reshape(len(added), len(doses), -1)
        for r, found in zip(readings, values, strict=True)
    }
    clean_values = {r.name: found[0] for r, found in zip(readings, values, strict=True)}
    groups = steered.prompts.groups
    rows = [
        _row(
            r,
            clean_values[r.name],
            by_metric[r.name][:, k],
            (beside[:, k], elsewhere[:, k]),
            groups,
            dose,
        )
        for r in readings
        for k, dose in enumerate(doses)
    ]
    return SteerResult(
        model=model.name,
        suite=suite.name,
        direction=direction,
        metrics=tuple(r.name for r in readings),
        says={r.name: r.says for r in readings},
        doses=tuple(doses),
        n_null=n_null,
        clean_values=clean_values,
        values=by_metric,
        groups=groups,
        is_read_out=direction.layer == len(model.stacks[0].blocks) and len(model.stacks) == 1,
        speaks=how_it_speaks(model) == "next" and len(model.stacks) == 1,
        beside=beside,
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
    """Random directions with the covariance of the words, as long as the direction."""
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
        stream = replacements.read_all(model, prompts, [place])
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
            own=Source(stream, replacements.themselves(prompts)),
            at=(masks, [np.zeros(len(row.tokens), dtype=bool) for row in prompts.targets]),
        )

    def run(
        self, added: Float[ndarray, "direction d_model"], doses: Sequence[float], doing: str
    ) -> list[Float[ndarray, "variant sentence"]]:
        """Metrics of the clean model, and of every direction with every dose."""
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
        usual = alignment.usual_batch_tokens(self.model)
        sweep = Sweep(self.model, self.prompts, self.readings, moved, {WORD: self.at}, usual)
        return sweep.run(variants, doing)


def _row(
    reading: Reading,
    clean_values: Float[ndarray, " sentence"],
    values: Float[ndarray, "direction sentence"],
    damage: tuple[Float[ndarray, " direction"], Float[ndarray, " direction"]],
    groups: Int[ndarray, " sentence"],
    dose: float,
) -> dict[str, object]:
    found = mean_of(values[0], Clusters.of(groups))
    right = clean_values > 0
    turned = np.full(len(values), np.nan)
    if reading.flips and right.any():
        turned = (values[:, right] <= 0).mean(axis=1)
    has_random = len(values) > 1
    row: dict[str, object] = {
        "metric": reading.name,
        "dose": dose,
        "value": float(found.value),
        "value_low": float(found.low),
        "value_high": float(found.high),
        "clean": clean_values.mean(),
        "random": values[1:].mean() if has_random else np.nan,
        "flipped": turned[0],
        "flipped_random": turned[1:].mean() if has_random else np.nan,
        "flipped_random_max": turned[1:].max() if has_random else np.nan,
    }
    for name, each in zip(("beside", "elsewhere"), damage, strict=True):
        row[name], row[f"{name}_random"] = each[0], each[1:].mean() if has_random else np.nan
    return row


def _mean_known(values: Float[ndarray, "variant sentence"]) -> Float[ndarray, " variant"]:
    """Means over sentences in which there is something to be measured; NaN without any."""
    known = ~np.isnan(values).any(axis=0)
    return values[:, known].mean(axis=1) if known.any() else np.full(len(values), np.nan)
