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
    body = raw[type(model.hf).__name__].base_model
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


def test_no_hook_is_left_behind(model):
    def n_hooks():
        return sum(len(module._forward_hooks) for module in model.hf.modules())

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
        pytest.raises(HeadwiseError, match="Nothing was captured at 'pattern'"),
        hooks.capture(model, ["z"]) as seen,
    ):
        seen["pattern", 0]
