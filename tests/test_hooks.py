import pytest
import torch

from headwise import HeadwiseError, hooks

TOKENS = torch.tensor([[5, 9, 3, 7], [8, 2, 4, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
SITES = ["pattern", "z", "residual"]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def model(request):
    return request.getfixturevalue(request.param)


def test_captured_tensors_are_the_raw_models(model, raw):
    with hooks.capture(model, SITES) as seen:
        last = model.forward(TOKENS, MASK)
    body = raw[type(model.bridge.original_model).__name__].base_model
    with torch.inference_mode():
        expected = body(
            input_ids=TOKENS, attention_mask=MASK, output_attentions=True, output_hidden_states=True
        )
        for layer in range(model.n_layers):
            torch.testing.assert_close(seen["pattern", layer], expected.attentions[layer])
            torch.testing.assert_close(seen["residual", layer], expected.hidden_states[layer])
        norm = getattr(body, "ln_f", torch.nn.Identity())
        torch.testing.assert_close(
            norm(seen["residual", model.n_layers]), expected.last_hidden_state
        )
    torch.testing.assert_close(last, expected.last_hidden_state)


def test_pattern_rows_sum_to_one_and_mask_is_kept(model):
    with hooks.capture(model, ["pattern"]) as seen:
        model.forward(TOKENS, MASK)
    for layer in range(model.n_layers):
        pattern = seen["pattern", layer]
        assert pattern.shape == (2, model.n_heads, 4, 4)
        torch.testing.assert_close(pattern.sum(-1), torch.ones(2, model.n_heads, 4))
        assert (pattern[1, :, :3, 3] == 0).all()
        if model.is_causal:
            assert (pattern.triu(1) == 0).all()


@torch.inference_mode()
def test_z_is_the_weighted_values_and_feeds_the_output_matrix(model):
    """z equals pattern @ v, and z through W_O plus bias equals the attention output."""
    attention = model.bridge.hook_dict
    kept = {}
    handles = [
        attention[f"blocks.1.attn.{name}"].register_forward_hook(
            lambda module, inputs, output, name=name: kept.__setitem__(name, output)
        )
        for name in ("hook_v", "o.hook_out")
    ]
    with hooks.capture(model, ["pattern", "z"], layers=[1]) as seen:
        model.forward(TOKENS, MASK)
    for handle in handles:
        handle.remove()
    values = kept["hook_v"].reshape(2, 4, model.n_heads, model.d_head)
    by_hand = torch.einsum("bhqk,bkhd->bqhd", seen["pattern", 1], values)
    torch.testing.assert_close(seen["z", 1], by_hand)
    component = model.bridge.blocks[1].attn
    update = torch.einsum("bqhd,hdm->bqhm", seen["z", 1], component.W_O)
    torch.testing.assert_close(
        update.sum(2) + component.b_O, kept["o.hook_out"], atol=1e-5, rtol=1e-5
    )


def test_no_hook_is_left_behind(model):
    def n_hooks():
        return sum(len(module._forward_hooks) for module in model.bridge.modules())

    before = n_hooks()
    with pytest.raises(ZeroDivisionError), hooks.capture(model, SITES):
        assert n_hooks() > before
        raise ZeroDivisionError
    assert n_hooks() == before


def test_hooks_nest_and_restrict_to_layers(model):
    with (
        hooks.capture(model, ["z"], layers=[1]) as inner,
        hooks.capture(model, ["residual"]) as outer,
    ):
        model.forward(TOKENS, MASK)
    assert list(inner) == [("z", 1)]
    assert sorted(outer) == [("residual", layer) for layer in range(model.n_layers + 1)]


def test_unknown_site_and_layer_are_refused(model):
    with (
        pytest.raises(HeadwiseError, match="Did you mean 'pattern'"),
        hooks.capture(model, ["patern"]),
    ):
        pass
    with (
        pytest.raises(HeadwiseError, match="no layer 2 at site 'z'; expected 0 to 1"),
        hooks.capture(model, ["z"], layers=[2]),
    ):
        pass


def test_asking_for_what_was_not_captured_says_so(model):
    with (
        hooks.capture(model, ["z"]) as seen,
        pytest.raises(HeadwiseError, match="Nothing was captured at 'pattern'"),
    ):
        seen["pattern", 0]
