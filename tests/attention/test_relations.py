import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.attention._counting import Case, Counter, value_norms
from headwise.attention.baselines import is_right, offset_name, offset_rules
from headwise.attention.questions import DIRECTIONS, ask
from headwise.attention.relation_query import Relation
from headwise.attention.relations import Plan, count_heads
from headwise.data.suite import Link, Mark, Sentence, Suite
from headwise.data.toml import parse

LABELS = {"noun": "", "amod": ""}


def suite(*lines):
    sentences = tuple(parse(line, LABELS, f"g{i}") for i, line in enumerate(lines))
    return Suite("s", "?", sentences)


BLUE = "The [blue|amod>1] creature [roamed|noun#1] a [verdant|amod>2] [forest|noun#2]"


NAMES = ["amod", "det", "obj", "case", "advmod", "compound"]


@pytest.fixture(scope="module")
def on_treebank(minilm, shared):
    treebank = headwise.read_suite(shared / "data/en_ewt-ud-dev.conllu")
    plan = Plan.of(minilm, treebank, NAMES)
    return {
        (case.relation.text, case.direction): (case.questions, count)
        for case, count in zip(plan.cases, count_heads(plan, norms=False), strict=True)
    }


@pytest.mark.parametrize("relation", NAMES)
def test_reference_hit_rates(on_treebank, shared, relation):
    """Per head and direction, to four decimals, the independently computed reference."""
    reference = json.loads((shared / "reference/minilm-ewt-dev.json").read_text())
    expected = reference["relations"][relation]
    for direction, rates in expected["hit_rate"].items():
        questions, count = on_treebank[relation, direction]
        found = is_right(questions, count.found).mean(axis=-1)
        assert np.abs(found - np.array(rates)).max() < 5e-5
    questions, _ = on_treebank[relation, "column"]
    assert len(questions) == expected["pairs"]
    by_offset = {n: is_right(questions, places).mean() for n, places in offset_rules(questions)}
    best = max(by_offset, key=by_offset.get)
    assert best == offset_name(expected["best_offset"])
    assert by_offset[best] == pytest.approx(expected["best_offset_rate"], abs=5e-5)


def counted(model, pattern, pairs, *, starts=(0,), pieces=None):
    """What is counted on one sentence whose attention between its words is given by hand."""
    pattern = torch.tensor(pattern, dtype=torch.float32)
    n = pattern.shape[-1]
    pieces = torch.eye(n) if pieces is None else torch.tensor(pieces, dtype=torch.float32)
    tokens = torch.zeros(1, n, dtype=torch.long)
    batch = headwise.activations.alignment.Batch(
        (0,), tokens, torch.ones_like(tokens), pieces[None]
    )
    lengths = np.array([len(pieces)])
    pairs = np.array([(0, *pair) for pair in sorted(pairs)])
    cases = [
        Case(Relation("r", ("r",)), direction, *ask(direction, pairs, lengths, model.is_causal))
        for direction in DIRECTIONS
    ]
    counter = Counter(model, cases)
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


def hits(found, cases):
    rights = (is_right(case.questions, found[case.direction].found[0, 0]) for case in cases)
    return dict(zip(DIRECTIONS, (right.tolist() for right in rights), strict=True))


def test_directions_by_hand(tiny_bert):
    """Words 0 and 1 depend on word 2; diagonals must not count."""
    pattern = [
        [0.9, 0.04, 0.06],  # looks at itself, then at its governor
        [0.1, 0.7, 0.2],  # looks at itself, then at its governor
        [0.2, 0.1, 0.7],  # looks at itself, then at dependent 0
    ]
    found, cases, _ = counted(tiny_bert, pattern, [(0, 2), (1, 2)])
    assert hits(found, cases) == {
        "dependent->governor": [True, True],
        "governor->dependent": [True],  # once per governor
        "column": [True, True],  # 0 gets 0.1 and 0.2; 1 gets 0.04 and 0.1
    }
    assert [case.impossible for case in cases] == [0, 0, 0]
    for direction, mass, sink, outweighs in (
        ("dependent->governor", [0.06, 0.2], [0.9, 0.1], [False, False]),
        ("governor->dependent", [0.3], [0.2], [False]),
        ("column", [0.2, 0.1], [0.2, 0.2], [False, False]),
    ):
        count = found[direction]
        np.testing.assert_allclose(count.mass[0, 0], mass, atol=1e-6)
        np.testing.assert_allclose(count.sink[0, 0], sink, atol=1e-6)
        assert count.outweighs[0, 0].tolist() == outweighs  # each looks at itself more


def test_what_outweighs_the_word_itself_and_special_tokens(tiny_bert):
    """A special token, then three words; word 2 looks at word 0 most of words, and more at the special token."""
    pattern = [[1.0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], [0.1, 0.5, 0.2, 0.2], [0.5, 0.3, 0.1, 0.1]]
    pieces = np.eye(4)[1:]
    found, _, _ = counted(tiny_bert, pattern, [(0, 2), (1, 0), (2, 0)], pieces=pieces)
    count = found["dependent->governor"]
    assert count.found[0, 0].tolist() == [2, 0, 0]
    assert count.outweighs[0, 0].tolist() == [True, True, False]


def test_a_decoder_is_only_asked_what_it_can_see(tiny_gpt2):
    pattern = [[1.0, 0, 0], [0.6, 0.4, 0], [0.1, 0.7, 0.2]]
    found, cases, _ = counted(tiny_gpt2, pattern, [(1, 2), (0, 2)])
    assert hits(found, cases) == {
        "dependent->governor": [],
        "governor->dependent": [True],
        "column": [False, True],  # 0 is looked at hardest by word 1
    }
    assert [case.impossible for case in cases] == [2, 0, 0]


def test_no_attention_is_no_hit(tiny_bert):
    found, cases, _ = counted(tiny_bert, [[1.0, 0.0], [0.0, 1.0]], [(1, 0)])
    assert not any(any(answers) for answers in hits(found, cases).values())


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
            expected = [int(weighted[row].argmax()) for row in (0, 1)]
            assert found["dependent->governor"].norm_found[layer, head].tolist() == expected


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
            for name in ("found", "norm_found", "outweighs"):
                expected, found = (getattr(x[direction], name) for x in (whole, parts))
                assert np.array_equal(found, expected), (direction, name, starts)
            for name in ("mass", "sink"):
                expected, found = (getattr(x[direction], name) for x in (whole, parts))
                np.testing.assert_allclose(found, expected, atol=1e-6)


def test_grouped_values_are_shared():
    v, W_O = torch.randn(2, 5, 2, 3), torch.randn(4, 3, 7)
    norms = value_norms(v, W_O)
    for head in range(4):
        torch.testing.assert_close(norms[..., head], (v[:, :, head // 2] @ W_O[head]).norm(dim=-1))


def test_baselines_and_scopes(tiny_bert):
    lines = [BLUE.replace("The", f"Number {n}, the") for n in range(12)]
    asked = suite(*lines)
    tags = ("NOUN", "NUM", "PUNCT", "DET", "ADJ", "NOUN", "VERB", "DET", "ADJ", "NOUN")
    tagged = Suite("s", "?", tuple(replace(s, tags=tags) for s in asked.sentences))
    result = headwise.relation_test(tiny_bert, tagged, "amod", n_null=1, n_flips=200)
    evidence = result.case("dependent->governor")
    assert sorted(evidence.case.questions.nearest) == [1] * 12 + [2] * 12
    assert evidence.scopes["non_adjacent"].sum() == 12
    rows = result.table[result.table["direction"] == "dependent->governor"]
    pairs = rows.groupby("scope", sort=False)["pairs"].unique()
    assert pairs["all"].tolist() == [24] and pairs["non_adjacent"].tolist() == [12]
    assert list(pairs.index) == ["all", "non_adjacent", "distractor"]
    rows = rows[rows["scope"] == "all"]
    # Of twelve groups, but two adjectives in all: words are a sample, too, and two are none.
    assert rows["clusters"].unique().tolist() == [2]
    assert rows[["p_fwer", "detectable"]].isna().all(axis=None)
    assert any("from 2" in line for line in result.limits)
    assert evidence.chosen["tags", "all"].right.all()  # the nearest noun after
    np.testing.assert_allclose(rows["effect"], rows["hit_rate"] - rows["baseline_hit_rate"])
    np.testing.assert_allclose(rows["effect_tags"], rows["hit_rate"] - 1, atol=1e-6)
    assert len(result.table) == 3 * 3 * tiny_bert.n_layers * tiny_bert.n_heads
    assert set(result.table["verdict"]) <= {"inconclusive", "not supported"}  # 12 pairs apart
    assert result.table["p_fwer"].isna().all()
    assert result.controls.n == 1 and result.has_tags


def test_baselines_are_chosen_and_counted_on_different_groups(tiny_bert):
    lines = [BLUE.replace("The", f"Number {n}, the") for n in range(20)]
    result = headwise.relation_test(tiny_bert, suite(*lines), "amod", seed=3, n_null=1)
    for evidence in result.evidence:
        assert evidence.half.shape == (20, len(evidence.group))
        for half in evidence.half:
            assert not set(evidence.group[half == 0]) & set(evidence.group[half == 1])
            assert len(set(evidence.group[half == 0])) == 10
    again = headwise.relation_test(tiny_bert, suite(*lines), "amod", seed=3, n_null=1)
    assert result.table.equals(again.table)


def test_several_relations_share_one_error_rate(tiny_bert):
    lines = [
        f"A [{'abcdefghijkl'[n % 12]}|amod>1] [box|noun#1] [{'mnopqrstuvwx'[n % 12]}|noun>2] near {n} [doors|noun#2] stood"
        for n in range(40)
    ]
    asked = suite(*lines)
    both = headwise.relation_test(tiny_bert, asked, ["amod", "noun: dependent->governor"], n_null=0)
    one = headwise.relation_test(tiny_bert, asked, "amod", n_null=0)
    assert [r.text for r in both.relations] == ["amod", "noun: dependent->governor"]
    assert len(both.table) == 3 * (3 + 1) * tiny_bert.n_layers * tiny_bert.n_heads
    same = both.table[both.table["relation"] == "amod"]
    np.testing.assert_array_equal(same["hit_rate"], one.table["hit_rate"])
    is_all = (one.table["scope"] == "all").to_numpy()
    assert (same["p_fwer"].to_numpy() >= one.table["p_fwer"].to_numpy() - 0.01)[is_all].all()


def test_what_is_too_little_is_said(tiny_bert):
    """Four pairs; and sixty that all come from two sentence groups; and no models to compare with."""
    result = headwise.relation_test(
        tiny_bert, suite(BLUE, BLUE.replace("The", "A")), "amod: column", n_null=0
    )
    (line,) = result.too_little
    assert line.startswith("Fewer than 20 cases") and line.endswith(": amod: column, 4.")
    assert any("no parts of speech" in line for line in result.limits)
    assert any("No head can be supported" in line for line in result.limits)
    groups = [parse(BLUE, LABELS, f"g{n % 2}") for n in range(40)]
    result = headwise.relation_test(tiny_bert, Suite("s", "?", tuple(groups)), "amod", n_null=0)
    (line,) = result.too_little
    assert "amod (column), 80 from 2" in line and "no p value" in line
    assert result.table[["p", "p_fwer", "q_fdr", "effect_low"]].isna().all().all()
    assert set(result.table["verdict"]) == {"inconclusive"}


def test_a_direction_in_which_a_decoder_cannot_look(tiny_gpt2):
    lines = ["a [blue|amod>1] [creature|noun#1]", "the [verdant|amod>1] [forest|noun#1]"]
    with pytest.raises(
        HeadwiseError, match=r"cannot be tested on .*all 2 cases the answer comes after"
    ):
        headwise.relation_test(tiny_gpt2, suite(*lines), "amod: dependent->governor")
    result = headwise.relation_test(tiny_gpt2, suite(*lines), "amod", n_null=0)
    assert result.impossible["amod", "dependent->governor"] == 2
    assert result.best("dependent->governor") is None


def test_bad_requests_are_refused(tiny_bert):
    asked = suite(BLUE, BLUE.replace("The", "A"))
    with pytest.raises(HeadwiseError, match=r"no relation 'amodd'\. Nearest: amod"):
        headwise.relation_test(tiny_bert, asked, "amodd")
    with pytest.raises(HeadwiseError, match="n_splits=0"):
        headwise.relation_test(tiny_bert, asked, "amod", n_null=0, n_splits=0)
    with pytest.raises(HeadwiseError, match="too few to choose baselines"):
        headwise.relation_test(tiny_bert, suite(BLUE), "amod")
    with pytest.raises(HeadwiseError, match="has no sentences"):
        headwise.relation_test(tiny_bert, Suite("s", "?", ()), "amod")
    dropped = Sentence(
        ("a", "\u200b"), (True, True), "g", links=(Link(1, 0, "amod"),), source="x:1"
    )
    marked = replace(dropped, marks=(Mark(1, "amod"),))
    with pytest.raises(HeadwiseError, match="x:1: the tokenizer drops"):
        headwise.relation_test(tiny_bert, Suite("s", "?", (marked,)), "amod")
    with pytest.raises(HeadwiseError):
        headwise.relation_test(tiny_bert, Suite("s", "?", (dropped,)), "amod")
    with_others = Suite("s", "?", (*suite(*[BLUE.replace("The", w) for w in ("A", "The", "One", "My")]).sentences, dropped))  # fmt: skip
    assert headwise.relation_test(tiny_bert, with_others, "amod", n_null=0).missing == 1


def test_words_beyond_the_context_cost_nothing(tiny_bert, monkeypatch):
    """They have no vector, so nothing is counted at them: no grid of attention has room for them."""
    n = tiny_bert.n_context
    widths = []
    whole = Counter.begin

    def begin(self, batch):
        widths.append(batch.pieces.shape[1])
        whole(self, batch)

    monkeypatch.setattr(Counter, "begin", begin)
    words = tuple("mole" for _ in range(20 * n))
    links = tuple(Link(i, i - 1, "amod") for i in range(1, len(words)))
    long = Sentence(words, (True,) * len(words), "g", links=links)
    plan = Plan.of(tiny_bert, Suite("s", "?", (long,)), "amod")
    (found, *_) = count_heads(plan)
    assert plan.missing > 18 * n and max(widths) < n
    assert found.found.shape[-1] == len(plan.cases[0].questions) < n
