"""Off-target effects of steering in the same sentence, as readings beside the metric."""

from collections.abc import Sequence

import torch
from torch import Tensor

from headwise.data.suite import Suite
from headwise.interventions.metrics import Reading, Seen
from headwise.interventions.metrics.word_vector import read_words
from headwise.interventions.prompts import Prompts, how_it_speaks
from headwise.model.model import Model

SAYS = {
    "next": "KL divergence of the next-token distribution (nats), mean over the positions after the steered word but the last, where it is read",
    "vectors": "distance of the other words' final vectors from those in the clean model (1 - cosine), mean over words",
}


def in_sentence(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """In a decoder the next-token distribution after the steered word, in other models the other words' final vectors; NaN where there are none."""
    if how_it_speaks(model) == "next" and len(model.stacks) == 1:
        return _what_is_said(prompts)
    return _where_others_end(model, prompts)


def _what_is_said(prompts: Prompts) -> Reading:
    chosen = read_words(prompts)
    positions: dict[int, list[int]] = {}
    for i, (row, end) in enumerate(prompts.ends):
        pieces = [at for at, word in enumerate(prompts.rows[row].words) if word == chosen[i]]
        positions[row] = list(range(max(pieces, default=end) + 1, end))

    def read(seen: Seen) -> Tensor:
        assert seen.log_p is not None
        clean = (seen.clean or seen).log_p
        assert clean is not None
        first = (seen.clean or seen).first
        found = torch.zeros_like(seen.log_p[:, :, 0, 0])
        for k, row in enumerate(seen.rows):
            if row not in positions:
                continue
            if not positions[row]:
                found[k] = torch.nan
                continue
            at = torch.tensor(positions[row], device=found.device)
            before, after = clean[k, :, at - first], seen.log_p[k, :, at - seen.first]
            found[k] = (before.exp() * (before - after)).sum(-1).mean(-1)
        return found

    def starts(row: int) -> int | None:
        return min(positions.get(row, []), default=None)

    return Reading("in sentence", read, SAYS["next"], starts, rises=True, has_sign=False)


def _where_others_end(model: Model, prompts: Prompts) -> Reading:
    site = (
        "residual" if len(model.stacks) == 1 else "encoder.residual",
        len(model.stacks[0].blocks),
    )
    chosen = read_words(prompts)
    others: dict[int, Sequence[int]] = {
        row: [
            at for at, w in enumerate(prompts.rows[row].words) if w is not None and w != chosen[i]
        ]
        for i, (row, _) in enumerate(prompts.ends)
    }

    def read(seen: Seen) -> Tensor:
        stream, before = seen.sites[site], (seen.clean or seen).sites[site]
        found = torch.zeros(stream.shape[:2], device=stream.device, dtype=torch.float32)
        for k, row in enumerate(seen.rows):
            if row in others:
                at = list(others[row])
                now, then = stream[k, :, at].float(), before[k, :1, at].float()
                shifts = 1 - torch.cosine_similarity(now, then, dim=-1)
                found[k] = shifts.mean(-1) if at else torch.nan
        return found

    return Reading("in sentence", read, SAYS["vectors"], sites=(site,), rises=True, has_sign=False)
