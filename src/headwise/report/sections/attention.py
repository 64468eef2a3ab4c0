"""Attention along one relation, or along many: sections."""

import numpy as np
import pandas as pd

from headwise._columns import Column, Columns
from headwise._formatting import head_name
from headwise.attention._comparison import SCOPES
from headwise.attention._significance import of_scope, smallest_supported, worst
from headwise.attention.questions import AttentionOrder
from headwise.attention.relations import RelationTestResult
from headwise.data.suite import Suite
from headwise.evidence import INCONCLUSIVE, MIN_CASES, MIN_CLUSTERS, NO, YES, verdict_over
from headwise.evidence.together import written
from headwise.report.schema import Heatmap, Matrix, Section, Table, Verdict

from ._relation_tables import (
    COLUMNS,
    CONTROLLED,
    HEAD_COLUMNS,
    MORE,
    WHICH,
    best_heads,
    method,
    wide_table,
)
from .heads.head_cards import named, shape_of
from .heads.head_details import directions_asked, relations_asked

BEST = Columns(
    RelationTestResult.columns.pick("relation", "direction"),
    Column("name", "Head", meaning="Largest effect over its baseline where it is smaller: on all pairs or on non-adjacent ones"),
    RelationTestResult.columns.pick("verdict"),
    Columns(*(c for c in COLUMNS.values() if c.name != "direction")),
    RelationTestResult.columns.pick("share"),
    MORE.pick("effect_non_adjacent"),
    CONTROLLED,
    RelationTestResult.columns.pick("mass"),
)  # fmt: skip
CAUSAL = "The model is a decoder: a word attends only to itself and to words before it, so cases whose answer comes later are not counted."
PAPERS = [
    "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
    "Voita, Talbot, Moiseev, Sennrich and Titov 2019, Analyzing multi-head self-attention.",
    "Pande, Budhraja, Nema, Kumar and Khapra 2021, The heads hypothesis.",
    "Kobayashi, Kuribayashi, Yokoi and Inui 2020, Attention is not only a weight.",
    "Jain and Wallace 2019, Attention is not explanation.",
]


def attention(
    result: RelationTestResult,
    suite: Suite,
    names: tuple[str, str] = ("governor", "dependent"),
    *,
    title: str = "Attention",
) -> Section:
    """Attention along the first relation of a result, in every direction that was tested.

    Args:
        result: The test.
        suite: What was tested.
        names: What a governor and a dependent are, as `("noun", "adjective")`.
        title: Heading.
    """
    (relation, *_) = result.relations
    return Section(
        title=title,
        figures=[m for d in relation.directions for m in _maps(result, d, names)],
        tables=[
            best_heads(result, relation.directions),
            Table.of(
                "attention", "Attention of every head", wide_table(result.table),
                Columns(HEAD_COLUMNS, COLUMNS, MORE), folded=True,
                caption="p and q are over all heads and directions; intervals are for each head alone.",
            ),
        ],
        findings=[*(_tally(result, d) for d in relation.directions), *_limits(result)],
        method=_method(result, suite),
        references=PAPERS,
        details=[directions_asked(result)],
    )  # fmt: skip


def relations(result: RelationTestResult, suite: Suite) -> Section:
    """Attention along many relations at once."""
    best, found = best_by_relation(result), result.significant()
    without = [r.text for r in result.relations if r.text not in set(found["relation"])]
    rows = result.table[result.table["relation"].isin(without)]
    power = "" if found.empty else f" {power_of(rows)}"
    wide = wide_table(result.table)
    return Section(
        title="Attention along relations",
        figures=[_matrix(result, wide)] if len(best) else [],
        tables=[
            Table.of(
                "best_heads", "The most promising head for each relation",
                wide.loc[best.index].join(best["name"]), BEST,
                caption="Effects are hit rate minus that of the best model-free baseline, which is chosen on other groups.",
            ),
            Table.of(
                "attention", "Attention of every head along every relation", wide,
                Columns(HEAD_COLUMNS, *(c for c in BEST.values() if c.name != "name")), folded=True,
            ),
        ],
        findings=[
            *([f"No head was found to attend along {', '.join(without)}.{power}"] if without else []),
            *_limits(result),
            "No head was ablated, so whether the model needs these heads was not tested.",
        ],
        method=_method(result, suite),
        references=PAPERS,
        details=[relations_asked(result, best_directions(result))],
    )  # fmt: skip


def attention_verdict(result: RelationTestResult) -> Verdict:
    """Of all heads and directions: supported if one is, not supported if every one is, else inconclusive."""
    said = {"supported": YES, "not supported": NO}
    return verdict_over(result.table["verdict"].map(said).fillna(INCONCLUSIVE))


def attention_controls(result: RelationTestResult) -> str:
    """What the controls reach, in a line."""
    n = result.controls.n
    if not n:
        return "Controls: none could be run, so no head is supported."
    largest = result.table.loc[result.table["scope"] == "all", "control"].max()
    if np.isnan(largest):
        return "Controls: not compared, as there are too few cases to test."
    models = f"{n} model{'' if n == 1 else 's'} with random weights"
    return f"Controls: the largest effect over a baseline is {written(largest, 'difference')} among the heads of {models} and of the model with uniform attention."


def attends(direction: AttentionOrder, names: tuple[str, str] = ("governor", "dependent")) -> str:
    """What a hit is, in words: `the noun attends most to one of its adjectives`."""
    governor, dependent = names
    return {
        "governor->dependent": f"the {governor} attends most to one of its {dependent}s",
        "dependent->governor": f"the {dependent} attends most to its {governor}",
        "column": f"the {governor}, of all words, attends most to the {dependent}",
    }[direction]


def best_by_relation(result: RelationTestResult) -> pd.DataFrame:
    """Rows of the best head of each relation in each direction, the relation with the largest effect first."""
    rows = [
        row
        for relation in result.relations
        for direction in relation.directions
        if (row := result.best(direction, relation.text)) is not None
    ]
    return named(pd.DataFrame(rows, columns=list(result.table.columns)))


def best_directions(result: RelationTestResult) -> list[tuple[str, AttentionOrder]]:
    """Each relation with the direction in which its best head is best, the largest effect first."""
    best = best_by_relation(result)
    order = worst(result.table)[best.index].sort_values(ascending=False).index
    chosen = best.loc[order].drop_duplicates("relation")
    return list(zip(chosen["relation"], chosen["direction"], strict=True))


def judged_by(result: RelationTestResult) -> dict[tuple[int, int], int] | None:
    """For each head the index in `best_directions` of the relation along which its effect is largest; None where nothing was counted."""
    asked = best_directions(result)
    if not asked:
        return None
    effects = of_scope(result.table, "all").assign(effect=worst(result.table))
    by_head = effects.pivot(
        index=["layer", "head"], columns=["relation", "direction"], values="effect"
    )
    return dict(zip(by_head.index, by_head[asked].to_numpy().argmax(axis=1).tolist(), strict=True))


def power_of(rows: pd.DataFrame) -> str:
    """The smallest effects that could have been found, over some rows of the table."""
    whole = rows[rows["scope"] == "all"]
    enough = (whole["pairs"] >= MIN_CASES) & (whole["clusters"] >= MIN_CLUSTERS)
    if not enough.any():
        return f"Each has fewer than {MIN_CASES} cases, or fewer than {MIN_CLUSTERS} groups or deciding words, so no effect could be found."
    found = smallest_supported(rows)
    smallest = found.dropna()
    if smallest.empty:
        return "No effect, however large, would have been found in 80% of such data."
    none = int((found.isna() & enough).sum())
    text = f"The smallest effect that would be found in 80% of such data ranges from {written(smallest.min(), 'difference')} to {written(smallest.max(), 'difference')}"
    why = "because a few groups have most of the cases, the baseline is nearly always right or controls reach as much"
    return f"{text}; in {none:,} combinations no effect would, {why}." if none else f"{text}."


def _maps(result: RelationTestResult, direction: AttentionOrder, names: tuple[str, str]) -> list[Heatmap]:  # fmt: skip
    """Hit rates on all and on non-adjacent pairs; nothing where there were none to count."""
    best = result.best(direction)
    if best is None:
        return []
    asked = {"relation": best["relation"], "direction": direction}
    place = {"layer": int(best["layer"]), "head": int(best["head"])}
    what = attends(direction, names)
    return [
        Heatmap(
            title=f"{what[0].upper()}{what[1:]}: {WHICH[scope]}",
            caption=f"{direction}: percent of cases in which {what}. Outlined: largest effect over its baseline.",
            values=result.grid("hit_rate", **asked, scope=scope),
            baseline=(f"baseline: {row['baseline']}", row["baseline_hit_rate"]),
            marked=[(place["layer"], place["head"])],
        )
        for scope in SCOPES[:2]
        if (row := result.row(**asked, **place, scope=scope))["pairs"]
    ]


def _matrix(result: RelationTestResult, wide: pd.DataFrame) -> Matrix:
    """Effects of all heads on all relations, each in the direction in which its best head is best."""
    n_layers, n_heads = shape_of(wide)
    values, names, marked = [], [], []
    for i, (relation, direction) in enumerate(best_directions(result)):
        own = wide[(wide["relation"] == relation) & (wide["direction"] == direction)]
        values.append(own[["effect", "effect_non_adjacent"]].min(axis=1))
        names.append(relation if ":" in relation else f"{relation}: {direction}")
        marked += [(i, column) for column in np.flatnonzero(own["verdict"] == "supported")]
    return Matrix(
        title="Every relation in every head",
        caption="Hit rate minus that of the best model-free baseline of plain text, in points: the smaller of the effects on all and on non-adjacent pairs. Each relation in the direction in which its best head is best.",
        rows=names,
        columns=[head_name(*divmod(i, n_heads)) for i in range(n_layers * n_heads)],
        breaks=list(range(n_heads, n_layers * n_heads, n_heads)),
        values=np.array(values),
        marked=marked,
        marks="supported",
    )  # fmt: skip


def _tally(result: RelationTestResult, direction: AttentionOrder) -> str:
    t = result.table
    rows = t[(t["direction"] == direction) & (t["scope"] == "all")]
    if not rows["pairs"].sum():
        return f"{direction}: no case could be counted."
    yes, no, unknown = ((rows["verdict"] == name).sum() for name in ("supported", "not supported", "inconclusive"))  # fmt: skip
    return f"{direction}: of {len(rows)} heads, {yes} are supported and {no} are not supported; the evidence is inconclusive for {unknown}."


def _limits(result: RelationTestResult) -> list[str]:
    ahead, lines = sum(result.impossible.values()), list(result.limits)
    if ahead:
        lines.append(f"{ahead:,} cases were not counted: the answer stands after the attending word, and a decoder attends only backwards.")  # fmt: skip
    if result.missing:
        lines.append(f"{result.missing} pairs were left out: a word is truncated or has no token of its own.")  # fmt: skip
    return lines


def _method(result: RelationTestResult, suite: Suite) -> list[str]:
    cover = result.coverage
    return [
        *([CAUSAL] if any(result.impossible.values()) else []),
        "For each pair of linked words and each head, the word that receives most attention was determined. governor->dependent: the governor attends, and any of its dependents is right; dependent->governor: the dependent "
        "attends, and its governor is right; column: of all words that attend to the dependent, its governor should attend most. Attention to a word is summed over its tokens, attention from a word averaged over them; special tokens and a "
        f"word's attention to itself are excluded. Of {cover.words:,} words, {cover.split:,} have several tokens, {cover.unaligned:,} could not be aligned and {cover.truncated:,} lie beyond the model's context.",
        *method(result, len(suite.groups)),
    ]  # fmt: skip
