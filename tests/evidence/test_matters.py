"""Matters: a head that is needed is found, and yes and no have one smallest effect."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import ablate, evidence
from headwise.interventions.ablation import Ablation
from headwise.interventions.controls import AblationControls
from headwise.interventions.metrics import Reading
from headwise.interventions.prompts import Prompts
from helpers.bare import Named, made
from helpers.planted_head import pairs, plant


def test_only_the_planted_head_matters(word_level):
    model = plant(word_level)
    result = ablate(model, pairs(60), method=["zero", "mean", "resample"])
    assert list(result.significant()["name"].unique()) == ["L1H2"]
    others = result.table["name"] != "L1H2"
    assert (result.table.loc[others, "degradation"].abs() < 1e-5).all()
    heads = evidence.matters(result)
    assert evidence.where(evidence.side_by_side([heads]), matters="yes") == ["L1H2"]
    assert (heads["matters"] == "no").sum() == 7
    assert (heads.loc[heads["matters"] == "yes", "matters_effect"] > 0.05).all()


def test_degradation_over_ways_of_ablation(word_level):
    result = ablate(plant(word_level), pairs(30))
    row = evidence.matters(result).set_index(["layer", "head"]).loc[1, 2]
    own = result.table[(result.table["name"] == "L1H2") & (result.table["metric"] == result.metrics[0])]  # fmt: skip
    clean_values = result.clean_values[result.metrics[0]].mean()
    assert len(own) == 3
    assert row["matters_effect"] == pytest.approx(own["degradation"].mean() / clean_values)
    assert row["matters_low"] == own["share_low"].min()
    assert row["matters_high"] == own["share_high"].max()
    assert row["matters_p"] == own["p_fwer"].max() < 0.05
    assert row["matters_t"] == own["t"].min() > row["matters_control_t"] > -np.inf


def altered(result, *, degradation=None, clean=None, controls=None, n=None):
    """An ablation in which one head degradations, by sentence, what one says; its tables are made anew."""
    name = result.metrics[0]
    found = result.clean_values[name] if clean is None else clean
    degradations = result.degradations[name].copy()
    if degradation is not None:
        degradations[:, list(result.head_sets).index("L0H0")] = degradation
    readings = [Reading(name, lambda seen: torch.empty(0), "", flips=True)]
    variants = found - degradations.reshape(-1, degradations.shape[-1])
    prompts = made(Prompts, groups=np.arange(degradations.shape[-1]) if n is None else np.arange(degradations.shape[-1]) % n, pairs=())  # fmt: skip
    asked = made(
        Ablation, model=made(Named, name="m"), suite=made(Named, name="s"), prompts=prompts, readings=readings,
        methods=result.methods, positions="", pools=(), seed=0,
    )  # fmt: skip
    object.__setattr__(prompts, "n_split", 0)
    rebuilt = asked._result(result.head_sets, [np.concatenate([found[None], variants])], controls or result.controls)  # fmt: skip
    return evidence.matters(rebuilt).set_index(["layer", "head"]).loc[0, 0]


def test_one_smallest_effect_for_yes_and_no(word_level):
    """However certain, less than 5% is no yes; without an effect it is a no, simultaneously over heads, on both sides."""
    result = ablate(plant(word_level), pairs(60))
    clean = result.clean_values[result.metrics[0]]
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=len(clean)) * clean.mean()
    by_share = {
        0.004: ("no", "no"),  # certain and small
        0.2: ("yes", "no"),
        -0.004: ("no", "no"),
        -0.2: ("inconclusive", "yes"),  # helps: a negative head
    }
    for share, told in by_share.items():
        row = altered(result, degradation=share * clean + noise)
        assert (row["matters"], row["matters_negative"]) == told, share
        assert row["matters_effect"] == pytest.approx(share, abs=0.01)
    wide = altered(result, degradation=noise * 20)
    assert wide["matters"] == "inconclusive" and wide["matters_detectable"] > 0.05


def test_what_a_control_does_as_surely_is_no_yes(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.clean_values[result.metrics[0]]
    degradation = (
        0.2 * clean + 0.05 * np.random.default_rng(0).normal(size=len(clean)) * clean.mean()
    )
    assert result.controls is not None
    assert altered(result, degradation=degradation)["matters"] == "yes"
    t = {name: np.full_like(values, 1e4) for name, values in result.controls.t.items()}
    passes = replace(result.controls, t=t)
    assert altered(result, degradation=degradation, controls=passes)["matters"] == "inconclusive"
    missing = AblationControls((), 0, 1.0, (), {}, {}, why_not="its twin cannot be made")
    row = altered(result, degradation=degradation, controls=missing)
    assert row["matters"] == "inconclusive" and np.isnan(row["matters_control_t"])


def test_too_few_to_say_anything(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.clean_values[result.metrics[0]]
    assert altered(result, degradation=0.3 * clean, n=12)["matters"] == "yes"
    assert altered(result, degradation=0.3 * clean, n=9)["matters"] == "inconclusive"
    for n_groups in (1, 4):
        row = altered(result, degradation=0.0 * clean, n=n_groups)
        assert row["matters"] == "inconclusive"
    few = ablate(plant(word_level), pairs(15))
    assert few.controls is None and set(evidence.matters(few)["matters"]) == {"inconclusive"}
    (one,) = {*evidence.matters(ablate(plant(word_level), pairs(1), method=["zero"]))["matters"]}
    assert one == "inconclusive"


def test_nothing_is_lost_of_what_a_model_does_not_do(word_level):
    result = ablate(plant(word_level), pairs(60))
    clean = result.clean_values[result.metrics[0]]
    row = altered(result, degradation=np.abs(clean), clean=-np.abs(clean))
    assert np.isnan(row["matters_effect"]) and row["matters"] == "inconclusive"
    unsure = np.where(
        np.arange(60) % 2, 10.0, -9.0
    )  # above zero on average, and not by its interval
    row = altered(result, degradation=0.0 * clean, clean=unsure)
    assert np.isnan(row["matters_effect"]) and row["matters"] == "inconclusive"


def test_untrained_models_need_no_head(word_level):
    for seed in range(3):
        model = headwise.model.loading.random_like(plant(word_level), seed)
        told = evidence.matters(ablate(model, pairs(60, seed)))
        assert not (told["matters"] == "yes").any()


def test_a_set_is_needed_by_every_method_or_not(word_level):
    """Found where its head is needed, a no where it is not, and inconclusive where sentences are too few or random sets do as much."""
    model, suite = plant(word_level), pairs(60)
    found = headwise.ablate_set(model, suite, ["L1H2"], n_null=30)
    assert (
        evidence.set_verdict(found) == "inconclusive"
    )  # of eight heads one by lot is as good too often
    rare = replace(found, table=found.table.assign(p_random=0.01))
    assert evidence.set_verdict(rare) == "supported"
    one_way = rare.table["p_random"].where(rare.table["method"] != "zero", 0.2)
    assert evidence.set_verdict(replace(rare, table=rare.table.assign(p_random=one_way))) == "inconclusive"  # fmt: skip
    idle = headwise.ablate_set(model, suite, ["L0H0"], n_null=5)
    assert evidence.set_verdict(idle) == "not supported"
    few = headwise.ablate_set(model, pairs(15), ["L1H2"], n_null=5)
    few = replace(few, table=few.table.assign(p_random=0.01))
    assert evidence.set_verdict(few) == "inconclusive"
