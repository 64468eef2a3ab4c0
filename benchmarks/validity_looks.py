"""Can an untrained model pass the test of attention, and does a head pass that is right?

    uv run benchmarks/validity_looks.py --quick
    uv run benchmarks/validity_looks.py --treebank en_ewt-ud-dev.conllu

Prints, each share with its binomial 95% interval:

- how many never-trained models, and whether uniform attention, have a supported head, over the questions of `relations`,
  `adjective_noun` and `mole`. Every model is held against ten others of the same pool; all are counted once.
- how often a planted head is supported that is right in all or 90% of cases, and how often it is "not supported"; and how large an
  effect is found in 80% of draws of so many groups, beside what the table says could be found.
- over how many seeds each head is supported on the cues of mole's pairs.
"""

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from scipy.stats import binomtest

import headwise
from headwise.activations import alignment
from headwise.attention._uniform import count_uniform
from headwise.attention.baselines import is_right
from headwise.attention.controls import Controls, part_of
from headwise.attention.relations import Plan, count_heads, judge
from headwise.data import transforms
from headwise.model.loading import random_like

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers.planted_counts import at_most, chance_controls, counts_of

ROOT = Path(__file__).parent.parent
LOOKS = "governor->dependent"
DRAWN_FROM = 1000  # seeds of models that are tested


def share(k, n):
    interval = binomtest(k, n).proportion_ci(method="exact")
    return f"{k} of {n} ({100 * k / n:.0f}% [{100 * interval.low:.0f}, {100 * interval.high:.0f}])"


def questions(quick):
    """Name, model, suite and relations of what is asked."""
    n = 150 if quick else 400
    burrow, minilm = headwise.load("burrow"), headwise.load("minilm")
    yield "relations, burrow", burrow, headwise.burrow_sentences("senses", n, seed=0), "every>=100"
    pairs = headwise.burrow_pairs("mole", 60 if quick else 200, seed=0, held_out=True)
    yield "mole, burrow", burrow, transforms.cues(pairs), f"cue: {LOOKS}"
    adjectives = headwise.burrow_sentences("adjectives", n, seed=0)
    labels = [name for name in ("amod", "pred", "described") if name in adjectives.relations]
    yield "adjective_noun, burrow", burrow, adjectives, ", ".join(labels)
    suite = headwise.read_suite(ROOT / "probes/adjective_noun.toml")
    yield "relations, minilm", minilm, suite, "every"
    yield "adjective_noun, minilm", minilm, suite, "amod, pred"
    mole = headwise.read_suite(ROOT / "probes/mole_pairs.toml")
    yield "mole, minilm", minilm, transforms.cues(mole), f"cue: {LOOKS}"


def pool(plan, n):
    """What heads of `n` never-trained models, and of one with uniform attention, attend to."""
    counts = []
    for i in range(n):
        drawn = random_like(plan.model, DRAWN_FROM + i)
        counts.append(count_heads(replace(plan, model=drawn), norms=False))
    batches = alignment.batches(plan.model, plan.alignments)
    return counts, count_uniform(plan.model, plan.cases, batches)


def controls_of(plan, counts, chosen, seed):
    """Some models of the pool as controls."""
    sentences = part_of(plan.cases, plan.alignments, seed)
    asked = [sentences[case.questions.sentence] for case in plan.cases]
    hits = [
        np.stack(
            [
                is_right(
                    case.questions.where(own),
                    counts[i][c].found.reshape(counts[i][c].n_heads, -1)[:, own],
                )
                if len(own)
                else np.zeros((counts[i][c].n_heads, 0), dtype=bool)
                for i in chosen
            ]
        )
        for c, (case, own) in enumerate(zip(plan.cases, asked, strict=True))
    ]
    return Controls(tuple(hits), tuple(asked))


def never_trained(name, model, suite, relation, n):
    start = time.process_time()
    plan = Plan.of(model, suite, relation)
    counts, uniform = pool(plan, n)
    found, tables = [], []
    for i in range(n):
        rng = np.random.default_rng(i)
        others = rng.choice(np.delete(np.arange(n), i), min(10, n - 1), replace=False)
        table = judge(plan, counts[i], controls_of(plan, counts, others, i), seed=i).table
        table = table[table["scope"] == "all"]
        found.append(int((table["verdict"] == "supported").sum()))
        tables.append(table)
    of_uniform = judge(plan, uniform, controls_of(plan, counts, range(min(10, n)), 0), seed=0)
    seconds = time.process_time() - start
    print(
        f"{name}: supported in never-trained models {share(sum(x > 0 for x in found), n)}, rows {found}; with uniform "
        f"attention {len(of_uniform.significant())}; {seconds / n:.1f} s each",
        flush=True,
    )
    return tables


def planted(name, model, suite, relation, rate, n, n_groups=None):
    """How often a head is found that is right in a share of the cases."""
    plan = Plan.of(model, suite, relation)
    verdicts, detectable, effects = [], [], []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        part = plan if n_groups is None else at_most(plan, n_groups, rng)
        result = judge(part, counts_of(part, rate, rng), chance_controls(part, rng), seed=seed)
        rows = result.table[(result.table["layer"] == 1) & (result.table["head"] == 2)]
        verdicts.append(set(rows["verdict"]))
        best = rows[rows["scope"] == "non_adjacent"].sort_values("effect").iloc[-1]
        detectable.append(best["detectable"])
        effects.append(best["effect"])
    groups = "" if n_groups is None else f", {n_groups} groups"
    print(
        f"{name}, right in {100 * rate:.0f}%{groups}: supported {share(sum('supported' in v for v in verdicts), n)}, 'not supported' "
        f"{share(sum('not supported' in v for v in verdicts), n)}; effect with words between {np.nanmean(effects):.2f}, "
        f"detectable {np.nanmean(detectable):.2f}",
        flush=True,
    )


def seeds(n):
    minilm = headwise.load("minilm")
    suite = transforms.cues(headwise.read_suite(ROOT / "probes/mole_pairs.toml"))
    found = Counter()
    sizes = []
    for seed in range(n):
        result = headwise.relation_test(minilm, suite, f"cue: {LOOKS}", seed=seed, norms=False)
        heads = result.significant()
        sizes.append(len(heads))
        found.update(f"L{la}H{h}" for la, h in zip(heads["layer"], heads["head"], strict=True))
    print(f"mole cues, minilm, {n} seeds: {sizes} heads supported; {dict(found)}", flush=True)


def main(
    treebank: Annotated[Path | None, typer.Option()] = None,
    quick: Annotated[bool, typer.Option()] = False,
    only: Annotated[str, typer.Option(help="null, planted, power or seeds")] = "",
    which: Annotated[str, typer.Option(help="part of a name")] = "",
) -> None:
    """Runs everything, or one part."""
    torch.set_num_threads(1)
    if only in ("", "null"):
        for name, *asked in questions(quick):
            if which in name:
                never_trained(name, *asked, 6 if quick else 15 if "minilm" in name else 30)
    minilm = headwise.load("minilm")
    own = headwise.read_suite(ROOT / "probes/adjective_noun.toml")
    suites = {"adjective_noun": (own, "amod, pred")}
    if treebank is not None:
        suites["EWT dev amod"] = (headwise.read_suite(treebank), "amod")
    if only in ("", "planted"):
        for name, (suite, relation) in suites.items():
            for rate in (1.0, 0.9):
                planted(name, minilm, suite, relation, rate, 5 if quick else 100)
    if only in ("", "power"):
        for name, (suite, relation) in suites.items():
            for n_groups in (10, 20, 40, 80, 160):
                if n_groups < len(suite.groups):
                    planted(name, minilm, suite, relation, 0.9, 5 if quick else 40, n_groups)
    if only in ("", "seeds"):
        seeds(3 if quick else 20)


if __name__ == "__main__":
    typer.run(main)
