"""Evidence side by side, heads that are known to matter, and sets of them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

import headwise
from headwise import HeadwiseError, ablate, ablate_set, evidence
from headwise.attention.relations import RelationTestResult
from headwise.data import transforms
from headwise.data.suite import Link, Mark, Pair, Sentence, Suite
from headwise.directions._components import Component
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.controls import Control
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.interventions.ablation import Ablation
from headwise.interventions.controls import AblationControls
from headwise.interventions.head_sets import _like
from headwise.interventions.metrics import Reading
from headwise.interventions.prompts import Prompts, deciding
from headwise.model.heads import Head
from headwise.report.sections import evidence as exhibits
from helpers.planted_head import D_HEAD, FILLERS, N_IDS, draw, make


def plant(tokenizer):
    """The hand-set transformer of the relation tests, whose head L1H2 now also says what it sees.

    Its values are the numbers of adjectives, its output matrix hands them on, and the output head reads from them which noun
    fits. All other heads write nothing, as before.
    """
    model = make(tokenizer, 0, planted=True)
    body = model.hf.transformer
    with torch.no_grad():
        attention = body.h[1].attn
        start = 2 * 4 * D_HEAD + 2 * D_HEAD
        value = slice(start, start + D_HEAD)
        attention.c_attn.weight[:, value] = 0
        attention.c_attn.bias[value] = 0
        for i in range(N_IDS):
            attention.c_attn.weight[i, value.start + i] = 4
            attention.c_proj.weight[2 * D_HEAD + i, i] = 4
    return model


def pairs(n, seed=0):
    """Sentences with two adjectives, one of which belongs to the noun at the end; swapped in the corrupted one."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        a, b, c = rng.permutation(N_IDS)[:3]
        fill = [str(w) for w in rng.choice(FILLERS, 4)]
        clean = (fill[0], f"adj{a}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        corrupted = (fill[0], f"adj{c}", fill[1], f"adj{b}", fill[2], f"noun{a}")
        both = [
            Sentence(
                words, (True,) * 6, f"g{number}", (Mark(5, "noun"),), (Link(1, 5, "amod"),),
                tags=("X", "ADJ", "X", "ADJ", "X", "NOUN"),
            )
            for words in (clean, corrupted)
        ]  # fmt: skip
        made.append(Pair(*both, f"adj{a}", f"adj{b}"))
    return Suite(
        "p", "?", tuple(s for p in made for s in (p.clean, p.corrupted)), pairs=tuple(made)
    )


def test_only_the_planted_head_matters(word_level):
    model = plant(word_level)
    result = ablate(model, pairs(60), method=["zero", "mean", "resample"])
    assert result.needed == ["L1H2"]
    others = result.table["cut"] != "L1H2"
    assert (result.table.loc[others, "cost"].abs() < 1e-5).all()
    heads = evidence.matters(result)
    assert evidence.where(evidence.side_by_side([heads]), matters="yes") == ["L1H2"]
    assert (heads["matters"] == "no").sum() == 7
    assert (heads.loc[heads["matters"] == "yes", "matters_effect"] > 0.05).all()


def test_it_looks_and_matters(word_level):
    model = plant(word_level)
    looked = headwise.relation_test(model, draw(0, 200), "amod", controls=2, norms=False)
    heads = evidence.side_by_side(
        [evidence.looks(looked, "governor->dependent"), evidence.matters(ablate(model, pairs(60)))]
    )
    assert evidence.where(heads, looks="yes", matters="yes") == ["L1H2"]
    assert list(heads["name"]) == [f"L{la}H{h}" for la in range(2) for h in range(4)]


def test_a_set_with_the_planted_head(word_level):
    model = plant(word_level)
    found = ablate_set(
        model,
        pairs(60),
        ["L1H2", "L0H1"],
        method=["mean", "zero"],
        n_random=50,
        unrelated=pairs(20, 5),
    )
    row = found.table.iloc[0]
    assert row["cost"] == pytest.approx(row["sum_of_parts"], abs=1e-4)  # the other does nothing
    assert row["low"] > 0 and row["p_cost"] < 0.05
    # Sixteen sets in these layers: too few for a rank to show anything. Of 28 in all, seven have the planted head, and none costs more.
    assert found.random_from == "all layers" and row["random_sets"] == 27
    assert (found.random["logit difference"][0] > 1).sum() == 6 and row["p_random"] >= 1 / 28
    assert row["restored"] == pytest.approx(1, abs=1e-4)
    assert found.unrelated is not None and "kept" not in found.unrelated.cuts
    whole = ablate(
        model,
        pairs(60),
        heads={"all": [(la, h) for la in range(2) for h in range(4)]},
        method=["mean"],
    )
    assert row["all"] == pytest.approx(whole.table["cost"].iloc[0])
    assert set(zip(found.table["metric"], found.table["method"], strict=True)) == {
        (metric, method) for metric in whole.metrics for method in ("mean", "zero")
    }
    with pytest.raises(HeadwiseError, match="every head of the model"):
        ablate_set(model, pairs(20), [(la, h) for la in range(2) for h in range(4)])


def test_random_sets_are_all_different():
    every = [Head(layer, head) for layer in range(4) for head in range(8)]
    chosen = (every[0], every[9], every[10])
    found, where = _like(every, chosen, 200, 0)
    assert where == "the same layers" and len(set(found)) == len(found) == 200
    assert chosen not in found and any(set(own) & set(chosen) for own in found)
    for own in found:
        assert [head.layer for head in own] == [0, 1, 1] and len(set(own)) == 3
    few, where = _like(every, (every[0],), 200, 0)  # eight in the layer
    assert where == "all layers" and len(few) == 31


@pytest.mark.parametrize("phenomenon", ["adjectives", "mole", "gender"])
def test_sets_that_burrow_needs(phenomenon):
    """Found on known combinations, a set costs something on held-out ones however it is ablated; of mole and gender no set by lot costs as much."""
    model = headwise.load("burrow", device="cpu", verify=False)
    finding = headwise.burrow_pairs(phenomenon, 80, seed=1, held_out=False)
    testing = headwise.burrow_pairs(phenomenon, 40, seed=2, held_out=True)
    chosen = ablate(model, finding, method=["mean", "resample"]).needed[:4]
    assert chosen
    found = ablate_set(
        model, testing, chosen, method=["mean", "resample"], n_random=40, n_random_kept=4
    )
    rows = found.table[found.table["metric"] == "logit difference"]
    assert (rows["share_low"] > 0.05).all()
    # Of adjectives many heads are needed a little: sets by lot, which may share heads with this one, cost as much by the mean.
    assert phenomenon == "adjectives" or (rows["p_random"] <= 0.05).all()
    by_mean = rows[rows["method"] == "mean"].iloc[0]
    assert by_mean["restored"] > by_mean["restored_random"]


def test_rules_of_evidence():
    frames = [
        pd.DataFrame({"layer": [0, 0], "head": [0, 1], "looks": ["yes", "no"]}),
        pd.DataFrame({"layer": [0, 0], "head": [1, 0], "matters": ["yes", "no"]}),
    ]
    heads = evidence.side_by_side(frames)
    assert evidence.where(heads, looks="yes", matters="no") == ["L0H0"]
    assert evidence.where(heads, looks="no", matters="yes") == ["L0H1"]
    assert evidence.where(heads, carries="yes") == []  # was not asked


def test_what_decides_is_linked_to_what_needs_it():
    mole = headwise.burrow_pairs("mole", 10, held_out=True)
    linked = transforms.cues(mole)
    assert len(linked.sentences) == 20 and linked.relations.keys() == {"cue"}
    plain = Suite(
        "s", "?", (), pairs=(Pair(Sentence.of("the red mole"), Sentence.of("the blue mole")),)
    )
    assert [s.links for s in transforms.cues(plain).sentences] == [(Link(1, 2, "cue"),)] * 2


def made(kind, **values):
    """A result with nothing in it but what a test is about."""
    found = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found


def looked(rows):
    """Rows of a relation test: p of the two comparisons, on all and on non-adjacent pairs."""
    p = ["p_fwer_chance", "p_fwer_chance_non_adjacent", "p_fwer", "p_fwer_non_adjacent"]
    columns = ["relation", "direction", "layer", "head", "verdict", "pairs", "effect", "effect_non_adjacent", *p]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    rest = ["control", "control_t", "detectable", "detectable_non_adjacent", "share", "effect_chance", "effect_tags", "mass"]  # fmt: skip
    table = table.assign(**dict.fromkeys(rest, 0.5))
    return made(
        RelationTestResult,
        table=table.assign(effect_low=table["effect"] - 0.1, effect_high=table["effect"] + 0.1),
    )


def test_p_of_looking_is_the_largest_that_its_rule_asks_for():
    way = "governor->dependent"
    found = evidence.looks(
        looked(
            [
                ("a", way, 0, 0, "supported", 30, 0.3, 0.2, 0.01, 0.01, 0.01, 0.04),
                ("a", way, 0, 1, "inconclusive", 30, 0.3, np.nan, 0.01, np.nan, 0.01, np.nan),
                ("a", "column", 0, 0, "supported", 30, 0.9, 0.9, 0.01, 0.01, 0.01, 0.01),
            ]
        ),
        way,
    )
    assert list(found["looks"]) == ["yes", "inconclusive"]
    np.testing.assert_array_equal(found["looks_p"], [0.04, np.nan])
    np.testing.assert_allclose(found[["looks_low", "looks_effect", "looks_high"]].iloc[0], [0.2, 0.3, 0.4])  # fmt: skip
    assert {"looks_control", "looks_detectable", "looks_share", "looks_tags"} <= set(found)


def test_looking_along_many_relations():
    """The supported one is told, or else the best; no if all that could be counted are refused."""
    there, back = "governor->dependent", "dependent->governor"
    found = evidence.looks_along(
        looked(
            [
                ("a", there, 0, 0, "inconclusive", 30, 0.9, 0.5, *[0.20] * 4),
                ("b", back, 0, 0, "supported", 30, 0.4, 0.3, 0.01, 0.01, 0.01, 0.02),
                ("a", there, 0, 1, "not supported", 30, -0.4, -0.3, *[1.0] * 4),
                ("b", back, 0, 1, "inconclusive", 0, *[np.nan] * 6),
                ("a", there, 1, 0, "not supported", 30, -0.4, -0.3, *[1.0] * 4),
                ("b", back, 1, 0, "inconclusive", 30, 0.2, -0.1, 0.1, 0.1, 0.3, 0.8),
                ("a", there, 1, 1, "inconclusive", 0, *[np.nan] * 6),
                ("b", back, 1, 1, "inconclusive", 0, *[np.nan] * 6),
            ]
        )
    )
    assert list(found["looks"]) == ["yes", "no", "inconclusive", "inconclusive"]
    assert list(found["looks_relation"])[:3] == [f"b: {back}", f"a: {there}", f"b: {back}"]
    np.testing.assert_array_equal(found["looks_effect"], [0.4, -0.4, 0.2, np.nan])
    np.testing.assert_array_equal(found["looks_p"], [0.02, 1.0, 0.8, np.nan])
    assert evidence.texts_of("looks", found) is evidence.LOOKS_ALONG


def test_degradation_over_ways_of_ablation(word_level):
    result = ablate(plant(word_level), pairs(30))
    row = evidence.matters(result).set_index(["layer", "head"]).loc[1, 2]
    own = result.table[(result.table["cut"] == "L1H2") & (result.table["metric"] == result.metrics[0])]  # fmt: skip
    intact = result.intact[result.metrics[0]].mean()
    assert len(own) == 3
    assert row["matters_effect"] == pytest.approx(own["cost"].mean() / intact)
    assert row["matters_low"] == own["share_low"].min()
    assert row["matters_high"] == own["share_high"].max()
    assert row["matters_p"] == own["p_fwer"].max() < 0.05
    assert row["matters_t"] == own["t"].min() > row["matters_control_t"] > -np.inf


def altered(result, *, cost=None, clean=None, controls=None, n=None):
    """An ablation in which one head costs, by sentence, what one says; its tables are made anew."""
    name = result.metrics[0]
    found = result.intact[name] if clean is None else clean
    costs = result.costs[name].copy()
    if cost is not None:
        costs[:, list(result.cuts).index("L0H0")] = cost
    readings = [Reading(name, lambda seen: torch.empty(0), "", flips=True)]
    variants = found - costs.reshape(-1, costs.shape[-1])
    prompts = made(Prompts, groups=np.arange(costs.shape[-1]) if n is None else np.arange(costs.shape[-1]) % n, pairs=())  # fmt: skip
    asked = made(
        Ablation, model=made(Named, name="m"), suite=made(Named, name="s"), prompts=prompts, readings=readings,
        methods=result.methods, positions="", pools=(), seed=0,
    )  # fmt: skip
    object.__setattr__(prompts, "n_split", 0)
    rebuilt = asked._result(result.cuts, [np.concatenate([found[None], variants])], controls or result.controls)  # fmt: skip
    return evidence.matters(rebuilt).set_index(["layer", "head"]).loc[0, 0]


@dataclass(frozen=True)
class Named:
    name: str


def test_one_smallest_effect_for_yes_and_no(word_level):
    """However certain, less than 5% is no yes; without an effect it is a no, simultaneously over heads, on both sides."""
    result = ablate(plant(word_level), pairs(60))
    clean = result.intact[result.metrics[0]]
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=len(clean)) * clean.mean()
    by_share = {
        0.004: ("no", "no"),  # certain and small
        0.2: ("yes", "no"),
        -0.004: ("no", "no"),
        -0.2: ("inconclusive", "yes"),  # helps: a negative head
    }
    for share, told in by_share.items():
        row = altered(result, cost=share * clean + noise)
        assert (row["matters"], row["matters_negative"]) == told, share
        assert row["matters_effect"] == pytest.approx(share, abs=0.01)
    wide = altered(result, cost=noise * 20)
    assert wide["matters"] == "inconclusive" and wide["matters_detectable"] > 0.05


def test_what_a_control_does_as_surely_is_no_yes(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.intact[result.metrics[0]]
    cost = 0.2 * clean + 0.05 * np.random.default_rng(0).normal(size=len(clean)) * clean.mean()
    assert result.controls is not None
    assert altered(result, cost=cost)["matters"] == "yes"
    t = {name: np.full_like(values, 1e4) for name, values in result.controls.t.items()}
    passes = replace(result.controls, t=t)
    assert altered(result, cost=cost, controls=passes)["matters"] == "inconclusive"
    missing = AblationControls((), 0, 1.0, (), {}, {}, why_not="its twin cannot be made")
    row = altered(result, cost=cost, controls=missing)
    assert row["matters"] == "inconclusive" and np.isnan(row["matters_control_t"])
    assert "cannot be made" in exhibits.controls(replace(result, controls=missing))


def test_too_few_to_say_anything(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.intact[result.metrics[0]]
    assert altered(result, cost=0.3 * clean, n=12)["matters"] == "yes"
    assert altered(result, cost=0.3 * clean, n=9)["matters"] == "inconclusive"
    for n_groups in (1, 4):
        row = altered(result, cost=0.0 * clean, n=n_groups)
        assert row["matters"] == "inconclusive"
    few = ablate(plant(word_level), pairs(15))
    assert few.controls is None and set(evidence.matters(few)["matters"]) == {"inconclusive"}
    (one,) = {*evidence.matters(ablate(plant(word_level), pairs(1), method=["zero"]))["matters"]}
    assert one == "inconclusive"


def test_nothing_is_lost_of_what_a_model_does_not_do(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.intact[result.metrics[0]]
    row = altered(result, cost=np.abs(clean), clean=-np.abs(clean))
    assert np.isnan(row["matters_effect"]) and row["matters"] == "inconclusive"
    unsure = np.where(
        np.arange(60) % 2, 10.0, -9.0
    )  # above zero on average, and not by its interval
    row = altered(result, cost=0.0 * clean, clean=unsure)
    assert np.isnan(row["matters_effect"]) and row["matters"] == "inconclusive"


def test_untrained_models_need_no_head(word_level):
    for seed in range(3):
        model = headwise.model.loading.random_like(plant(word_level), seed)
        told = evidence.matters(ablate(model, pairs(60, seed)))
        assert not (told["matters"] == "yes").any()


def test_sentences_with_a_word_in_common_are_alike():
    """Pairs of many groups that are decided by few words: both are clusters."""
    some = pairs(40)
    prompts = made(Prompts, groups=np.arange(40) % 20, pairs=some.pairs)
    crossed = prompts.clusters
    assert len(crossed.factors) == 2 and crossed.n == N_IDS
    nested = made(Prompts, groups=np.arange(40), pairs=some.pairs).clusters
    assert len(nested.factors) == 1 and nested.n == N_IDS
    assert deciding(some.pairs[0]) == (some.pairs[0].clean.words[1],)


def pushed(rows, total, towards, control_t=3.0):
    """Contributions of heads: effect, its standard error, the effect under uniform attention, and p of every test."""
    effect, se, uniform, p = (np.array(column) for column in zip(*rows, strict=True))
    excess = effect - uniform
    table = pd.DataFrame(
        {
            "kind": "head", "effect": effect, "se": se, "df": 30.0, "low": effect - 2 * se, "high": effect + 2 * se, "t": effect / se, "uniform": uniform,
            "excess": excess, "excess_low": excess - 2 * se, "excess_high": excess + 2 * se, "excess_se": se, "excess_t": excess / se, "bar": 3.0, "random_bar": 0.05, "p_fwer": p, "p_random_fwer": p / 2,
            "excess_p_fwer": p, "p_fwer_negative": np.where(effect < -5 * se, 0.001, 1.0), "control": 0.02, "control_t": control_t,
        }
    )  # fmt: skip
    heads = [Component("head", 0, head) for head in range(len(rows))]
    return made(
        DirectionTestResult,
        table=table.assign(name=[head.name for head in heads]),
        components=tuple(heads),
        total=total,
        between=(towards, "others"),
        control=made(Control, t=control_t, n_models=10),
        critical=3.0,
        cases=100,
        clusters=30,
    )


def test_contributions_as_shares_over_directions():
    first = [(0.4, 0.04, 0.0, 0.01), (0.02, 0.01, 0.0, 0.9), (0.8, 0.04, 0.78, 0.01), (-0.4, 0.04, 0.0, 1.0)]  # fmt: skip
    second = [(0.01, 0.01, 0.0, 0.7), (0.01, 0.005, 0.0, 0.4), (0.0, 0.01, 0.0, 0.5), (0.0, 0.005, 0.0, 0.9)]  # fmt: skip
    found = evidence.moves([pushed(first, 2.0, "a"), pushed(second, 1.0, "b")])
    # The third would be a yes, were it not for uniform attention, which gives nearly as much; the fourth goes the other way.
    assert list(found["moves"]) == ["yes", "no", "inconclusive", "inconclusive"]
    assert list(found["moves_negative"]) == ["no", "no", "no", "yes"]
    assert found["moves_towards"][0] == "a"
    np.testing.assert_allclose(found["moves_effect"][:3], [0.2, 0.01, 0.4])
    np.testing.assert_allclose(found["moves_p"][0], 0.02)  # times two directions
    beaten = evidence.moves([pushed(first, 2.0, "a", control_t=10.0)])
    assert beaten["moves"][0] == "inconclusive"  # a never-trained head has as large a t
    assert evidence.texts_of("moves", found) is evidence.MOVES


def test_no_share_of_classes_that_do_not_lie_apart():
    found = evidence.moves([pushed([(-0.4, 0.1, 0.0, 1.0)], -2.0, "a")])
    assert found["moves"][0] == "inconclusive" and np.isnan(found["moves_effect"][0])


def test_what_is_collected():
    effect, se = np.array([0.3, 0.001, 0.05, 0.3]), np.array([0.02, 0.01, 0.03, 0.02])
    table = pd.DataFrame(
        {
            "layer": 0, "head": range(4), "own": 0.5, "others": 0.2, "effect": effect, "se": se, "df": 30.0, "low": effect - 2 * se, "high": effect + 2 * se,
            "t": effect / se, "p_fwer": [0.01, 1.0, 0.2, 0.06], "control_t": 6.0, "control": 0.02,
        }
    )  # fmt: skip
    asked = {"critical": 3.0, "cases": 100, "clusters": 30}
    found = evidence.collects(made(OVAlignmentTestResult, table=table, **asked))
    assert list(found["moves"]) == ["yes", "no", "inconclusive", "inconclusive"]
    found = evidence.collects(
        made(OVAlignmentTestResult, table=table.assign(control_t=20.0), **asked)
    )
    assert found["moves"][0] == "inconclusive"
    assert evidence.texts_of("moves", found) is evidence.COLLECTS


def test_every_kind_has_its_texts():
    frame = pd.DataFrame(columns=["layer", "head"])
    for kind in evidence.KINDS:
        texts = evidence.texts_of(kind, frame)
        assert (
            texts.rule.startswith("Yes: ")
            and " No: " in texts.rule
            and "Inconclusive: " in texts.rule
        )
