"""Matters: what does it cost to take a head away?

A head is cut before the output matrix: its `z` is replaced at every position, and the model goes on. Three
ways, as each alone can mislead: by zero; by the mean, so that what is always there stays; by the `z` of another
sentence (resample), so that what flows is at least something that the model could have computed.

Exact, and no more than is needed: what is below a layer is computed once, all heads of a layer are cut in one
batch, and the output head runs only at positions that are read.

What a mean is taken over, and from where a `z` is resampled, is said in `standins`.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from . import hooks, resume, words
from .errors import HeadwiseError
from .models import Model
from .progress import track
from .prompts import Prompts
from .standins import StandIns
from .stats import cluster_bootstrap, sign_flip, sum_by_cluster
from .suites import Suite

HOWS = ("zero", "mean", "resample")
METRICS: dict[str, str] = {
    "logit difference": "how much likelier the right word is than the wrong one, in nats (their difference of logits)",
    "log probability": "log probability of the right word, in nats",
    "kl": "nats between what the intact and the cut model say next",
    "loss": "nats per token of the sentence",
}
NEED_ANSWERS = ("logit difference", "log probability")


@dataclass(frozen=True, eq=False)
class AblationResult:
    """What it costs to cut each head.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metrics: What was measured.
        hows: The ways in which heads were cut.
        heads: The heads that were cut, as (layer, head).
        intact: The metric of every sentence of the intact model, by metric.
        costs: What cutting costs, `[how, head, sentence]`, by metric: by how much the metric falls, and of `kl` and
            `loss` by how much it rises.
        groups: Group of each sentence, as an index.
        taken_over: Share of tokens whose mean was taken, and whose donor was found, at the same `position` of their group,
            at the same `part of speech`, or in the whole `suite`.
        n_split: Continuations of several tokens, whose log probabilities are summed.
        table: One row per `metric`, `layer`, `head` and `how`, with the mean `cost`, its 95% interval over groups
            (`low`, `high`), one-sided sign-flip `p` over groups, `p_family` (the largest of all heads and ways of the
            metric) and `q` (NaN for `kl`, which no cut can lower, so that its sign says nothing); `changed`, the share of sentences after which another of right and wrong is likelier than
            before (NaN where a metric does not say); `disagree`, whether the ways of cutting this head lead to
            different verdicts (cost above zero, below zero, or neither, by the interval).
    """

    model: str
    suite: str
    metrics: tuple[str, ...]
    hows: tuple[str, ...]
    heads: tuple[tuple[int, int], ...]
    intact: dict[str, Float[ndarray, " sentence"]]
    costs: dict[str, Float[ndarray, "how cut sentence"]]
    groups: Int[ndarray, " sentence"]
    taken_over: dict[str, float]
    n_split: int
    table: pd.DataFrame

    def row(self, layer: int, head: int, how: str, metric: str | None = None) -> pd.Series:
        """One row of the table; of the first metric by default."""
        t = self.table
        chosen = t["metric"] == (metric or self.metrics[0])
        return t[chosen & (t["layer"] == layer) & (t["head"] == head) & (t["how"] == how)].iloc[0]


def ablate(
    model: Model,
    suite: Suite,
    metrics: Sequence[str] = ("logit difference", "kl"),
    heads: Sequence[tuple[int, int]] | None = None,
    how: Sequence[str] = HOWS,
    seed: int = 0,
    batch_tokens: int | None = None,
) -> AblationResult:
    """Cuts every head of a decoder, one at a time, and measures what that costs.

    Args:
        model: A decoder with its output head.
        suite: Minimal pairs, of which the clean sentences are asked, or for `kl` and `loss` any sentences.
        metrics: What is measured, see `METRICS`.
        heads: Which heads, as (layer, head); all by default.
        how: Ways of cutting, see the module.
        seed: Fixes whose `z` is resampled, and intervals.
        batch_tokens: Most tokens in a batch, copies for every head included.

    Raises:
        HeadwiseError: Not a decoder with an output head, an unknown metric or way, a head out of range, no
            answers in the suite, or no other sentence to take a mean over or to resample from.
    """
    _check(model, metrics, how)
    chosen = _chosen(model, heads)
    prompts = Prompts.of(model, suite, answers=any(m in NEED_ANSWERS for m in metrics))
    if any(h != "zero" for h in how) and len(prompts.sentences) < 2:
        raise HeadwiseError(
            f"The suite {suite.name!r} has one sentence, so there is no other to take a mean over or to resample from. Add "
            "sentences, or pass how=['zero']."
        )
    pools = StandIns.of(prompts, seed)
    z = _all_z(model, prompts, sorted(chosen)) if any(h != "zero" for h in how) else {}
    sweep = _Sweep(model, prompts, tuple(metrics), tuple(how), chosen, pools, z)
    lengths = [len(row) for row in prompts.rows]
    room = (batch_tokens or words.usual_batch_tokens(model)) // max(len(h) for h in chosen.values())
    for rows in track(iter(words.plan(lengths, max(1, room))), len(lengths), "cutting heads", len):
        sweep.run(rows)
    return sweep.result(suite.name, seed)


def _check(model: Model, metrics: Sequence[str], how: Sequence[str]) -> None:
    if len(model.stacks) != 1 or not model.is_causal or not model.has_output_head:
        raise HeadwiseError(
            f"{model.name} is no decoder with an output head, so it does not say what comes next. Use headwise.erase or "
            "headwise.probe, or a decoder."
        )
    for given, known, what in ((metrics, METRICS, "metric"), (how, HOWS, "way of cutting")):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise HeadwiseError(
                f"Unknown {what} {unknown[0] if unknown else ''!r}; known are {', '.join(known)}."
            )


def _chosen(model: Model, heads: Sequence[tuple[int, int]] | None) -> dict[int, list[int]]:
    """Heads to cut by layer."""
    asked = heads
    if asked is None:
        asked = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    if not asked:
        raise HeadwiseError("No heads were named; leave heads out to cut each of them.")
    chosen: dict[int, list[int]] = {}
    for layer, head in sorted(set(asked)):
        if not 0 <= layer < model.n_layers:
            raise HeadwiseError(
                f"{model.name} has no layer {layer}; expected 0 to {model.n_layers - 1}."
            )
        hooks.check_heads(model, [head])
        chosen.setdefault(layer, []).append(head)
    return chosen


def _all_z(
    model: Model, prompts: Prompts, layers: Sequence[int]
) -> dict[int, Float[Tensor, "token head d_head"]]:
    """Every head's output at every token of every row, one row after the other."""
    lengths = [len(row) for row in prompts.rows]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shape = (int(starts[-1]), model.n_heads, model.d_head)
    found = {layer: torch.empty(shape, dtype=model.dtype) for layer in layers}
    for rows in words.plan(lengths, words.usual_batch_tokens(model)):
        tokens, mask = _padded(model, prompts, rows)
        with hooks.capture(model, ["z"], layers) as seen:
            model.forward(tokens, mask)
        for layer in layers:
            z = seen["z", layer].cpu()
            for k, row in enumerate(rows):
                found[layer][starts[row] : starts[row + 1]] = z[k, : lengths[row]]
    return found


def _padded(model: Model, prompts: Prompts, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    n = max(len(prompts.rows[row]) for row in rows)
    tokens = torch.full((len(rows), n), model.pad_token)
    mask = torch.zeros_like(tokens)
    for k, row in enumerate(rows):
        tokens[k, : len(prompts.rows[row])] = torch.tensor(prompts.rows[row])
        mask[k, : len(prompts.rows[row])] = 1
    return tokens.to(model.device), mask.to(model.device)


class _Sweep:
    """Runs rows as they are and with every head cut in every way, and keeps what is read."""

    def __init__(
        self,
        model: Model,
        prompts: Prompts,
        metrics: tuple[str, ...],
        how: tuple[str, ...],
        chosen: Mapping[int, list[int]],
        pools: StandIns,
        z: Mapping[int, Float[Tensor, "token head d_head"]],
    ) -> None:
        self.model, self.prompts, self.metrics, self.how = model, prompts, metrics, how
        self.chosen, self.pools, self.z = chosen, pools, z
        self.heads = tuple((layer, head) for layer, own in chosen.items() for head in own)
        self.means = {
            layer: torch.stack([all_z[members].float().mean(0) for members in pools.members])
            for layer, all_z in z.items()
        }
        n = 1 + len(how) * len(self.heads)  # the intact model first
        shape = (n, len(prompts.sentences))
        self.right, self.wrong, self.kl, self.loss = (np.full(shape, np.nan) for _ in range(4))
        self.can_resume = resume.can_resume(model)

    def run(self, rows: Sequence[int]) -> None:
        """All that is read of some rows."""
        tokens, mask = _padded(self.model, self.prompts, rows)
        first = 0 if "loss" in self.metrics else self._first_read(rows)
        with resume.keeping(self.model, list(self.chosen)) as kept:
            intact = self._log_p(tokens, mask, first)
        ends = [(k, self._end_of(row)) for k, row in enumerate(rows)]
        at_end = {k: intact[k, end - first] for k, end in ends if end is not None}
        for k, row in enumerate(rows):
            self._read(0, row, intact[k], first, at_end.get(k))
        n_before = 0
        for layer, own in self.chosen.items():
            below = kept[layer].repeated(len(own))
            many = [x.repeat_interleave(len(own), dim=0) for x in (tokens, mask)]
            for number, how in enumerate(self.how):
                change = _cut(own, self._instead(how, layer, rows, tokens.shape[1]))
                with (
                    resume.resumed(self.model, below) if self.can_resume else nullcontext(),
                    hooks.edit(self.model, "z", change, [layer]),
                ):
                    log_p = self._log_p(many[0], many[1], first)
                for k, row in enumerate(rows):
                    for i in range(len(own)):
                        kind = 1 + number * len(self.heads) + n_before + i
                        self._read(kind, row, log_p[k * len(own) + i], first, at_end.get(k))
            n_before += len(own)

    def _log_p(self, tokens: Tensor, mask: Tensor, first: int) -> Float[Tensor, "row read entry"]:
        keep = torch.arange(first, tokens.shape[1], device=tokens.device)
        return self.model.logits(tokens, mask, keep=keep).float().log_softmax(-1)

    def _first_read(self, rows: Sequence[int]) -> int:
        """The first position at which something is read in these rows."""
        starts = [c.start for c in (*self.prompts.right, *self.prompts.wrong) if c.row in set(rows)]
        ends = [end for row in rows if (end := self._end_of(row)) is not None]
        return min([*starts, *ends])

    def _end_of(self, row: int) -> int | None:
        at, end = self.prompts.ends[self.prompts.owners[row]]
        return end if at == row else None

    def _instead(
        self, how: str, layer: int, rows: Sequence[int], n: int
    ) -> Float[Tensor, "row pos head d_head"] | None:
        """What takes the place of `z` at every token; None for zero."""
        if how == "zero":
            return None
        all_z, pools = self.z[layer], self.pools
        instead = torch.zeros((len(rows), n, *all_z.shape[1:]))
        for k, row in enumerate(rows):
            own = slice(pools.starts[row], pools.starts[row] + len(self.prompts.rows[row]))
            picked = (
                self.means[layer][pools.pool[own]] if how == "mean" else all_z[pools.donor[own]]
            )
            instead[k, : len(picked)] = picked.float()
        return instead.to(self.model.device)

    def _read(
        self,
        kind: int,
        row: int,
        log_p: Float[Tensor, "read entry"],
        first: int,
        intact: Float[Tensor, " entry"] | None,
    ) -> None:
        i = self.prompts.owners[row]
        for of_all, values in ((self.prompts.right, self.right), (self.prompts.wrong, self.wrong)):
            if of_all and of_all[i].row == row:
                answer = of_all[i]
                at = torch.arange(len(answer.tokens)) + answer.start - first
                values[kind, i] = float(log_p[at, list(answer.tokens)].sum())
        if intact is None:
            return
        end = self.prompts.ends[i][1]
        if "kl" in self.metrics:
            self.kl[kind, i] = float((intact.exp() * (intact - log_p[end - first])).sum())
        if "loss" in self.metrics and end > 0:
            said = list(self.prompts.rows[row][1 : end + 1])
            self.loss[kind, i] = -float(log_p[torch.arange(end), said].mean())

    def result(self, suite: str, seed: int) -> AblationResult:
        """The table and all that it is made of."""
        values = {
            "logit difference": self.right - self.wrong,
            "log probability": self.right,
            "kl": self.kl,
            "loss": self.loss,
        }
        shape = (len(self.how), len(self.heads), len(self.prompts.sentences))
        costs: dict[str, Float[ndarray, "how cut sentence"]] = {}
        tables: list[pd.DataFrame] = []
        for metric in self.metrics:
            change = values[metric][1:] - values[metric][0]
            cost = change if metric in ("kl", "loss") else -change
            costs[metric] = cost.reshape(shape)
            flipped = np.full(len(cost), np.nan)
            if metric == "logit difference":
                flipped = ((values[metric][1:] > 0) != (values[metric][0] > 0)).mean(axis=1)
            tables.append(self._table(metric, cost, flipped, seed))
        table = pd.concat(tables, ignore_index=True)
        return AblationResult(
            model=self.model.name,
            suite=suite,
            metrics=self.metrics,
            hows=self.how,
            heads=self.heads,
            intact={metric: values[metric][0] for metric in self.metrics},
            costs=costs,
            groups=self.prompts.groups,
            taken_over=self.pools.shares,
            n_split=self.prompts.n_split,
            table=table,
        )

    def _table(
        self,
        metric: str,
        cost: Float[ndarray, "cut sentence"],
        flipped: Float[ndarray, " cut"],
        seed: int,
    ) -> pd.DataFrame:
        groups = self.prompts.groups
        low, high = cluster_bootstrap(cost, groups, seed=seed)
        tested = sign_flip(sum_by_cluster(cost, groups, int(groups.max()) + 1), seed=seed)
        says = np.nan if metric == "kl" else 1.0
        verdicts = (low > 0).astype(int) - (high < 0)
        by_head = verdicts.reshape(len(self.how), len(self.heads))
        table = pd.DataFrame(
            {
                "metric": metric,
                "layer": [layer for layer, _ in self.heads] * len(self.how),
                "head": [head for _, head in self.heads] * len(self.how),
                "how": np.repeat(self.how, len(self.heads)),
                "cost": cost.mean(axis=1),
                "low": low,
                "high": high,
                "p": tested.p * says,
                "p_family": tested.p_family * says,
                "q": tested.q * says,
                "changed": flipped,
                "disagree": np.tile((by_head != by_head[0]).any(axis=0), len(self.how)),
            }
        )
        return table.sort_values(["layer", "head"], kind="stable")


def _cut(own: Sequence[int], instead: Float[Tensor, "row pos head d_head"] | None) -> Any:
    """Every row stands once for each head, and in each copy another head is cut."""

    def change(z: Tensor, _: hooks.Site) -> Tensor:
        cut = z.clone()
        for i, head in enumerate(own):
            cut[i :: len(own), :, head] = 0 if instead is None else instead[:, :, head].to(z)
        return cut

    return change
