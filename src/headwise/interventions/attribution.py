"""Attribution patching: first-order estimates of every patch from a gradient, and exact effects of some.

To first order a patch moves the metric by its gradient times the difference of the two activations, summed over what is patched.
That is cheap and can be wrong, most of all where softmaxes and norms saturate, so it serves to choose what to measure: the largest
are patched exactly, and a random sample of all besides, and the rank correlation with the exact values is given for both. Nanda
2023, Attribution patching; Syed, Rager and Conmy 2023; Kramár et al. 2024 (where it fails).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy import stats
from torch import Tensor

from headwise._columns import Columns
from headwise._progress import track
from headwise._result import Result
from headwise._validate import OneOrMore, check_counts, one_of
from headwise.activations import alignment, hooks
from headwise.activations.sites import Site, on_side
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from ._columns import ATTRIBUTION
from ._effects import significant
from ._minimal_pairs import Pairs
from ._replacing import replacements
from ._replacing.replacements import Given, Place, Source
from ._runner import Change, Positions, Sweep, mask_of
from .metrics import AnyMetric, Reading, Seen
from .patching import MODES, SITES, changes
from .prompts import Prompts

GRADIENT_TOKENS = 1024  # in a batch: everything that the gradient passes through is kept


@dataclass(frozen=True, eq=False, repr=False)
class AttributionResult(Result):
    """First-order estimates of every patch, and exact effects of some.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        metric: The metric.
        mode: `noising` or `denoising`.
        rank_top: Spearman's rank correlation of approximate and exact effects among the patches with the largest approximate ones.
        rank_sample: The same of a random sample of all: whether the filter can be trusted with what it left out.
        left_out: Pairs whose tokens could not be aligned.
        approximate: Of every patch and pair.
        table: One row per patch (`site`, `side`, `layer`, `head`, `position`); see `columns`. What is exact is NaN where it was not measured.
    """

    model: str
    suite: str
    metric: str
    mode: str
    rank_top: float
    rank_sample: float
    left_out: int
    approximate: Float[ndarray, "patch pair"]
    table: pd.DataFrame
    columns: ClassVar[Columns] = ATTRIBUTION

    def significant(self) -> pd.DataFrame:
        """The rows of patches that were measured whose p over all of these is below 5%, strongest first."""
        return significant(self.table, "effect")

    def _summary(self) -> str:
        measured = sum(map(bool, self.table["chosen"]))
        return f"{len(self.table):,} patches, {measured} measured exactly; {self._found('move it')}"


@torch.inference_mode(mode=False)  # tensors that are made in it could not be followed
def attribution_patch(
    model: Model,
    suite: Suite,
    site: str = "z",
    *,
    mode: str = "noising",
    align: str = "words",
    layers: OneOrMore[int] | None = None,
    by_position: bool | None = None,
    metrics: AnyMetric | None = None,
    top: int = 10,
    sample: int = 20,
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> AttributionResult:
    """Approximates every patch and measures the most promising and a random sample.

    Args:
        model: Any model.
        suite: Minimal pairs.
        site: As in `headwise.patch`.
        mode: `noising` or `denoising`.
        align: As in `headwise.patch`.
        layers: As in `headwise.patch`.
        by_position: As in `headwise.patch`.
        metrics: As in `headwise.patch`; the first of the usual ones by default.
        top: How many of the largest (of either sign) are measured.
        sample: How many of all, drawn at random, are measured.
        seed: Fixes the sample and intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for activations that are kept.

    Raises:
        HeadwiseError: As `headwise.patch`; or nothing is to be measured.
    """
    check_counts(seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    suite = as_suite(suite)
    one_of(site, SITES, "site")
    one_of(mode, MODES, "mode")
    if top < 1 or sample < 1:
        raise HeadwiseError(
            f"An approximation is only as good as its check: top and sample must be at least 1; got {top} and {sample}."
        )
    both = Pairs.of(model, suite, None if metrics is None else [metrics], align)
    both = replace(both, metrics=both.metrics[:1])
    base, _ = both.sides_of(mode)
    patches = changes(
        model, both.clean, site, layers, site == "residual" if by_position is None else by_position
    )
    wanted = sorted({change.place for change in patches})
    replacements.check_budget(model, base, 2 * len(wanted), budget)
    other = both.other(mode, wanted)
    masks = both.masks(mode, {change.where for change in patches} - {""})
    (reading,) = both.readings(base)
    towards = -1.0 if mode == "noising" else 1.0
    approximate = towards * _gradient_times_difference(model, base, reading, patches, other, masks)
    chosen, exact = _chosen(approximate, top, sample, seed), pd.DataFrame()
    sweep = Sweep(
        model,
        base,
        [reading],
        {"other": other},
        masks,
        batch_tokens or alignment.usual_batch_tokens(model),
    )
    rows = [i for i, name in enumerate(chosen) if name]
    found = sweep.run([(patches[i],) for i in rows], "measuring patches")
    columns = {p: [getattr(patches[i], p) for i in rows] for p in ("site", "side", "layer", "head")}
    _, exact = both.moved(columns, [mode], [found], seed)
    table = _table(patches, approximate, chosen, rows, exact)
    return AttributionResult(
        model=model.name,
        suite=suite.name,
        metric=reading.name,
        mode=mode,
        rank_top=_rank_correlation(table, "top"),
        rank_sample=_rank_correlation(table, "sample"),
        left_out=both.left_out,
        approximate=approximate,
        table=table,
    )


def _chosen(
    approximate: Float[ndarray, "patch pair"], top: int, sample: int, seed: int
) -> list[str]:
    """Which patches are measured, and why; a patch of the sample may also be a top one."""
    size = np.abs(approximate.mean(axis=1))
    drawn = np.random.default_rng(seed).permutation(len(size))[:sample]
    names = np.full(len(size), "", dtype=object)
    names[drawn] = "sample"
    for i in np.argsort(-size, kind="stable")[:top]:
        names[i] = "top, sample" if names[i] else "top"
    return names.tolist()


def _table(
    patches: Sequence[Change],
    approximate: Float[ndarray, "patch pair"],
    chosen: Sequence[str],
    rows: Sequence[int],
    exact: pd.DataFrame,
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            part: [getattr(change, name) for change in patches]
            for part, name in (
                ("site", "site"), ("side", "side"), ("layer", "layer"), ("head", "head"), ("position", "where"),
            )
        }
    )  # fmt: skip
    table["head"] = table["head"].astype("Int64")
    table["approximate"] = approximate.mean(axis=1)
    table["chosen"] = list(chosen)
    for name in ("effect", "effect_low", "effect_high", "p", "p_fwer", "share"):
        values = np.full(len(table), np.nan)
        values[list(rows)] = exact[name].to_numpy(dtype=float)
        table[name] = values
    return table


def _rank_correlation(table: pd.DataFrame, name: str) -> float:
    """NaN with fewer than three, or if all are equal."""
    is_one = table["chosen"].str.contains(name).to_numpy()
    pair = [table[column].to_numpy(dtype=float)[is_one] for column in ("approximate", "effect")]
    if len(pair[0]) < 3 or any(len(np.unique(values)) < 2 for values in pair):
        return float("nan")
    found: Any = stats.spearmanr(pair[0], pair[1])
    return float(found.statistic)


def _gradient_times_difference(
    model: Model,
    prompts: Prompts,
    reading: Reading,
    patches: Sequence[Change],
    other: Source,
    positions: Positions,
) -> Float[ndarray, "patch pair"]:
    """First-order change of the metric by every patch, of every pair."""
    found = np.zeros((len(patches), len(prompts.sentences)))
    lengths = [len(row.tokens) for row in prompts.rows]
    plan = alignment.plan(lengths, max(max(lengths), GRADIENT_TOKENS))
    by_place: dict[Place, list[int]] = {}
    for i, change in enumerate(patches):
        by_place.setdefault(change.place, []).append(i)
    for rows in track(iter(plan), len(lengths), "following gradients", len):
        at, gradients = _gradients(model, prompts, reading, list(by_place), rows)
        owners = [prompts.owners[row] for row in rows]
        for place, numbers in by_place.items():
            n_pos = at[place].shape[1]
            values, has = other.at(place, rows, n_pos)
            has = has.to(model.device)
            way = (values.to(at[place]) - at[place]) * gradients[place]
            by_head = way.sum(-1) * has.reshape(*has.shape, *[1] * (way.dim() - 3))
            for i in numbers:
                change = patches[i]
                part = by_head if change.head is None else by_head[:, :, change.head]
                if change.where:
                    part = part * mask_of(positions, change, rows, n_pos).to(part)
                np.add.at(found[i], owners, part.sum(1).double().cpu().numpy())
    return found


def _gradients(
    model: Model, prompts: Prompts, reading: Reading, places: Sequence[Place], rows: Sequence[int]
) -> tuple[dict[Place, Tensor], dict[Place, Tensor]]:
    """Activations at some places of some rows, and the gradient of the metric there."""
    given = Given.of(model, prompts, rows)
    at: dict[Place, Tensor] = {}
    shown: dict[tuple[str, int], Tensor] = {}
    firsts = [f for row in rows if (f := reading.first(row)) is not None]

    def begin(x: Tensor, _: Site) -> Tensor:
        return x.detach().clone().requires_grad_()

    def keep(x: Tensor, site: Site) -> Tensor:
        at[site.name, site.side, site.layer] = x
        return x

    def show(x: Tensor, site: Site) -> Tensor:
        shown[site.key, site.layer] = x.unsqueeze(1)
        return x

    with ExitStack() as stack:
        # Also where the caller has switched gradients off, as notebooks do.
        stack.enter_context(torch.enable_grad())
        # Weights need no gradients: the stream is where they begin.
        for side in ("",) if len(model.stacks) == 1 else ("encoder", "decoder"):
            stack.enter_context(hooks.edit(model, on_side(side, "residual"), begin, layers=[0]))
        for site, side, layer in places:
            stack.enter_context(hooks.edit(model, on_side(side, site), keep, layers=[layer]))
        for key, layer in reading.sites:
            stack.enter_context(hooks.edit(model, key, show, layers=[layer]))
        inputs = (given.tokens, given.mask, given.targets, given.target_mask)
        log_p = None
        if firsts:
            width = (given.tokens if given.targets is None else given.targets).shape[1]
            keep_at = torch.arange(min(firsts), width, device=model.device)
            logits = model.logits(*inputs, keep=keep_at, gradients=True).float()
            log_p = logits.log_softmax(-1).unsqueeze(1)
        else:
            model.forward(*inputs, gradients=True)
        seen = Seen(tuple(rows), min(firsts, default=0), log_p, shown, None)
        total = reading.read(seen).sum()
        gradients = torch.autograd.grad(
            total, [at[place] for place in places], materialize_grads=True
        )
    detached = {place: x.detach() for place, x in at.items()}
    return detached, dict(zip(places, gradients, strict=True))
