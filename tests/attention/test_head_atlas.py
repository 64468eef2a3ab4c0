import numpy as np
import pytest
import torch

from headwise import HeadwiseError
from headwise.activations import alignment, hooks
from headwise.attention.head_atlas import MEASURES, _Looks, _random_tokens, atlas

LINES = ["the fluffy blue creature roamed", "a verdant forest", "creature"]


@pytest.mark.parametrize("starts", [(0,), (0, 1), (0, 1, 2)])
def test_shares_by_hand(tiny_gpt2, starts):
    """Every head over one sentence of three tokens, the first of them special; read in blocks."""
    pattern = torch.tensor([[1.0, 0, 0], [0.75, 0.25, 0], [0.5, 0.25, 0.25]])
    tokens = torch.zeros(1, 3, dtype=torch.long)
    pieces = torch.tensor([[[0.0, 1, 0], [0, 0, 1]]])
    looks = _Looks(tiny_gpt2)
    looks.begin(alignment.Batch((0,), tokens, torch.ones_like(tokens), pieces))
    for layer in range(tiny_gpt2.n_layers):
        for start, stop in zip(starts, (*starts[1:], 3), strict=True):
            rows = pattern[start:stop].expand(1, tiny_gpt2.n_heads, stop - start, 3)
            looks.rows(layer, rows, start)
    looks.end()
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) - (
        0.5 * np.log(0.5) + 0.5 * np.log(0.25)
    )
    expected = {
        "entropy": entropy, "distance": 0.75 + 1 + 0.25, "previous": 0.75 + 0.25, "next": 0,
        "same": 0.25 + 0.25, "first": 0.75 + 0.5, "special": 0.75 + 0.5, "sink": (0.75 + 0.5) / 2,
    }  # fmt: skip
    assert (looks.n_tokens, looks.n_sentences) == (2, 1)
    for name, value in expected.items():
        np.testing.assert_allclose(looks.sums[name].numpy(), value, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
def test_each_token_counts_once_whatever_the_batch(name, request):
    model = request.getfixturevalue(name)
    whole = atlas(model, LINES)
    parts = [atlas(model, [line]) for line in LINES[:2]]
    weights = [part.n_tokens for part in parts]
    alone = len(model.tokenizer(LINES[2])["input_ids"])
    if model.is_causal:
        assert whole.n_tokens == sum(weights) + alone - 1
    for measure in MEASURES[:-1]:
        assert whole.table[measure].between(0, 10).all()
    shares = whole.table[["previous", "next", "same"]].sum(axis=1)
    assert (shares <= 1 + 1e-6).all()
    if model.is_causal:
        assert (whole.table["next"] == 0).all()
    assert len(whole.table) == model.n_layers * model.n_heads


def test_a_head_that_always_looks_back_one_is_seen_to(tiny_gpt2):
    """The pattern of L1H2 is put in its place by hand."""

    def look_back(pattern, site):
        n = pattern.shape[-1]
        return torch.diag(torch.ones(n - 1), -1).expand_as(pattern).clone()

    with hooks.edit(tiny_gpt2, "pattern", look_back, layers=[1], heads=[2]):
        found = atlas(tiny_gpt2, LINES).table.set_index(["layer", "head"])
    assert found.loc[(1, 2), "previous"] == pytest.approx(1)
    assert found.loc[
        (1, 2), ["same", "entropy", "induction", "duplicate"]
    ].tolist() == pytest.approx([0] * 4)
    assert found.loc[(1, 2), "distance"] == pytest.approx(1)


def test_repeated_tokens(tiny_bert):
    tokens, start = _random_tokens(tiny_bert, 10, seed=0)
    special = set(tiny_bert.tokenizer.all_special_ids)
    assert start == 1 and {int(t) for t in tokens[:, 0]} <= special
    inner = tokens[:, 1:21]
    assert (inner[:, :10] == inner[:, 10:]).all()
    assert not {int(t) for t in inner.flatten()} & special
    assert all(len(set(row[:10].tolist())) == 10 for row in inner)


def test_nobody_to_look_at(tiny_gpt2):
    with pytest.raises(HeadwiseError, match="two tokens"):
        atlas(tiny_gpt2, ["a"])
