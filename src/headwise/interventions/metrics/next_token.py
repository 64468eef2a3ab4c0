"""Metrics of the next-token distribution: logit difference, log probability, KL divergence and loss."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from headwise.data.suite import Suite
from headwise.interventions.prompts import Continuation, Prompts
from headwise.model.model import Model

from .base import Reading, Seen

SPOKEN: dict[str, str] = {
    "logit difference": "logit difference, correct minus incorrect (nats)",
    "log probability": "log probability of the correct word (nats)",
    "kl": "KL divergence of the next-token distribution (nats)",
    "loss": "cross-entropy of the sentence (nats per token)",
}


def logit_difference(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Logit of the correct minus that of the incorrect continuation."""
    signed = [*((1.0, c) for c in prompts.right), *((-1.0, c) for c in prompts.wrong)]
    return _of_answers("logit difference", prompts, signed, flips=True)


def log_probability(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Log probability of the correct continuation."""
    return _of_answers("log probability", prompts, [(1.0, c) for c in prompts.right], flips=False)


def _of_answers(
    name: str, prompts: Prompts, signed: Sequence[tuple[float, Continuation]], *, flips: bool
) -> Reading:
    of_row: dict[int, list[tuple[float, Continuation]]] = {}
    for sign, answer in signed:
        of_row.setdefault(answer.row, []).append((sign, answer))

    def first(row: int) -> int | None:
        return min((answer.start for _, answer in of_row.get(row, [])), default=None)

    def read(seen: Seen) -> Tensor:
        log_p = _log_probabilities(seen)
        sums = [torch.zeros_like(log_p[0, :, 0, 0]) for _ in seen.rows]
        for k, row in enumerate(seen.rows):
            for sign, answer in of_row.get(row, []):
                at = torch.arange(len(answer.tokens), device=log_p.device)
                at = at + answer.start - seen.first
                sums[k] = sums[k] + sign * log_p[k, :, at, list(answer.tokens)].sum(-1)
        return torch.stack(sums)

    return Reading(name, read, SPOKEN[name], first, flips=flips)


def kl(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """KL divergence of the next-token distribution."""
    ends = dict(prompts.ends)

    def read(seen: Seen) -> Tensor:
        log_p, clean = _log_probabilities(seen), _log_probabilities(seen.clean or seen)
        found = torch.zeros_like(log_p[:, :, 0, 0])
        for k, row in enumerate(seen.rows):
            if row in ends:
                before = clean[k, :, ends[row] - seen.first]
                found[k] = (before.exp() * (before - log_p[k, :, ends[row] - seen.first])).sum(-1)
        return found

    return Reading("kl", read, SPOKEN["kl"], ends.get, rises=True, has_sign=False)


def loss(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Cross-entropy of the sentence itself."""
    ends = dict(prompts.ends)

    def read(seen: Seen) -> Tensor:
        log_p = _log_probabilities(seen)
        found = torch.zeros_like(log_p[:, :, 0, 0])
        for k, row in enumerate(seen.rows):
            if row in ends and ends[row] > 0:
                said = list(prompts.rows[row].tokens[1 : ends[row] + 1])
                found[k] = -log_p[k, :, torch.arange(len(said)), said].mean(-1)
        return found

    return Reading("loss", read, SPOKEN["loss"], lambda row: 0 if row in ends else None, rises=True)


def _log_probabilities(seen: Seen) -> Float[Tensor, "row copy read entry"]:
    assert seen.log_p is not None
    return seen.log_p
