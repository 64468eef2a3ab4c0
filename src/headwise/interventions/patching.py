"""Activation patching in minimal pairs: which activations carry the difference between two sentences.

Activation patching replaces an activation of one sentence of a pair by that of the other. *Noising* patches corrupted activations into the clean run
and tests necessity. *Denoising* patches clean activations into the corrupted run and tests sufficiency. Both are measured on one scale, the share of
the difference between
the two sentences that moves, and need not agree: two heads that do the same are each sufficient and neither is
necessary.

Sentences are aligned token by token; `align='marks'` patches only marked words and the end of pairs that are of different
lengths. Exact and batched, see `sweep`. Vig et al. 2020; Meng et al. 2022; Heimersheim and Nanda 2024 (how to read it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import OneOrMore, all_of, check_counts, in_range, one_of
from headwise.activations import alignment
from headwise.data.suite import Suite, as_suite
from headwise.model.architecture import Side
from headwise.model.heads import sides
from headwise.model.model import Model

from . import token_roles
from ._columns import PATCH
from ._effects import significant
from ._minimal_pairs import Pairs
from ._replacing import replacements
from ._runner import Change, Sweep
from .metrics import AnyMetric
from .prompts import Prompts

MODES = ("noising", "denoising")
SITES = ("residual", "z", "q", "k", "v")


@dataclass(frozen=True, eq=False, repr=False)
class PatchResult(Result):
    """Effects of patching activations of one sentence into another.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metrics: The metrics.
        says: What each metric is.
        clean: The metric of every clean sentence, by metric.
        corrupted: The metric of every corrupted sentence.
        left_out: Pairs whose tokens could not be aligned.
        effects: How far each patch moves the metric towards the other sentence of the pair, `[mode, patch, pair]`, by metric.
        groups: Group of each pair, as an index.
        table: One row per `metric`, `mode` and patch (`site`, `side`, `layer`, `head`, `position`); see `columns`. `head` is a key-value head at `k` and `v`,
            and missing at `residual`.
    """

    model: str
    suite: str
    metrics: tuple[str, ...]
    says: dict[str, str]
    clean: dict[str, Float[ndarray, " pair"]]
    corrupted: dict[str, Float[ndarray, " pair"]]
    left_out: int
    effects: dict[str, Float[ndarray, "mode patch pair"]]
    groups: Int[ndarray, " pair"]
    table: pd.DataFrame
    columns: ClassVar[Columns] = PATCH

    def significant(self) -> pd.DataFrame:
        """The rows whose p over all patches of the metric and mode is below 5%, strongest first."""
        return significant(self.table, "effect")

    def _summary(self) -> str:
        sites = "/".join(self.table["site"].unique())
        return f"{len(self.table):,} patches of {sites}; {self._found('move it')}"

    @property
    def gap(self) -> dict[str, float]:
        """Mean difference between clean and corrupted sentences, by metric."""
        return {m: float((self.clean[m] - self.corrupted[m]).mean()) for m in self.metrics}


def patch(
    model: Model,
    suite: Suite,
    site: str = "z",
    *,
    mode: OneOrMore[str] = MODES,
    align: str = "words",
    layers: OneOrMore[int] | None = None,
    by_position: bool | None = None,
    metrics: OneOrMore[AnyMetric] | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> PatchResult:
    """Patches every place of one kind, one at a time.

    Args:
        model: Any model.
        suite: Minimal pairs.
        site: `residual` (layer by position), or `z`, `q`, `k`, `v` (layer by head). Under grouped queries `k` and `v` have
            fewer heads, each of which serves several query heads.
        mode: `noising`, `denoising` or both.
        align: `words`: pairs of equal tokens, others are left out and counted. `marks`: words that bear the same label and the
            end, whatever the lengths.
        layers: Which layers; all by default.
        by_position: Whether positions are patched separately, by their role (`headwise.interventions.token_roles`); by default only of `residual`.
        metrics: The metrics; by default those that the model supports: logit difference, or margin and contrast. A distance from the clean
            model, such as `kl`, has no direction.
        seed: Fixes intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for the activations of the other sentences.

    Raises:
        HeadwiseError: No pairs, pairs that differ in no word or cannot be aligned, an unknown site, mode, layer or metric, or
            more to keep than the budget allows.
    """
    check_counts(seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    suite = as_suite(suite)
    one_of(site, SITES, "site")
    modes = all_of(mode, MODES, "mode")
    both = Pairs.of(model, suite, metrics, align)
    by_position = site == "residual" if by_position is None else by_position
    patches = changes(model, both.clean, site, layers, by_position)
    wanted = sorted({change.place for change in patches})
    for prompts in (both.clean, both.corrupted):
        replacements.check_budget(model, prompts, len(wanted), budget)
    found: list[list[Float[ndarray, "variant sentence"]]] = []
    for one in modes:
        sweep = Sweep(
            model,
            both.sides_of(one)[0],
            both.readings(both.sides_of(one)[0]),
            {"other": both.other(one, wanted)},
            both.masks(one, {change.where for change in patches} - {""}),
            batch_tokens or alignment.usual_batch_tokens(model),
        )
        found.append(sweep.run([(change,) for change in patches], f"patching ({one})"))
    return _result(both, patches, modes, found, seed)


def changes(
    model: Model, prompts: Prompts, site: str, layers: OneOrMore[int] | None, by_position: bool
) -> list[Change]:
    """Every patch of a site, as a change to what the other sentence has."""
    found: list[Change] = []
    for side in sides(model):
        if site == "residual" and side == "cross":
            continue
        stack = model.stacks[0 if side in ("", "encoder") else -1]
        n_layers = len(stack.blocks)
        chosen = in_range(range(n_layers) if layers is None else layers, n_layers, "layer", model.name)  # fmt: skip
        names = _roles(prompts, site, side) if by_position else [""]
        for layer in chosen:
            attention = model.attention(side, layer)
            n_heads = attention.n_key_value_heads if site in ("k", "v") else attention.n_heads
            for head in [None] if site == "residual" else range(n_heads):
                found += [Change(site, side, layer, head, "other", name) for name in names]
    return found


def _roles(prompts: Prompts, site: str, side: Side) -> list[str]:
    """Roles of the tokens that a site has positions of."""
    own = token_roles.roles(prompts)[replacements.is_of_target((site, side, 0))]
    return list(dict.fromkeys(role for row in own for role in row))


def _result(
    both: Pairs,
    patches: Sequence[Change],
    modes: tuple[str, ...],
    found: Sequence[Sequence[Float[ndarray, "variant sentence"]]],
    seed: int,
) -> PatchResult:
    n_pairs = {
        (change.side, change.where): _n_pairs(both.clean, change.side, change.where)
        for change in patches
    }
    columns = {
        part: [getattr(change, part) for change in patches]
        for part in ("site", "side", "layer", "head")
    }
    columns["position"] = [change.where for change in patches]
    columns["pairs"] = [n_pairs[change.side, change.where] for change in patches]
    moved, table = both.moved(columns, modes, found, seed)
    table["head"] = table["head"].astype("Int64")
    readings = both.readings(both.clean)
    clean, corrupted = (
        {r.name: values for r, values in zip(readings, both.unpatched(of), strict=True)}
        for of in (both.clean, both.corrupted)
    )
    return PatchResult(
        model=both.model.name,
        suite=both.suite.name,
        metrics=tuple(reading.name for reading in readings),
        says={reading.name: reading.says for reading in readings},
        clean=clean,
        corrupted=corrupted,
        left_out=both.left_out,
        effects=moved,
        groups=both.clean.groups,
        table=table,
    )


def _n_pairs(prompts: Prompts, side: Side, where: str) -> int:
    """Pairs that have a role; others are not changed by a patch there."""
    own = token_roles.roles(prompts)[replacements.is_of_target(("z", side, 0))]
    rows = zip(own, prompts.owners, strict=True)
    return len({owner for row, owner in rows if not where or where in row})
