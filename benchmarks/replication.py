"""Is a true finding replicated, and a lucky one not?

    uv run benchmarks/replication.py            # 100 seeds
    uv run benchmarks/replication.py --n 10

Heads whose job is set by hand are put into the counts of the relation test, on one half of the groups of the suite `adjective_noun`; those that are found there are judged by the rule of
`headwise replicate` on the other half. A planted head is right in 90% of the cases of both halves and 31 others at random; without a planted head the best of 32 is taken for a finding. Prints how often each is
replicated, with its binomial 95% interval.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from scipy.stats import binomtest

import headwise
from headwise import evidence
from headwise.attention.relations import Plan, judge
from headwise.hypotheses.replication import outcome

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.planted_counts import chance_controls, counts_of, inside

LOOKS = "governor->dependent"
HEADS = {"n_layers": 4, "n_heads": 8}
PLANTED = (1, 2)


def frame(plan, names, rate, rng, seed):
    part = inside(plan, names)
    counts = counts_of(part, rate, rng, **HEADS, at=PLANTED)
    result = judge(part, counts, chance_controls(part, rng, n_heads=32), seed=seed)
    return evidence.looks(result, LOOKS)


def once(plan, rate, seed):
    """Findings on one half, and what becomes of them on the other."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(plan.groups))
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    first, second = (frame(plan, own, rate, rng, seed) for own in halves)
    is_found = (first["looks"] == "yes").to_numpy()
    chosen = np.flatnonzero(is_found)
    if not len(chosen):  # the luckiest, whether or not it passes
        chosen = [int(np.nanargmax(first["looks_effect"].to_numpy(float)))]
    said = {}
    for i in chosen:
        effect, low, high, control = (
            float(second[f"looks_{name}"].to_numpy(float)[i])
            for name in ("effect", "low", "high", "control")
        )
        said[i], *_ = outcome(
            effect,
            low,
            high,
            control=control,
            smallest=evidence.LOOKS.smallest,
            n_findings=len(chosen),
        )
    return is_found, said


def share(k, n):
    interval = binomtest(k, n).proportion_ci(method="exact")
    return f"{k} of {n} ({100 * k / n:.0f}% [{100 * interval.low:.0f}, {100 * interval.high:.0f}])"


def main(n: Annotated[int, typer.Option(help="Seeds.")] = 100) -> None:
    """Prints both shares."""
    torch.set_num_threads(1)
    minilm = headwise.load("minilm")
    plan = Plan.of(minilm, headwise.read_suite("adjective_noun"), "amod, pred")
    place = PLANTED[0] * HEADS["n_heads"] + PLANTED[1]
    found = replicated = refuted = 0
    for seed in range(n):
        is_found, said = once(plan, 0.9, seed)
        found += bool(is_found[place])
        replicated += said.get(place) == "replicated"
        refuted += said.get(place) == "not replicated"
    print(f"planted head, right in 90%: found in the first half {share(found, n)}, replicated in the second {share(replicated, n)}, not replicated {share(refuted, n)}", flush=True)  # fmt: skip
    lucky = yes = 0
    for seed in range(n):
        is_found, said = once(plan, 0.1, seed)
        yes += bool(is_found.any())
        lucky += "replicated" in said.values()
    print(f"no planted head: found in the first half {share(yes, n)}; the best of 32 replicated in the second {share(lucky, n)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
