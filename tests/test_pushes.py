"""Pushes sum to where words lie, a head set by hand is found alone, and nothing is found where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom
from test_ablation import load
from test_planted import D_HEAD, FILLERS, N_IDS, make, word_level

import headwise
from headwise import Direction, HeadwiseError, decompose, hooks, words
from headwise.directions import nulls, pushes
from headwise.readers.toml import parse
from headwise.suites import Link, Mark, Sentence, Suite

assert word_level  # the fixture
LABELS = {"animal": "", "unit": "", "spy": ""}
CLUES = {"animal": "a furry blue", "unit": "one gram per", "spy": "some very secret"}
NAMES = ("Anna", "Ben", "Carla", "Doris", "Emil", "Frida", "Gus", "Hilda", "Ivan")


def sentence(name, sense):
    """The clue stands at words 1 to 3, the word itself at 4."""
    plain = parse(f"{name} {CLUES[sense]} [mole|{sense}] today", LABELS, f"{sense} {name}")
    return replace(plain, links=(Link(2, 4, "clue"), Link(4, 5, "other")))


FITTED, ASKED = (
    Suite("s", "?", tuple(sentence(name, sense) for sense in LABELS for name in names), LABELS)
    for names in (NAMES[:3], NAMES[3:])
)


@pytest.fixture(scope="module")
def get(byte_level, wordpiece, minilm):
    own = {"minilm": minilm, "burrow": headwise.load("burrow", device="cpu", verify=False)}
    own |= {name: load(name, byte_level, wordpiece) for name in ("GPT2", "Llama", "Bert", "Gemma2")}
    return own.__getitem__


def asked_of(model, layer, **options):
    direction = Direction.of_classes(model, FITTED, "animal", "unit", layer=layer)
    return pushes.test_direction(model, ASKED, direction, n_shuffles=50, n_random=50, **options)


def check_sums(result):
    table = result.table.set_index("name")
    ahead, behind = (result.pushes[:, result.codes == code].mean(1) for code in (1, 0))
    np.testing.assert_allclose(table["effect"], ahead - behind)
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


@pytest.mark.parametrize(("name", "layer"), [("minilm", 6), ("minilm", 3), ("GPT2", 2), ("Llama", 2), ("Bert", 2), ("Bert", 1), ("Gemma2", 2)])  # fmt: skip
def test_pushes_sum_to_where_words_lie(name, layer, get):
    model = get(name)
    result = asked_of(model, layer)
    check_sums(result)
    assert result.n_words == (6, 6) and len(result.sources) == 4 * min(8, model.n_heads * layer)
    found = decompose(model, replace(ASKED, sentences=ASKED.sentences[:12]), layer=layer)
    error = np.abs(result.direction.push(found.parts) - result.pushes).max()
    assert error < 1e-5 * np.abs(result.pushes).max()
    lies = result.direction.push(found.total)
    assert result.total == pytest.approx(lies[:6].mean() - lies[6:].mean(), rel=1e-4)
    if name == "Llama":  # whose embeddings know no position, so that a word begins at one point
        rows = result.trajectory.set_index(["layer", "label"])["mean"]
        assert abs(rows[0, "difference"]) < 1e-6 < abs(rows[1, "difference"])
    grid, i = result.grid("effect"), layer - 1
    assert grid.shape == (layer, model.n_heads) and grid[i, 2] == result.row(f"L{i}H2")["effect"]


def test_pushes_after_the_final_norm(get):
    model, asked = get("burrow"), headwise.burrow_pairs("mole", 30)
    direction = Direction.of_unembedding(model, asked.pairs[0].right, asked.pairs[0].wrong)
    check_sums(pushes.test_direction(model, asked, direction, ("animal", "mark"), n_shuffles=50))
    metric = Direction.of_classes(model, headwise.burrow_pairs("mole", 30, 2), "animal", layer=3, inner="whitened")  # fmt: skip
    result = pushes.test_direction(model, asked, metric, n_shuffles=50)
    check_sums(result)
    assert result.between == ("animal", "others") and sum(result.n_words) == 60


SOURCES = {4: "the word itself", 1: "key words", 3: "key words", None: "no word"}


def test_where_a_push_comes_from_by_hand(get):
    """`pattern * v W_O` of every token, of heads that share keys and values, at a word of several tokens."""
    model = get("Llama")
    result = asked_of(model, 1, n_traced=4, keys=[[1, 3]] * len(ASKED))
    found = {source: np.zeros(12) for source in (*SOURCES.values(), "other words")}
    for i, alignment in enumerate(words.align(model, ASKED.sentences[:12])):
        at = [k for k, word in enumerate(alignment.words) if word == 4]
        with hooks.capture(model, ["pattern", "v"], [0]) as seen:
            model.forward(torch.tensor([alignment.tokens]))
        v = seen["v", 0][0, :, 1] @ model.attention(layer=0).W_O[2]
        of_token = (seen["pattern", 0][0, 2, at, :, None] * v).mean(0).numpy()
        for push, word in zip(of_token @ result.direction.reader, alignment.words, strict=True):
            found[SOURCES.get(word, "other words")][i] += push
    assert len(at) > 1
    rows = result.sources[result.sources["name"] == "L0H2"].set_index("source")["effect"]
    for source, values in found.items():
        assert rows[source] == pytest.approx(values[:6].mean() - values[6:].mean(), abs=1e-5)
    for keys, same in (("clue", [[2]]), ("other", [[5]]), (None, [[2, 5]])):
        by_link, by_place = (asked_of(model, 1, keys=k).sources for k in (keys, same * len(ASKED)))
        assert by_link.equals(by_place) and not by_link.equals(result.sources)


FIRST, SECOND, NOUN, WRITTEN = 50, 51, 52, 60  # numbers of the stream that no word uses


def plant(tokenizer, seed):
    """The hand-set transformer of the relation tests: its head L1H2 now says whether an adjective is of the first half.

    Nouns share their number with one adjective of each half. Other heads of the layer read and write what fillers are.
    """
    model = make(tokenizer, seed, planted=True)
    body, random = model.hf.transformer, torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for i in range(N_IDS):
            row = body.wte.weight[tokenizer.get_vocab()[f"adj{i}"]]
            row[:N_IDS] = 0
            row[i % (N_IDS // 2)] = row[FIRST if i < N_IDS // 2 else SECOND] = 1
            body.wte.weight[tokenizer.get_vocab()[f"noun{i}"], NOUN] = 1  # as long as adjectives
        read, write = body.h[1].attn.c_attn.weight, body.h[1].attn.c_proj.weight
        value, own = read[:, 8 * D_HEAD :], slice(2 * D_HEAD, 3 * D_HEAD)
        read[[FIRST, SECOND]], value[:] = 0, 0
        value[N_IDS + 2 : N_IDS + 3 + len(FILLERS)].normal_(generator=random)
        write.normal_(0, 1e-3, generator=random)
        value[:, own], write[own] = 0, 0
        value[FIRST, own.start], value[SECOND, own.start], write[own.start, WRITTEN] = 1, -1, 3
    return model


def planted_suite(seed, n=60):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        noun, half, fill = rng.integers(N_IDS // 2), number % 2, rng.choice(FILLERS, 4)
        said = (fill[0], f"adj{noun + half * N_IDS // 2}", *fill[1:], f"noun{noun}")
        marks, links = (Mark(5, ("one", "two")[half]),), (Link(1, 5, "amod"),)
        made.append(Sentence(said, (True,) * 6, f"{seed} {number}", marks, links))
    return Suite("planted", "?", tuple(made), {"one": "", "two": ""})


def test_the_planted_head_pushes_alone(word_level):
    """In every draw, and others not more often than stated."""
    others = 0
    for seed in range(20):
        model = plant(word_level, seed)
        direction = Direction.of_classes(model, planted_suite(seed), "one", "two", layer=2)
        asked = planted_suite(100 + seed)
        result = pushes.test_direction(model, asked, direction, keys="amod", n_shuffles=400)
        assert result.pushing[0] == "L1H2" and 0.99 < result.row("L1H2")["share"] < 1.01
        others += len(result.pushing) > 1
        assert result.sources.set_index(["name", "source"])["share"]["L1H2", "key words"] > 0.95
        of_head = result.words[result.words["name"] == "L1H2"]["word"]
        assert set(of_head[:9]) <= {f"adj{i}" for i in range(N_IDS)}
    assert others <= binom.ppf(0.995, 20, 0.05)


def shuffled_classes(kind, rng, n_groups=30):
    """Groups of one class, of both, or some of each; classes that mean nothing."""
    if kind == "pure":
        groups = np.repeat(np.arange(n_groups), rng.integers(1, 6, n_groups))
        return groups, rng.permutation(np.arange(n_groups) % 2)[groups]
    groups, n_pure = np.repeat(np.arange(n_groups), 2), n_groups // 2 if kind == "both" else 0
    codes = rng.permuted(np.tile([0, 1], (n_groups, 1)), axis=1)
    codes[:n_pure] = rng.permutation(np.arange(n_pure) % 2)[:, None]
    return groups, codes.ravel()


@pytest.mark.parametrize("kind", ["pure", "mixed", "both"])
def test_shuffled_labels_are_found_as_often_as_stated(kind):
    """Family-wise, over 30 parts that have much in common, within the binomial 99% interval of 5%."""
    found, rng = 0, np.random.default_rng(0)
    for seed in range(300):
        groups, codes = shuffled_classes(kind, rng)
        common = 2 * rng.standard_normal((12, 30))[:, groups] + rng.standard_normal((12, len(codes)))  # fmt: skip
        values = rng.standard_normal((30, 12)) @ common + rng.standard_normal((30, len(codes)))
        p = nulls.against_shuffled(values, codes, groups, seed=seed, n_shuffles=200)
        found += p.p_family.min() < 0.05
    low, high = binom.ppf([0.005, 0.995], 300, 0.05)
    assert low <= found <= high


def test_random_directions_are_found_as_often_as_stated(tiny_bert):
    """One part's step along a direction drawn as those that it is compared with."""
    rng = np.random.default_rng(0)
    classes = np.arange(80) % 2
    x = rng.standard_normal((80, 32)) * np.geomspace(0.1, 3, 32)
    x[classes == 1, 0] += 50  # between classes, which is in no random direction
    within = x - np.stack([x[classes == c].mean(0) for c in (0, 1)])[classes]
    counts = np.zeros(2)
    for seed in range(400):
        vector = rng.standard_normal(80) @ within
        found = Direction.of(tiny_bert, vector, positive="a", negative="b", layer=1)
        readers = nulls.random_readers(found, x, classes, 200, seed)
        assert np.abs(readers[:, 0]).max() < 0.5
        step = rng.standard_normal((1, 32))
        for i, own in enumerate((step * np.sign(found.push(step)), step)):
            counts[i] += nulls.against_random(own, found, readers).p[0] < 0.05
    # Random ones may point either way; a step that is turned ahead is as far as theirs, others are so half the time.
    for count, rate in zip(counts, (0.05, 0.025), strict=True):
        low, high = binom.ppf([0.005, 0.995], 400, rate)
        assert low <= count <= high


def test_burrows_heads_push_mole_to_the_right_sense(get):
    """On combinations of words that training never showed; what they push with they take from the words that decide."""
    fit, test = (headwise.burrow_pairs("mole", 200, seed, held_out=bool(seed)) for seed in (0, 1))
    direction = Direction.of_classes(get("burrow"), fit, "animal", "mark", layer=4)
    result = pushes.test_direction(get("burrow"), test, direction)
    check_sums(result)
    share = result.sources.set_index(["name", "source"])["share"]
    for name in ("L2H5", "L3H6", "L3H7"):
        assert name in result.pushing and result.row(name)["share"] > 0.05
        assert share[name, "key words"] > 0.9
    assert result.whole["p"] < 0.001 and result.whole["separated"] > 0.95


def test_bad_questions(get):
    model = get("Bert")
    direction = Direction.of_classes(model, FITTED, "animal", "unit", layer=2)
    at_start = replace(direction, model=get("Llama").name, layer=0)
    result = pushes.test_direction(get("Llama"), ASKED, at_start)  # where all words are the same
    assert result.pushing == [] and result.total == len(result.sources) == result.grid().size == 0

    for options, message in (
        ({"between": ("animal", "mark")}, "no label 'mark'; it has animal, spy, unit"),
        ({"suite": replace(ASKED, sentences=ASKED.sentences[5:12])}, r"'animal' of 's' has 1 example\(s\)"),
        ({"keys": "amod"}, "'amod' is no relation of the suite 's', which has: clue, other"),
        ({"keys": [[0]]}, "given for 1 sentences"),
        ({"keys": [[9]] * len(ASKED)}, "there is no word 9"),
        ({"suite": FITTED}, "was fitted on 6 of the 6 groups"),
        ({"layer": 1}, "is of layer 2, and layer 1 was asked for"),
        ({"direction": replace(direction, model="GPT2")}, "was fitted on GPT2"),
    ):  # fmt: skip
        with pytest.raises(HeadwiseError, match=message):
            pushes.test_direction(model, **{"suite": ASKED, "direction": direction} | options)
