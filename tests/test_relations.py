import json

import numpy as np
import pandas as pd
import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.hits import Hits
from headwise.readers.toml import parse
from headwise.suites import Link, Sentence, Suite

LABELS = {"noun": "", "amod": ""}


def suite(*lines):
    sentences = tuple(parse(line, LABELS, f"g{i}") for i, line in enumerate(lines))
    return Suite("s", "?", sentences)


BLUE = "The [blue|amod>1] creature [roamed|noun#1] a [verdant|amod>2] [forest|noun#2]"


@pytest.mark.parametrize("relation", ["amod", "det", "obj", "case", "advmod", "compound"])
def test_reference_hit_rates(minilm, shared, relation):
    """Per head and direction, to four decimals, the independently computed reference."""
    reference = json.loads((shared / "reference/minilm-ewt-dev.json").read_text())
    expected = reference["relations"][relation]
    treebank = headwise.read(shared / "data/en_ewt-ud-dev.conllu")
    result = headwise.test_relation(minilm, treebank, relation, select=0)
    for direction, rates in expected["hit_rate"].items():
        rows = result.table[result.table["direction"] == direction]
        found = rows.pivot(index="layer", columns="head", values="hit_rate").to_numpy()
        assert np.abs(found - np.array(rates)).max() < 5e-5
    column = result.table[result.table["direction"] == "column"]
    assert column["pairs"].unique().tolist() == [expected["pairs"]]
    assert column["offset"].unique().tolist() == [expected["best_offset"]]
    assert column["offset_hit_rate"].iloc[0] == pytest.approx(
        expected["best_offset_rate"], abs=5e-5
    )


def planted(pattern, model):
    """Hits of one sentence whose attention between its words is given by hand, in every head."""
    n = pattern.shape[-1]
    hits = Hits(model)
    batch = headwise.words.Batch(
        (0,),
        torch.zeros(1, n, dtype=torch.long),
        torch.ones(1, n, dtype=torch.long),
        torch.eye(n)[None],
    )
    full = pattern.expand(1, model.n_heads, n, n)
    captured = {("pattern", layer): full for layer in range(model.n_layers)}
    return hits, batch, captured


def count(model, pattern, pairs):
    from headwise.hooks import Captured, Site

    hits, batch, tensors = planted(torch.tensor(pattern), model)
    captured = Captured()
    for (name, layer), tensor in tensors.items():
        captured.store(Site(name, layer), tensor)
    hits.add(batch, [pairs], captured)
    one = np.zeros(1, dtype=int)
    return {
        direction: hits.items(direction, one, one, set()).hits[0, 0].tolist()
        for direction in ("dependent->governor", "governor->dependent", "column")
    }, hits.impossible


def test_directions_by_hand(tiny_bert):
    """Words 0 and 1 depend on word 2; diagonals must not count."""
    pattern = [
        [0.9, 0.04, 0.06],  # looks at itself, then at its governor
        [0.1, 0.7, 0.2],  # looks at itself, then at its governor
        [0.2, 0.1, 0.7],  # looks at itself, then at dependent 0
    ]
    hits, impossible = count(tiny_bert, pattern, [(0, 2), (1, 2)])
    assert hits == {
        "dependent->governor": [True, True],
        "governor->dependent": [True],  # once per governor
        "column": [True, True],  # 0 gets 0.1 and 0.2; 1 gets 0.04 and 0.1
    }
    assert set(impossible.values()) == {0}


def test_a_decoder_is_only_asked_what_it_can_see(tiny_gpt2):
    pattern = [[1.0, 0, 0], [0.6, 0.4, 0], [0.1, 0.7, 0.2]]
    hits, impossible = count(tiny_gpt2, pattern, [(1, 2), (0, 2)])
    assert hits == {
        "dependent->governor": [],
        "governor->dependent": [True],
        "column": [True, False],  # 0 is looked at hardest by word 1
    }
    assert impossible == {"dependent->governor": 2, "governor->dependent": 0, "column": 0}


def test_no_attention_is_no_hit(tiny_bert):
    hits, _ = count(tiny_bert, [[1.0, 0.0], [0.0, 1.0]], [(1, 0)])
    assert not any(any(found) for found in hits.values())


def test_offsets_and_scopes(tiny_bert):
    result = headwise.test_relation(
        tiny_bert, suite(BLUE, BLUE.replace("The", "A")), "amod", select=0
    )
    items = result.items["dependent->governor"]
    assert sorted(items.offsets[:, 0]) == [1, 1, 2, 2]
    assert items.within("all", "apart").sum() == 2
    table = result.table[result.table["direction"] == "dependent->governor"]
    assert table["pairs"].unique().tolist() == [4]
    assert table["sentences"].unique().tolist() == [2]
    assert table["offset_hit_rate"].unique().tolist() == [0.5]
    np.testing.assert_allclose(table["gain"], table["hit_rate"] - 0.5)
    assert len(result.table) == 3 * tiny_bert.n_layers * tiny_bert.n_heads


def test_selection_and_report_share_no_group(tiny_bert):
    lines = [BLUE.replace("The", f"Number {n}, the") for n in range(20)]
    result = headwise.test_relation(tiny_bert, suite(*lines), "amod", seed=3)
    items = result.items["column"]
    assert not set(items.group[items.selected]) & set(items.group[~items.selected])
    assert len(set(items.group[items.selected])) == 10
    again = headwise.test_relation(tiny_bert, suite(*lines), "amod", seed=3)
    assert result.table.equals(again.table)


def test_the_best_of_many_null_heads_is_flattered_only_without_selection():
    """Heads that hit by coin toss: the best one looks good where it was chosen and not elsewhere."""
    from headwise.hits import Items
    from headwise.relations import RelationResult
    from headwise.words import Coverage

    rng = np.random.default_rng(0)
    seen, unseen = [], []
    for _ in range(40):
        n = 100
        items = Items(
            sentence=np.arange(n),
            group=np.arange(n),
            offsets=np.ones((n, 1), dtype=int),
            selected=np.arange(n) < n // 2,
            hits=rng.random((12, 12, n)) < 0.5,
        )
        result = RelationResult(
            "m", "s", ("r",), {"column": items}, 0.5, {}, 0, Coverage(0, 0, 0, 0), 0, pd.DataFrame()
        )
        rates = result.hit_rates("column", "select")
        best = np.unravel_index(rates.argmax(), rates.shape)
        seen.append(rates[best])
        unseen.append(result.hit_rates("column", "report")[best])
    assert np.mean(seen) > 0.62
    assert abs(np.mean(unseen) - 0.5) < 0.03


def test_bad_requests_are_refused(tiny_bert):
    asked = suite(BLUE, BLUE.replace("The", "A"))
    with pytest.raises(HeadwiseError, match=r"no relation 'amodd'\. Nearest: amod"):
        headwise.test_relation(tiny_bert, asked, "amodd")
    with pytest.raises(HeadwiseError, match="select=1"):
        headwise.test_relation(tiny_bert, asked, "amod", select=1)
    with pytest.raises(HeadwiseError, match="too few to choose heads"):
        headwise.test_relation(tiny_bert, suite(BLUE), "amod")
    with pytest.raises(HeadwiseError, match="links no words"):
        headwise.test_relation(tiny_bert, Suite("s", "?", ()), "amod")
    dropped = Sentence(
        ("a", "\u200b"), (True, True), "g", links=(Link(1, 0, "amod"),), source="x:1"
    )
    with pytest.raises(HeadwiseError, match="x:1: the tokenizer drops"):
        headwise.test_relation(tiny_bert, Suite("s", "?", (dropped,)), "amod", select=0)
