import copy

import pytest

import headwise
from headwise import HeadwiseError
from headwise.model import identities as checks
from helpers.architectures import CONFIGS, GROUPED, MORE, make, small


@pytest.mark.parametrize("name", CONFIGS)
def test_identities_hold_on_every_architecture(name, wordpiece):
    model = headwise.load(make(name, vocabulary=len(wordpiece)), tokenizer=wordpiece)
    identities = checks.everything(model)
    assert len(identities) == 7
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
         "'rows of the pattern sum to 1'"),
        ("MambaForCausalLM", {}, "found no blocks with attention"),
        ("BloomForCausalLM", {"n_layer": 2, "n_head": 4}, "found no blocks with attention"),
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
