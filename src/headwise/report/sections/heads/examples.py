"""Example sentences with the attention of heads: some drawn at random, and those that are informative about each head.

One forward pass over at most 200 sentences for choosing, and one over the chosen ones for what is shown, a few at a time, so that
memory is bounded: about a second for a model of six layers on a CPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from headwise.activations import capture
from headwise.activations.sites import on_side
from headwise.data.suite import Suite
from headwise.model import heads as naming
from headwise.model.model import Model
from headwise.report.schema import Attention, Example, Telling
from headwise.report.schema.attention import Why

from ._candidates import MOST_TOKENS, Candidate, TestedRelation, candidates, renumbered
from ._packing import SITES, example_of, text_of
from ._ranking import scores_of, telling
from .head_cards import side_shown

BUDGET = 1_000_000
N_SHARED = 6
ARRAYS = 3  # pattern, norms and scores, a byte for each number
MOST_BYTES = 256 * 2**20  # of what is captured at a time


@dataclass(frozen=True, eq=False)
class Choice:
    """Which sentences are shown, and of which heads.

    Attributes:
        shared: Sentences drawn at random.
        telling: For each head that is held, which sentences are informative about it and why.
        heads: For each sentence that is shown, the heads that are held.
    """

    shared: list[int]
    telling: dict[int, list[tuple[int, Why]]]
    heads: dict[int, list[int]]


def examples_shown(
    model: Model,
    suite: Suite,
    tested: Sequence[TestedRelation] = (),
    *,
    heads_first: Sequence[tuple[int, int]] = (),
    judged_by: Mapping[tuple[int, int], int] | None = None,
    seed: int = 0,
    n: int = 200,
    budget: int = BUDGET,
) -> Attention | None:
    """Chooses sentences and takes the attention of heads on them.

    Args:
        model: The model; of an encoder-decoder its encoder is shown.
        suite: Sentences; those with links of the tested relations come first.
        tested: Relations, in the notation of `headwise.attention.relation_query`, each with which of the two words is the query. Without any, no sentence is chosen for a head.
        heads_first: (layer, head) in the order in which they get room; the others follow as they come.
        judged_by: By which of the tested relations each head is judged; by all together if not given.
        seed: Fixes which sentences are taken.
        n: Most sentences to choose from.
        budget: Most bytes of all arrays; in the file they take a third more. Heads that do not fit are left out, and the caption says so.

    Returns:
        None where nothing fits: no sentence, or none within the budget.
    """
    side = side_shown(model)
    shape = naming.shape_of(model, side)
    is_causal = model.is_causal and side != "encoder"
    sites = [on_side(side, name) for name in SITES]
    found = candidates(model, suite, tested, is_causal=is_causal, seed=seed, n=n)
    scores = _scores(model, found, judged_by, shape, sites[0])
    wanted = [layer * shape[1] + head for layer, head in heads_first]
    order = list(dict.fromkeys([*wanted, *range(len(scores))]))
    choice = _choose(found, scores, order, budget, seed)
    if not choice.heads:
        return None
    places = {sentence: i for i, sentence in enumerate(choice.heads)}
    return Attention(
        n_layers=shape[0],
        n_heads=shape[1],
        side=side,
        caption=_caption(suite, found, choice, scores, _whom(tested, judged_by), is_causal, shape),
        examples=list(_examples(model, found, choice.heads, sites, shape, is_causal)),
        telling=[
            Telling(
                head=head,
                example=places[i],
                score=float(scores[head, i]),
                why=why,
                links=_judged(found[i], judged_by, divmod(head, shape[1])),
            )
            for head, own in sorted(choice.telling.items())
            for i, why in own
        ],
    )


def _judged(
    candidate: Candidate, judged_by: Mapping[tuple[int, int], int] | None, head: tuple[int, int]
) -> list[int]:
    """The links that a head is judged by, where heads are judged by different ones."""
    if judged_by is None:
        return []
    return [i for i, tested in enumerate(candidate.tested) if tested == judged_by.get(head, 0)]


def _scores(
    model: Model,
    found: Sequence[Candidate],
    judged_by: Mapping[tuple[int, int], int] | None,
    shape: tuple[int, int],
    pattern: str,
) -> Float[ndarray, "head sentence"]:
    """Of every head, counting from layer 0 on, in every sentence; NaN where no words are linked."""
    scores = np.full((shape[0] * shape[1], len(found)), np.nan)
    linked = [i for i, candidate in enumerate(found) if candidate.links]
    if not linked:
        return scores
    judged_along = np.zeros(shape, dtype=int)
    for place, which in (judged_by or {}).items():
        judged_along[place] = which
    asking = [found[i] for i in linked]
    asking = renumbered(asking) if judged_by is None else asking
    values = scores_of(model, asking, judged_along, pattern)
    scores[:, linked] = values.reshape(len(scores), -1)
    return scores


def _choose(
    found: Sequence[Candidate],
    scores: Float[ndarray, "head sentence"],
    order: Sequence[int],
    budget: int,
    seed: int,
) -> Choice:
    """Gives heads room in their order, until one does not fit."""
    room = [ARRAYS * candidate.n_tokens**2 for candidate in found]
    shared = np.random.default_rng(seed).permutation(len(found))[:N_SHARED].tolist()
    while shared and sum(room[i] for i in shared) > budget:
        shared.pop()
    told: dict[int, list[tuple[int, Why]]] = {}
    used = 0
    for head in order:
        own = telling(scores[head])
        used += sum(room[i] for i in {*shared, *(i for i, _ in own)})
        if used > budget:
            break
        told[head] = own
    heads: dict[int, list[int]] = {i: sorted(told) for i in shared if told}
    for head in sorted(told):
        for i, _ in told[head]:
            if i not in shared:
                heads.setdefault(i, []).append(head)
    return Choice(shared, told, heads)


def _examples(
    model: Model,
    found: Sequence[Candidate],
    heads: Mapping[int, Sequence[int]],
    sites: Sequence[str],
    shape: tuple[int, int],
    is_causal: bool,
) -> Iterator[Example]:
    """Runs a few sentences at a time, and keeps what is shown of them."""
    n_layers, n_heads = shape
    # Pattern and scores in float32.
    sizes = np.cumsum([8 * n_layers * n_heads * found[i].n_tokens ** 2 for i in heads])
    ends = np.flatnonzero(np.diff(sizes // MOST_BYTES)) + 1
    for part in np.split(np.array([*heads]), ends):
        cache = capture(model, [found[i].sentence for i in part], sites, budget=16 * MOST_BYTES)
        for view, i in zip(cache, part, strict=True):
            sentence, links = found[i].sentence, found[i].links
            text = text_of(model, sentence, found[i].alignment)
            yield example_of(view, sites, heads[i], n_heads, text, is_causal=is_causal, links=links, sentence=sentence)  # fmt: skip


def _whom(tested: Sequence[TestedRelation], judged_by: Mapping[tuple[int, int], int] | None) -> str:
    if judged_by is not None:
        return "each head judged by the relation along which it does best"
    return ", ".join(dict.fromkeys(direction for _, direction in tested))


def _caption(
    suite: Suite,
    found: Sequence[Candidate],
    choice: Choice,
    scores: Float[ndarray, "head sentence"],
    whom: str,
    is_causal: bool,
    shape: tuple[int, int],
) -> str:
    n_linked = int(np.isfinite(scores).any(0).sum())
    lines = [
        f"The first {len(choice.shared)} sentences were drawn at random from {len(found)} of {suite.name}.",
        f"Attention is held for {len(choice.telling)} of {shape[0] * shape[1]} heads.",
    ]
    if n_linked:
        lines.insert(
            1,
            f"The others tell of single heads: of {n_linked} sentences with linked words ({whom}), the two in which the head attends along the links most, the median one and the one in which it does so "
            "least. The clearest were chosen for being so, and show a head at its best.",
        )
        if is_causal:
            lines.append("Links to words that stand after the query word are left out, as a decoder does not attend to them.")  # fmt: skip
    lines.append(
        f"Sentences of more than {MOST_TOKENS} tokens were passed over."
        if found[0].n_tokens <= MOST_TOKENS
        else f"All sentences have more than {MOST_TOKENS} tokens; these are the shortest."
    )
    return " ".join(lines)
