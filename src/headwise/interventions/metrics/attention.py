"""Attention as a metric: what an intervention below does to attention in later layers."""

import torch
from torch import Tensor

from headwise.attention import relation_query
from headwise.attention.annotations import Corpus
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.interventions.prompts import Prompts
from headwise.model.model import Model

from .base import Maker, Reading, Seen


def attention(relation: str, layer: int, head: int | None = None) -> Maker:
    """A metric: attention from one word to another in a later layer.

    Args:
        relation: Query and key, e.g. `amod: governor->dependent`; as in `headwise.relation_test`. Without a direction the dependent is the query.
        layer: The layer.
        head: The head; the mean over heads by default.

    Raises:
        HeadwiseError: When used: a relation that the suite has not.
    """

    def make(model: Model, suite: Suite, prompts: Prompts) -> Reading:
        (parsed,) = relation_query.parse(relation, suite)
        governor_is_query = "dependent->governor" not in parsed.directions[:1]
        links: dict[int, list[tuple[int, int]]] = {}
        for i, dependent, governor in parsed.pairs(Corpus.of(prompts.sentences)).tolist():
            ends = (governor, dependent) if governor_is_query else (dependent, governor)
            links.setdefault(prompts.ends[i][0], []).append(ends)
        site = ("pattern" if len(model.stacks) == 1 else "encoder.pattern", layer)
        if not links:
            raise HeadwiseError(
                f"No sentence of {suite.name!r} has a link of {relation!r}; it has {', '.join(suite.relations) or 'none'}."
            )

        def read(seen: Seen) -> Tensor:
            pattern = seen.sites[site].float()
            found = torch.zeros(pattern.shape[:2], device=pattern.device, dtype=torch.float32)
            for k, row in enumerate(seen.rows):
                for query, key in links.get(row, []):
                    of = prompts.rows[row].words
                    rows, columns = ([p for p, w in enumerate(of) if w == x] for x in (query, key))
                    if rows and columns:
                        mass = pattern[k][:, :, rows][..., columns].sum(-1).mean(-1)
                        mass = mass.mean(-1) if head is None else mass[:, head]
                        found[k] += mass / len(links[row])
            return found

        where = f"layer {layer}" if head is None else f"L{layer}H{head}"
        says = f"attention at {where} ({relation})"
        return Reading("attention", read, says, sites=(site,))

    return make
