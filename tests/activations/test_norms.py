"""The norm at the end of the stream is found where there is one."""

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations.norms import final_norm, is_centred, norms_of, scale_of
from headwise.interventions._replacing.frozen import Frozen
from helpers.architectures import GROUPED, TWO_STACKS, make, small
from helpers.word_tokens import tiny


def test_the_final_norm_is_found_where_there_is_one():
    names = {
        "GPT2": "ln_f", "GPTNeoX": "final_layer_norm", "Llama": "norm", "Gemma2": "norm", "Bert": None, "Roberta": None,
        "T5": "final_layer_norm", "Bart": None,
    }  # fmt: skip
    from headwise.model.loading import hold

    for name, expected in names.items():
        model = hold(make(name))
        body = model.hf.get_decoder() if name in TWO_STACKS else model.hf.base_model
        assert final_norm(model) is (None if expected is None else getattr(body, expected)), name


def test_an_end_that_is_not_one_norm_is_refused(tokenizer):
    model = tiny(tokenizer)
    model.hf.transformer.ln_f.register_forward_hook(lambda module, args, output: 2 * output)
    assert final_norm(model) is model.hf.transformer.ln_f  # what a hook does is the norm's
    body = model.hf.transformer
    forward = body.forward

    def doubled(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.last_hidden_state = 2 * output.last_hidden_state
        return output

    vars(body)["forward"] = doubled
    with pytest.raises(HeadwiseError, match="something else than one norm"):
        final_norm(model)


@pytest.mark.parametrize(
    ("name", "options", "n"),
    [("OlmoForCausalLM", {}, 5), ("NanoChatForCausalLM", {}, 5), ("LlamaForCausalLM", GROUPED, 5), ("Qwen3ForCausalLM", GROUPED | {"head_dim": 16}, 5)],
)  # fmt: skip
def test_norms_with_and_without_weights(name, options, n, byte_level):
    """Those of the stream, and not those of queries and keys; each gives what it is given over its scale."""
    model = headwise.load(small(name, options, len(byte_level)), tokenizer=byte_level, verify=False)
    norms = norms_of(model)
    assert len(norms) == n and final_norm(model) in norms
    x = torch.randn(1, 3, model.d_model, generator=torch.Generator().manual_seed(0))
    for norm in norms:
        own = x - x.mean(-1, keepdim=True) if is_centred(norm) else x
        weight = getattr(norm, "weight", torch.ones(model.d_model))
        torch.testing.assert_close(norm(x), weight * own / scale_of(norm, x), rtol=0, atol=1e-5)


def test_a_norm_that_divides_by_nothing(byte_level):
    class NoNorm(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(width))
            self.bias = torch.nn.Parameter(torch.zeros(width))

        def forward(self, x):
            return x * self.weight + self.bias

    hf = small("LlamaForCausalLM", GROUPED, len(byte_level))
    hf.model.norm = NoNorm(hf.config.hidden_size)
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    assert len(norms_of(model)) == 4
    with pytest.raises(HeadwiseError, match="NoNorm, is none whose scale can be held"):
        Frozen(model)


@pytest.mark.parametrize("parametrised", ["weight_norm", "spectral_norm"])
def test_norms_of_weights_are_no_layer_norms(byte_level, parametrised):
    plain = headwise.load(make("Llama", len(byte_level)), tokenizer=byte_level)
    model = make("Llama", len(byte_level))
    getattr(torch.nn.utils.parametrizations, parametrised)(model.model.layers[0].self_attn.o_proj)
    hooked = headwise.load(model, tokenizer=byte_level)
    assert len(norms_of(hooked)) == len(norms_of(plain))
