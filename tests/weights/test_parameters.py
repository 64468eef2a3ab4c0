"""Every parameter is counted once; the table of GPT-3 to the last digit."""

import pandas as pd
import pytest
import torch

import headwise
from headwise import HeadwiseError, count_parameters
from headwise.weights._parameter_map import PARTS
from helpers.architectures import CONFIGS, MORE, make, small


def lines(tally):
    return {line.part: line for line in tally.lines}


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_every_parameter_of_every_architecture_once(name):
    hf = make(name) if name in CONFIGS else small(name, MORE[name], 61)
    tally = count_parameters(hf)
    assert tally.total == hf.num_parameters()
    assert {line.part for line in tally.lines} <= set(PARTS)
    assert tally.count("query") > 0 and tally.count("MLP up") > 0


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_sides_are_told_apart(name):
    tally = count_parameters(make(name))
    queries = [line for line in tally.lines if line.part == "query"]
    assert [line.side for line in queries] == ["encoder", "decoder", "cross"]
    assert all(line.per_head == 256 and line.per_block == 1024 for line in queries)
    assert tally.n_heads == 3 * 2 * 4
    assert tally.attention.total == 3 * 2 * 4 * 4 * 256 and tally.attention.per_block is None
    own = tally.table["side"] == "cross"
    assert "MLP up" not in set(tally.table.loc[own, "part"])


def test_grouped_queries():
    tally = count_parameters(make("Qwen3"))
    assert (lines(tally)["query"].heads, lines(tally)["key"].heads) == (4, 2)
    assert lines(tally)["value-down"].total == 2 * 2 * 32 * 16
    assert lines(tally)["value-up"].total == 2 * 4 * 32 * 16
    assert tally.attention.per_head is None
    assert tally.attention.per_block == 12 * 32 * 16
    assert any("4 query heads share 2 key and value heads" in note for note in tally.notes)
    assert any("4 heads of 16 are 64 wide" in note for note in tally.notes)
    shape = headwise.ModelShape(d_model=32, n_layers=2, n_heads=4, n_key_value_heads=1)
    assert lines(count_parameters(shape))["key"].total == 2 * 32 * 8


def test_the_table_is_tidy(tiny_gpt2):
    tally = count_parameters(tiny_gpt2)
    table = tally.table
    assert list(table) == ["side", "part", "heads", "per_head", "per_block", "total", "stored"]
    assert table.loc[table["stored"], "total"].sum() == tally.total == tiny_gpt2.hf.num_parameters()
    assert tally.n_context == 64 and tally.name == tiny_gpt2.name
    assert not table.loc[table["part"] == "unembedding", "stored"].item()
    assert tally.context()["tokens"].tolist() == [64, 128, 256]
    assert pd.isna(table.loc[table["part"] == "norms", "per_head"].item())


def test_a_model_of_unknown_layout_is_refused():
    hf = make("Llama")
    hf.model.layers[0].self_attn.queries = hf.model.layers[0].self_attn.q_proj
    del hf.model.layers[0].self_attn.q_proj
    with pytest.raises(HeadwiseError, match="Found no query, key and value matrices"):
        count_parameters(hf)


def test_sizes_that_no_model_has():
    with pytest.raises(HeadwiseError, match="d_model=999999999999999999: "):
        count_parameters("d_model=999999999999999999,n_layers=999999999,n_heads=3")
    with pytest.raises(HeadwiseError, match="parameters, which no model has"):
        count_parameters("d_model=99999999,n_layers=999999999,n_heads=3")


def test_parametrised_weights_are_refused():
    model = make("Llama")
    torch.nn.utils.parametrizations.spectral_norm(model.model.layers[0].self_attn.v_proj)
    with pytest.raises(HeadwiseError, match="v_proj is computed from other parameters"):
        count_parameters(model)
