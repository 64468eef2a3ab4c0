"""Matters (ablation): the effect of ablating a head or a set of heads.

A head is ablated before the output matrix: its `z` is replaced, and the forward pass continues. Three methods, as each alone can mislead: zero; the
mean over reference tokens, which keeps what is constant; the `z` of one reference token of another sentence (resample), a value that the model does
compute.

Exact, and no more is computed than needed, see `_runner`. Reference tokens are those of `_reference_tokens`; the metrics are in `metrics`.
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
from headwise._validate import OneOrMore, all_of, check_counts
from headwise.activations import alignment
from headwise.data.suite import AnySentence, Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model import heads
from headwise.model.heads import AnyHead, AnyHeads, Head
from headwise.model.model import Model
from headwise.stats import Clusters, mean_of
from headwise.stats.deciding import YES
from headwise.stats.flips import MIN_TESTED_CLUSTERS, MIN_TESTED_ITEMS

from . import _effects as effects
from . import metrics, token_roles
from ._columns import ABLATION, CLEAN
from ._needed import judged
from ._replacing import replacements
from ._replacing.reference_tokens import ReferenceTokens
from ._replacing.replacements import Source, by_row
from ._runner import Change, Sweep, Variant
from .controls import N_CONTROLS, AblationControls, control
from .metrics import AnyMetric, Reading
from .prompts import Prompts

METHODS = ("zero", "mean", "resample")


@dataclass(frozen=True, eq=False, repr=False)
class AblationResult(Result):
    """The effect of ablating each head, or each set of heads.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metrics: The metrics.
        says: What each metric is.
        methods: The methods of ablation.
        positions: Where heads were ablated; everywhere if empty.
        head_sets: The heads that were ablated together, by name: a head's own, or that of a set.
        clean_values: The metric of every sentence of the clean, unmodified model, by metric.
        clean: One row per `metric`: its mean `value` in the clean model with its 95% interval (`value_low`, `value_high`).
        degradations: The degradation, `[method, head_set, sentence]`, by metric: by how much the metric falls or, where damage raises it, rises.
        clusters: Which sentences are alike: by group, and in pairs by the words that differ, where these cross groups.
        taken_over: Share of tokens by how their reference tokens were matched: the
            `same position of the same template`, the `same token that is no word of the sentence`, the `same part of speech`, or `all words of the suite`.
        n_split: Continuations of several tokens, whose log probabilities are summed.
        controls: The same heads ablated in the controls; None if none were requested or there are too few sentences for a yes.
        table: One row per `metric`, head or set of heads, and `method`; see `columns`. Shares are of the clean metric, and NaN where that is not above zero.
    """

    model: str
    suite: str
    metrics: tuple[str, ...]
    says: dict[str, str]
    methods: tuple[str, ...]
    positions: str
    head_sets: dict[str, tuple[Head, ...]]
    clean_values: dict[str, Float[ndarray, " sentence"]]
    clean: pd.DataFrame
    degradations: dict[str, Float[ndarray, "method head_set sentence"]]
    clusters: Clusters
    taken_over: dict[str, float]
    n_split: int
    controls: AblationControls | None
    table: pd.DataFrame
    columns: ClassVar[Columns] = ABLATION
    further: ClassVar[Mapping[str, Columns]] = {"clean": CLEAN}

    def can(self, metric: str | None = None) -> bool:
        """Whether the clean metric is above zero by its interval; otherwise nothing of it can be lost."""
        return self.clean_value(metric)[1] > 0

    def clean_value(self, metric: str | None = None) -> tuple[float, float, float]:
        """The mean of the clean metric and its 95% interval, NaN where there are too few clusters for one; the first metric by default."""
        row = self.clean[self.clean["metric"] == (metric or self.metrics[0])].iloc[0]
        return float(row["value"]), float(row["value_low"]), float(row["value_high"])

    def significant(self) -> pd.DataFrame:
        """The rows, by the first metric, of what the model needs by the rule of `evidence.matters`, strongest first."""
        told = judged(self)
        needed = told.loc[told["matters"] == YES].sort_values("matters_effect", ascending=False)
        rows = self.table.loc[self.table["metric"] == self.metrics[0]]
        chosen = [rows.loc[rows["name"] == name] for name in needed.index]
        return pd.concat(chosen) if chosen else rows.iloc[:0]

    def _summary(self) -> str:
        what = "sets of heads" if "heads" in self.table else "heads"
        methods = "1 method" if len(self.methods) == 1 else f"{len(self.methods)} methods"
        return f"{len(self.head_sets)} {what} x {methods}; {self._found('needed')}"


def ablate(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    heads: AnyHeads | Mapping[str, Sequence[AnyHead]] | None = None,
    *,
    method: OneOrMore[str] = METHODS,
    positions: str = "",
    metrics: OneOrMore[AnyMetric] | None = None,
    n_null: int = N_CONTROLS,
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> AblationResult:
    """Ablates every head, one at a time, or sets of heads together, and measures the degradation.

    Args:
        model: Any model; one without an output head is measured by where words end.
        suite: Minimal pairs, of which the clean sentences are run, or any sentences, also as a list of texts.
        heads: Which heads, as (layer, head) or 'L2H8'; sets of them by name, each of which is ablated as a whole; all heads, one
            at a time, by default.
        method: Methods of ablation, see the module.
        positions: Where they are ablated: `end`, a mark's label, `changed`, ... (see `places`); everywhere if empty.
        metrics: The metrics, see `headwise.interventions.metrics.METRICS`; by default two that model and suite can give.
        n_null: Models with random weights in which the same heads are ablated, beside the model with uniform attention (see `n_null`);
            with 0 there is no control, and no head can be a yes.
        seed: Fixes whose `z` is resampled, and intervals.
        batch_tokens: Most tokens in a batch, copies for every ablation included.
        budget: Most memory for the replacements.

    Raises:
        HeadwiseError: An unknown metric, way, position or head, a metric that the model cannot give, no answers in the
            suite, no other sentence to take a mean over or to resample from, or more to keep than the budget allows.
    """
    check_counts(n_null=n_null, seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    ablation = Ablation.of(
        model, as_suite(suite), metrics, method, positions, seed, batch_tokens, budget
    )
    return ablation.run(_head_sets(model, heads), n_null)


def _head_sets(
    model: Model, given: AnyHeads | Mapping[str, Sequence[AnyHead]] | None
) -> dict[str, tuple[Head, ...]]:
    if isinstance(given, Mapping):
        if not given:
            raise HeadwiseError(
                "No set of heads was named; leave heads out to ablate each of them."
            )
        return {name: tuple(heads.chosen(model, members)) for name, members in given.items()}
    return {head.name: (head,) for head in heads.chosen(model, given)}


@dataclass(frozen=True, eq=False)
class Ablation:
    """A suite prepared for repeated ablation.

    Attributes:
        model: The model.
        suite: The sentences.
        prompts: The same as rows.
        requested: The metrics.
        readings: The same, bound to model and prompts.
        methods: Methods of ablation.
        positions: Where.
        pools: Reference tokens: of the rows, and of a decoder's own.
        seed: Fixes intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory.
    """

    model: Model
    suite: Suite
    prompts: Prompts
    requested: tuple[AnyMetric, ...]
    readings: list[Reading]
    methods: tuple[str, ...]
    positions: str
    pools: tuple[ReferenceTokens | None, ReferenceTokens | None]
    seed: int
    batch_tokens: int
    budget: int | str

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        requested: OneOrMore[AnyMetric] | None,
        method: OneOrMore[str],
        positions: str,
        seed: int,
        batch_tokens: int | None,
        budget: int | str,
    ) -> "Ablation":
        """Arguments as of `ablate`."""
        methods = all_of(method, METHODS, "method of ablation")
        wanted = metrics.usual(model, suite) if requested is None else metrics.several(requested)
        metrics.check(model, wanted)
        prompts = Prompts.of(model, suite, answers=metrics.need_answers(wanted))
        if any(name != "zero" for name in methods) and len(prompts.sentences) < 2:
            raise HeadwiseError(
                f"The suite {suite.name!r} has one sentence, so there is no other to take a mean over or to resample from. "
                "Add sentences, or pass method=['zero']."
            )
        pools = tuple(
            ReferenceTokens.of(rows, prompts.owners, prompts.groups, seed)
            if rows and len(prompts.sentences) > 1
            else None
            for rows in (prompts.rows, prompts.targets)
        )
        return Ablation(
            model, suite, prompts, tuple(wanted), metrics.bind(model, suite, prompts, wanted), methods, positions,
            pools, seed, batch_tokens or alignment.usual_batch_tokens(model), budget,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    def anew(
        self, model: Model, suite: Suite, requested: Sequence[AnyMetric], method: Sequence[str]
    ) -> "Ablation":
        """The same for another model, or for other sentences."""
        return Ablation.of(
            model,
            suite,
            requested,
            method,
            self.positions,
            self.seed,
            self.batch_tokens,
            self.budget,
        )

    def run(self, head_sets: Mapping[str, tuple[Head, ...]], controls: int) -> AblationResult:
        """Ablates each of some sets of heads by every method, here and in the controls."""
        values = self.values(head_sets)
        clusters = self.prompts.clusters
        enough = len(clusters) >= MIN_TESTED_ITEMS and clusters.n >= MIN_TESTED_CLUSTERS
        found = control(self, head_sets, controls) if controls and enough else None
        return self._result(head_sets, values, found)

    def values(
        self, head_sets: Mapping[str, tuple[Head, ...]]
    ) -> list[Float[ndarray, "variant sentence"]]:
        """Every metric of the clean model, and then of each ablation by every method."""
        variants: list[Variant] = [
            tuple(Change("z", h.side, h.layer, h.head, method, self.positions) for h in members)
            for method in self.methods
            for members in head_sets.values()
        ]
        sweep = Sweep(
            self.model,
            self.prompts,
            self.readings,
            self.sources_of({(h.side, h.layer) for members in head_sets.values() for h in members}),
            {self.positions: token_roles.masks(self.prompts, self.positions)}
            if self.positions
            else {},
            self.batch_tokens,
        )
        return sweep.run(variants)

    def sources_of(self, layers: set[tuple[heads.Side, int]]) -> dict[str, Source]:
        """The replacements of every head's `z`."""
        if set(self.methods) == {"zero"}:
            return {}
        wanted: list[replacements.Place] = [("z", side, layer) for side, layer in sorted(layers)]
        # A token's mean leaves its own sentence out, so there are nearly as many means as tokens.
        n_stores = 2 if "mean" in self.methods else 1
        replacements.check_budget(self.model, self.prompts, n_stores * len(wanted), self.budget)
        z = replacements.read_all(self.model, self.prompts, wanted)
        found: dict[str, Source] = {}
        if "resample" in self.methods:
            found["resample"] = Source(z, self._index([p and p.reference for p in self.pools]))
        if "mean" in self.methods:
            means: dict[replacements.Place, Tensor] = {}
            index: list[Int[ndarray, " _"] | None] = [None, None]
            for place, values in z.items():
                of = replacements.is_of_target(place)
                if (pool := self.pools[of]) is not None:
                    means[place], index[of] = pool.means(values)
            found["mean"] = Source(means, self._index(index))
        return found

    def _index(
        self, flat: Sequence[Int[ndarray, " _"] | None]
    ) -> tuple[list[Int[ndarray, " _"]], list[Int[ndarray, " _"]]]:
        first, second = (
            [] if index is None else by_row(index, rows)
            for index, rows in zip(flat, (self.prompts.rows, self.prompts.targets), strict=True)
        )
        return first, second

    def _result(
        self,
        head_sets: Mapping[str, tuple[Head, ...]],
        values: Sequence[Float[ndarray, "variant sentence"]],
        controls: AblationControls | None,
    ) -> AblationResult:
        clusters = self.prompts.clusters
        degradations: dict[str, Float[ndarray, "method head_set sentence"]] = {}
        tables: list[pd.DataFrame] = []
        is_single = all((name,) == tuple(h.name for h in own) for name, own in head_sets.items())
        for reading, found in zip(self.readings, values, strict=True):
            degradation = effects.worse(reading, found)
            degradations[reading.name] = degradation.reshape(len(self.methods), len(head_sets), -1)
            table = effects.table_of(reading, "degradation", degradation, clusters, self.seed)
            table.insert(1, "name", list(head_sets) * len(self.methods))
            if is_single:
                every = [own[0] for own in head_sets.values()] * len(self.methods)
                for i, part in enumerate(("side", "layer", "head")):
                    table.insert(2 + i, part, [getattr(head, part) for head in every])
            else:
                table.insert(
                    2, "heads", [len(own) for own in head_sets.values()] * len(self.methods)
                )
            at = list(table.columns).index("degradation")
            table.insert(at, "method", np.repeat(self.methods, len(head_sets)))
            helps = effects.table_of(reading, "degradation", -degradation, clusters, self.seed)
            table["p_helps"] = helps["p_fwer"]
            share = effects.shares_of(degradation, found[0], clusters)
            table["share"], table["share_low"] = share.value, share.low
            table["share_high"], table["share_se"] = share.high, share.se
            table["changed"] = effects.turned(reading, found)
            table["disagree"] = effects.differ(
                table["degradation_low"].to_numpy(),
                table["degradation_high"].to_numpy(),
                len(self.methods),
            )
            order = np.arange(len(table)).reshape(len(self.methods), len(head_sets)).T.ravel()
            tables.append(table.iloc[order])
        pools = [pool for pool in self.pools if pool is not None]
        clean_values = {r.name: found[0] for r, found in zip(self.readings, values, strict=True)}
        means = {name: mean_of(own[None], clusters) for name, own in clean_values.items()}
        return AblationResult(
            model=self.model.name,
            suite=self.suite.name,
            metrics=tuple(reading.name for reading in self.readings),
            says={reading.name: reading.says for reading in self.readings},
            methods=self.methods,
            positions=self.positions,
            head_sets=dict(head_sets),
            clean_values=clean_values,
            clean=pd.DataFrame(
                [
                    {
                        "metric": name,
                        "value": m.value[0],
                        "value_low": m.low[0],
                        "value_high": m.high[0],
                    }
                    for name, m in means.items()
                ]
            ),
            degradations=degradations,
            clusters=clusters,
            taken_over=pools[0].shares if pools else {},
            n_split=self.prompts.n_split,
            controls=controls,
            table=pd.concat(tables, ignore_index=True),
        )
