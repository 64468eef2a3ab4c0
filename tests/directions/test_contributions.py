"""Pushes sum to where words lie, a head set by hand is found alone, and nothing is found where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

import headwise
from headwise import HeadwiseError, decompose, evidence
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data import unseen_words
from headwise.data.suite import Link, Suite
from headwise.data.toml import parse
from headwise.directions import contributions
from headwise.directions.constructors import from_classes, from_unembedding
from headwise.interventions.steering import one_vs_rest
from headwise.stats import Clusters, difference_of
from helpers.architectures import load
from helpers.planted_push import plant, planted_suite

LABELS = {"animal": "", "unit": "", "spy": ""}
CLUES = {"animal": "a furry blue", "unit": "one gram per", "spy": "some very secret"}
OTHERS = {"animal": "a sleek blue", "unit": "one drop per", "spy": "some truly secret"}
NAMES = ("Anna", "Ben", "Carla", "Doris", "Emil", "Frida", "Gus", "Hilda", "Ivan")


def sentence(name, sense, clues):
    """The clue stands at words 1 to 3, the word itself at 4."""
    plain = parse(f"{name} {clues[sense]} [mole|{sense}] today", LABELS, f"{sense} {name}")
    return replace(plain, links=(Link(2, 4, "clue"), Link(4, 5, "other")))


FITTED, ASKED = (
    Suite(
        "s", "?", tuple(sentence(name, sense, clues) for sense in LABELS for name in names), LABELS
    )
    for names, clues in ((NAMES[:3], CLUES), (NAMES[3:], OTHERS))
)


@pytest.fixture(scope="module")
def get(byte_level, wordpiece, minilm):
    own = {"minilm": minilm, "burrow": headwise.load("burrow", device="cpu", verify=False)}
    own |= {name: load(name, byte_level, wordpiece) for name in ("GPT2", "Llama", "Bert", "Gemma2")}
    return own.__getitem__


def asked_of(model, layer, **options):
    direction = from_classes(model, FITTED, ("animal", "unit"), layer=layer)
    return contributions.direction_test(
        model, ASKED, direction, n_permutations=50, n_null_directions=50, **options
    )


def check_sums(result, control=False):
    table = result.table.set_index("name")
    ahead, behind = (result.contributions[:, result.codes == code].mean(1) for code in (1, 0))
    np.testing.assert_allclose(table["effect"], ahead - behind, atol=1e-9)
    assert result.error < 1e-5 and table["share"].sum() == pytest.approx(1)
    rows = result.trajectory.set_index(["layer", "label"])["mean"][result.direction.layer]
    assert rows["difference"] == pytest.approx(result.total, rel=1e-5, abs=1e-6)
    assert rows["difference"] == pytest.approx(rows[result.between[0]] - rows[result.between[1]])
    assert result.whole["effect"] == pytest.approx(result.total, rel=1e-5)
    of_head = result.sources.groupby("name")[["effect", "share"]].sum()
    error = np.abs(of_head["effect"] - table["effect"][of_head.index]).max()
    assert error < 1e-5 * table["effect"].abs().max()
    np.testing.assert_allclose(of_head["share"], 1)
    tested = table["kind"].isin(["head", "mlp"])
    assert (table["p"].notna() == tested).all() and (table["p_random"].notna() == tested).all()
    assert (table["excess_p_fwer"].notna() == (table["kind"] == "head")).all()
    assert (result.control.n_models > 0) == control and (table["control_t"].isna() | tested).all()


@pytest.mark.parametrize(("name", "layer"), [("minilm", 6), ("minilm", 3), ("GPT2", 2), ("Llama", 2), ("Bert", 2), ("Bert", 1), ("Gemma2", 2)])  # fmt: skip
def test_pushes_sum_to_where_words_lie(name, layer, get):
    model = get(name)
    result = asked_of(model, layer)
    check_sums(result)
    assert result.n_words == (6, 6) and len(result.sources) == 4 * min(8, model.n_heads * layer)
    found = decompose(model, replace(ASKED, sentences=ASKED.sentences[:12]), layer=layer)
    error = np.abs(result.direction.project(found.parts) - result.contributions).max()
    assert error < 1e-5 * np.abs(result.contributions).max()
    lies = result.direction.project(found.total)
    assert result.total == pytest.approx(lies[:6].mean() - lies[6:].mean(), rel=1e-4)
    if name == "Llama":  # whose embeddings know no position, so that a word begins at one point
        rows = result.trajectory.set_index(["layer", "label"])["mean"]
        assert abs(rows[0, "difference"]) < 1e-6 < abs(rows[1, "difference"])
    grid, i = result.grid("effect"), layer - 1
    assert (
        grid.shape == (layer, model.n_heads) and grid[i, 2] == result.row(name=f"L{i}H2")["effect"]
    )


def test_pushes_after_the_final_norm(get):
    model, asked = get("burrow"), headwise.burrow_pairs("mole", 30, held_out=True)
    direction = from_unembedding(model, asked.pairs[0].right, asked.pairs[0].wrong)
    check_sums(
        contributions.direction_test(
            model, asked, direction, between=("animal", "mark"), n_permutations=50
        )
    )
    fitted, _ = unseen_words.without_shared_words(headwise.burrow_sentences("mole", 200), asked)
    metric = from_classes(model, fitted, "animal", layer=3, inner="whitened")
    result = contributions.direction_test(model, asked, metric, n_permutations=50)
    check_sums(result)
    assert result.between == ("animal", "others") and sum(result.n_words) == 60


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_uniform_attention_by_hand(name, get):
    """What each head of the first block adds when all of it attends alike; nothing else is before it."""
    model = get(name)
    result = asked_of(model, 1)
    with hooks.edit(model, "pattern", contributions.alike, layers=[0]):
        found = decompose(model, replace(ASKED, sentences=ASKED.sentences[:12]), layer=1)
    even = result.direction.project(found.parts)
    heads = result.table["kind"] == "head"
    expected = even[:, :6].mean(1) - even[:, 6:].mean(1)
    np.testing.assert_allclose(result.table["uniform"][heads], expected[heads], atol=1e-5)
    own = result.table[heads]
    np.testing.assert_allclose(own["excess"], own["effect"] - own["uniform"], atol=1e-9)


@pytest.mark.parametrize("name", ["Llama", "Bert", "Gemma2"])
def test_uniform_heads_have_no_excess(name, get):
    """Whatever they contribution, they do no more than uniform attention, so they are never said to move anything."""
    model = get(name)
    with hooks.edit(model, "pattern", contributions.alike):
        result = asked_of(model, 2)
    own = result.table[result.table["kind"] == "head"]
    assert own["excess"].abs().max() < 1e-5 * np.abs(result.contributions).max()
    assert (own["excess_t"].fillna(0) == 0).all() and (own["excess_p_fwer"] == 1).all()
    assert result.significant().empty and "yes" not in set(evidence.moves([result])["moves"])
    assert abs(result.whole["excess"]) < 1e-5 * np.abs(result.contributions).max()


SOURCES = {4: "the word itself", 1: "key words", 3: "key words", None: "no word"}


def test_where_a_push_comes_from_by_hand(get):
    """`pattern * v W_O` of every token, of heads that share keys and values, at a word of several tokens."""
    model = get("Llama")
    result = asked_of(model, 1, n_traced=4, keys=[[1, 3]] * len(ASKED))
    found = {source: np.zeros(12) for source in (*SOURCES.values(), "other words")}
    for i, alignment in enumerate(words.align(model, ASKED.sentences[:12])):
        at = [k for k, word in enumerate(alignment.words) if word == 4]
        with hooks.capture(model, ["pattern", "v"], layers=[0]) as seen:
            model.forward(torch.tensor([alignment.tokens]))
        v = seen["v", 0][0, :, 1] @ model.attention(layer=0).W_O[2]
        of_token = (seen["pattern", 0][0, 2, at, :, None] * v).mean(0).numpy()
        for contribution, word in zip(
            of_token @ result.direction.reader, alignment.words, strict=True
        ):
            found[SOURCES.get(word, "other words")][i] += contribution
    assert len(at) > 1
    rows = result.sources[result.sources["name"] == "L0H2"].set_index("source")["effect"]
    for source, values in found.items():
        assert rows[source] == pytest.approx(values[:6].mean() - values[6:].mean(), abs=1e-5)
    for keys, same in (("clue", [[2]]), ("other", [[5]]), (None, [[2, 5]])):
        by_link, by_place = (asked_of(model, 1, keys=k).sources for k in (keys, same * len(ASKED)))
        assert by_link.equals(by_place) and not by_link.equals(result.sources)


def test_the_planted_head_pushes_alone(word_level):
    """In every draw, beyond every control, and others not more often than stated."""
    others = 0
    for seed in range(8):
        model = plant(word_level, seed)
        fitted, asked = planted_suite(seed, 0), planted_suite(100 + seed, 1)

        def fit(of, suite=fitted):
            return [from_classes(of, suite, ("one", "two"), layer=2)]

        options = {"keys": "clue", "n_permutations": 400, "refit": fit, "n_null": 2}
        result = contributions.direction_test(model, asked, *fit(model), **options)
        # Words that were not fitted get a few percent, either way, from the random weights around the planted head.
        assert (
            result.significant()["name"].iloc[0] == "L1H2"
            and 0.9 < result.row(name="L1H2")["share"] < 1.1
        )
        said = evidence.moves([result]).set_index(["layer", "head"])["moves"]
        assert said[1, 2] == "yes" and list(said).count("yes") == 1
        others += len(result.significant()) > 1
        assert result.sources.set_index(["name", "source"])["share"]["L1H2", "key words"] > 0.95
        of_head = result.words[result.words["name"] == "L1H2"]["word"]
        told = {
            w for s in asked.sentences for w in s.words if w.startswith("adj")
        }  # half of all: others are fitted on
        assert set(of_head[: len(told) // 2]) <= told
    assert others <= binom.ppf(0.995, 8, 0.05)


def test_cross_fitted_directions_are_one_question(get):
    """Every word along a direction that was fitted without its words; with the midpoint of its part taken away, parts agree."""
    model = get("Bert")
    both = replace(ASKED, sentences=(*FITTED.sentences, *ASKED.sentences))
    ways = [from_classes(model, suite, ("animal", "unit"), layer=2) for suite in (FITTED, ASKED)]  # fmt: skip
    ways = [replace(way, suite="other") for way in ways]  # what counts is their words
    result = contributions.direction_test(model, both, ways, n_permutations=50)
    assert result.n_folds == 2 and result.error < 1e-5
    assert result.table["share"].sum() == pytest.approx(1)
    with pytest.raises(HeadwiseError, match="a deciding word is one that"):
        contributions.direction_test(model, both, ways[:1], n_permutations=50)


def test_a_constant_changes_nothing(get):
    """What a component adds to every word is no effect: intervals, t and p are of differences alone."""
    groups = np.r_[np.repeat(np.arange(5), 2), np.repeat(np.arange(5, 25), 2)]
    codes = (groups < 5).astype(int)
    values = np.where(codes, 101.0, 100.0) + np.random.default_rng(0).normal(0, 0.01, len(codes))
    clusters = Clusters.of(groups)
    one, other = (difference_of(values[None] + c, codes, clusters) for c in (0.0, -200.0))
    np.testing.assert_allclose([one.low, one.high], [other.low, other.high], atol=1e-9)
    assert 0.9 < one.low[0] < one.high[0] < 1.1
    few = difference_of(values[None], (groups < 3).astype(int), clusters)
    assert np.isnan(few.low).all()


def test_burrows_heads_push_mole_to_the_right_sense(get):
    """On words that were not fitted; what they push with they take from the words that decide."""
    found = one_vs_rest.towards_each(
        get("burrow"), headwise.burrow_sentences("mole", 200), headwise.burrow_pairs("mole", 60, held_out=True), n_null=2
    )  # fmt: skip
    said = evidence.moves(found).set_index(["layer", "head"])
    yes = set(said.index[said["moves"] == "yes"])
    assert yes and yes <= {(2, 1), (2, 5), (3, 6), (3, 7)} and said.loc[(1, 0), "moves"] == "no"
    for result in found:
        check_sums(result, control=True)
        share = result.sources.set_index(["name", "source"])["share"]
        assert share["L3H7", "key words"] > 0.9
        assert result.whole["p"] < 0.01 and result.whole["separated"] > 0.95


def test_bad_questions(get):
    model = get("Bert")
    direction = from_classes(model, FITTED, ("animal", "unit"), layer=2)
    at_start = replace(direction, model=get("Llama").name, layer=0)
    result = contributions.direction_test(
        get("Llama"), ASKED, at_start
    )  # where all words are the same
    assert (
        result.significant().empty
        and result.total == len(result.sources) == result.grid("share").size == 0
    )

    for options, message in (
        ({"between": ("animal", "mark")}, "no label 'mark'; it has animal, spy, unit"),
        ({"suite": replace(ASKED, sentences=ASKED.sentences[5:12])}, r"'animal' of 's' has 1 example\(s\)"),
        ({"keys": "amod"}, "'amod' is no relation of the suite 's', which has: clue, other"),
        ({"keys": [[0]]}, "given for 1 sentences"),
        ({"keys": [[9]] * len(ASKED)}, "there is no word 9"),
        ({"suite": FITTED}, "was fitted on 6 of the 6 groups"),
        ({"layer": 1}, "is of layer 2, and layer 1 was requested"),
        ({"direction": replace(direction, model="GPT2")}, "was fitted on GPT2"),
    ):  # fmt: skip
        with pytest.raises(HeadwiseError, match=message):
            contributions.direction_test(
                model, **{"suite": ASKED, "direction": direction} | options
            )
