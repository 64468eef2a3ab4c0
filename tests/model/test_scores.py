"""Scores as they are shown, masked keys in every type, and softmaxes with a sink."""

import copy

import pytest
import torch

import headwise
from headwise import HeadwiseError, UnsupportedModel
from headwise.activations import hooks
from helpers.architectures import GROUPED, MASK, TOKENS, close, load, small

WINDOWED = {
    "MistralForCausalLM": GROUPED | {"sliding_window": 3},
    "Gemma2ForCausalLM": GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 3},
    "ModernBertForMaskedLM": {"cls_token_id": 1, "sep_token_id": 2, "local_attention": 4},
}
SINK = GROUPED | {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}


@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_masked_scores_are_minus_infinity_in_every_type(name, dtype, byte_level):
    hf = small(name, WINDOWED[name], len(byte_level)).to(dtype)
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    tokens = torch.arange(1, 9)[None]
    with hooks.capture(model, ["scores", "pattern"]) as seen:
        found = model.forward(tokens)
    close(found.float(), model.forward(tokens).float(), 0.1 if dtype == torch.bfloat16 else 0.02)
    for layer in range(model.n_layers):
        scores, pattern = seen["scores", layer].float(), seen["pattern", layer].float()
        assert torch.equal(scores.isneginf(), pattern == 0)
        close(scores.softmax(-1), pattern, 0.01)
        assert scores[~scores.isneginf()].abs().max() < 100
    assert any(seen["scores", i].isneginf().tril().any() for i in range(model.n_layers))


@pytest.mark.parametrize("name", ["GPT2", "GPTNeo", "Llama", "Bert"])
def test_scores_that_are_shown_change_nothing(name, byte_level, wordpiece):
    """Padding sees nothing at all; its row keeps what the model gives it, read or edited."""
    model = load(name, byte_level, wordpiece)
    left = MASK.flip(1)
    with hooks.capture(model, "pattern"):
        expected = model.forward(TOKENS.flip(1), left)
    with hooks.capture(model, ["scores", "pattern"]) as seen:
        close(model.forward(TOKENS.flip(1), left), expected, 0.0)
    assert seen["scores", 0][1, :, -1, 0].isneginf().all()
    with hooks.edit(model, "scores", lambda x, _: x + 0):
        found = model.forward(TOKENS.flip(1), left)
    assert found.isfinite().all()
    close(found, expected, 1e-5)


def test_a_masked_key_can_be_edited_into_view(byte_level, wordpiece):
    model = load("Llama", byte_level, wordpiece)
    with (
        hooks.edit(model, "scores", lambda x, _: 0 * x.nan_to_num(neginf=0), layers=[0]),
        hooks.capture(model, "pattern", layers=[0]) as seen,
    ):
        model.forward(TOKENS)
    close(seen["pattern", 0], torch.full_like(seen["pattern", 0], 1 / TOKENS.shape[1]))


def test_a_softmax_with_a_sink(byte_level):
    """Such a model runs its own attention inside any block, and its rows sum to less than 1."""
    hf = small("GptOssForCausalLM", SINK, len(byte_level))
    for own in hf.modules():
        if hasattr(own, "sinks"):
            torch.nn.init.normal_(own.sinks, std=2.0)
    raw = copy.deepcopy(hf)
    with pytest.raises(UnsupportedModel, match="a sink in its softmax"):
        headwise.load(hf, tokenizer=byte_level)
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    for sites in (["z"], ["v", "pattern", "z"], ["scores"]):
        with hooks.capture(model, sites) as seen:
            close(model.logits(TOKENS), raw(TOKENS).logits, 1e-5)
        assert all(tensor.isfinite().all() for key, tensor in seen.items() if key[0] != "scores")
        if "pattern" in sites:
            pattern, v = seen["pattern", 0], seen["v", 0].repeat_interleave(2, dim=2)
            assert (pattern.sum(-1) < 1).all() and pattern.sum(-1).mean() < 0.8
            close(torch.einsum("bhqk,bkhd->bqhd", pattern, v), seen["z", 0], 1e-5)
    assert seen["scores", 0].shape[-1] == TOKENS.shape[1]
    expected = model.logits(TOKENS)
    with hooks.edit(model, "pattern", lambda x, _: 1 * x):
        close(model.logits(TOKENS), expected, 1e-5)


def test_a_model_that_was_set_to_eager_stays_so(byte_level, wordpiece):
    model = load("Llama", byte_level, wordpiece)
    model.hf.set_attn_implementation("eager")
    expected = model.forward(TOKENS)
    with hooks.capture(model, "z"):
        assert torch.equal(model.forward(TOKENS), expected)


def test_scores_beyond_the_number_of_the_mask(byte_level, wordpiece):
    model = load("GPT2", byte_level, wordpiece)
    model.hf.to(torch.float16)
    attention = model.stacks[-1].attention[0].module
    with torch.no_grad():
        attention.c_attn.weight.mul_(3e3)
    with (
        pytest.raises(HeadwiseError, match=r"beyond -65504.* Load the model in float32"),
        hooks.capture(model, "scores"),
    ):
        model.forward(TOKENS)
