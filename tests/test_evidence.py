"""Evidence side by side, heads that are known to matter, and sets of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_planted import D_HEAD, FILLERS, N_IDS, draw, make, word_level

import headwise
from headwise import HeadwiseError, ablate, ablate_set, cues, evidence
from headwise.directions.collecting import CollectResult
from headwise.directions.parts import Component
from headwise.directions.pushes import DirectionResult
from headwise.probing import ProbeResult
from headwise.relations import RelationResult
from headwise.suites import Link, Mark, Pair, Sentence, Suite

assert word_level  # the fixture


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
    result = ablate(model, pairs(60), how=["zero", "mean", "resample"])
    assert result.needed == ["L1H2"]
    others = result.table["cut"] != "L1H2"
    assert (result.table.loc[others, "cost"].abs() < 1e-5).all()
    heads = evidence.matters(result)
    assert evidence.where(evidence.side_by_side([heads]), matters="yes") == ["L1H2"]
    assert (heads["matters"] == "no").sum() == 7
    assert (heads.loc[heads["matters"] == "yes", "matters_effect"] > 0.05).all()


def test_it_looks_and_matters(word_level):
    model = plant(word_level)
    looked = headwise.test_relation(model, draw(0, 200), "amod", controls=0, norms=False)
    heads = evidence.side_by_side(
        [evidence.looks(looked, "governor->dependent"), evidence.matters(ablate(model, pairs(60)))]
    )
    assert evidence.where(heads, looks="yes", matters="yes") == ["L1H2"]
    assert list(heads["name"]) == [f"L{la}H{h}" for la in range(2) for h in range(4)]


def test_a_set_with_the_planted_head(word_level):
    model = plant(word_level)
    found = ablate_set(
        model, pairs(60), ["L1H2", "L0H1"], how="mean", n_random=5, unrelated=pairs(20, 5)
    )
    row = found.table.iloc[0]
    assert row["cost"] == pytest.approx(
        row["sum_of_parts"], abs=1e-4
    )  # the other head does nothing
    assert row["low"] > 0 and abs(row["random"]) < 1e-5 and row["p"] == pytest.approx(1 / 6)
    assert row["restored"] == pytest.approx(1, abs=1e-4) and abs(row["restored_random"]) < 1e-4
    assert found.unrelated is not None and "kept" not in found.unrelated.cuts
    whole = ablate(
        model,
        pairs(60),
        heads={"all": [(la, h) for la in range(2) for h in range(4)]},
        how=["mean"],
    )
    assert row["all"] == pytest.approx(whole.table["cost"].iloc[0])
    with pytest.raises(HeadwiseError, match="every head of its layers"):
        ablate_set(model, pairs(20), [(0, h) for h in range(4)])


@pytest.mark.parametrize("phenomenon", ["adjectives", "mole", "gender"])
def test_sets_that_burrow_needs(phenomenon):
    """Found on known combinations, they cost at least five times what random sets do on held-out ones."""
    model = headwise.load("burrow", device="cpu", verify=False)
    finding = headwise.burrow_pairs(phenomenon, 60, seed=1, held_out=False)
    testing = headwise.burrow_pairs(phenomenon, 60, seed=2, held_out=True)
    chosen = ablate(model, finding, how=["mean", "resample"]).needed[:4]
    assert len(chosen) >= 2
    row = ablate_set(model, testing, chosen, n_random=8).table.iloc[0]
    assert row["low"] > 0 and row["cost"] > 5 * max(row["random"], 0)
    assert row["restored"] > 0.3 > row["restored_random"]


def test_rules_of_evidence():
    frames = [
        pd.DataFrame({"layer": [0, 0], "head": [0, 1], "looks": ["yes", "no"]}),
        pd.DataFrame({"layer": [0, 0], "head": [1, 0], "matters": ["yes", "no"]}),
    ]
    heads = evidence.side_by_side(frames)
    assert evidence.where(heads, looks="yes", matters="no") == ["L0H0"]
    assert evidence.where(heads, looks="no", matters="yes") == ["L0H1"]
    assert evidence.where(heads, carries="yes") == []  # was not asked


def test_nouns_without_their_adjectives():
    def sentence(text, noun, adjectives):
        plain = Sentence.of(text)
        links = tuple(Link(a, noun, "amod") for a in adjectives)
        return Sentence(plain.words, plain.spaces, group="g", links=links)

    suite = Suite(
        "s",
        "?",
        (
            sentence("An old blue car stopped.", 3, (1, 2)),
            sentence("She saw a blue apple.", 4, (3,)),
            sentence("Blue cars stopped.", 1, (0,)),
            sentence("The car was old.", 1, (3,)),  # not before the noun
        ),
    )
    told = cues.described_or_bare(suite)
    assert [s.text for s in told.sentences] == [
        "An old blue car stopped.", "A car stopped.", "She saw a blue apple.", "She saw an apple.",
        "Blue cars stopped.", "Cars stopped.",
    ]  # fmt: skip
    assert [s.words[s.marks[0].word].lower() for s in told.sentences] == [
        "car", "car", "apple", "apple", "cars", "cars",
    ]  # fmt: skip
    assert [s.marks[0].label for s in told.sentences[:2]] == ["described", "bare"]


def test_what_decides_is_linked_to_what_needs_it():
    mole = headwise.burrow_pairs("mole", 10)
    linked = cues.cues(mole)
    assert len(linked.sentences) == 20 and linked.relations.keys() == {"cue"}
    plain = Suite(
        "s", "?", (), pairs=(Pair(Sentence.of("the red mole"), Sentence.of("the blue mole")),)
    )
    assert [s.links for s in cues.cues(plain).sentences] == [(Link(1, 2, "cue"),)] * 2


def made(kind, **values):
    """A result with nothing in it but what a test is about."""
    found = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found


def looked(rows):
    columns = ["relation", "direction", "layer", "head", "verdict", "pairs", "effect", "effect_apart", "p_family", "p_family_apart"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    return made(
        RelationResult,
        table=table.assign(effect_low=table["effect"] - 0.1, effect_high=table["effect"] + 0.1),
    )


def test_p_of_looking_is_the_larger_that_its_rule_asks_for():
    way = "governor->dependent"
    found = evidence.looks(
        looked(
            [
                ("a", way, 0, 0, "supported", 30, 0.3, 0.2, 0.01, 0.04),
                ("a", way, 0, 1, "inconclusive", 30, 0.3, np.nan, 0.01, np.nan),
                ("a", "column", 0, 0, "supported", 30, 0.9, 0.9, 0.01, 0.01),
            ]
        ),
        way,
    )
    assert list(found["looks"]) == ["yes", "unclear"]
    np.testing.assert_array_equal(found["looks_p"], [0.04, np.nan])
    np.testing.assert_allclose(found[["looks_low", "looks_effect", "looks_high"]].iloc[0], [0.2, 0.3, 0.4])  # fmt: skip


def test_looking_along_many_relations():
    """The supported one is told, or else the best; no if all that could be counted are refused."""
    there, back = "governor->dependent", "dependent->governor"
    found = evidence.looks_along(
        looked(
            [
                ("a", there, 0, 0, "inconclusive", 30, 0.9, 0.5, 0.20, 0.20),
                ("b", back, 0, 0, "supported", 30, 0.4, 0.3, 0.01, 0.02),
                ("a", there, 0, 1, "not supported", 30, -0.4, -0.3, 1.0, 1.0),
                ("b", back, 0, 1, "inconclusive", 0, np.nan, np.nan, np.nan, np.nan),
                ("a", there, 1, 0, "not supported", 30, -0.4, -0.3, 1.0, 1.0),
                ("b", back, 1, 0, "inconclusive", 30, 0.2, -0.1, 0.3, 0.8),
                ("a", there, 1, 1, "inconclusive", 0, np.nan, np.nan, np.nan, np.nan),
                ("b", back, 1, 1, "inconclusive", 0, np.nan, np.nan, np.nan, np.nan),
            ]
        )
    )
    assert list(found["looks"]) == ["yes", "no", "unclear", "unclear"]
    assert list(found["looks_relation"])[:3] == [f"b: {back}", f"a: {there}", f"b: {back}"]
    np.testing.assert_array_equal(found["looks_effect"], [0.4, -0.4, 0.2, np.nan])
    np.testing.assert_array_equal(found["looks_p"], [0.02, 1.0, 0.8, np.nan])
    assert evidence.texts_of("looks", found) is evidence.LOOKS_ALONG


def test_cost_over_ways_of_cutting(word_level):
    result = ablate(plant(word_level), pairs(30))
    row = evidence.matters(result).set_index(["layer", "head"]).loc[1, 2]
    own = result.table[(result.table["cut"] == "L1H2") & (result.table["metric"] == result.metrics[0])]  # fmt: skip
    intact = result.intact[result.metrics[0]].mean()
    assert len(own) == 3
    assert row["matters_effect"] == pytest.approx(own["cost"].mean() / intact)
    assert row["matters_low"] == pytest.approx(own["low"].min() / intact)
    assert row["matters_high"] == pytest.approx(own["high"].max() / intact)
    assert row["matters_p"] == own["p_family"].max() < 0.05


def test_nothing_is_lost_of_what_a_model_does_not_do(word_level):
    result = ablate(plant(word_level), pairs(30))
    name = result.metrics[0]
    object.__setattr__(result, "intact", {name: -np.abs(result.intact[name])})
    found = evidence.matters(result)
    assert found["matters_effect"].isna().all() and not (found["matters"] == "no").any()


def pushed(rows, total, towards):
    names = ["low", "effect", "high", "p_family", "p_random"]
    table = pd.DataFrame(rows, columns=names)
    table["share"] = table["effect"] / total
    heads = [Component("head", 0, head) for head in range(len(rows))]
    return made(
        DirectionResult,
        table=table.assign(name=[head.name for head in heads]),
        components=tuple(heads),
        total=total,
        between=(towards, "others"),
    )


def test_pushes_as_shares_and_p_over_directions():
    first = [(0.2, 0.4, 0.6, 0.01, 0.002), (-0.1, 0.01, 0.03, 0.9, 0.9), (0.5, 0.8, 0.9, 0.01, 0.04)]  # fmt: skip
    second = [(0.1, 0.2, 0.6, 0.7, 0.002), (-0.01, 0.02, 0.03, 0.4, 0.6), (0.1, 0.3, 0.9, 0.5, 0.5)]
    found = evidence.moves([pushed(first, 2.0, "a"), pushed(second, 1.0, "b")])
    assert list(found["moves"]) == ["yes", "no", "unclear"]
    assert list(found["moves_towards"]) == ["a", "b", "a"]
    np.testing.assert_allclose(found["moves_effect"], [0.2, 0.02, 0.4])
    np.testing.assert_allclose(found["moves_low"], [0.1, -0.01, 0.25])
    np.testing.assert_allclose(found["moves_high"], [0.3, 0.03, 0.45])
    np.testing.assert_allclose(found["moves_p"], [0.02, 1.0, 0.08])
    assert evidence.texts_of("moves", found) is evidence.MOVES


def test_an_interval_of_shares_of_a_negative_distance():
    (row,) = evidence.moves([pushed([(-0.6, -0.4, -0.2, 1.0, 1.0)], -2.0, "a")]).itertuples()
    assert (row.moves_low, row.moves_effect, row.moves_high) == (0.1, 0.2, 0.3)
    assert np.isnan(evidence.pushing_p(np.nan, 0.1, 2))


def test_what_is_collected():
    table = pd.DataFrame(
        {
            "layer": [0, 0, 0], "head": [0, 1, 2], "own": 0.5, "others": [0.2, 0.6, 0.45], "effect": [0.3, -0.1, 0.05],
            "low": [0.2, -0.2, -0.1], "high": [0.4, 0.0, 0.2], "p_family": [0.01, 1.0, 0.2],
        }
    )  # fmt: skip
    found = evidence.collects(made(CollectResult, table=table))
    assert list(found["moves"]) == ["yes", "no", "unclear"]
    np.testing.assert_array_equal(found["moves_p"], table["p_family"])
    assert evidence.texts_of("moves", found) is evidence.COLLECTS


def test_what_is_carried_has_the_interval_of_its_gain():
    truth = np.tile([0, 1], 20)
    half = np.where(np.arange(40) < 20, truth, 0)
    key, bag = ("z", 0, 1), (("bag of words", 0, None), "logistic")
    result = made(
        ProbeResult,
        truth=truth,
        predictions={(key, "logistic"): truth, bag: half},
        groups=np.arange(40) // 2,
        seed=0,
        table=pd.DataFrame(
            {"site": ["z"], "layer": [0], "head": [1], "classifier": ["logistic"], "balanced_accuracy": [1.0], "p_family": [0.01]}
        ),
    )  # fmt: skip
    (row,) = evidence.carries(result, "logistic", bag).to_dict(orient="records")
    gain = result.gain(key, "logistic", bag, truth >= 0)
    assert row["carries"] == "yes" and row["carries_p"] == 0.01
    assert row["carries_effect"] == gain.value == pytest.approx(0.25)
    assert (row["carries_low"], row["carries_high"]) == (gain.low, gain.high)


def test_every_kind_has_its_texts():
    frame = pd.DataFrame(columns=["layer", "head"])
    for kind in evidence.KINDS:
        texts = evidence.texts_of(kind, frame)
        assert (
            texts.rule.startswith("Yes: ") and " No: " in texts.rule and "Unclear: " in texts.rule
        )
