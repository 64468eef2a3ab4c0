"""Path patching: the effect of one head on another along one path.

What a head writes reaches a later head directly and through all heads between. Path patching measures the direct path: one sender's `z` is patched
from the other sentence of the pair, every attention layer between sender and receiver is frozen, and the resulting queries, keys or values of the
receiver are patched into an otherwise clean run. With `output` as receiver all later attention is frozen, and the next-token distribution is read.
MLPs are recomputed, so a path may lead through them. Wang et al. 2022, Interpretability in the wild (appendix); Goldowsky-Dill et al. 2023.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._columns import Columns
from headwise._result import Result
from headwise._validate import OneOrMore, all_of, check_counts, one_of
from headwise.activations import alignment
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model import heads
from headwise.model.architecture import Side
from headwise.model.heads import AnyHead, AnyHeads, Head
from headwise.model.model import Model

from ._attention_only import require_attention_only
from ._columns import PATH
from ._effects import significant
from ._minimal_pairs import Pairs
from ._replacing import replacements
from ._replacing.replacements import Place, Source, is_of_target, starts_of
from ._runner import Change, Sweep, Variant
from .metrics import AnyMetric, Reading
from .patching import MODES

OUTPUT = "output"
THROUGH = ("q", "k", "v")


@dataclass(frozen=True, eq=False, repr=False)
class PathPatchResult(Result):
    """Effects of patching one path.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        receiver: Name of the head that receives, or `output`.
        through: Where it receives: `q`, `k` or `v`; empty for the output.
        shared_by: Query heads that a key-value head of the receiver serves; all of them receive at `k` and `v`.
        left_out: Pairs whose tokens could not be aligned.
        effects: How far each path moves the metric towards the other sentence, `[mode, sender, pair]`, by metric.
        groups: Group of each pair, as an index.
        table: One row per `metric`, `mode` and sender (`side`, `layer`, `head`); see `columns`.
    """

    model: str
    suite: str
    receiver: str
    through: str
    shared_by: int
    left_out: int
    effects: dict[str, Float[ndarray, "mode sender pair"]]
    groups: Int[ndarray, " pair"]
    table: pd.DataFrame
    columns: ClassVar[Columns] = PATH

    def significant(self) -> pd.DataFrame:
        """The rows whose p over all senders of the metric and mode is below 5%, strongest first."""
        return significant(self.table, "effect")

    def _summary(self) -> str:
        into = f"{self.receiver} {self.through}".rstrip()
        return f"{len(self.table):,} paths into {into}; {self._found('move it')}"


def path_patch(
    model: Model,
    suite: Suite,
    receiver: AnyHead = OUTPUT,
    *,
    through: str = "",
    senders: AnyHeads | None = None,
    mode: OneOrMore[str] = ("noising",),
    align: str = "words",
    metrics: OneOrMore[AnyMetric] | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    budget: int | str = "4GiB",
) -> PathPatchResult:
    """Patches the path from every earlier head to one receiver, one at a time.

    Args:
        model: Any model.
        suite: Minimal pairs.
        receiver: A head, or `output` for the next-token distribution (or the word's final vector).
        through: Which input of the receiving head: `q`, `k` or `v`. Under grouped queries keys and values are shared, so the
            path leads to all heads of the receiver's group.
        senders: Heads; by default all before the receiver.
        mode: `noising`, `denoising` or both.
        align: As in `headwise.patch`.
        metrics: As in `headwise.patch`.
        seed: Fixes intervals.
        batch_tokens: Most tokens in a batch.
        budget: Most memory for activations that are kept.

    Raises:
        HeadwiseError: As `headwise.patch`; or a receiver with nothing before it, or no input named.
    """
    check_counts(seed=seed)
    check_counts(least=1, batch_tokens=batch_tokens)
    suite = as_suite(suite)
    modes = all_of(mode, MODES, "mode")
    goal = None if receiver == OUTPUT else heads.chosen(model, [receiver])[0]
    if goal is not None:
        one_of(through, THROUGH, "input of a receiving head")
    require_attention_only(model, "What goes along one path")
    both = Pairs.of(model, suite, metrics, align)
    chosen = [
        head
        for head in heads.chosen(model, senders)
        if goal is None or _is_before(head, goal, through)
    ]
    if not chosen:
        raise HeadwiseError(
            f"No head stands before {goal.name if goal else OUTPUT} that could send to its {through}. Name a receiver in a "
            "later layer."
        )
    layers: list[tuple[Side, int]] = []
    for head in model.heads:
        if (head.side, head.layer) not in layers:
            layers.append((head.side, head.layer))
    wanted: list[Place] = [("z", side, layer) for side, layer in layers]
    replacements.check_budget(model, both.clean, 2 * len(wanted), budget)
    tokens = batch_tokens or alignment.usual_batch_tokens(model)
    found: list[list[Float[ndarray, "variant sentence"]]] = []
    for one in modes:
        base, _ = both.sides_of(one)
        own = Source(replacements.read_all(model, base, wanted), replacements.themselves(base))
        given = {"other": both.other(one, wanted), "own": own}
        isolated = [_isolated(head, goal, through, layers) for head in chosen]
        sweep = Sweep(model, base, both.readings(base), given, {}, tokens)
        if goal is not None:
            given = _received(sweep, isolated, goal, through)
            at = _group(model, goal, through)
            isolated = [
                (Change(through, goal.side, goal.layer, at, str(i)),) for i in range(len(chosen))
            ]
            sweep = Sweep(model, base, sweep.readings, given, {}, tokens)
        found.append(sweep.run(isolated, f"patching paths ({one})"))
    return _result(both, goal, through, chosen, modes, found, seed)


def _is_before(sender: Head, goal: Head, through: str) -> bool:
    """Whether what a head writes can reach an input of another by itself."""
    if sender.side == "encoder" and goal.side in ("decoder", "cross"):
        return goal.side == "cross" and through in ("k", "v")
    if goal.side == "cross" and through in ("k", "v"):
        return False
    if sender.side != "encoder" and goal.side == "encoder":
        return False
    return heads.order_met(sender)[:3] < heads.order_met(goal)[:3]


def _isolated(
    sender: Head, goal: Head | None, through: str, layers: Sequence[tuple[Side, int]]
) -> Variant:
    """The sender's `z` from the other sentence, and all attention after it as it was."""
    after = heads.order_met(sender)[:3]
    held = [
        Change("z", side, layer, None, "own")
        for side, layer in layers
        if after < (met := heads.order_met(Head(layer, 0, side))[:3])
        and (goal is None or met < heads.order_met(goal)[:3])
    ]
    return (Change("z", sender.side, sender.layer, sender.head, "other"), *held)


def _group(model: Model, goal: Head, through: str) -> int:
    """Index of the receiver's head at `q`, or of the key-value head that serves it."""
    attention = model.attention(goal.side, goal.layer)
    shared = 1 if through == "q" else attention.n_heads // attention.n_key_value_heads
    return goal.head // shared


def _received(
    sweep: Sweep, isolated: Sequence[Variant], goal: Head, through: str
) -> dict[str, Source]:
    """What arrives at the receiver from each sender, at every token."""
    model, prompts = sweep.model, sweep.prompts
    place: Place = (through, goal.side, goal.layer)
    key = f"{goal.side}.{through}" if goal.side else through
    at = _group(model, goal, through)
    rows = prompts.targets if is_of_target(place) else prompts.rows
    starts = starts_of(rows)
    attention = model.attention(goal.side, goal.layer)
    shape = (len(isolated), int(starts[-1]), attention.d_head)
    arrived = torch.empty(shape, dtype=model.dtype)
    look = Reading(
        "arrived", lambda seen: torch.empty(0, dtype=torch.float32), "", sites=((key, goal.layer),)
    )
    probe = Sweep(model, prompts, [look], sweep.sources, {}, sweep.batch_tokens)
    for numbers, seen in probe.each(isolated, "following paths"):
        if numbers == [0]:
            continue
        values: Float[Tensor, "row copy pos d_head"] = seen.sites[key, goal.layer][
            :, :, :, at
        ].cpu()
        for k, row in enumerate(seen.rows):
            n = len(rows[row].tokens)
            for copy, number in enumerate(numbers):
                arrived[number - 1, starts[row] : starts[row] + n] = values[k, copy, :n]
    n_heads = attention.n_heads if through == "q" else attention.n_key_value_heads
    return {
        str(i): Source(
            {place: own[:, None].expand(-1, n_heads, -1)}, replacements.themselves(prompts)
        )
        for i, own in enumerate(arrived)
    }


def _result(
    both: Pairs,
    goal: Head | None,
    through: str,
    senders: Sequence[Head],
    modes: tuple[str, ...],
    found: Sequence[Sequence[Float[ndarray, "variant sentence"]]],
    seed: int,
) -> PathPatchResult:
    columns = {part: [getattr(head, part) for head in senders] for part in Head._fields}
    moved, table = both.moved(columns, modes, found, seed)
    attention = None if goal is None else both.model.attention(goal.side, goal.layer)
    return PathPatchResult(
        model=both.model.name,
        suite=both.suite.name,
        receiver=OUTPUT if goal is None else goal.name,
        through=through if goal is not None else "",
        shared_by=1
        if attention is None or through == "q"
        else attention.n_heads // attention.n_key_value_heads,
        left_out=both.left_out,
        effects=moved,
        groups=both.clean.groups,
        table=table,
    )
