"""Heads whose job is set by hand, put into counts, so that hundreds of tests run in seconds."""

from dataclasses import replace

import numpy as np

from headwise.attention._counting import Count
from headwise.attention.controls import Controls
from headwise.attention.questions import NOBODY


def counts_of(plan, rate, rng, *, n_layers=2, n_heads=4, at=(1, 2), others=0.1):
    """What heads attend to of which one is right in a share of all cases, and the others mostly anywhere.

    The head gives half of its attention to the right words where it finds them; a wrong word is any other visible one.
    """
    found = []
    for case in plan.cases:
        q = case.questions
        n = len(q)
        shape = (n_layers, n_heads, n)
        words = _somewhere(q, rng, shape)
        right = rng.random(shape) < others
        right[at] = rng.random(n) < rate
        target = _some_target(q, rng)
        words = np.where(right, target, words).astype(np.int32)
        mass = np.where(right, 0.5, 0.01).astype(np.float32)
        found.append(Count(words, right, mass, np.zeros(shape, dtype=np.float32)))
    return found


def _somewhere(q, rng, shape):
    """Any visible word that is not right, where there is one."""
    words = np.full(shape, NOBODY)
    for i in range(len(q)):
        wrong = np.setdiff1d(np.arange(q.first[i], q.end[i]), [q.query[i], *q.targets[i]])
        if len(wrong):
            words[..., i] = rng.choice(wrong, shape[:-1])
    return words


def _some_target(q, rng):
    chance = np.where(q.targets == NOBODY, -1.0, rng.random(q.targets.shape))
    return q.targets[np.arange(len(q)), chance.argmax(axis=1)] if len(q) else np.zeros(0, dtype=int)


def chance_controls(plan, rng, n_models=2, n_heads=8):
    """Controls that attend to any visible word."""
    hits, asked = [], []
    for case in plan.cases:
        q = case.questions
        sees = (q.first <= q.query) & (q.query < q.end)
        chance = (q.targets != NOBODY).sum(axis=1) / np.maximum(1, q.end - q.first - sees)
        hits.append(rng.random((n_models, n_heads, len(q))) < chance)
        asked.append(np.ones(len(q), dtype=bool))
    return Controls(tuple(hits), tuple(asked))


def at_most(plan, n_groups, rng):
    """The same plan with only some of its groups, drawn at random."""
    return inside(plan, rng.permutation(np.unique(plan.groups))[:n_groups])


def inside(plan, names):
    """The same plan with only the groups named."""
    kept = np.isin(plan.groups, names)
    cases = [
        replace(c, questions=c.questions.where(kept[c.questions.sentence])) for c in plan.cases
    ]
    return replace(plan, cases=cases)
