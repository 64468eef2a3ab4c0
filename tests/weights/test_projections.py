"""Matrices found in the weights give what a forward pass computes, on every architecture."""

import copy

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.model.loading import hold
from headwise.weights.projections import check, projections
from helpers.architectures import (
    CONFIGS,
    MASK,
    MORE,
    ROTARY,
    TARGETS,
    TOKENS,
    TWO_STACKS,
    full,
    make,
    sides,
    small,
)


def with_biases(hf):
    """Hugging Face starts biases at zero and gains at one, which would hide them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in hf.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    return hf


def forward(model):
    model.forward(TOKENS, MASK, TARGETS if len(model.stacks) == 2 else None)


def watch_inputs(model):
    """What goes into every attention module: where queries come from, and keys and values."""
    inputs, handles = {}, []
    for place, attention in model.engine.attention_layers():

        def keep(module, args, kwargs, place=place):
            own = args[0] if args else kwargs["hidden_states"]
            other = kwargs.get("key_value_states")
            inputs[place] = own, own if other is None else other

        handles.append(attention.module.register_forward_pre_hook(keep, with_kwargs=True))
    return inputs, handles


@pytest.mark.parametrize("name", CONFIGS)
def test_input_times_matrix_is_what_is_captured(name):
    model = hold(with_biases(make(name)))
    before = "_before_rotary" if name in ROTARY else ""
    sites = {"q": f"q{before}", "k": f"k{before}", "v": "v"}
    wanted = [full(side, site) for side in sides(model) for site in sites.values()]
    inputs, handles = watch_inputs(model)
    with hooks.capture(model, wanted) as seen:
        forward(model)
    for handle in handles:
        handle.remove()
    for (side, layer), attention in model.engine.attention_layers():
        found = projections(attention)
        n_kv, d_head = attention.n_key_value_heads, attention.d_head
        assert found.W_Q.shape == (attention.n_heads, 32, d_head)
        assert found.W_K.shape == found.W_V.shape == (n_kv, 32, d_head)
        own, other = inputs[side, layer]
        for site, x, weight, bias in (
            ("q", own, found.W_Q, found.b_Q),
            ("k", other, found.W_K, found.b_K),
            ("v", other, found.W_V, found.b_V),
        ):
            by_hand = torch.einsum("bpm,hmd->bphd", x, weight) + (0 if bias is None else bias)
            if name == "Qwen3" and site != "v":
                by_hand = getattr(attention.module, f"{site}_norm")(by_hand)
            captured = seen[full(side, sites[site]), layer]
            if name == "GPTJ" and site != "v":  # turned by position, the first one by nothing
                by_hand, captured = by_hand[:, :1], captured[:, :1]
            torch.testing.assert_close(by_hand, captured, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_the_check_passes(name):
    hf = make(name) if name in CONFIGS else small(name, MORE[name], 61)
    check(hold(with_biases(hf)))


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Llama", "Bart"])
def test_a_bridges_matrices_are_the_same(name, wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    hf = with_biases(make(name, vocabulary=len(wordpiece)))
    bridge = TransformerBridge.boot_transformers(
        name, hf_model=copy.deepcopy(hf), tokenizer=wordpiece, device="cpu"
    )
    model, bridged = hold(hf), headwise.load(bridge)
    check(bridged)
    for (_, own), (_, other) in zip(
        model.engine.attention_layers(), bridged.engine.attention_layers(), strict=True
    ):
        for matrix in ("W_Q", "W_K", "W_V"):
            first, second = (getattr(projections(a), matrix) for a in (own, other))
            assert torch.equal(first, second)


def test_a_known_name_for_another_layout_is_refused():
    """GPT-BigCode without shared keys interleaves heads in a matrix that is called as GPT-2's."""
    options = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40, "multi_query": False}
    model = hold(with_biases(small("GPTBigCodeForCausalLM", options, 61)))
    with pytest.raises(HeadwiseError, match="is not its input times the matrix found for it"):
        check(model)
    with pytest.raises(HeadwiseError, match=r"headwise\.capture gives what its heads compute"):
        headwise.read_circuits(model)


def test_an_unknown_layout_is_refused():
    model = hold(make("Llama"))
    attention = model.attention("", 1)
    attention.module.queries = attention.module.q_proj
    del attention.module.q_proj
    with pytest.raises(HeadwiseError, match="Found no query, key and value matrices in a LlamaAtt"):
        projections(attention)
    model = hold(make("GPTNeoX"))
    attention = model.attention("", 0)
    attention.module.query_key_value = torch.nn.Linear(32, 64)
    with pytest.raises(HeadwiseError, match="should be 12 heads of 8 wide, and is 64"):
        projections(attention)


def test_cross_attention_is_not_self_attention():
    for name in TWO_STACKS:
        model = hold(make(name))
        own, cross = (projections(model.attention(side, 0)).W_Q for side in ("decoder", "cross"))
        assert not torch.equal(own, cross)
