import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.model.loading import hold
from helpers.architectures import TARGETS, load

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


def test_edits_of_chosen_heads_and_positions(model):
    with hooks.capture(model, ["z"], layers=[0]) as before:
        model.forward(TOKENS, MASK)
    with (
        hooks.edit(model, "z", lambda z, site: z + 1, layers=[0], heads=[3, 1], positions=[2]),
        hooks.capture(model, ["z"], layers=[0]) as after,
    ):
        model.forward(TOKENS, MASK)
    changed = (after["z", 0] - before["z", 0]).abs().amax(dim=(0, 3)) > 0.5
    assert changed.nonzero().tolist() == [[2, 1], [2, 3]]  # [pos, head]


def test_edits_of_patterns_by_query(model):
    uniform = torch.tensor([0.25, 0.25, 0.25, 0.25])
    with (
        hooks.edit(
            model, "pattern", lambda p, site: uniform.expand_as(p), heads=[2], positions=[3]
        ),
        hooks.capture(model, ["pattern", "v", "z"]) as seen,
    ):
        model.forward(TOKENS, MASK)
    torch.testing.assert_close(seen["pattern", 1][0, 2, 3], uniform)
    torch.testing.assert_close(seen["z", 1][0, 3, 2], seen["v", 1][0, :, 2].mean(0))
    assert (seen["pattern", 1][0, 1, 3] - uniform).abs().max() > 1e-3


def test_an_edit_is_told_where_it_is(model):
    seen = []
    with hooks.edit(model, "q", lambda q, site: (seen.append(site), q)[1]):
        model.forward(TOKENS, MASK)
    assert [(site.name, site.layer, site.key) for site in seen] == [("q", 0, "q"), ("q", 1, "q")]


def test_capture_sees_edits_entered_before_it_only(model):
    with (
        hooks.capture(model, ["v"], layers=[0]) as first,
        hooks.edit(model, "v", lambda v, site: 0 * v),
        hooks.capture(model, ["v"], layers=[0]) as last,
    ):
        model.forward(TOKENS, MASK)
    assert first["v", 0].abs().max() > 0 and last["v", 0].abs().max() == 0


def test_the_callers_own_forward_pass_is_hooked(model):
    with hooks.capture(model, ["pattern"]) as seen:
        out = model.hf(input_ids=TOKENS, attention_mask=MASK)
    expected = model.hf(input_ids=TOKENS, attention_mask=MASK)
    assert len(seen) == 2
    torch.testing.assert_close(out.logits, expected.logits, atol=1e-5, rtol=1e-5)


def test_gradients_flow_through_edits(model):
    scale = torch.ones((), requires_grad=True)
    with hooks.edit(model, "z", lambda z, site: z * scale, layers=[0], heads=[1]):
        model.hf(input_ids=TOKENS, attention_mask=MASK).logits.pow(2).sum().backward()
    assert scale.grad is not None and scale.grad.abs() > 0


def test_the_attention_implementation_is_given_back(model):
    before = model.hf.config._attn_implementation
    with hooks.capture(model, ["pattern"]):
        assert model.hf.config._attn_implementation != before
        model.forward(TOKENS, MASK)
    assert model.hf.config._attn_implementation == before
    with (
        pytest.raises(ZeroDivisionError),
        hooks.edit(model, "scores", lambda s, site: s / (1 // 0)),
    ):
        model.forward(TOKENS, MASK)
    assert model.hf.config._attn_implementation == before


def test_patterns_are_eager_and_the_rest_is_fused(model):
    with hooks.capture(model, ["z"]):
        assert model.hf.config._attn_implementation == "headwise-sdpa"
        with hooks.capture(model, ["pattern"], layers=[1]):
            assert model.hf.config._attn_implementation == "headwise-eager"
            model.forward(TOKENS, MASK)
        assert model.hf.config._attn_implementation == "headwise-sdpa"


def test_hooks_that_never_fired_are_named(model):
    with (
        pytest.raises(HeadwiseError, match="2 of 2 hooks never fired, the one on 'z', layer 0"),
        hooks.capture(model, ["z"]),
    ):
        pass
    first = model.stacks[0].blocks[0]
    with (
        pytest.raises(HeadwiseError, match="1 of 2 hooks never fired, the one on 'q', layer 1"),
        hooks.capture(model, ["q"]),
    ):
        first(torch.zeros(1, 3, 32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": [4]}, r"has no head 4; expected 0 to 3"),
        ({"positions": [9]}, r"No position 9 at 'z', layer 0; expected 0 to 3"),
        ({"change": lambda z, site: z[:, :1]}, r"expected \[2, 4, 4, 8\], got \[2, 1, 4, 8\]"),
    ],
)
def test_edits_that_do_not_fit(model, options, message):
    options = {"change": lambda z, site: z} | options
    with pytest.raises(HeadwiseError, match=message), hooks.edit(model, "z", **options):
        model.forward(TOKENS, MASK)


def test_derived_sites_and_heads_of_the_stream_are_refused(model):
    with (
        pytest.raises(HeadwiseError, match="'update' is derived"),
        hooks.capture(model, ["update"]),
    ):
        pass
    with (
        pytest.raises(HeadwiseError, match="residual stream has no heads"),
        hooks.edit(model, "residual", lambda r, site: r, heads=[0]),
    ):
        model.forward(TOKENS, MASK)


def test_a_model_that_the_caller_holds_needs_no_loading(raw):
    """No tokenizer, no copy; and everyone who holds the model shares its taps."""
    hf = raw["GPT2LMHeadModel"]
    with torch.inference_mode():
        expected = hf(input_ids=TOKENS, output_attentions=True).attentions
    with (
        hooks.capture(hf, ["pattern"]) as seen,
        hooks.edit(hf, "v", lambda v, site: 0 * v),
        hooks.capture(hf, ["z"]) as without,
    ):
        hf(input_ids=TOKENS)
    torch.testing.assert_close(seen["pattern", 0], expected[0], atol=1e-5, rtol=0)
    assert without["z", 1].abs().max() == 0
    assert hf.config._attn_implementation == "eager"
    with pytest.raises(HeadwiseError, match="Expected a Model, a Hugging Face PreTrainedModel"):
        hooks.capture(torch.nn.Linear(2, 2), ["z"]).__enter__()
    with pytest.raises(HeadwiseError, match="has no tokenizer"):
        headwise.capture(hold(hf), ["a sentence"], ["z"])


def test_a_loaded_model_and_the_one_it_was_made_of_share_taps(raw, byte_level):
    hf = raw["GPT2LMHeadModel"]
    model = headwise.load(hf, tokenizer=byte_level)
    with hooks.capture(model, ["z"]) as outer, hooks.edit(hf, "v", lambda v, site: 0 * v):
        model.forward(TOKENS)
    assert outer["z", 0].abs().max() == 0


def test_a_model_with_the_same_configuration_is_left_alone(tiny_gpt2):
    """Looking into one model changes how its configuration runs attention; another that shares it must not notice."""
    torch.manual_seed(1)
    other = type(tiny_gpt2.hf)(tiny_gpt2.hf.config).eval()
    tokens = torch.tensor([[1, 2, 3, 4]])
    expected = other(tokens).logits
    with hooks.edit(tiny_gpt2, "pattern", lambda pattern, site: 0 * pattern):
        found = other(tokens).logits
        tiny_gpt2.forward(tokens)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("site", ["k", "v", "k_before_rotary"])
def test_heads_of_keys_and_values_are_query_heads(site, byte_level, wordpiece):
    """Under grouped queries, heads 0 and 1 read one key-value head, and 2 and 3 the other."""
    grouped = load("Llama", byte_level, wordpiece)
    with (
        hooks.capture(grouped, [site]) as whole,
        hooks.capture(grouped, [site], heads=[3, 0, 1]) as some,
    ):
        grouped.forward(TOKENS)
    assert whole[site, 1].shape[2] == 2
    assert torch.equal(some[site, 1], whole[site, 1][:, :, [1, 0, 0]])
    with hooks.capture(grouped, [site], heads="L1H3") as one:
        grouped.forward(TOKENS)
    assert torch.equal(one[site, 1], whole[site, 1][:, :, [1]])
    with (
        hooks.edit(grouped, site, lambda x, at: 0 * x, layers=[1], heads=[1, 0]),
        hooks.capture(grouped, [site]) as edited,
    ):
        grouped.forward(TOKENS)
    assert (edited[site, 1][:, :, 0] == 0).all()
    assert torch.equal(edited[site, 1][:, :, 1], whole[site, 1][:, :, 1])
    assert torch.equal(edited[site, 0], whole[site, 0])


@pytest.mark.parametrize("name", ["GPT2", "Llama", "T5"])
@pytest.mark.parametrize("site", ["residual", "z", "v"])
def test_positions_count_from_the_beginning_of_the_text(name, site, byte_level, wordpiece):
    """Generation with a cache runs each new token by itself; what was asked of position 1 is not asked of it again."""
    model = load(name, byte_level, wordpiece)
    two = len(model.stacks) == 2
    given = {"input_ids": TOKENS[:1], "attention_mask": torch.ones_like(TOKENS[:1])}
    given |= {"decoder_input_ids": TARGETS[:1]} if two else {}
    key = f"decoder.{site}" if two else site
    seen = []

    def far(x, _):
        seen.append(x.shape[1])
        return x + 5 * torch.linspace(-1, 1, x.shape[-1])

    def generated(positions, use_cache):
        asked = {
            "max_new_tokens": 5,
            "do_sample": False,
            "use_cache": use_cache,
            "pad_token_id": 0,
            "eos_token_id": None,
        }
        with hooks.edit(model, key, far, layers=[0], positions=positions):
            return model.hf.generate(**given, **asked)

    for positions in ([0], [1, 0]):
        seen.clear()
        with_cache = generated(positions, True)
        assert seen == [len(positions)] * (
            5 if site == "v" else 1
        )  # a cache holds what was not changed
        assert torch.equal(with_cache, generated(positions, False))
