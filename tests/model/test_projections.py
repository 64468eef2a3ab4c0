"""Matrices found in the weights give what a forward pass computes, on every architecture."""

import copy

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.model.loading import hold
from headwise.model.projections import projections
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
    hold(with_biases(hf)).check_projections()


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Llama", "Bart"])
def test_a_bridges_matrices_are_the_same(name, wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    hf = with_biases(make(name, vocabulary=len(wordpiece)))
    bridge = TransformerBridge.boot_transformers(
        name, hf_model=copy.deepcopy(hf), tokenizer=wordpiece, device="cpu"
    )
    model, bridged = hold(hf), headwise.load(bridge)
    bridged.check_projections()
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
        model.check_projections()
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


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_the_matrices_of_a_head_are_views_and_give_what_is_captured(name):
    """By hand from the model's own modules, head by head; under grouped queries of the key-value head that a query head reads."""
    hf = make(name) if name in CONFIGS else small(name, MORE[name], 61)
    model = hold(with_biases(hf))
    inputs, handles = watch_inputs(model)
    wanted = [full(side, site) for side in sides(model) for site in ("v", "z")]
    with hooks.capture(model, wanted) as seen:
        model.forward(torch.arange(5)[None])
    for handle in handles:
        handle.remove()
    own = {p.untyped_storage().data_ptr() for p in hf.parameters()}
    for head in model.heads:
        attention = model.attention(head.side, head.layer)
        shape = (model.d_model, attention.d_head)
        for matrices in (model.W_Q, model.W_K, model.W_V):
            assert matrices[head].shape == shape
            assert matrices[head].untyped_storage().data_ptr() in own
        assert model.W_O[head].shape == shape[::-1]
        assert model.W_O[head].untyped_storage().data_ptr() in own
        shared = head.head // (attention.n_heads // attention.n_key_value_heads)
        bias = projections(attention).b_V
        v = inputs[head.side, head.layer][1] @ model.W_V[head] + (
            0 if bias is None else bias[shared]
        )
        captured = seen[full(head.side, "v"), head.layer]
        torch.testing.assert_close(v, captured[:, :, shared], atol=1e-5, rtol=1e-5)
    z = {place: seen[full(place[0], "z"), place[1]] for place, _ in model.engine.attention_layers()}
    for (side, layer), attention in model.engine.attention_layers():
        heads = [h for h in model.heads if (h.side, h.layer) == (side, layer)]
        summed = sum(z[side, layer][:, :, h.head] @ model.W_O[h] for h in heads)
        bias = 0 if attention.b_O is None else attention.b_O
        with torch.inference_mode():
            by_module = attention.output(z[side, layer].flatten(2))
        torch.testing.assert_close(summed + bias, by_module, atol=1e-5, rtol=1e-5)


def test_a_head_is_named_as_elsewhere():
    model = hold(make("Bart"))
    first = model.W_K["cross.L1H2"]
    for name in ((1, 2, "cross"), headwise.Head(1, 2, "cross")):
        assert torch.equal(model.W_K[name], first)
    assert next(h.name for h in model.heads if h.side == "cross") == "cross.L0H0"
    with pytest.raises(headwise.UnknownName, match="no attention of the side ''"):
        model.W_Q[1, 2]
    with pytest.raises(headwise.UnknownName, match="no layer 9"):
        hold(make("GPT2")).W_O["L9H0"]


def test_what_is_written_to_a_view_is_written_to_the_model():
    model = hold(make("GPTNeoX"))
    model.W_V[1, 2].zero_()
    with hooks.capture(model, ["v"]) as seen:
        forward(model)
    assert torch.equal(seen["v", 1][:, :, 2], projections(model.attention("", 1)).b_V[2].expand_as(seen["v", 1][:, :, 2]))  # fmt: skip


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_transformer_lens_has_the_same_matrices(name, wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    hf = make(name, vocabulary=len(wordpiece))
    bridge = TransformerBridge.boot_transformers(
        name, hf_model=copy.deepcopy(hf), tokenizer=wordpiece, device="cpu"
    )
    model = hold(hf)
    for head in model.heads:
        for matrix in ("W_Q", "W_O"):
            theirs = getattr(bridge, matrix)[head.layer, head.head]
            torch.testing.assert_close(getattr(model, matrix)[head], theirs)
    attention = model.attention()
    for matrix in ("W_K", "W_V"):
        theirs = getattr(bridge, matrix)  # by key-value head, or repeated for each query head
        for head in model.heads:
            at = head.head if theirs.shape[1] == model.n_heads else attention.kv(head.head)
            torch.testing.assert_close(getattr(model, matrix)[head], theirs[head.layer, at])
