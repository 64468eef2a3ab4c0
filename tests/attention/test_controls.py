"""What an untrained model must not pass, and a head that is right must: attention."""

import numpy as np
import pytest

import headwise
from headwise import HeadwiseError
from headwise.activations import alignment, hooks
from headwise.attention._columns import versus
from headwise.attention._uniform import count_uniform
from headwise.attention.controls import Controls, count_controls
from headwise.attention.relations import Plan, count_heads, judge
from headwise.model.loading import random_like
from headwise.stats.deciding import SMALLEST
from helpers.planted_counts import at_most, chance_controls, counts_of


@pytest.fixture(scope="module")
def senses():
    return headwise.burrow_sentences("senses", 400, seed=0)


@pytest.fixture(scope="module")
def plan(burrow, senses):
    return Plan.of(burrow, senses, "every>=100")


def uniform(pattern, site):
    seen = (pattern > 0).float()
    return seen / seen.sum(-1, keepdim=True)


def test_a_uniform_pattern_is_counted_as_it_is_run(burrow, plan):
    """Without a model, word for word what a model does whose attention is made uniform."""
    with hooks.edit(burrow, "pattern", uniform):
        run = count_heads(plan, norms=False)
    alone = count_uniform(burrow, plan.cases, alignment.batches(burrow, plan.alignments))
    for whole, one in zip(run, alone, strict=True):
        assert (whole.found == one.found).all() and (whole.mass == one.mass).all()


def test_heads_that_attend_to_everything_alike_attend_to_nothing(plan):
    counts = count_uniform(plan.model, plan.cases, alignment.batches(plan.model, plan.alignments))
    random = np.random.default_rng(0)
    result = judge(plan, counts, chance_controls(plan, random), n_splits=5)
    assert result.significant().empty
    counted = result.table[(result.table["pairs"] > 0) & (result.table["scope"] == "all")]
    np.testing.assert_array_equal(counted["uniform"], counted["hit_rate"])
    continuation = counted[counted["relation"] == "continuation"]
    assert continuation["uniform"].max() > 0.2  # a tenth of the words are right, with most pieces
    assert counted["effect_chance"].max() < SMALLEST


def test_a_model_that_was_never_trained_attends_to_nothing(burrow):
    some = headwise.burrow_sentences("senses", 150, seed=0)
    drawn = random_like(burrow, 77)
    result = headwise.relation_test(drawn, some, "every>=100", n_null=2, norms=False, n_splits=5)
    assert result.significant().empty
    assert result.table["control_t"].notna().any()


@pytest.fixture(scope="module")
def own(minilm):
    return Plan.of(minilm, headwise.read_suite("probes/adjective_noun.toml"), "amod, pred")


@pytest.mark.parametrize("seed", range(3))
def test_a_head_that_is_always_right_is_supported(own, seed):
    rng = np.random.default_rng(seed)
    result = judge(own, counts_of(own, 1.0, rng), chance_controls(own, rng), seed=seed)
    rows = result.table[(result.table["layer"] == 1) & (result.table["head"] == 2)]
    assert set(rows["verdict"]) == {"supported"}
    assert set(zip(result.significant()["layer"], result.significant()["head"], strict=True)) == {
        (1, 2)
    }


@pytest.mark.parametrize("n_groups", [6, 12, 20, 40])
def test_a_head_that_is_always_right_is_never_refused(own, n_groups):
    rng = np.random.default_rng(n_groups)
    part = at_most(own, n_groups, rng)
    result = judge(part, counts_of(part, 1.0, rng), chance_controls(part, rng))
    rows = result.table[(result.table["layer"] == 1) & (result.table["head"] == 2)]
    assert "not supported" not in set(rows["verdict"])


@pytest.mark.parametrize("rate", [1.0, 0.9])
def test_a_right_head_on_a_treebank(minilm, shared, rate):
    asked = Plan.of(minilm, headwise.read_suite(shared / "data/en_ewt-ud-dev.conllu"), "amod")
    rng = np.random.default_rng(0)
    result = judge(asked, counts_of(asked, rate, rng), chance_controls(asked, rng))
    rows = result.table[(result.table["layer"] == 1) & (result.table["head"] == 2)]
    assert set(rows["verdict"]) == {"supported"}
    rows = rows[rows["scope"] != "distractor"]  # these are described only
    assert (rows["effect_tags"] < rows["effect"]).all()  # gold tags tell more than text


def test_a_head_that_attends_nowhere_is_refused(own):
    """Right in a twentieth of the cases, as chance is, in many groups."""
    rng = np.random.default_rng(0)
    result = judge(own, counts_of(own, 1.0, rng, others=0.05), chance_controls(own, rng))
    rows = result.table[(result.table["layer"] == 0) & (result.table["head"] == 0)]
    assert set(rows["verdict"]) == {"not supported"}


def test_what_a_control_passes_is_not_supported(own):
    """A never-trained head as good as the planted one."""
    rng = np.random.default_rng(0)
    controls = chance_controls(own, rng)
    passing = tuple(np.ones_like(hits) for hits in controls.hits)
    result = judge(own, counts_of(own, 1.0, rng), Controls(passing, controls.tested))
    assert result.significant().empty
    rows = result.table[(result.table["layer"] == 1) & (result.table["head"] == 2)]
    rows = rows[rows["scope"] != "distractor"]  # these are described only
    np.testing.assert_allclose(rows["control"], rows["effect"], atol=1e-6)
    none = judge(own, counts_of(own, 1.0, rng), Controls((), ()))
    assert none.significant().empty and none.table["control_t"].isna().all()


def test_little_attention_is_no_attention(own):
    """The right word gets most of what words get, and less than uniform attention would give it."""
    rng = np.random.default_rng(0)
    counts = counts_of(own, 1.0, rng)
    for count in counts:
        count.mass[:] = 0.005
    result = judge(own, counts, chance_controls(own, rng))
    assert result.significant().empty
    assert (result.table["mass_excess_low"] < 0).all()


def test_a_model_whose_random_twin_cannot_be_made(tiny_bert, own):
    class Stubborn(type(tiny_bert.hf)):
        def __init__(self, config):
            raise TypeError("needs more")

    kind = type(tiny_bert.hf)
    tiny_bert.hf.__class__ = Stubborn
    try:
        with pytest.raises(
            HeadwiseError, match=r"Stubborn\(config\) failed with TypeError: needs more"
        ):
            random_like(tiny_bert, 0)
        asked = Plan.of(
            tiny_bert, headwise.read_suite("probes/adjective_noun.toml").sample_groups(10), "amod"
        )
        controls = count_controls(tiny_bert, asked.cases, asked.alignments, n_null=2, seed=0)
        assert controls.n == 0
        result = judge(asked, count_heads(asked), controls)
        assert any("needs more" in line for line in result.limits)
        assert result.significant().empty
    finally:
        tiny_bert.hf.__class__ = kind


def test_names_of_columns():
    assert versus("effect", "plain") == "effect"
    assert versus("p_fwer", "chance") == "p_fwer_chance"
    assert versus("effect", "tags") == "effect_tags"
    assert versus("effect_low", "tags") == "effect_tags_low"
