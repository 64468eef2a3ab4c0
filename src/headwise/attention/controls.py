"""Never-trained models: hit rates of heads with random weights.

Every head of every control is compared with the same baselines, on the same questions. On long data a part of the sentences is used: the controls'
largest t is compared with the t of each head on that part, so
that both grow with the same number of cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from headwise._progress import track
from headwise.activations import alignment
from headwise.activations.streaming import watch, watched
from headwise.errors import HeadwiseError
from headwise.model.loading import random_like
from headwise.model.model import Model
from headwise.stats import mean_of
from headwise.stats.deciding import MIN_CASES

from ._comparison import Comparison, Evidence, Scope
from ._counting import Case, Counter
from .baselines import is_right

MOST_TOKENS = 3000
ENOUGH = 40  # cases of each kind, where there are so many


@dataclass(frozen=True, eq=False)
class Controls:
    """Hits of models with random weights.

    Attributes:
        hits: For each case, whether each head of each model hits, on the questions of the control.
        tested: For each case, which questions those are.
        why_none: Why there is no such model, if there is none.
    """

    hits: tuple[Bool[ndarray, "model head _"], ...]
    tested: tuple[Bool[ndarray, " _"], ...]
    why_none: str = ""

    @property
    def n(self) -> int:
        """How many models."""
        return len(self.hits[0]) if self.hits else 0

    def compare(
        self, number: int, evidence: Evidence, comparison: Comparison, scope: Scope
    ) -> tuple[Float[ndarray, " head"], float, float]:
        """Heads and controls on the same questions.

        Returns:
            t of each head, the controls' largest t, and their largest effect; NaN where nothing was tested.
        """
        nothing = np.full(len(evidence.hits), np.nan), float("nan"), float("nan")
        if not self.n:
            return nothing
        tested, inside = self.tested[number], evidence.scopes[scope]
        both = tested & inside
        if not both.any():
            return nothing
        clusters = evidence.clusters.where(both)
        base = evidence.chosen[comparison, scope].right[:, both].mean(axis=0)
        own = mean_of(
            evidence.gains(comparison, scope)[..., tested[inside]].mean(axis=0),
            clusters,
            "difference",
        )
        uniform = is_right(evidence.case.questions, evidence.uniform.found[0])[:, both]
        drawn = np.concatenate(self.hits[number])[:, both[tested]]
        gains = np.concatenate([drawn, uniform]).astype(np.float32) - base
        found = mean_of(gains, clusters, "difference")
        t = found.value / found.se
        return own.value / own.se, float(np.max(t)), float(np.max(found.value))


def count_controls(
    model: Model,
    cases: Sequence[Case],
    alignments: Sequence[alignment.Alignment],
    *,
    n_null: int,
    seed: int,
) -> Controls:
    """Draws models of the same shape and counts the hits of their heads.

    Args:
        model: The model that they are like.
        cases: The questions.
        alignments: The sentences.
        n_null: How many models.
        seed: Fixes their weights, and which part of the text they read.
    """
    sentences = part_of(cases, alignments, seed)
    tested = tuple(sentences[case.questions.sentence] for case in cases)
    kept = [
        Case(c.relation, c.direction, c.questions.where(a))
        for c, a in zip(cases, tested, strict=True)
    ]
    read = [a.within_context() if s else alignment.Alignment((), (), 0) for a, s in zip(alignments, sentences, strict=True)]  # fmt: skip
    batches = list(alignment.batches(model, read))
    hits: list[list[Bool[ndarray, "head _"]]] = []
    why_none = "" if n_null else "No model with random weights was requested."
    for i in range(n_null):
        try:
            drawn = random_like(model, seed + i)
        except HeadwiseError as error:
            why_none = str(error)
            break
        counter = Counter(drawn, kept, norms=False)
        title = f"random weights, {i + 1} of {n_null}"
        for _ in track(watch(drawn, batches, counter), int(sentences.sum()), title, watched):
            pass
        counts = counter.counts()
        hits.append(
            [
                is_right(c.questions, count.found.reshape(count.n_heads, len(c.questions)))
                for c, count in zip(kept, counts, strict=True)
            ]
        )
    stacked = [np.stack(own) for own in zip(*hits, strict=True)] if hits else []
    return Controls(tuple(stacked), tested, why_none)


def part_of(
    cases: Sequence[Case], alignments: Sequence[alignment.Alignment], seed: int
) -> Bool[ndarray, " sentence"]:
    """Sentences at random until there is enough text, and after that those with cases of which there are too few.

    Sentences and not groups, so that every group that there is takes part: t is a matter of groups.
    """
    n_tokens = np.array([len(a.tokens) for a in alignments])
    # Cases of each sentence, near and far apart.
    numbers = np.concatenate(
        [
            np.stack(
                [
                    np.bincount(c.questions.sentence[kind], minlength=len(n_tokens))
                    for kind in (c.questions.nearest > 0, c.questions.nearest > 1)
                ]
            )
            for c in cases
        ]
    )
    numbers[numbers.sum(axis=1) < MIN_CASES] = 0  # of these nothing is said
    used, counted = 0, np.zeros(len(numbers), dtype=int)
    chosen = np.zeros(len(n_tokens), dtype=bool)
    for sentence in np.random.default_rng(seed).permutation(len(n_tokens)):
        if used < MOST_TOKENS or (numbers[counted < ENOUGH, sentence] > 0).any():
            chosen[sentence] = True
            used += n_tokens[sentence]
            counted += numbers[:, sentence]
    return chosen
