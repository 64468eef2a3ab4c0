"""Self-repair: what a head does by itself, beside what it costs to cut it.

When a head is cut, later heads see something else and may make up for it, so the cost is less than what the head
contributes. Its *direct* effect is measured with all later attention held at what it was in the intact model, and with
every layer norm dividing by what it divided by there; MLPs are run anew. Direct less total is what the rest of the model
repaired. McGrath, Rahtz, Kramár, Mikulik and Legg 2023, The Hydra effect; Rushing and Nanda 2024, Explorations of self-repair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from . import effects, heads, sources
from .ablation import Ablation
from .heads import AnyHead, Head
from .metrics import AnyMetric
from .models import Model
from .norms import FrozenNorms
from .showing import Viewable
from .sources import Place, Source
from .suites import Suite
from .sweep import Change, Sweep, Variant


@dataclass(frozen=True, eq=False)
class DirectResult(Viewable):
    """What heads do by themselves.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        how: How heads were cut.
        total: Cost of every cut, `[head, sentence]`, by metric.
        direct: The same with later attention and norms held.
        table: One row per `metric` and head (`side`, `layer`, `head`): mean `total` and `direct` cost, and `repaired`, direct less
            total, with its 95% interval over groups (`low`, `high`).
    """

    model: str
    suite: str
    how: str
    total: dict[str, Float[ndarray, "cut sentence"]]
    direct: dict[str, Float[ndarray, "cut sentence"]]
    table: pd.DataFrame


def direct_effects(
    model: Model,
    suite: Suite,
    metrics: Sequence[AnyMetric] | None = None,
    heads: Sequence[AnyHead] | None = None,
    how: str = "mean",
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> DirectResult:
    """Cuts heads with and without the rest of the model answering.

    Args:
        model: Any model.
        suite: As in `headwise.ablate`.
        metrics: As in `headwise.ablate`.
        heads: Heads; all by default.
        how: One way of cutting.
        seed: Fixes intervals and whose `z` is resampled.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for activations that are kept.

    Raises:
        HeadwiseError: As `headwise.ablate`.
    """
    ablation = Ablation.of(model, suite, metrics, [how], "", seed, batch_tokens, budget)
    chosen = _chosen(model, heads)
    layers = _layers(model)
    wanted: list[Place] = [("z", head.side, head.layer) for head in layers]
    sources.check_budget(model, ablation.prompts, 2 * len(wanted), budget)
    own = Source(
        sources.read_all(model, ablation.prompts, wanted), sources.themselves(ablation.prompts)
    )
    given = ablation.sources_of({(h.side, h.layer) for h in chosen}) | {"own": own}
    cuts: list[Variant] = [(Change("z", h.side, h.layer, h.head, how),) for h in chosen]
    held: list[Variant] = [(*cut, *_held(h, layers)) for cut, h in zip(cuts, chosen, strict=True)]
    values = [
        Sweep(
            model, ablation.prompts, ablation.readings, given, {}, ablation.batch_tokens, norms
        ).run(variants, doing)
        for variants, norms, doing in (
            (cuts, None, "cutting heads"),
            (held, FrozenNorms(model), "cutting heads by themselves"),
        )
    ]  # fmt: skip
    total, direct = (
        {r.name: effects.worse(r, v) for r, v in zip(ablation.readings, found, strict=True)}
        for found in values
    )
    tables: list[pd.DataFrame] = []
    for reading in ablation.readings:
        both = direct[reading.name], total[reading.name]
        table = effects.table_of(
            reading, "repaired", both[0] - both[1], ablation.prompts.groups, seed
        ).drop(columns=["p", "p_family", "q"])
        for i, part in enumerate(Head._fields[-1:] + Head._fields[:-1]):
            table.insert(1 + i, part, [getattr(head, part) for head in chosen])
        table.insert(4, "total", both[1].mean(axis=1))
        table.insert(5, "direct", both[0].mean(axis=1))
        tables.append(table)
    return DirectResult(
        model.name, suite.name, how, total, direct, pd.concat(tables, ignore_index=True)
    )


def _chosen(model: Model, given: Sequence[AnyHead] | None) -> list[Head]:
    return heads.chosen(model, given)


def _layers(model: Model) -> list[Head]:
    """One head of every attention layer, in the order in which they are met."""
    return [head for head in heads.every_head(model) if head.head == 0]


def _held(head: Head, layers: Sequence[Head]) -> list[Change]:
    """All attention after a head, as it was."""
    met = heads.order_met(head)[:3]
    return [
        Change("z", later.side, later.layer, None, "own")
        for later in layers
        if heads.order_met(later)[:3] > met
    ]
