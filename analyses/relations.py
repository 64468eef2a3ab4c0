"""Which heads attend along which relations?

Question: which heads attend from one word of a pair to the other more often than chance, and than anything that
position and plain text predict?

Method: every relation named (by default every label with at least 100 links in the data) in three
directions, for every head, against baselines that are chosen on other groups than they are counted on,
over twenty splits; the same for heads of never-trained models. p values are over everything that was
tested at once.

    uv run analyses/relations.py --model minilm --data en_ewt-ud-dev.conllu
    headwise run relations --data en_ewt-ud-dev.conllu --relation "amod: governor->dependent" --relation obj

Caveats: attention is not use. The more is tested at once, the more evidence each head needs.
"""

from collections.abc import Sequence

import headwise
from headwise import evidence
from headwise.report import sections
from headwise.report.schema import head_name, percent, points

SUITE = "adjective_noun"
BURROW = "senses"
QUESTION = "Which heads attend along which relations?"


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    relations: Sequence[str] = (),
) -> headwise.Report:
    """Tests every relation in every head of a model."""
    frequent = max(suite.relations.values(), default=0) >= 100
    result = headwise.relation_test(
        model,
        suite,
        list(relations) or ["every>=100" if frequent else "every"],
        seed=seed,
        n_null=1 if smoke else evidence.N_RANDOM,
        n_splits=4 if smoke else evidence.N_SPLITS,
    )
    return sections.compose(
        model,
        analysis="relations",
        question=QUESTION,
        verdict=sections.attention_verdict(result),
        answer=_answer(result),
        controls=sections.attention_controls(result),
        sections=[sections.relations(result, suite)],
        suite=suite,
        heads=evidence.looks_along(result),
        relations=sections.best_directions(result),
        judged_by=sections.judged_by(result),
        seed=seed,
    )


def _answer(result: headwise.RelationTestResult) -> str:
    found, n = result.significant(), len(result.relations)
    combinations = int((result.table["scope"] == "all").sum())
    tested = f"({n} relation{'' if n == 1 else 's'}, {combinations:,} combinations of relation, direction and head)"
    if found.empty:
        return (
            f"No head of {result.model} was found to attend along any relation more often than chance, never-trained models and the best baseline of plain text "
            f"{tested}. {sections.power_of(result.table)}"
        )  # fmt: skip
    first, heads = found.iloc[0], len(found[["layer", "head"]].drop_duplicates())
    along = found["relation"].nunique()
    answer = (
        f"{heads} head{' of ' if heads == 1 else 's of '}{result.model} attend{'s' if heads == 1 else ''} along {along} relation{'' if along == 1 else 's'} more often than chance and than the best baseline of "
        f"plain text {tested}. The largest effect is that of {head_name(int(first['layer']), int(first['head']))} along {first['relation']} ({first['direction']}): {percent(first['hit_rate'])} of "
        f"{int(first['pairs'])} cases against {percent(first['baseline_hit_rate'])} for '{first['baseline']}' ({points(first['effect'], first['effect_low'], first['effect_high'])})."
    )  # fmt: skip
    if not result.has_tags:
        return answer
    tags = points(first["effect_tags"], first["effect_tags_low"], first["effect_tags_high"])
    return f"{answer} Over the best baseline that reads gold parts of speech, '{first['baseline_tags']}', the effect is {tags}."


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
