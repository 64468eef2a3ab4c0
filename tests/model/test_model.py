"""A model is what Hugging Face makes of it, with what is known of it beside it."""

import torch

from headwise.model import registry


def test_minilm_is_the_raw_model(minilm):
    from transformers import BertModel

    folder = registry.find("minilm").folder
    raw = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    encoded = minilm.tokenizer(
        ["one mole of carbon dioxide", "a creature"], padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = raw(**encoded).last_hidden_state
    found = minilm.forward(encoded["input_ids"], encoded["attention_mask"])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_what_is_known_of_minilm(minilm):
    assert (minilm.n_layers, minilm.n_heads, minilm.d_model, minilm.d_head) == (6, 12, 384, 32)
    assert not minilm.is_causal
    assert not minilm.has_output_head  # the checkpoint is an encoder without one
    assert minilm.weights_sha256 == registry.MINILM_SHA256
    assert minilm.n_context == 512
