"""Tables of one relation say what the result says."""

import pytest

import headwise
from headwise.report.sections import relations
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
