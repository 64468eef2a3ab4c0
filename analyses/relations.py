"""Which heads attend along which relations?

Question: of everything that is tested, which heads attend from one word of a pair to the other more
often than chance, and than anything that position and plain text tell?

Method: every relation named (by default every label with at least 100 links in the data) in three
directions, for every head, against baselines that are chosen on other groups than they are counted on,
over twenty splits; the same for heads of never-trained models. p values are over everything that was
tested at once.

    uv run analyses/relations.py --model minilm --data en_ewt-ud-dev.conllu
    headwise run relations --data en_ewt-ud-dev.conllu --relation "amod: governor->dependent" --relation obj

Caveats: attention is not use. The more is tested at once, the more evidence each head needs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

import headwise
from headwise import evidence
from headwise._formatting import MINUS, Verdict, head_name, percent, points
from headwise.attention import _significance
from headwise.attention._comparison import SCOPES
from headwise.attention.questions import AttentionOrder
from headwise.attention.relations import RelationTestResult
from headwise.report.schema import Column, Matrix, Report, Section, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.examples import examples_shown
from headwise.report.sections.relations import wide_table
from headwise.stats.deciding import MIN_CASES, MIN_CLUSTERS, N_RANDOM, N_SPLITS

SUITE = "adjective_noun"
BURROW = "senses"
QUESTION = "Which heads attend along which relations?"
EVERY = "every>=100"

BEST = [
    Column(name="relation", title="Relation"),
    Column(name="direction", title="Direction"),
    Column(name="name", title="Head", note="Largest effect over its baseline where it is smaller: on all pairs or on non-adjacent ones"),
    Column(name="verdict", title="Verdict"),
    Column(name="pairs", title="Counted", kind="integer"),
    Column(name="hit_rate", title="Hit rate", kind="rate"),
    Column(name="baseline", title="Best baseline", note="Of plain text; the one chosen most often, always on other groups"),
    Column(name="baseline_hit_rate", title="Its hit rate", kind="rate"),
    Column(name="effect", title="Effect, points", kind="difference"),
    Column(name="effect_low", title="from", kind="difference"),
    Column(name="effect_high", title="to", kind="difference"),
    Column(name="p_fwer", title="p", kind="number", note="Family-wise over everything tested, combined over splits"),
    Column(name="share", title="Share of splits", kind="rate", note="Splits in which the head passes"),
    Column(name="effect_non_adjacent", title="Non-adjacent", kind="difference", note="Effect on pairs with words between, points"),
    Column(name="effect_chance", title="Over chance", kind="difference", note="Effect over uniform attention and permuted links"),
    Column(name="effect_tags", title="Over tags", kind="difference", note="Effect over the best baseline that reads parts of speech"),
    Column(name="control", title="Controls", kind="difference", note="Largest effect over the same baseline of a head with random weights or uniform attention"),
    Column(name="detectable", title="Detectable", kind="difference", note="Smallest effect that would be found in 80% of such data"),
    Column(name="mass", title="Mass", kind="rate", note="Mean attention on the right words"),
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
    result = headwise.relation_test(
        model,
        suite,
        asked,
        seed=seed,
        n_null=1 if smoke else N_RANDOM,
        n_splits=4 if smoke else N_SPLITS,
    )
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
        controls=_controls(result),
        sections=[
            Section(
                title="Results",
                figures=[_matrix(result, best)] if len(best) else [],
                tables=[
                    Table.of(
                        "best_heads",
                        "The most promising head for each relation",
                        best,
                        BEST,
                        caption="Effects are hit rate minus that of the best model-free baseline, which is chosen on other groups.",
                    ),
                    Table.of(
                        "heads",
                        "Every head and relation",
                        wide_table(result.table),
                        [
                            Column(name="layer", title="Layer", kind="integer"),
                            Column(name="head", title="Head", kind="integer"),
                            *(column for column in BEST if column.name != "name"),
                        ],
                        folded=True,
                    ),
                ],
                findings=_not_found(result),
                method=_method(suite, result),
                references=[
                    "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
                    "Pande, Budhraja, Nema, Kumar and Khapra 2021, The heads hypothesis.",
                ],
            )
        ],
        heads=head_cards.heads_section(
            model,
            heads,
            [head_details.relations_asked(result, shown, head_cards.shape_shown(model))],
        ),
        attention=examples_shown(
            model,
            suite,
            shown,
            heads_first=head_cards.first(heads),
            judged_by=_judged_by(result, shown) if shown else None,
            seed=seed,
        ),
    )


def _judged_by(
    result: RelationTestResult, shown: Sequence[tuple[str, AttentionOrder]]
) -> dict[tuple[int, int], int]:
    """For each head, along which of the relations it does best: where its effect, on all or on non-adjacent pairs, is largest."""
    worst = np.stack(
        [
            np.fmin(
                *(
                    result.grid("effect", relation=relation, direction=direction, scope=scope)
                    for scope in SCOPES[:2]
                )
            )
            for relation, direction in shown
        ]
    )
    best = np.where(np.isnan(worst), -np.inf, worst).argmax(axis=0)
    return {
        (int(layer), int(head)): int(best[layer, head]) for layer, head in np.ndindex(best.shape)
    }


def _best(result: RelationTestResult) -> pd.DataFrame:
    wide = wide_table(result.table)
    rows = [
        wide.loc[row.name]
        for relation in result.relations
        for direction in relation.directions
        if (row := result.best(direction, relation.text)) is not None
    ]
    frame = pd.DataFrame(rows, columns=list(wide.columns))
    names = [head_name(*lh) for lh in zip(frame["layer"], frame["head"], strict=True)]
    return frame.assign(name=names)


def _matrix(result: RelationTestResult, best: pd.DataFrame) -> Matrix:
    """Effects of all heads on all relations, each in the direction in which its best head is best."""
    n_layers, n_heads, _ = result.evidence[0].count.found.shape
    chosen = _chosen(best)
    values, names, marked = [], [], []
    wide = wide_table(result.table)
    for row, asked in enumerate(chosen.itertuples()):
        own = wide[(wide["relation"] == asked.relation) & (wide["direction"] == asked.direction)]
        values.append(own[["effect", "effect_non_adjacent"]].min(axis=1).to_numpy())
        names.append(
            asked.relation if ":" in asked.relation else f"{asked.relation}: {asked.direction}"
        )
        marked += [(row, column) for column in np.flatnonzero(own["verdict"] == "supported")]
    return Matrix(
        title="Every relation in every head",
        caption="How much more often than its best plain baseline each head hits, in points: the smaller of its effects on all "
        "and on non-adjacent pairs. Each relation in the direction in which its best head is best.",
        rows=names,
        columns=[head_name(*divmod(i, n_heads)) for i in range(n_layers * n_heads)],
        breaks=list(range(n_heads, n_layers * n_heads, n_heads)),
        values=np.array(values),
        marked=marked,
        marks="supported",
    )


def _chosen(best: pd.DataFrame) -> pd.DataFrame:
    """Each relation in the direction in which its best head is best."""
    worst = best[["effect", "effect_non_adjacent"]].min(axis=1).fillna(-np.inf)
    return best.loc[worst.sort_values(ascending=False).index].drop_duplicates("relation")


def _verdict(result: RelationTestResult) -> Verdict:
    verdicts = set(result.table["verdict"])
    if "supported" in verdicts:
        return "supported"
    return "not supported" if verdicts == {"not supported"} else "inconclusive"


def _answer(result: RelationTestResult) -> str:
    found = result.significant()
    n = len(result.relations)
    tested = f"{n} relation{'' if n == 1 else 's'} in {(result.table['scope'] == 'all').sum()} combinations of relation, direction and head"
    if found.empty:
        return (
            f"No head of {result.model} was found to attend along a relation more often than chance, never-trained models and the "
            f"best baseline of plain text, of {tested}. {_found_with_power(result.table)}"
        )
    first = found.iloc[0]
    pairs = found[["layer", "head"]].drop_duplicates()
    heads = "1 head" if len(pairs) == 1 else f"{len(pairs)} heads"
    number = found["relation"].nunique()
    return (
        f"{heads} of {result.model} attend{'s' if len(pairs) == 1 else ''} along {number} relation{'' if number == 1 else 's'} more often "
        f"than chance and than the best baseline of plain text, of {tested}; most of all "
        f"{head_name(int(first['layer']), int(first['head']))} along {first['relation']} ({first['direction']}): "
        f"{percent(first['hit_rate'])} of {int(first['pairs'])} cases against {percent(first['baseline_hit_rate'])} for "
        f"'{first['baseline']}' ({points(first['effect'], first['effect_low'], first['effect_high'])}). "
        f"{_beyond_tags(result, first)}"
    ).rstrip()


def _beyond_tags(result: RelationTestResult, row: pd.Series) -> str:
    if not result.has_tags:
        return ""
    told = points(row["effect_tags"], row["effect_low_tags"], row["effect_high_tags"])
    over = (
        f"Over the best baseline that reads gold parts of speech, '{row['baseline_tags']}', it is"
    )
    return f"{over} {told}."


def _controls(result: RelationTestResult) -> str:
    """What the controls reach, in one line."""
    n = result.controls.n
    if not n:
        return "Controls: none could be run, so nothing is called supported."
    largest = result.table.loc[result.table["scope"] == "all", "control"].max()
    if np.isnan(largest):
        return "Controls were not compared, as there is too little to test."
    number = f"{n} model{'' if n == 1 else 's'} with random weights"
    return f"Controls: among the heads of {number} and uniform attention the largest effect over a baseline is {_signed(largest)}."


def _found_with_power(rows: pd.DataFrame) -> str:
    """The smallest effects that could have been found, over some rows of the table."""
    whole = rows[rows["scope"] == "all"]
    enough = (whole["pairs"] >= MIN_CASES) & (whole["clusters"] >= MIN_CLUSTERS)
    if not enough.any():
        return f"There are fewer than {MIN_CASES} cases or {MIN_CLUSTERS} groups or deciding words of each, so nothing could be found."
    found = _significance.smallest_supported(rows)
    smallest = found.dropna()
    if smallest.empty:
        return "No effect, however large, would have been found in 80% of such data."
    none = int((found.isna() & enough).sum())
    text = f"The smallest effect that would be found in 80% of such data is {_signed(smallest.min())} at best and {_signed(smallest.max())} at worst"
    return text + (
        f"; in {none:,} combinations none, however large, as a few groups have most of the cases, the baseline is nearly always right or controls reach as much."
        if none
        else "."
    )


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} points".replace("-", MINUS)


def _not_found(result: RelationTestResult) -> list[str]:
    without = [
        relation.text
        for relation in result.relations
        if relation.text not in set(result.significant()["relation"])
    ]
    lines: list[str] = []
    if without:
        rows = result.table[result.table["relation"].isin(without)]
        power = "" if result.significant().empty else f" {_found_with_power(rows)}"
        lines.append(f"No head was found to attend along: {', '.join(without)}.{power}")
    impossible = sum(result.impossible.values())
    if impossible:
        lines.append(
            f"{impossible:,} answers lie ahead, where this decoder cannot look; they are not counted."
        )
    lines += result.limits
    return [*lines, "Whether the model needs these heads was not tested: nothing was ablated."]


def _method(suite: headwise.Suite, result: RelationTestResult) -> list[str]:
    return [
        "For each pair of linked words and each head we ask which other word gets most attention, summed over the pieces of "
        "the word that is looked at and averaged over those of the word that looks.",
        "Three comparisons. Chance: uniform attention and permuted links. Plain text: fixed distances, first, last and k-th words, "
        "the word with most pieces, the rarest, the same word and those beside its first mention, words that were answers "
        "before, the head's own usual distance, and a ranking learned from place, length, rarity and these. Tags: the same, and "
        "rules and a ranking that read gold parts of speech. Each baseline is chosen on one half of the "
        f"{len(suite.groups):,} groups and counted on the other, both in turn, over {len(result.evidence[0].splits)} splits; p is "
        "twice the median over splits (sign flips of groups and of deciding words, largest of everything tested).",
        *([suite.about] if suite.about else []),
        f"{evidence.LOOKS.rule.replace('Yes:', 'Supported:').replace('No:', 'Not supported:')} The report's verdict is 'supported' if any "
        "is; 'not supported' if every one is; otherwise 'inconclusive'.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
