"""Circuits as factors say what the dense matrices say; a head set by hand is found."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import headwise
from headwise import HeadwiseError
from headwise.model.loading import hold
from headwise.weights._gaussian_null import ProductShape, compare, draw, numbers_of, two_sided
from headwise.weights.circuits import CIRCUITS, factored
from headwise.weights.low_rank import Factored
from helpers.architectures import CONFIGS, TWO_STACKS, make, sides


def pairs(name):
    """Every circuit of a tiny model, by factors and dense."""
    model = hold(make(name))
    for (side, layer), attention in model.engine.attention_layers():
        for circuit in CIRCUITS:
            matrix = factored(model, circuit, layer, side=side)
            assert matrix.left.shape == (attention.n_heads, 32, attention.d_head)
            yield matrix, matrix.left @ matrix.right


@pytest.mark.parametrize("name", CONFIGS)
def test_singular_values_and_norms_are_the_dense_ones(name):
    for matrix, dense in pairs(name):
        expected = torch.linalg.svdvals(dense)[:, : matrix.left.shape[-1]]
        torch.testing.assert_close(matrix.singular_values, expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(matrix.norm, torch.linalg.matrix_norm(dense))
        torch.testing.assert_close(matrix.dense(), dense)
        u, values, vh = matrix.svd()
        torch.testing.assert_close(u * values[:, None] @ vh, dense, atol=1e-4, rtol=1e-4)
        shares = expected.double() ** 2 / (expected.double() ** 2).sum(-1, keepdim=True)
        rank = np.exp(stats.entropy(shares.numpy(), axis=-1))
        np.testing.assert_allclose(matrix.effective_rank.numpy(), rank, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_eigenvalues_are_the_dense_ones(name):
    for matrix, dense in pairs(name):
        expected = torch.linalg.eigvals(dense)
        for own, whole in zip(matrix.eigenvalues, expected, strict=True):
            largest = whole[whole.abs().argsort(descending=True)][: len(own)]
            # Each of ours has one of theirs beside it: pairs of conjugates come in any order.
            distance = (own[:, None] - largest[None]).abs().min(dim=1).values
            assert distance.max() < 1e-4 * max(1.0, float(whole.abs().max()))
        share = expected.real.sum(-1) / expected.abs().sum(-1)
        torch.testing.assert_close(matrix.copying, share, atol=1e-4, rtol=1e-3)


def test_heads_of_a_group_share_keys_and_values():
    model = hold(make("Llama"))
    attention = model.attention("", 1)
    q, k, v = (getattr(attention.module, f"{x}_proj").weight.detach() for x in "qkv")
    qk, ov = (factored(model, circuit, 1) for circuit in CIRCUITS)
    for head in range(4):
        own, shared = (slice(8 * h, 8 * h + 8) for h in (head, head // 2))
        torch.testing.assert_close(qk[head].dense(), q[own].T @ k[shared])
        out = attention.module.o_proj.weight.detach()[:, own]
        torch.testing.assert_close(ov[head].dense(), v[shared].T @ out.T)


def planted(byte_level):
    """L0H1 copies what it reads, L1H2 writes its opposite."""
    hf = make("GPT2", vocabulary=len(byte_level))
    with torch.no_grad():
        for layer, head, sign in ((0, 1, 1.0), (1, 2, -1.0)):
            attention = hf.transformer.h[layer].attn
            columns = slice(64 + 8 * head, 64 + 8 * head + 8)
            basis = torch.linalg.qr(torch.randn(32, 8)).Q
            attention.c_attn.weight[:, columns] = basis
            attention.c_proj.weight[8 * head : 8 * head + 8] = sign * basis.T
    return headwise.load(hf, tokenizer=byte_level)


def test_heads_that_copy_are_found(byte_level):
    result = headwise.read_circuits(planted(byte_level), n_null=40)
    copying = result.grid("copying", circuit="OV")
    assert copying[0, 1] == pytest.approx(1, abs=1e-4)
    assert copying[1, 2] == pytest.approx(-1, abs=1e-4)
    p = result.grid("copying_p_fwer", circuit="OV")
    found = {(int(layer), int(head)) for layer, head in np.argwhere(p < 0.05)}
    assert found == {(0, 1), (1, 2)}
    assert result.grid("effective_rank", circuit="OV")[0, 1] == pytest.approx(8, abs=1e-3)


def test_what_a_copying_head_reads_it_writes(byte_level):
    table = headwise.top_tokens(planted(byte_level), 0, 1, k=5, n_directions=2)
    assert len(table) == 2 * 2 * 2 * 5
    for _, group in table.groupby(["direction", "sign"]):
        reads, writes = (
            group[group["end"] == end]["token"].tolist() for end in ("reads", "writes")
        )
        assert reads == writes  # embedding and unembedding are one
        assert (group["dot"] > 0).all()


def test_top_tokens_are_the_largest_dot_products(byte_level):
    model = headwise.load(make("GPT2", vocabulary=len(byte_level)), tokenizer=byte_level)
    table = headwise.top_tokens(model, 1, 3, circuit="QK", k=4)
    dense = factored(model, "QK", 1)[3].dense()
    u, values, vh = torch.linalg.svd(dense)
    turn = u[:, 0][u[:, 0].abs().argmax()].sign()
    embedding = model.hf.transformer.wte.weight.detach()
    for end, vector in (("query", u[:, 0]), ("key", vh[0])):
        dots = (embedding - embedding.mean(0)) @ (turn * vector)
        for sign, signed in (("+", dots), ("-", -dots)):
            best, ids = signed.topk(4)
            rows = table[(table["end"] == end) & (table["sign"] == sign)]
            assert rows["token"].tolist() == [byte_level.decode([i]) for i in ids.tolist()]
            np.testing.assert_allclose(rows["dot"], best, atol=1e-4)
    assert table["singular_value"].iloc[0] == pytest.approx(values[0].item(), rel=1e-4)


def test_untrained_weights_are_like_random_ones():
    """A test of the test: a model drawn from normal numbers gives p values spread over 0 to 1."""
    family, alone = [], []
    for seed in range(6):
        model = random_gpt2(seed)
        table = headwise.read_circuits(model, n_null=40, seed=seed).table
        wanted = [c for c in table if c.endswith("_p_fwer")]
        family.append(np.nanmin(table[wanted].to_numpy()))
        alone.append(table[["effective_rank_p", "copying_p"]].to_numpy().ravel())
    p = np.concatenate(alone)
    p = p[~np.isnan(p)]
    assert min(family) > 1 / 41 and np.median(family) > 0.2
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.01 < (p < 0.05).mean() < 0.12


def random_gpt2(seed):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(n_layer=2, n_head=4, n_embd=32, n_positions=16, vocab_size=61, bos_token_id=1, eos_token_id=1)  # fmt: skip
    return hold(GPT2LMHeadModel(config).eval())


@pytest.mark.parametrize(("rows", "rank"), [(40, 8), (12, 8)])
def test_triangles_stand_for_gaussian_factors(rows, rank):
    """The short way of drawing gives the numbers of whole Gaussian matrices."""
    rng = np.random.default_rng(0)
    shape = ProductShape(rows, rank, rows, has_copying=True)
    short = draw(shape, 1500, rng)
    assert short.left.shape[1] == (16 if rows == 40 else 12)
    left, right = (rng.standard_normal((1500, *s)) for s in ((rows, rank), (rank, rows)))
    whole = Factored(torch.from_numpy(left), torch.from_numpy(right))
    found, expected = (numbers_of(matrix, has_copying=True) for matrix in (short, whole))
    for name in ("norm", "top", "effective_rank", "copying"):
        assert stats.ks_2samp(found[name], expected[name]).pvalue > 0.005, name


def test_two_sided_p_by_hand():
    pool = np.arange(1.0, 10.0)
    p = two_sided(np.array([0.0, 5.0, 9.0, 11.0, 1.0]), pool)
    np.testing.assert_allclose(p, [0.2, 1.0, 0.4, 0.2, 0.4])


def test_numbers_that_the_shape_fixes_have_no_p():
    shape = ProductShape(20, 1, 20, has_copying=False)
    found = {"top": np.ones(3), "effective_rank": np.ones(3), "copying": np.full(3, np.nan)}
    result = compare(found, [shape] * 3, n_null=5, seed=0)
    np.testing.assert_allclose(result["effective_rank_random"], 1, atol=1e-5)
    for name in ("top", "effective_rank", "copying"):
        assert np.isnan(result[f"{name}_p"]).all() and np.isnan(result[f"{name}_p_fwer"]).all()


def test_the_table_is_tidy_and_seeded():
    model = hold(make("T5"))
    threads = torch.get_num_threads()
    result = headwise.read_circuits(model, n_null=5, seed=3)
    assert torch.get_num_threads() == threads
    table = result.table
    assert len(table) == 3 * 2 * 4 * 2
    assert not table.duplicated(["side", "layer", "head", "circuit"]).any()
    has_copying = table["copying"].notna()
    assert (has_copying == ((table["circuit"] == "OV") & (table["side"] != "cross"))).all()
    assert (table["copying_p"].notna() == has_copying).all()
    assert (
        table["effective_rank"].between(1, 8).all() and table["copying"].dropna().abs().le(1).all()
    )
    assert (table["top"] <= table["norm"]).all()
    assert (table["effective_rank_random_low"] <= table["effective_rank_random"]).all()
    assert (table["top_random"] < table["norm"]).all()
    assert result.spectra["QK", "cross", 1].shape == (4, 8)
    first = table[(table["side"] == "cross") & (table["layer"] == 1) & (table["circuit"] == "QK")]
    np.testing.assert_allclose(first["top"], result.spectra["QK", "cross", 1][:, 0], rtol=1e-5)
    pd.testing.assert_frame_equal(table, headwise.read_circuits(model, n_null=5, seed=3).table)
    assert result.grid("norm", circuit="OV", side="encoder").shape == (2, 4)
    without = headwise.read_circuits(model, n_null=0).table
    assert without["effective_rank_p"].isna().all()
    pd.testing.assert_series_equal(without["copying"], table["copying"])


def test_half_precision_is_read_in_single():
    model = hold(make("GPT2").bfloat16())
    assert factored(model, "OV", 0).left.dtype == torch.float32
    assert np.isfinite(headwise.read_circuits(model, n_null=0).grid("copying", circuit="OV")).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_is_read(name):
    model = hold(make(name))
    table = headwise.read_circuits(model, n_null=2).table
    assert set(table["side"]) == set(sides(model))
    assert len(sides(model)) == (3 if name in TWO_STACKS else 1)
    assert table[["norm", "effective_rank", "effective_rank_p_fwer"]].notna().all(axis=None)


def test_bad_input(tiny_gpt2, byte_level):
    with pytest.raises(HeadwiseError, match="n_null=-1: expected a whole number from 0"):
        headwise.read_circuits(tiny_gpt2, n_null=-1)
    with pytest.raises(HeadwiseError, match="Unknown circuit 'VO'"):
        factored(tiny_gpt2, "VO", 0)
    with pytest.raises(HeadwiseError, match=r"no attention at side '', layer 2; .* layers 0 to 1"):
        factored(tiny_gpt2, "OV", 2)
    with pytest.raises(HeadwiseError, match="no attention at side 'cross', layer 0"):
        headwise.top_tokens(tiny_gpt2, 0, 0, side="cross")
    with pytest.raises(HeadwiseError, match="head=4 is out of range; expected 0 to 3"):
        headwise.top_tokens(tiny_gpt2, 0, 4)
    with pytest.raises(HeadwiseError, match="k=0 is out of range"):
        headwise.top_tokens(tiny_gpt2, 0, 0, k=0)
    with pytest.raises(HeadwiseError, match="n_directions=9 is out of range; expected 1 to 8"):
        headwise.top_tokens(tiny_gpt2, 0, 0, n_directions=9)
    with pytest.raises(HeadwiseError, match="has no tokenizer to name tokens with"):
        headwise.top_tokens(hold(make("GPT2")), 0, 0)
    with pytest.raises(HeadwiseError, match=r"Unknown column 'size'; known are side, layer"):
        headwise.read_circuits(tiny_gpt2, n_null=0).grid("size", circuit="OV")


def test_embeddings_of_another_width_are_refused(wordpiece):
    from helpers.architectures import small

    hf = small("ElectraForMaskedLM", {"embedding_size": 16}, len(wordpiece))
    model = headwise.load(hf, tokenizer=wordpiece)
    with pytest.raises(HeadwiseError, match="embeds tokens in 16 dimensions"):
        headwise.top_tokens(model, 0, 0)


def test_an_encoder_without_output_head_reads_its_embeddings(minilm):
    table = headwise.top_tokens(minilm, 2, 1, k=3)
    assert set(table["end"]) == {"reads", "writes"} and table["dot"].gt(0).all()
