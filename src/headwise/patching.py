"""Matters, in minimal pairs: which activation makes the difference between two sentences?

Activation patching puts what a site was in one sentence of a pair in its place in the other. *Noising* runs the clean sentence
and puts in what the corrupted one has: what breaks is necessary. *Denoising* runs the corrupted sentence and puts in
what the clean one has: what is mended is sufficient. Both are measured on one scale, the share of the difference between
the two sentences that moves, and need not agree: two heads that do the same are each sufficient and neither is
necessary.

Sentences are aligned token by token; `align='marks'` patches only marked words and the end of pairs that are of different
lengths. Exact and batched, see `sweep`. Vig et al. 2020; Meng et al. 2022; Heimersheim and Nanda 2024 (how to read it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from . import places, sources, words
from .anatomy import Side
from .errors import HeadwiseError
from .heads import sides
from .metrics import AnyMetric
from .models import Model
from .pairing import Pairs, known
from .prompts import Prompts
from .showing import Viewable
from .suites import Suite
from .sweep import Change, Sweep

DIRECTIONS = ("noising", "denoising")
SITES = ("residual", "z", "q", "k", "v")


@dataclass(frozen=True, eq=False)
class PatchResult(Viewable):
    """What moves when activations of one sentence are put into another.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metrics: What was measured.
        says: What each metric is.
        clean: The metric of every clean sentence, by metric.
        corrupted: The metric of every corrupted sentence.
        left_out: Pairs whose tokens could not be aligned.
        effects: How far each patch moves the metric towards the other sentence of the pair, `[direction, patch, pair]`, by metric.
        groups: Group of each pair, as an index.
        table: One row per `metric`, `direction` and patch (`site`, `side`, `layer`, `head`, `position`), with the mean `effect`
            in the metric's unit and the other columns of `effects.table_of` (a family are all patches of metric and direction); `share`, the mean effect over the mean difference between clean and
            corrupted: 1 if it makes all the difference; `changed`, the share of pairs in which another of right and wrong
            becomes likelier; `pairs`, how many have the position (others count with an effect of 0). `head` is a key-value head at `k` and `v`, and missing at `residual`; `position` is a role
            (`headwise.places`), or empty for everywhere.
    """

    model: str
    suite: str
    metrics: tuple[str, ...]
    says: dict[str, str]
    clean: dict[str, Float[ndarray, " pair"]]
    corrupted: dict[str, Float[ndarray, " pair"]]
    left_out: int
    effects: dict[str, Float[ndarray, "direction patch pair"]]
    groups: Int[ndarray, " pair"]
    table: pd.DataFrame

    @property
    def gap(self) -> dict[str, float]:
        """Mean difference between clean and corrupted sentences, by metric."""
        return {m: float((self.clean[m] - self.corrupted[m]).mean()) for m in self.metrics}


def patch(
    model: Model,
    suite: Suite,
    site: str = "z",
    direction: Sequence[str] = DIRECTIONS,
    metrics: Sequence[AnyMetric] | None = None,
    layers: Sequence[int] | None = None,
    positions: bool | None = None,
    align: str = "words",
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
        direction: `noising`, `denoising` or both.
        metrics: What is measured; by default what the model can give: logit difference, or margin and contrast. A distance from
            the intact model, as `kl`, cannot say which way anything moves.
        layers: Which layers; all by default.
        positions: Whether positions are patched apart, by the part they play (`headwise.places`); by default only of `residual`.
        align: `words`: pairs of equal tokens, others are left out and counted. `marks`: words that bear the same label and the
            end, whatever the lengths.
        seed: Fixes intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for the activations of the other sentences.

    Raises:
        HeadwiseError: No pairs, pairs that differ in no word or cannot be aligned, an unknown site, direction, layer or metric, or
            more to keep than the budget allows.
    """
    known(site, SITES, "site")
    for one in direction:
        known(one, DIRECTIONS, "direction")
    both = Pairs.of(model, suite, metrics, align)
    by_position = site == "residual" if positions is None else positions
    patches = changes(model, both.clean, site, layers, by_position)
    wanted = sorted({change.place for change in patches})
    for prompts in (both.clean, both.corrupted):
        sources.check_budget(model, prompts, len(wanted), budget)
    found: list[list[Float[ndarray, "variant sentence"]]] = []
    for one in direction:
        sweep = Sweep(
            model,
            both.sides_of(one)[0],
            both.readings(both.sides_of(one)[0]),
            {"other": both.other(one, wanted)},
            both.masks(one, {change.where for change in patches} - {""}),
            batch_tokens or words.usual_batch_tokens(model),
        )
        found.append(sweep.run([(change,) for change in patches], f"patching ({one})"))
    return _result(both, patches, tuple(direction), found, seed)


def changes(
    model: Model, prompts: Prompts, site: str, layers: Sequence[int] | None, by_position: bool
) -> list[Change]:
    """Every patch of a site, as a change to what the other sentence has."""
    found: list[Change] = []
    for side in sides(model):
        if site == "residual" and side == "cross":
            continue
        stack = model.stacks[0 if side in ("", "encoder") else -1]
        n_layers = len(stack.blocks)
        chosen = range(n_layers) if layers is None else layers
        if outside := [layer for layer in chosen if not 0 <= layer < n_layers]:
            raise HeadwiseError(
                f"{model.name} has no layer {outside[0]}; expected 0 to {n_layers - 1}."
            )
        names = _roles(prompts, site, side) if by_position else [""]
        for layer in chosen:
            attention = model.attention(side, layer)
            n_heads = attention.n_key_value_heads if site in ("k", "v") else attention.n_heads
            for head in [None] if site == "residual" else range(n_heads):
                found += [Change(site, side, layer, head, "other", name) for name in names]
    return found


def _roles(prompts: Prompts, site: str, side: Side) -> list[str]:
    """Roles of the tokens that a site has positions of."""
    own = places.roles(prompts)[sources.is_of_target((site, side, 0))]
    return list(dict.fromkeys(role for row in own for role in row))


def _result(
    both: Pairs,
    patches: Sequence[Change],
    directions: tuple[str, ...],
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
    moved, table = both.moved(columns, directions, found, seed)
    table["head"] = table["head"].astype("Int64")
    readings = both.readings(both.clean)
    clean, corrupted = (
        {r.name: values for r, values in zip(readings, both.intact(of), strict=True)}
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
    own = places.roles(prompts)[sources.is_of_target(("z", side, 0))]
    rows = zip(own, prompts.owners, strict=True)
    return len({owner for row, owner in rows if not where or where in row})
