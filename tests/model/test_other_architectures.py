"""Architectures that mix words in another way are refused by what they do, and half a translator is a model."""

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from helpers.architectures import CONFIGS, GROUPED, make, small

FOUR = GROUPED | {"num_hidden_layers": 4, "head_dim": 8}
BOTH = ["sliding_attention", "full_attention"] * 2
BART = CONFIGS["Bart"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Gemma4ForCausalLM", FOUR | {"num_kv_shared_layers": 2, "hidden_size_per_layer_input": 0, "layer_types": BOTH}, "its last 2 layers attend to the keys and values of earlier"),
        ("Gemma3nForCausalLM", FOUR | {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 8, "layer_types": BOTH, "intermediate_size": [64] * 4, "activation_sparsity_pattern": [0.0] * 4, "laurel_rank": 8, "vocab_size_per_layer_input": 400}, r"residual stream has the shape \[4, 2, 6, 32\]"),
        ("Lfm2ForCausalLM", GROUPED | {"layer_types": ["conv", "full_attention"]}, "Blocks 0 of 2 have none"),
        ("MiniMaxForCausalLM", GROUPED | {"num_local_experts": 2, "layer_types": ["linear_attention", "full_attention"], "block_size": 4}, r"1 of 2 attention layers \(0\) do not compute attention"),
        ("LongT5ForConditionalGeneration", CONFIGS["T5"], r"2 of 6 attention layers \(encoder 0, encoder 1\)"),
        ("OpenAIGPTLMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40}, "running it ended in ValueError"),
    ],
)  # fmt: skip
def test_refused_by_name(name, options, message, byte_level):
    with pytest.raises(HeadwiseError, match=message):
        headwise.load(small(name, options, len(byte_level)), tokenizer=byte_level)


def test_a_decoder_of_a_translator_by_itself(byte_level):
    """Its cross-attention has nothing to attend to and is no part of it."""
    raw = small("BartForCausalLM", BART, len(byte_level))
    model = headwise.load(raw, tokenizer=byte_level)
    assert model.kind == "decoder" and {head.side for head in model.heads} == {""}
    tokens = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model.logits(tokens), raw(tokens).logits)


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_an_encoder_of_a_translator_by_itself(name, byte_level):
    whole = headwise.load(make(name, len(byte_level)), tokenizer=byte_level)
    encoder = headwise.load(whole.hf.get_encoder(), tokenizer=byte_level)
    assert encoder.kind == "encoder" and len(encoder.heads) == 8
    tokens = torch.tensor([[5, 6, 7]])
    with hooks.capture(whole, ["encoder.pattern"]) as of_whole:
        whole.forward(tokens, None, tokens)
    with hooks.capture(encoder, ["pattern"]) as alone:
        encoder.forward(tokens)
    torch.testing.assert_close(alone["pattern", 1], of_whole["encoder.pattern", 1])


def test_a_site_of_no_side(byte_level):
    model = headwise.load(make("T5", len(byte_level)), tokenizer=byte_level)
    suite = headwise.burrow_sentences("mole", 30)
    with pytest.raises(HeadwiseError, match=r"'pattern' of which side\? .*get_encoder"):
        headwise.relation_test(model, suite, "sense: governor->dependent")


def test_words_of_a_model_with_several_heads(wordpiece):
    """`BertForPreTraining` calls its logits `prediction_logits`."""
    raw = small("BertForPreTraining", {}, len(wordpiece))
    model = headwise.load(raw, tokenizer=wordpiece)
    tokens = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(model.logits(tokens), raw(tokens).prediction_logits)
