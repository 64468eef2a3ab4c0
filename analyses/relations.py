"""Which heads attend along which relations?

Question: of everything that is asked, which heads attend from one word of a pair to the other more
reliably than any rule that knows no model?

Method: every relation named (by default every label with at least 100 links in the data) in three
directions, for every head, against rules chosen on one half of the groups and reported on the
other. p values are over everything that was asked at once.

    uv run analyses/relations.py --model minilm --data en_ewt-ud-dev.conllu
    headwise run relations --data en_ewt-ud-dev.conllu --relation "amod: governor->dependent" --relation obj

Caveats: attention is not use. The more is asked at once, the more evidence each head needs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

import headwise
from headwise import evidence
from headwise.comparison import SCOPES
from headwise.exhibits import cards, details
from headwise.exhibits.attention import examples_shown
from headwise.questions import Direction
from headwise.relations import RelationResult
from headwise.results import Column, Matrix, Report, Table, Verdict, head_name, percent, points

SUITE = "adjective_noun"
BURROW = "senses"
QUESTION = "Which heads attend along which relations?"
EVERY = "every>=100"

BEST = [
    Column(name="relation", title="Relation"),
    Column(name="direction", title="Direction"),
    Column(name="name", title="Head", note="Largest effect over its rule where it is smaller: on all pairs or apart"),
    Column(name="verdict", title="Verdict"),
    Column(name="pairs", title="Counted", kind="integer"),
    Column(name="hit_rate", title="Hit rate", kind="rate"),
    Column(name="baseline", title="Best rule"),
    Column(name="baseline_hit_rate", title="Its hit rate", kind="rate"),
    Column(name="effect", title="Effect, points", kind="difference"),
    Column(name="effect_low", title="from", kind="difference"),
    Column(name="effect_high", title="to", kind="difference"),
    Column(name="p_family", title="p", kind="number", note="Family-wise over everything asked"),
    Column(name="effect_apart", title="Words between", kind="difference", note="Effect on pairs with words between, points"),
    Column(name="effect_distractor", title="Distractor", kind="difference", note="Effect where a wrong word of the right part of speech is as near"),
    Column(name="control_best", title="Random model", kind="rate", note="Best head of models with random weights"),
]  # fmt: skip


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    relations: Sequence[str] = (),
) -> Report:
    """Tests every relation in every head of a model."""
    asked = list(relations) or [
        EVERY if max(suite.relations.values(), default=0) >= 100 else "every"
    ]
    result = headwise.test_relation(model, suite, asked, seed=seed, controls=1 if smoke else 3)
    best = _best(result)
    chosen = _chosen(best)
    shown = list(zip(chosen["relation"], chosen["direction"], strict=True))
    heads = evidence.looks_along(result)
    return Report(
        analysis="relations",
        model=model.name,
        question=QUESTION,
        verdict=_verdict(result),
        answer=_answer(result),
        figures=[_matrix(result, best)] if len(best) else [],
        tables=[
            Table.of(
                "best_heads",
                "The most promising head for each relation",
                best,
                BEST,
                caption="Effects are hit rate minus that of the best rule that knows no model, on the half of the groups "
                "that no rule was chosen on.",
            ),
            Table.of(
                "heads",
                "Every head and relation",
                result.table,
                [
                    Column(name="layer", title="Layer", kind="integer"),
                    Column(name="head", title="Head", kind="integer"),
                    *(column for column in BEST if column.name != "name"),
                ],
                folded=True,
            ),
        ],
        not_found=_not_found(result),
        method=_method(suite, result),
        references=[
            "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
            "Pande, Budhraja, Nema, Kumar and Khapra 2021, The heads hypothesis.",
        ],
        heads=cards.heads_section(
            model, heads, [details.relations_asked(result, shown, cards.shape_shown(model))]
        ),
        attention=examples_shown(
            model,
            suite,
            shown,
            heads_first=cards.first(heads),
            judged_by=_judged_by(result, shown) if shown else None,
            seed=seed,
        ),
    )


def _judged_by(
    result: RelationResult, shown: Sequence[tuple[str, Direction]]
) -> dict[tuple[int, int], int]:
    """For each head, along which of the relations it does best: where its effect, on all pairs or apart, is largest."""
    worst = np.stack(
        [
            np.fmin(*(result.effects(direction, relation, scope) for scope in SCOPES[:2]))
            for relation, direction in shown
        ]
    )
    best = np.where(np.isnan(worst), -np.inf, worst).argmax(axis=0)
    return {
        (int(layer), int(head)): int(best[layer, head]) for layer, head in np.ndindex(best.shape)
    }


def _best(result: RelationResult) -> pd.DataFrame:
    rows = [
        row
        for relation in result.relations
        for direction in relation.directions
        if (row := result.best(direction, relation.text)) is not None
    ]
    frame = pd.DataFrame(rows, columns=list(result.table.columns))
    names = [head_name(*lh) for lh in zip(frame["layer"], frame["head"], strict=True)]
    return frame.assign(name=names)


def _matrix(result: RelationResult, best: pd.DataFrame) -> Matrix:
    """Effects of all heads on all relations, each in the direction in which its best head is best."""
    n_layers, n_heads = result.evidence[0].count.mass.shape
    chosen = _chosen(best)
    values, names, marked = [], [], []
    for row, asked in enumerate(chosen.itertuples()):
        own = result.table[
            (result.table["relation"] == asked.relation)
            & (result.table["direction"] == asked.direction)
        ]
        values.append(own[["effect", "effect_apart"]].min(axis=1).to_numpy())
        names.append(
            asked.relation if ":" in asked.relation else f"{asked.relation}: {asked.direction}"
        )
        marked += [(row, column) for column in np.flatnonzero(own["verdict"] == "supported")]
    return Matrix(
        title="Every relation in every head",
        caption="How much more often than its best rule each head hits, in points: the smaller of its effects on all pairs "
        "and on those with words between. Each relation in the direction in which its best head is best.",
        rows=names,
        columns=[head_name(*divmod(i, n_heads)) for i in range(n_layers * n_heads)],
        breaks=list(range(n_heads, n_layers * n_heads, n_heads)),
        values=np.array(values),
        marked=marked,
        marks="supported: p below 5% over everything asked",
    )


def _chosen(best: pd.DataFrame) -> pd.DataFrame:
    """Each relation in the direction in which its best head is best."""
    worst = best[["effect", "effect_apart"]].min(axis=1)
    return best.loc[worst.sort_values(ascending=False).index].drop_duplicates("relation")


def _verdict(result: RelationResult) -> Verdict:
    verdicts = set(result.table["verdict"])
    if "supported" in verdicts:
        return "supported"
    return "not supported" if verdicts == {"not supported"} else "inconclusive"


def _answer(result: RelationResult) -> str:
    found = result.supported
    asked = f"{len(result.relations)} relations in {len(result.table)} combinations of relation, direction and head"
    if found.empty:
        return f"No head of {result.model} was found to beat the best rule that knows no model, of {asked}."
    first = found.iloc[0]
    pairs = found[["layer", "head"]].drop_duplicates()
    return (
        f"{len(pairs)} heads of {result.model} attend along {found['relation'].nunique()} relations more reliably than any rule "
        f"that knows no model, of {asked}; most of all {head_name(int(first['layer']), int(first['head']))} along "
        f"{first['relation']} ({first['direction']}): {percent(first['hit_rate'])} of {int(first['pairs'])} held-out cases "
        f"against {percent(first['baseline_hit_rate'])} for '{first['baseline']}' "
        f"({points(first['effect'], first['effect_low'], first['effect_high'])})."
    )


def _not_found(result: RelationResult) -> list[str]:
    without = [
        relation.text
        for relation in result.relations
        if relation.text not in set(result.supported["relation"])
    ]
    lines = (
        [f"No head was found to beat the best rule for: {', '.join(without)}."] if without else []
    )
    impossible = sum(result.impossible.values())
    if impossible:
        lines.append(
            f"{impossible:,} answers lie ahead, where this decoder cannot look; they are not counted."
        )
    lines += result.too_little
    return [*lines, "Whether the model needs these heads was not tested: nothing was removed."]


def _method(suite: headwise.Suite, result: RelationResult) -> list[str]:
    return [
        "For each pair of linked words and each head we ask which other word gets most attention, summed over the pieces of "
        "the word that is looked at and averaged over those of the word that looks. Rules that know no model (fixed "
        "distances, the nearest word of the right part of speech, runs of such words, the head's own positions) are chosen "
        f"on half of the {len(suite.groups):,} groups; every figure is of the other half.",
        *([suite.about] if suite.about else []),
        "A head is supported if its effect over its rule is above zero on all pairs and on those with words between, both with "
        "p below 5% over everything asked (sign flips of whole groups, largest of all). Verdict: 'supported' if any is; 'not "
        "supported' if every one is refused; otherwise 'inconclusive'.",
    ]


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
