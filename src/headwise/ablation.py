"""Matters: what does it cost to take a head away?

A head is cut before the output matrix: its `z` is replaced, and the model goes on. Three ways, as each alone can
mislead: by zero; by the mean, so that what is always there stays; by the `z` of another sentence (resample), so that
what flows is at least something that the model could have computed.

Exact, and no more than is needed, see `sweep`. What a mean is taken over, and from where a `z` is resampled, is said
in `standins`; what is measured, in `metrics`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from . import effects, heads, metrics, places, sources, words
from .ablation_controls import N_CONTROLS, AblationControls, control
from .errors import HeadwiseError
from .heads import AnyHead, Head
from .metrics import AnyMetric, Reading
from .models import Model
from .prompts import Prompts
from .showing import Viewable
from .sources import Source, by_row
from .standins import StandIns
from .stats import Clusters, mean_of
from .stats.flips import MIN_TESTED_CLUSTERS, MIN_TESTED_ITEMS
from .suites import Suite
from .sweep import Change, Sweep, Variant

HOWS = ("zero", "mean", "resample")


@dataclass(frozen=True, eq=False)
class AblationResult(Viewable):
    """What it costs to cut each head, or each set of heads.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metrics: What was measured.
        says: What each metric is.
        hows: The ways in which heads were cut.
        at: Where they were cut; everywhere if empty.
        cuts: The heads of every cut by its name: a head's own, or that of a set.
        intact: The metric of every sentence of the clean, unmodified model, by metric.
        clean: One row per `metric`: its mean `value` in the clean model with its 95% interval (`low`, `high`).
        costs: What cutting costs, `[how, cut, sentence]`, by metric: by how much the metric falls, and where damage raises it
            by how much it rises.
        clusters: Which sentences are alike: by group, and in pairs by the words that differ, where these cross groups.
        taken_over: Share of tokens by what their reference tokens are, of which the mean was taken and one of which was the donor: the
            `same position of the same template`, the `same token that is no word of the sentence`, the `same part of speech`, or `all words of the suite`.
        n_split: Continuations of several tokens, whose log probabilities are summed.
        controls: The same heads in models that cannot need them; None if none were asked or there are too few sentences for a yes.
        table: One row per `metric`, `cut` and `how`, of single heads with `side`, `layer` and `head`: columns of `effects.table_of` for the mean
            `cost` (one family are all cuts and ways of the metric); `p_helps`, the family-wise p of the opposite, that cutting helps; the cost
            as a share of the clean metric (`share`, `share_low`, `share_high`, `share_se`; NaN where that is not above zero); `changed`, the
            share of sentences after which another of right and wrong is likelier than before (NaN where a metric does not
            say); `disagree`, whether the ways of this cut lead to different verdicts (cost above zero, below zero, or
            neither, by the interval).
    """

    model: str
    suite: str
    metrics: tuple[str, ...]
    says: dict[str, str]
    hows: tuple[str, ...]
    at: str
    cuts: dict[str, tuple[Head, ...]]
    intact: dict[str, Float[ndarray, " sentence"]]
    clean: pd.DataFrame
    costs: dict[str, Float[ndarray, "how cut sentence"]]
    clusters: Clusters
    taken_over: dict[str, float]
    n_split: int
    controls: AblationControls | None
    table: pd.DataFrame

    def row(self, cut: AnyHead, how: str, metric: str | None = None) -> pd.Series:
        """One row of the table; of the first metric by default."""
        name = cut if isinstance(cut, str) else Head(*cut).name  # pyright: ignore[reportArgumentType]
        t = self.table
        chosen = (t["metric"] == (metric or self.metrics[0])) & (t["cut"] == name)
        return t[chosen & (t["how"] == how)].iloc[0]

    def can(self, metric: str | None = None) -> bool:
        """Whether the clean metric is above zero by its interval: of what the model cannot do, nothing can be lost."""
        of = self.clean[self.clean["metric"] == (metric or self.metrics[0])].iloc[0]
        return bool(of["low"] > 0)

    @property
    def needed(self) -> list[str]:
        """Cuts that the model needs, by the first metric and the rule of `evidence.matters`, strongest first."""
        from .evidence.matters import judged

        told = judged(self)
        effects = dict(zip(self.cuts, told["matters_effect"].to_numpy(float), strict=True))
        said = zip(self.cuts, told["matters"].tolist(), strict=True)
        return sorted((name for name, one in said if one == "yes"), key=lambda name: -effects[name])

    def grid(
        self, how: str, metric: str | None = None, side: str = ""
    ) -> Float[ndarray, "layer head"]:
        """Mean cost of every head; NaN where a head was not cut."""
        own = [(i, cut[0]) for i, cut in enumerate(self.cuts.values()) if cut[0].side == side]
        costs = self.costs[metric or self.metrics[0]][self.hows.index(how)].mean(axis=-1)
        shape = (1 + max(h.layer for _, h in own), 1 + max(h.head for _, h in own))
        found = np.full(shape, np.nan)
        for i, head in own:
            found[head.layer, head.head] = costs[i]
        return found


def ablate(
    model: Model,
    suite: Suite,
    metrics: Sequence[AnyMetric] | None = None,
    heads: Sequence[AnyHead] | Mapping[str, Sequence[AnyHead]] | None = None,
    how: Sequence[str] = HOWS,
    at: str = "",
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
    controls: int = N_CONTROLS,
) -> AblationResult:
    """Cuts every head, one at a time, or sets of heads together, and measures what that costs.

    Args:
        model: Any model; one without an output head is measured by where words end.
        suite: Minimal pairs, of which the clean sentences are asked, or any sentences.
        metrics: What is measured, see `headwise.metrics.METRICS`; by default two that model and suite can give.
        heads: Which heads, as (layer, head) or 'L2H8'; sets of them by name, each of which is cut as a whole; all heads, one
            at a time, by default.
        how: Ways of cutting, see the module.
        at: Where they are cut: `end`, a mark's label, `changed`, ... (see `places`); everywhere if empty.
        seed: Fixes whose `z` is resampled, and intervals.
        batch_tokens: Most tokens in a batch, copies for every cut included.
        budget: Most memory for what stands in for what is cut.
        controls: Models with random weights in which the same heads are cut, beside the model with uniform attention (see
            `ablation_controls`); 0 for no control at all, with which nothing is said to matter.

    Raises:
        HeadwiseError: An unknown metric, way, position or head, a metric that the model cannot give, no answers in the
            suite, no other sentence to take a mean over or to resample from, or more to keep than the budget allows.
    """
    ablation = Ablation.of(model, suite, metrics, how, at, seed, batch_tokens, budget)
    return ablation.cut(_cuts(model, heads), controls)


def _cuts(
    model: Model, given: Sequence[AnyHead] | Mapping[str, Sequence[AnyHead]] | None
) -> dict[str, tuple[Head, ...]]:
    if isinstance(given, Mapping):
        if not given:
            raise HeadwiseError("No set of heads was named; leave heads out to cut each of them.")
        return {name: tuple(heads.chosen(model, members)) for name, members in given.items()}
    return {head.name: (head,) for head in heads.chosen(model, given)}


@dataclass(frozen=True, eq=False)
class Ablation:
    """A suite ready to have heads cut, as often as one likes.

    Attributes:
        model: The model.
        suite: The sentences.
        prompts: The same as rows.
        asked: The metrics.
        readings: The same, bound to model and prompts.
        hows: Ways of cutting.
        at: Where.
        pools: What tokens can stand for each other: of the rows, and of a decoder's own.
        seed: Fixes intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory.
    """

    model: Model
    suite: Suite
    prompts: Prompts
    asked: tuple[AnyMetric, ...]
    readings: list[Reading]
    hows: tuple[str, ...]
    at: str
    pools: tuple[StandIns | None, StandIns | None]
    seed: int
    batch_tokens: int
    budget: int | str

    @staticmethod
    def of(
        model: Model,
        suite: Suite,
        asked: Sequence[AnyMetric] | None,
        how: Sequence[str],
        at: str,
        seed: int,
        batch_tokens: int | None,
        budget: int | str,
    ) -> "Ablation":
        """Arguments as of `ablate`."""
        unknown = [name for name in how if name not in HOWS]
        if unknown or not how:
            raise HeadwiseError(
                f"Unknown way of cutting {unknown[0] if unknown else ''!r}; known are {', '.join(HOWS)}."
            )
        wanted = metrics.usual(model, suite) if asked is None else asked
        metrics.check(model, wanted)
        prompts = Prompts.of(model, suite, answers=metrics.need_answers(wanted))
        if any(h != "zero" for h in how) and len(prompts.sentences) < 2:
            raise HeadwiseError(
                f"The suite {suite.name!r} has one sentence, so there is no other to take a mean over or to resample from. "
                "Add sentences, or pass how=['zero']."
            )
        pools = tuple(
            StandIns.of(rows, prompts.owners, prompts.groups, seed)
            if rows and len(prompts.sentences) > 1
            else None
            for rows in (prompts.rows, prompts.targets)
        )
        return Ablation(
            model, suite, prompts, tuple(wanted), metrics.bind(model, suite, prompts, wanted), tuple(how), at,
            pools, seed, batch_tokens or words.usual_batch_tokens(model), budget,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip

    def anew(
        self, model: Model, suite: Suite, asked: Sequence[AnyMetric], how: Sequence[str]
    ) -> "Ablation":
        """The same of another model, or of other sentences."""
        return Ablation.of(
            model, suite, asked, how, self.at, self.seed, self.batch_tokens, self.budget
        )

    def cut(self, cuts: Mapping[str, tuple[Head, ...]], controls: int) -> AblationResult:
        """Cuts each of some sets of heads in every way, here and in as many random models."""
        values = self.values(cuts)
        clusters = self.prompts.clusters
        enough = len(clusters) >= MIN_TESTED_ITEMS and clusters.n >= MIN_TESTED_CLUSTERS
        found = control(self, cuts, controls) if controls and enough else None
        return self._result(cuts, values, found)

    def values(
        self, cuts: Mapping[str, tuple[Head, ...]]
    ) -> list[Float[ndarray, "variant sentence"]]:
        """Every metric of the unmodified model, and then of each cut in every way."""
        variants: list[Variant] = [
            tuple(Change("z", h.side, h.layer, h.head, how, self.at) for h in members)
            for how in self.hows
            for members in cuts.values()
        ]
        sweep = Sweep(
            self.model,
            self.prompts,
            self.readings,
            self.sources_of({(h.side, h.layer) for members in cuts.values() for h in members}),
            {self.at: places.masks(self.prompts, self.at)} if self.at else {},
            self.batch_tokens,
        )
        return sweep.run(variants)

    def sources_of(self, layers: set[tuple[heads.Side, int]]) -> dict[str, Source]:
        """What takes the place of every head's `z`."""
        if set(self.hows) == {"zero"}:
            return {}
        wanted: list[sources.Place] = [("z", side, layer) for side, layer in sorted(layers)]
        # A token's mean leaves its own sentence out, so there are nearly as many means as tokens.
        n_stores = 2 if "mean" in self.hows else 1
        sources.check_budget(self.model, self.prompts, n_stores * len(wanted), self.budget)
        z = sources.read_all(self.model, self.prompts, wanted)
        found: dict[str, Source] = {}
        if "resample" in self.hows:
            found["resample"] = Source(z, self._index([p and p.donor for p in self.pools]))
        if "mean" in self.hows:
            means: dict[sources.Place, Tensor] = {}
            index: list[Int[ndarray, " _"] | None] = [None, None]
            for place, values in z.items():
                of = sources.is_of_target(place)
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
        cuts: Mapping[str, tuple[Head, ...]],
        values: Sequence[Float[ndarray, "variant sentence"]],
        controls: AblationControls | None,
    ) -> AblationResult:
        clusters = self.prompts.clusters
        costs: dict[str, Float[ndarray, "how cut sentence"]] = {}
        tables: list[pd.DataFrame] = []
        is_single = all((name,) == tuple(h.name for h in own) for name, own in cuts.items())
        for reading, found in zip(self.readings, values, strict=True):
            cost = effects.worse(reading, found)
            costs[reading.name] = cost.reshape(len(self.hows), len(cuts), -1)
            table = effects.table_of(reading, "cost", cost, clusters, self.seed)
            table.insert(1, "cut", list(cuts) * len(self.hows))
            if is_single:
                every = [own[0] for own in cuts.values()] * len(self.hows)
                for i, part in enumerate(("side", "layer", "head")):
                    table.insert(2 + i, part, [getattr(head, part) for head in every])
            else:
                table.insert(2, "heads", [len(own) for own in cuts.values()] * len(self.hows))
            table.insert(table.columns.get_loc("cost"), "how", np.repeat(self.hows, len(cuts)))  # pyright: ignore[reportArgumentType]
            helps = effects.table_of(reading, "cost", -cost, clusters, self.seed)
            table["p_helps"] = helps["p_fwer"]
            share = effects.shares_of(cost, found[0], clusters)
            table["share"], table["share_low"] = share.value, share.low
            table["share_high"], table["share_se"] = share.high, share.se
            table["changed"] = effects.turned(reading, found)
            table["disagree"] = effects.differ(
                table["low"].to_numpy(), table["high"].to_numpy(), len(self.hows)
            )
            order = np.arange(len(table)).reshape(len(self.hows), len(cuts)).T.ravel()
            tables.append(table.iloc[order])
        pools = [pool for pool in self.pools if pool is not None]
        intact = {r.name: found[0] for r, found in zip(self.readings, values, strict=True)}
        means = {name: mean_of(own[None], clusters) for name, own in intact.items()}
        return AblationResult(
            model=self.model.name,
            suite=self.suite.name,
            metrics=tuple(reading.name for reading in self.readings),
            says={reading.name: reading.says for reading in self.readings},
            hows=self.hows,
            at=self.at,
            cuts=dict(cuts),
            intact=intact,
            clean=pd.DataFrame(
                [
                    {"metric": name, "value": m.value[0], "low": m.low[0], "high": m.high[0]}
                    for name, m in means.items()
                ]
            ),
            costs=costs,
            clusters=clusters,
            taken_over=pools[0].shares if pools else {},
            n_split=self.prompts.n_split,
            controls=controls,
            table=pd.concat(tables, ignore_index=True),
        )
