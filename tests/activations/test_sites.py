"""Every site on every architecture equals what Hugging Face or a computation by hand says."""

import copy
import math

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from helpers.architectures import (
    CONFIGS,
    MASK,
    N_HEADS,
    ROTARY,
    TARGETS,
    TOKENS,
    TWO_STACKS,
    close,
    full,
    hooked_and_raw,
    make,
    run,
    sides,
)


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, wordpiece):
    """A hooked model, and the same model that nothing has touched."""
    return *hooked_and_raw(request.param, wordpiece), request.param


def inputs_of(name, tokens=TOKENS, mask=MASK):
    given = {"input_ids": tokens, "attention_mask": mask}
    return given | ({"decoder_input_ids": TARGETS} if name in TWO_STACKS else {})


@torch.inference_mode()
def raw_outputs(raw, name):
    out = raw(**inputs_of(name), output_attentions=True, output_hidden_states=True)
    if name not in TWO_STACKS:
        return {"": (out.attentions, out.hidden_states)}
    return {
        "encoder": (out.encoder_attentions, out.encoder_hidden_states),
        "decoder": (out.decoder_attentions, out.decoder_hidden_states),
        "cross": (out.cross_attentions, None),
    }


def test_patterns_and_residuals_are_hugging_faces(pair):
    model, raw, name = pair
    sites = [full(side, "pattern") for side in sides(model)]
    sites += [full(side, "residual") for side in sides(model) if side != "cross"]
    with hooks.capture(model, sites) as seen:
        run(model)
    for side, (attentions, hidden) in raw_outputs(raw, name).items():
        for layer, expected in enumerate(attentions):
            close(seen[full(side, "pattern"), layer], expected)
        for layer, expected in enumerate(hidden[:-1] if hidden else []):
            close(seen[full(side, "residual"), layer], expected)


def test_last_residual_goes_into_the_final_norm(pair):
    model, raw, name = pair
    key = full("" if name not in TWO_STACKS else "decoder", "residual")
    with hooks.capture(model, [key], layers=[2]) as seen:
        last = run(model)
    body = raw.get_decoder() if name in TWO_STACKS else raw.base_model
    norms = [getattr(body, n) for n in ("ln_f", "final_layer_norm", "norm") if hasattr(body, n)]
    with torch.inference_mode():
        close(norms[0](seen[key, 2]) if norms else seen[key, 2], last)


def test_identities_on_every_side(pair):
    """scores -> pattern -> z -> attention output, each from the one before, by hand."""
    model, _, name = pair
    wanted = [
        full(s, site) for s in sides(model) for site in ("q", "k", "v", "scores", "pattern", "z")
    ]
    outputs = {}
    handles = [
        attention.output.register_forward_hook(
            lambda module, args, output, place=place: outputs.__setitem__(place, output)
        )
        for place, attention in model.engine.attention_layers()
    ]
    with hooks.capture(model, wanted) as seen:
        run(model)
    for handle in handles:
        handle.remove()
    for (side, layer), attention in model.engine.attention_layers():
        q, k, v, scores, pattern, z = (
            seen[full(side, site), layer] for site in ("q", "k", "v", "scores", "pattern", "z")
        )
        assert k.shape[2] == v.shape[2] == attention.n_key_value_heads
        assert q.shape[2] == attention.n_heads and q.shape[-1] == attention.d_head
        close(pattern.sum(-1), torch.ones_like(pattern.sum(-1)))
        close(torch.softmax(scores, -1), pattern)
        groups = attention.n_heads // attention.n_key_value_heads
        values = v.repeat_interleave(groups, 2)
        close(torch.einsum("bhqk,bkhd->bqhd", pattern, values), z)
        update = torch.einsum("bqhd,hdm->bqhm", z, attention.W_O)
        bias = attention.b_O if attention.b_O is not None else 0
        with torch.inference_mode():
            close(update.sum(2) + bias, outputs[side, layer])
        dots = torch.einsum("bqhd,bkhd->bhqk", q, k.repeat_interleave(groups, 2))
        scale = {"T5": 1.0, "GPTNeo": 1.0}.get(name, 1 / math.sqrt(attention.d_head))
        expected = dots * scale
        if name == "Gemma2":
            expected = 2.0 * torch.tanh(expected / 2.0)
        if name != "T5":  # T5 adds a position bias to its scores
            open_to = scores > -1e30
            close(scores[open_to], expected[open_to])


def test_cross_attention_looks_at_the_whole_source(pair):
    model, _, name = pair
    if name not in TWO_STACKS:
        with (
            pytest.raises(HeadwiseError, match=r"Unknown site 'cross\.pattern'"),
            hooks.capture(model, ["cross.pattern"]),
        ):
            pass
        return
    with hooks.capture(model, ["cross.pattern", "cross.k", "cross.q"]) as seen:
        run(model)
    pattern = seen["cross.pattern", 1]
    assert pattern.shape == (2, N_HEADS, 3, 5)
    assert (pattern[0] > 0).all()  # not causal: the first target sees the last source word
    assert (pattern[1, ..., 3:] == 0).all()  # padding of the source is masked
    assert seen["cross.k", 0].shape[1] == 5 and seen["cross.q", 0].shape[1] == 3


def test_before_and_after_rotary(pair):
    model, _, name = pair
    if name not in ROTARY:
        side = sides(model)[0]
        with (
            pytest.raises(HeadwiseError, match="has no rotary embedding"),
            hooks.capture(model, [full(side, "q_before_rotary")]),
        ):
            pass
        return
    sites = ["q", "k", "q_before_rotary", "k_before_rotary"]
    with hooks.capture(model, sites) as seen:
        run(model)
    for site in ("q", "k"):
        before, after = seen[f"{site}_before_rotary", 1], seen[site, 1]
        close(before[:, 0], after[:, 0])  # position 0 is not turned
        close(before.norm(dim=-1), after.norm(dim=-1))  # turning keeps lengths
        assert (before[:, 1] - after[:, 1]).abs().max() > 1e-3
    if name in ("Llama", "Gemma", "Gemma2"):
        layer = model.stacks[0].blocks[0]
        with hooks.capture(model, ["residual", "q_before_rotary"]) as seen, torch.inference_mode():
            run(model)
            by_hand = layer.self_attn.q_proj(layer.input_layernorm(seen["residual", 0]))
        close(seen["q_before_rotary", 0], by_hand.reshape(2, 5, N_HEADS, -1))


def test_logits_are_those_of_the_untouched_model(pair):
    model, raw, name = pair
    with torch.inference_mode():
        expected = raw(**inputs_of(name)).logits
    site = full(sides(model)[0], "pattern")
    targets = TARGETS if name in TWO_STACKS else None
    close(model.logits(TOKENS, MASK, targets), expected)
    with hooks.capture(model, [site]):
        close(model.logits(TOKENS, MASK, targets), expected)
    with hooks.capture(model, [full(sides(model)[0], "z")]):
        close(model.logits(TOKENS, MASK, targets), expected)


@pytest.mark.parametrize("padding", ["right", "left"])
def test_padding_cannot_be_seen(pair, padding):
    model, _, name = pair
    side = sides(model)[0]
    wanted = [full(side, s) for s in ("q", "k", "v", "scores", "pattern", "z", "residual")]
    n = 3
    with hooks.capture(model, wanted) as alone:
        run(model, TOKENS[1:, :n], MASK[1:, :n])
    tokens, mask = (TOKENS, MASK) if padding == "right" else (TOKENS.clone(), MASK.flip(1))
    if padding == "left":
        tokens[1] = torch.tensor([0, 0, 8, 6, 4])
    if padding == "left" and name == "Bart":
        with pytest.raises(HeadwiseError, match="Pad on the right"):
            run(model, tokens, mask)
        return
    with hooks.capture(model, wanted) as padded:
        run(model, tokens, mask)
    real = slice(0, n) if padding == "right" else slice(2, 5)
    for key, tensor in alone.items():
        row = padded[key][1]
        if key[0].endswith(("scores", "pattern")):
            found, open_to = row[:, real, real], tensor[0] > -1e30
            close(found[open_to], tensor[0][open_to])
        elif key[0].endswith(("q", "k")) and name in ROTARY and padding == "left":
            close(row[real], tensor[0])
        else:
            close(row[real], tensor[0])


@pytest.mark.parametrize("site", ["q", "k", "v", "scores", "pattern", "residual"])
def test_edits_flow_downstream(pair, site):
    """Each site, changed in layer 0, changes what layer 1 does; unchanged edits change nothing."""
    model, _, _ = pair
    side = sides(model)[0]
    key, downstream = full(side, site), full(side, "residual")

    def residual(change):
        with (
            hooks.edit(model, key, change, layers=[0]),
            hooks.capture(model, [downstream], layers=[1]) as seen,
        ):
            run(model)
        return seen[downstream, 1]

    with hooks.capture(model, [downstream], layers=[1]) as seen:
        run(model)
    close(residual(lambda x, at: x), seen[downstream, 1])
    assert (
        residual(lambda x, at: x * torch.linspace(0.2, 3, x.shape[-1])) - seen[downstream, 1]
    ).abs().max() > 1e-4


def test_a_transformer_lens_bridge_gives_the_same(pair, wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    model, raw, name = pair
    bridge = TransformerBridge.boot_transformers(
        name, hf_model=copy.deepcopy(raw), tokenizer=wordpiece, device="cpu"
    )
    before = [type(m).__name__ for m in bridge.modules() if "forward" in vars(m)]
    bridged = headwise.load(bridge)
    wanted = [
        full(s, site) for s in sides(model) for site in ("q", "k", "v", "scores", "pattern", "z")
    ]
    with hooks.capture(model, wanted) as expected:
        run(model)
    with hooks.capture(bridged, wanted) as seen:
        run(bridged)
    for key, tensor in expected.items():
        if key[0].endswith("scores"):  # masked scores are minus infinity in some models
            close(seen[key].clamp(min=-1e3), tensor.clamp(min=-1e3))
        else:  # the bridge has norms of its own, so what comes in differs in the last digit
            close(seen[key], tensor, 1e-5 * max(1.0, tensor.abs().max().item()))
    changed = [type(m).__name__ for m in bridge.modules() if "forward" in vars(m)]
    assert changed == before


def test_a_sliding_window_is_seen_in_the_pattern(wordpiece):
    model = headwise.load(make("Gemma2", vocabulary=len(wordpiece)), tokenizer=wordpiece)
    with hooks.capture(model, ["pattern"]) as seen:
        model.forward(torch.arange(3, 11)[None])
    windows = [(seen["pattern", layer][0, 0] > 0).sum(-1).max().item() for layer in (0, 1)]
    assert sorted(windows) == [3, 8]
