import json

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.baselines import MAX_OFFSET, is_right, offset_name, rules
from headwise.corpus import Corpus
from headwise.hits import Case, Count, Counter, value_norms
from headwise.notation import Relation
from headwise.questions import DIRECTIONS, Questions, ask
from headwise.readers.toml import parse
from headwise.suites import Link, Sentence, Suite

LABELS = {"noun": "", "amod": ""}


def suite(*lines):
    sentences = tuple(parse(line, LABELS, f"g{i}") for i, line in enumerate(lines))
    return Suite("s", "?", sentences)


BLUE = "The [blue|amod>1] creature [roamed|noun#1] a [verdant|amod>2] [forest|noun#2]"


NAMES = ["amod", "det", "obj", "case", "advmod", "compound"]


@pytest.fixture(scope="module")
def on_treebank(minilm, shared):
    treebank = headwise.read(shared / "data/en_ewt-ud-dev.conllu")
    return headwise.test_relation(minilm, treebank, NAMES, select=0, controls=0, n_flips=200)


@pytest.mark.parametrize("relation", NAMES)
def test_reference_hit_rates(on_treebank, shared, relation):
    """Per head and direction, to four decimals, the independently computed reference."""
    reference = json.loads((shared / "reference/minilm-ewt-dev.json").read_text())
    expected = reference["relations"][relation]
    for direction, rates in expected["hit_rate"].items():
        found = on_treebank.hit_rates(direction, relation)
        assert np.abs(found - np.array(rates)).max() < 5e-5
    column = on_treebank.case("column", relation)
    assert len(column.case.questions) == expected["pairs"]
    by_offset = {
        name: is_right(column.case.questions, places).mean()
        for name, places in rules(column.case.questions, Corpus.of([]), [])
    }
    best = max(by_offset, key=by_offset.get)
    assert best == offset_name(expected["best_offset"])
    assert by_offset[best] == pytest.approx(expected["best_offset_rate"], abs=5e-5)


def counted(model, pattern, pairs, *, starts=(0,), pieces=None):
    """What is counted on one sentence whose attention between its words is given by hand."""
    pattern = torch.tensor(pattern, dtype=torch.float32)
    n = pattern.shape[-1]
    pieces = torch.eye(n) if pieces is None else torch.tensor(pieces, dtype=torch.float32)
    tokens = torch.zeros(1, n, dtype=torch.long)
    batch = headwise.words.Batch((0,), tokens, torch.ones_like(tokens), pieces[None])
    lengths = np.array([len(pieces)])
    pairs = np.array([(0, *pair) for pair in sorted(pairs)])
    cases = [
        Case(Relation("r", ("r",)), direction, *ask(direction, pairs, lengths, model.is_causal))
        for direction in DIRECTIONS
    ]
    parts = [np.ones(len(case.questions), dtype=bool) for case in cases]
    counter = Counter(model, cases, parts, parts)
    counter.begin(batch)
    generator = torch.Generator().manual_seed(0)
    values = []
    for layer in range(model.n_layers):
        values.append(torch.randn(1, n, model.n_key_value_heads, model.d_head, generator=generator))
        counter.values(layer, values[-1])
        for start, stop in zip(starts, (*starts[1:], n), strict=True):
            rows = pattern[start:stop].expand(1, model.n_heads, stop - start, n)
            counter.rows(layer, rows, start)
    counter.end()
    return dict(zip(DIRECTIONS, counter.counts(), strict=True)), cases, values


def hits(found):
    return {direction: count.hits[0, 0].tolist() for direction, count in found.items()}


def test_directions_by_hand(tiny_bert):
    """Words 0 and 1 depend on word 2; diagonals must not count."""
    pattern = [
        [0.9, 0.04, 0.06],  # looks at itself, then at its governor
        [0.1, 0.7, 0.2],  # looks at itself, then at its governor
        [0.2, 0.1, 0.7],  # looks at itself, then at dependent 0
    ]
    found, cases, _ = counted(tiny_bert, pattern, [(0, 2), (1, 2)])
    assert hits(found) == {
        "dependent->governor": [True, True],
        "governor->dependent": [True],  # once per governor
        "column": [True, True],  # 0 gets 0.1 and 0.2; 1 gets 0.04 and 0.1
    }
    assert [case.impossible for case in cases] == [0, 0, 0]
    assert found["dependent->governor"].mass[0, 0] == pytest.approx((0.06 + 0.2) / 2)
    assert found["governor->dependent"].mass[0, 0] == pytest.approx(0.3)
    assert found["column"].mass[0, 0] == pytest.approx((0.2 + 0.1) / 2)
    assert found["dependent->governor"].sink[0, 0] == pytest.approx((0.9 + 0.1) / 2)
    assert found["column"].sink[0, 0] == pytest.approx(0.2)


def test_profiles_by_hand(tiny_bert):
    """The mean attention at each distance, over those that have a word there."""
    pattern = [[0.5, 0.3, 0.2], [0.6, 0.0, 0.4], [0.1, 0.8, 0.1]]
    found, _, _ = counted(tiny_bert, pattern, [(0, 2), (1, 2)])
    profile = found["dependent->governor"].profile[1, 2]
    assert profile[MAX_OFFSET + 1] == pytest.approx((0.3 + 0.4) / 2)
    assert profile[MAX_OFFSET + 2] == pytest.approx(0.2)
    assert profile[MAX_OFFSET - 1] == pytest.approx(0.6)
    assert profile[MAX_OFFSET] == 0  # itself does not count


def test_a_decoder_is_only_asked_what_it_can_see(tiny_gpt2):
    pattern = [[1.0, 0, 0], [0.6, 0.4, 0], [0.1, 0.7, 0.2]]
    found, cases, _ = counted(tiny_gpt2, pattern, [(1, 2), (0, 2)])
    assert hits(found) == {
        "dependent->governor": [],
        "governor->dependent": [True],
        "column": [False, True],  # 0 is looked at hardest by word 1
    }
    assert [case.impossible for case in cases] == [2, 0, 0]


def test_no_attention_is_no_hit(tiny_bert):
    found, _, _ = counted(tiny_bert, [[1.0, 0.0], [0.0, 1.0]], [(1, 0)])
    assert not any(any(answers) for answers in hits(found).values())


def test_attention_by_what_it_moves(tiny_bert):
    """`||pattern * v W_O||` in float64, head by head."""
    pattern = [[0.5, 0.3, 0.2], [0.2, 0.4, 0.4], [0.35, 0.25, 0.4]]
    found, _, values = counted(tiny_bert, pattern, [(0, 2), (1, 2)])
    for layer in range(tiny_bert.n_layers):
        W_O = tiny_bert.attention(layer=layer).W_O.double()
        v = values[layer].double()[0]
        norms = value_norms(values[layer], W_O.float())[0]
        for head in range(tiny_bert.n_heads):
            written = torch.stack([v[p, head] @ W_O[head] for p in range(3)]).norm(dim=-1)
            torch.testing.assert_close(norms[:, head].double(), written, rtol=1e-5, atol=1e-6)
            weighted = torch.tensor(pattern).double() * written
            weighted.fill_diagonal_(0)
            expected = [bool(weighted[row].argmax() == 2) for row in (0, 1)]
            assert found["dependent->governor"].norm_hits[layer, head].tolist() == expected


def test_rows_may_come_a_few_at_a_time(tiny_bert):
    """Six tokens: a special one, then four words, the second of two pieces; five pairs."""
    generator = torch.Generator().manual_seed(1)
    pattern = torch.rand(6, 6, generator=generator).softmax(-1).tolist()
    pieces = np.zeros((4, 6))
    pieces[[0, 1, 1, 2, 3], [1, 2, 3, 4, 5]] = 1
    pairs = [(0, 1), (2, 1), (3, 2), (1, 3), (3, 0)]
    whole, _, _ = counted(tiny_bert, pattern, pairs, pieces=pieces)
    for starts in ((0, 1, 2, 4, 5), (0, 2), (0, 4)):
        parts, _, _ = counted(tiny_bert, pattern, pairs, pieces=pieces, starts=starts)
        for direction in DIRECTIONS:
            for name in ("hits", "norm_hits"):
                expected, found = (getattr(x[direction], name) for x in (whole, parts))
                assert np.array_equal(found, expected), (direction, name, starts)
            for name in ("profile", "mass", "sink"):
                expected, found = (getattr(x[direction], name) for x in (whole, parts))
                np.testing.assert_allclose(found, expected, atol=1e-6)


def test_grouped_values_are_shared():
    v, W_O = torch.randn(2, 5, 2, 3), torch.randn(4, 3, 7)
    norms = value_norms(v, W_O)
    for head in range(4):
        torch.testing.assert_close(norms[..., head], (v[:, :, head // 2] @ W_O[head]).norm(dim=-1))


def test_rules_and_scopes(tiny_bert):
    result = headwise.test_relation(
        tiny_bert, suite(BLUE, BLUE.replace("The", "A")), "amod", select=0, controls=1
    )
    evidence = result.case("dependent->governor")
    assert sorted(evidence.case.questions.nearest) == [1, 1, 2, 2]
    assert evidence.within("apart", "reported").sum() == 2
    table = result.table[result.table["direction"] == "dependent->governor"]
    assert table["pairs"].unique().tolist() == [4]
    assert table["pairs_apart"].unique().tolist() == [2]
    assert table["sentences"].unique().tolist() == [2]
    assert evidence.rules["all"] == "nearest noun after" and evidence.by_rule["all"].all()
    np.testing.assert_allclose(table["effect"], table["hit_rate"] - 1)
    assert len(result.table) == 3 * tiny_bert.n_layers * tiny_bert.n_heads
    assert set(result.table["verdict"]) == {"inconclusive"}  # fewer than 20 pairs
    assert result.table["p_family"].isna().all()
    assert result.controls.shape == (1, 3, 2, 4)


def test_rules_are_chosen_and_reported_on_different_groups(tiny_bert):
    lines = [BLUE.replace("The", f"Number {n}, the") for n in range(20)]
    result = headwise.test_relation(tiny_bert, suite(*lines), "amod", seed=3, controls=1)
    for evidence in result.evidence:
        assert not set(evidence.group[evidence.fitted]) & set(evidence.group[evidence.reported])
        assert len(set(evidence.group[evidence.fitted])) == 10
    again = headwise.test_relation(tiny_bert, suite(*lines), "amod", seed=3, controls=1)
    assert result.table.equals(again.table)


def test_several_relations_share_one_error_rate(tiny_bert):
    lines = [
        f"A [blue|amod>1] [box|noun#1] [quite|noun>2] near {n} [doors|noun#2] stood"
        for n in range(60)
    ]
    asked = suite(*lines)
    both = headwise.test_relation(
        tiny_bert, asked, ["amod", "noun: dependent->governor"], controls=0
    )
    one = headwise.test_relation(tiny_bert, asked, "amod", controls=0)
    assert [r.text for r in both.relations] == ["amod", "noun: dependent->governor"]
    assert len(both.table) == (3 + 1) * tiny_bert.n_layers * tiny_bert.n_heads
    same = both.table[both.table["relation"] == "amod"]
    assert same["hit_rate"].tolist() == one.table["hit_rate"].tolist()
    assert (same["p_family"].to_numpy() >= one.table["p_family"].to_numpy() - 1e-9).all()


def test_a_head_that_counts_words_is_no_adjective_head(tiny_bert):
    """A head that always looks one word ahead hits what the rule 'next word' hits: no effect."""
    from headwise.comparison import table, weigh

    rng = np.random.default_rng(0)
    n = 400
    apart = rng.random(n) < 0.15
    far = rng.integers(3, 9, n)
    ones, ends = np.ones(n, dtype=int), np.full(n, 9)
    questions = Questions(np.arange(n), ones, 0 * ones, ends, np.where(apart, far, 2)[:, None])
    previous = ~apart
    knows = np.ones(n, dtype=bool)
    found = np.stack([previous, knows])[None]
    count = Count(found, found, np.zeros((1, 2, 41)), np.ones((1, 2)), np.zeros((1, 2)))
    case = Case(Relation("amod", ("amod",)), "dependent->governor", questions)
    fitted = np.arange(n) % 2 == 0
    untagged = Corpus.of([Sentence(("w",) * 9, (True,) * 9, "g")] * n)
    evidence = weigh(case, count, untagged, np.arange(n), fitted, ~fitted)
    rows = table([evidence], seed=0, n_flips=2000)
    assert rows["hit_rate"][0] > 0.8 and rows["effect"][0] == 0
    assert rows["verdict"].tolist() == ["not supported", "supported"]
    assert rows["baseline"][0] == "next word"


def test_what_is_too_little_is_said(tiny_bert):
    """Four pairs; and sixty that all come from one sentence group."""
    result = headwise.test_relation(
        tiny_bert, suite(BLUE, BLUE.replace("The", "A")), "amod: column", select=0, controls=0
    )
    assert result.too_little == ["Fewer than 20 held-out cases, so no p value: amod: column, 4."]
    alike = Suite("s", "?", tuple(parse(BLUE, LABELS, "one") for _ in range(30)))
    result = headwise.test_relation(tiny_bert, alike, "amod", select=0, controls=0)
    (line,) = result.too_little
    assert "amod (column), 60 from 1" in line and "no interval and no p value" in line
    assert result.table[["p", "p_family", "q", "effect_low"]].isna().all().all()
    assert set(result.table["verdict"]) == {"inconclusive"}
    with pytest.raises(HeadwiseError, match="too few to choose rules"):
        headwise.test_relation(tiny_bert, alike, "amod", controls=0)


def test_a_direction_in_which_a_decoder_cannot_look(tiny_gpt2):
    lines = ["a [blue|amod>1] [creature|noun#1]", "the [verdant|amod>1] [forest|noun#1]"]
    with pytest.raises(
        HeadwiseError, match=r"cannot be asked of .*all 2 cases the answer stands behind"
    ):
        headwise.test_relation(tiny_gpt2, suite(*lines), "amod: dependent->governor", select=0)
    result = headwise.test_relation(tiny_gpt2, suite(*lines), "amod", select=0, controls=0)
    assert result.impossible["amod", "dependent->governor"] == 2
    assert result.best("dependent->governor") is None


def test_bad_requests_are_refused(tiny_bert):
    asked = suite(BLUE, BLUE.replace("The", "A"))
    with pytest.raises(HeadwiseError, match=r"no relation 'amodd'\. Nearest: amod"):
        headwise.test_relation(tiny_bert, asked, "amodd")
    with pytest.raises(HeadwiseError, match="select=1"):
        headwise.test_relation(tiny_bert, asked, "amod", select=1)
    with pytest.raises(HeadwiseError, match="too few to choose rules"):
        headwise.test_relation(tiny_bert, suite(BLUE), "amod")
    with pytest.raises(HeadwiseError, match="links no words"):
        headwise.test_relation(tiny_bert, Suite("s", "?", ()), "amod")
    dropped = Sentence(
        ("a", "\u200b"), (True, True), "g", links=(Link(1, 0, "amod"),), source="x:1"
    )
    with pytest.raises(HeadwiseError, match="x:1: the tokenizer drops"):
        headwise.test_relation(tiny_bert, Suite("s", "?", (dropped,)), "amod", select=0)
