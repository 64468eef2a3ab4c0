"""Sections on attention hold what the result holds."""

import pytest

import headwise
from headwise.report import sections
from headwise.report.sections import _relation_tables as relations
from helpers.paths import PROBES

DIRECTIONS = ("governor->dependent", "dependent->governor")


@pytest.fixture(scope="module")
def result(tiny_bert):
    suite = headwise.read_suite(PROBES / "adjective_noun.toml").sample_groups(40)
    return headwise.relation_test(tiny_bert, suite, "amod", n_null=1)


def test_the_best_head_of_each_direction_with_its_own_numbers(result):
    table = relations.best_heads(result, DIRECTIONS)
    frame = table.to_frame().set_index(["direction", "scope"])
    assert [column.name for column in table.columns][:2] == ["name", "scope"]
    for direction in DIRECTIONS:
        best = result.best(direction)
        row = frame.loc[direction, "all pairs"]
        assert row["name"] == f"L{best['layer']}H{best['head']}"
        for name in ("pairs", "hit_rate", "effect", "effect_low", "effect_high", "p_fwer"):
            assert row[name] == pytest.approx(best[name], nan_ok=True)
        apart = frame.loc[direction, "non-adjacent pairs"]
        wide = relations.wide_table(result.table).loc[best.name]
        assert wide["pairs"] == best["pairs"] and wide["verdict"] == best["verdict"]
        assert apart["effect"] == pytest.approx(wide["effect_non_adjacent"], nan_ok=True)
        assert apart["pairs"] == wide["pairs_non_adjacent"] <= row["pairs"]


def test_a_direction_in_which_nothing_was_counted_has_no_row(tiny_gpt2):
    """In *the blue creature* a decoder cannot look from the adjective at what it describes."""
    suite = headwise.read_suite(PROBES / "creature.toml").sample_groups(4)
    result = headwise.relation_test(tiny_gpt2, suite, "amod", n_null=0)
    blind = [d for d in DIRECTIONS if result.best(d) is None]
    assert blind == ["dependent->governor"]
    assert set(relations.best_heads(result, DIRECTIONS).to_frame()["direction"]) == {
        "governor->dependent"
    }


def test_the_method_says_how_often_and_against_what(result):
    text = " ".join(relations.method(result, 1234))
    assert "the 1,234 groups" in text and f"over {len(result.evidence[0].splits)} splits" in text
    assert "on 1 models with random weights" in text
    assert ("gold parts of speech" in text) == result.has_tags


def test_a_section_of_one_relation_has_maps_tables_and_limits(result):
    suite = headwise.read_suite(PROBES / "adjective_noun.toml").sample_groups(40)
    section = sections.attention(result, suite, ("noun", "adjective"), title="Nouns")
    assert section.title == "Nouns" and [t.name for t in section.tables] == [
        "best_heads",
        "attention",
    ]
    best = result.best("governor->dependent")
    shown = next(
        f
        for f in section.figures
        if f.title.startswith("The noun attends most to one of its adjectives")
    )
    assert shown.marked == [(best["layer"], best["head"])]
    assert shown.values[best["layer"]][best["head"]] == pytest.approx(best["hit_rate"])
    n = len(result.table[["layer", "head"]].drop_duplicates())
    assert any(line.startswith(f"governor->dependent: of {n} heads") for line in section.findings)
    assert set(result.limits) <= set(section.findings)


def test_a_section_of_many_relations_orders_them_by_the_effect_of_their_best_head(tiny_bert):
    suite = headwise.read_suite(PROBES / "adjective_noun.toml").sample_groups(40)
    result = headwise.relation_test(tiny_bert, suite, "every", n_null=1)
    section = sections.relations(result, suite)
    along = sections.best_directions(result)
    assert len(along) == len({relation for relation, _ in along}) <= len(result.relations)
    assert [row.split(":")[0] for row in section.figures[0].rows] == [
        r.split(":")[0] for r, _ in along
    ]
    judged = sections.judged_by(result)
    assert set(judged.values()) <= set(range(len(along)))
    for (layer, head), i in judged.items():
        relation, direction = along[i]
        own = [
            result.grid("effect", relation=relation, direction=direction, scope=s)[layer, head]
            for s in ("all", "non_adjacent")
        ]
        for other, turn in along:
            rest = [
                result.grid("effect", relation=other, direction=turn, scope=s)[layer, head]
                for s in ("all", "non_adjacent")
            ]
            assert min(own) >= min(rest) - 1e-12 or any(x != x for x in (*own, *rest))
    assert sections.attention_verdict(result) in ("inconclusive", "not supported", "supported")
    assert "random weights" in sections.attention_controls(result)
    assert "80% of such data" in sections.power_of(
        result.table
    ) or "could be found" in sections.power_of(result.table)
