"""Self-repair: the direct effect of a head, beside the total effect of its ablation.

When a head is ablated, later components receive another input and may compensate, so the total effect is less than what the head contributes. Its
*direct* effect is measured with everything after it held at its clean value: attention, MLPs, and the scale of every layer norm. Where norms stand
before the branches this is direct logit
attribution. Direct minus total effect is self-repair (McGrath, Rahtz, Kramár, Mikulik and Legg 2023, The Hydra effect; Rushing and Nanda 2024,
Explorations of self-repair); below zero, later components amplify what the head writes.

Its direct effect *through MLPs* is the same with later MLPs recomputed: the effect without any later head. It may be far larger, since MLPs act on
what heads write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from torch import nn

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import OneOrMore, check_counts
from headwise.data.suite import AnySentence, Suite, as_suite
from headwise.directions._stream.wiring import Wiring
from headwise.model import heads
from headwise.model.architecture import Side
from headwise.model.heads import AnyHeads, Head
from headwise.model.heads import chosen as chosen_heads
from headwise.model.model import Model
from headwise.stats import mean_of

from . import _effects
from ._columns import DIRECT_EFFECT
from ._replacing import replacements
from ._replacing.frozen import Frozen
from ._replacing.replacements import Place, Source
from ._runner import Change, Sweep, Variant
from .ablation import Ablation
from .metrics import AnyMetric

EFFECTS = ("total", "direct", "direct_through_mlps")
Degradations = dict[str, Float[ndarray, "head_set sentence"]]


@dataclass(frozen=True, eq=False, repr=False)
class DirectEffectResult(Result):
    """Direct and total effects of heads.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        method: The method of ablation.
        total: Degradation of every ablation, `[head, sentence]`, by metric.
        direct: The same with all later attention, MLPs and norms held.
        direct_through_mlps: The same with later attention and norms held, and MLPs run.
        table: One row per `metric` and head (`side`, `layer`, `head`); see `columns`.
    """

    model: str
    suite: str
    method: str
    total: Degradations
    direct: Degradations
    direct_through_mlps: Degradations
    table: pd.DataFrame
    columns: ClassVar[Columns] = DIRECT_EFFECT

    def _summary(self) -> str:
        return f"{len(self.table)} heads and metrics, ablated by {self.method}"


def direct_effects(
    model: Model,
    suite: Suite | Sequence[AnySentence],
    heads: AnyHeads | None = None,
    *,
    method: str = "mean",
    metrics: OneOrMore[AnyMetric] | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> DirectEffectResult:
    """Ablates heads with the later components free, and with them held at their clean values.

    Args:
        model: Any model.
        suite: As in `headwise.ablate`.
        heads: Heads; all by default.
        method: One method of ablation.
        metrics: As in `headwise.ablate`.
        seed: Fixes intervals and whose `z` is resampled.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for activations that are kept.

    Raises:
        HeadwiseError: As `headwise.ablate`; or the model's stream is put together in a way that is not known.
    """
    check_counts(seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    suite = as_suite(suite)
    ablation = Ablation.of(model, suite, metrics, [method], "", seed, batch_tokens, budget)
    chosen = chosen_heads(model, heads)
    layers = _layers(model)
    wanted: list[Place] = [("z", head.side, head.layer) for head in layers]
    replacements.check_budget(model, ablation.prompts, 2 * len(wanted), budget)
    own = Source(
        replacements.read_all(model, ablation.prompts, wanted),
        replacements.themselves(ablation.prompts),
    )
    given = ablation.sources_of({(h.side, h.layer) for h in chosen}) | {"own": own}
    head_sets: list[Variant] = [(Change("z", h.side, h.layer, h.head, method),) for h in chosen]
    held: list[Variant] = [
        (*variant, *_held(h, layers)) for variant, h in zip(head_sets, chosen, strict=True)
    ]
    requested = (
        (head_sets, None, "ablating heads"),
        (held, Frozen(model, _mlps(model)), "ablating heads, all else held"),
        (held, Frozen(model), "ablating heads, MLPs run"),
    )
    found: dict[str, Degradations] = {}
    for name, (variants, frozen, doing) in zip(EFFECTS, requested, strict=True):
        sweep = Sweep(
            model, ablation.prompts, ablation.readings, given, {}, ablation.batch_tokens, frozen
        )
        values = sweep.run(variants, doing)
        found[name] = {r.name: _effects.worse(r, v) for r, v in zip(ablation.readings, values, strict=True)}  # fmt: skip
    clusters = ablation.prompts.clusters
    tables: list[pd.DataFrame] = []
    for metric in found["total"]:
        degradations = {name: found[name][metric] for name in EFFECTS}
        degradations["self_repair"] = degradations["direct"] - degradations["total"]
        columns: dict[str, object] = {"metric": metric}
        columns |= {part: [getattr(head, part) for head in chosen] for part in ("side", "layer", "head")}  # fmt: skip
        for name, degradation in degradations.items():
            mean = mean_of(degradation, clusters)
            columns |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
        tables.append(pd.DataFrame(columns))
    return DirectEffectResult(
        model.name, suite.name, method, **found, table=pd.concat(tables, ignore_index=True)
    )


def _mlps(model: Model) -> list[nn.Module]:
    """The last linear map of every MLP."""
    stacks: list[Side] = [stack.side for stack in model.stacks]
    return [
        branch.output
        for side in stacks
        for block in Wiring.of(model, side).blocks
        for branch in block
        if branch.kind == "mlp"
    ]


def _layers(model: Model) -> list[Head]:
    """One head of every attention layer, in the order in which they are met."""
    return [head for head in model.heads if head.head == 0]


def _held(head: Head, layers: Sequence[Head]) -> list[Change]:
    """All attention after a head, as it was."""
    met = heads.order_met(head)[:3]
    return [
        Change("z", later.side, later.layer, None, "own")
        for later in layers
        if heads.order_met(later)[:3] > met
    ]
