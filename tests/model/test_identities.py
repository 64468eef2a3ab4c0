import copy

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.model import identities as checks
from helpers.architectures import CONFIGS, GROUPED, MORE, make, small


@pytest.mark.parametrize("name", CONFIGS)
def test_identities_hold_on_every_architecture(name, wordpiece):
    model = headwise.load(make(name, vocabulary=len(wordpiece)), tokenizer=wordpiece)
    identities = checks.everything(model)
    assert len(identities) == 8
    assert [identity.name for identity in identities if not identity.holds] == []


@pytest.mark.parametrize("name", MORE)
def test_identities_hold_on_more_architectures(name, wordpiece):
    model = headwise.load(small(name, MORE[name], len(wordpiece)), tokenizer=wordpiece)
    assert [identity for identity in checks.everything(model) if not identity.holds] == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("AlbertForMaskedLM", {"embedding_size": 32}, "'every block runs once' has an error of 1"),
        ("GptOssForCausalLM", GROUPED | {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1},
         "a sink in its softmax"),
        ("MambaForCausalLM", {}, "no stack of blocks that all hold attention"),
        ("BloomForCausalLM", {"n_layer": 2, "n_head": 4}, "no stack of blocks that all hold attention"),
    ],
)  # fmt: skip
def test_architectures_whose_heads_are_something_else_are_refused(
    name, options, message, wordpiece
):
    with pytest.raises(HeadwiseError, match=message):
        headwise.load(small(name, options, len(wordpiece)), tokenizer=wordpiece)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_identities_hold_on_minilm(dtype):
    model = headwise.load("minilm", device="cpu", dtype=dtype)
    assert all(identity.holds for identity in checks.everything(model))


def test_an_output_that_holds_the_residual_is_refused_by_name(raw, byte_level):
    """Attention whose output already contains its input: the heads no longer add up to it."""
    hf = copy.deepcopy(raw["GPT2LMHeadModel"])
    hf.transformer.h[1].attn.c_proj.register_forward_hook(
        lambda module, args, output: output + args[0]
    )
    with pytest.raises(
        HeadwiseError, match="'sum of updates \\+ bias == attention output' has an error"
    ):
        headwise.load(hf, tokenizer=byte_level)
    failed = [
        i.name
        for i in checks.everything(headwise.load(hf, tokenizer=byte_level, verify=False))
        if not i.holds
    ]
    assert failed == ["sum of updates + bias == attention output"]


def test_nan_never_holds():
    assert not checks.Identity("x", float("nan"), 1e-5).holds


def test_no_hook_is_left(tiny_bert):
    before = sum(len(module._forward_hooks) for module in tiny_bert.hf.modules())
    checks.everything(tiny_bert)
    assert sum(len(module._forward_hooks) for module in tiny_bert.hf.modules()) == before


@pytest.mark.parametrize(
    ("name", "window"),
    [("MistralForCausalLM", 2), ("Gemma3ForCausalLM", 2), ("ModernBertForMaskedLM", 2)],
)
def test_what_is_computed_of_padding_is_not_compared(name, window, wordpiece):
    """A window so small that padding sees nothing: only tokens count."""
    options = MORE[name] | {"sliding_window": window, "local_attention": window}
    model = headwise.load(small(name, options, len(wordpiece)), tokenizer=wordpiece)
    assert [identity for identity in checks.everything(model) if not identity.holds] == []


def test_a_model_that_looks_ahead_by_one_kernel_only(wordpiece):
    """Without padding no mask is made, and eager attention of this model hides what its fused attention sees."""
    options = MORE["Gemma3ForCausalLM"] | {"use_bidirectional_attention": True}
    hf = small("GemmaForCausalLM", options, len(wordpiece))
    with pytest.raises(HeadwiseError, match="'a sentence with hooks == without'"):
        headwise.load(hf, tokenizer=wordpiece)


def test_a_model_that_is_not_finite(wordpiece):
    hf = make("GPT2", vocabulary=len(wordpiece)).to(torch.float16)
    with torch.no_grad():
        hf.transformer.h[0].attn.c_attn.weight.mul_(1e4)
    with pytest.raises(HeadwiseError, match=r"not finite in float16: .* load it in float32"):
        headwise.load(hf, tokenizer=wordpiece)


def test_an_adapter_in_the_output_matrix_is_named(wordpiece):
    class Lora(torch.nn.Linear):
        def __init__(self, base):
            super().__init__(base.in_features, base.out_features, bias=False)
            self.weight = base.weight
            self.lora_A = torch.nn.Parameter(torch.randn(2, base.in_features))
            self.lora_B = torch.nn.Parameter(torch.randn(base.out_features, 2))

        def forward(self, x):
            return super().forward(x) + x @ self.lora_A.T @ self.lora_B.T

    hf = small("MistralForCausalLM", GROUPED, len(wordpiece))
    attention = hf.model.layers[0].self_attn
    attention.o_proj = Lora(attention.o_proj)
    with pytest.raises(
        HeadwiseError, match=r"An adapter stands in its output matrix.*merge_and_unload"
    ):
        headwise.load(hf, tokenizer=wordpiece)
