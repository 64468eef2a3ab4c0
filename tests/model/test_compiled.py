"""A model that torch compiled is the same model, whatever it was run for before: a graph that was made without hooks does not go on without them."""

import pytest
import torch

import headwise
from headwise.activations import hooks
from helpers.architectures import GROUPED, small
from helpers.sweeps import suite

pytestmark = pytest.mark.filterwarnings("ignore")
TOKENS = torch.tensor([[5, 6, 7, 8]])
SITES = ("z", "pattern", "residual", "k")


@pytest.fixture
def raw(byte_level):
    yield small("LlamaForCausalLM", GROUPED, len(byte_level))
    torch._dynamo.reset()


def compile_parts(raw, what, backend):
    for module in [raw] if what == "the model" else raw.model.layers:
        module.compile(backend=backend)


def seen_by(raw, sites=SITES):
    with hooks.capture(raw, sites) as seen:
        logits = raw(TOKENS).logits
    return logits, dict(seen.items())


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("what", ["the model", "its blocks"])
@pytest.mark.parametrize("is_run_before", [False, True])
def test_a_compiled_model_is_seen(what, backend, is_run_before, raw):
    expected = seen_by(raw)
    compile_parts(raw, what, backend)
    if is_run_before:
        raw(TOKENS)
    for sites in (("pattern",), ("z",), SITES):
        logits, seen = seen_by(raw, sites)
        torch.testing.assert_close(logits, expected[0])
        for place, tensor in seen.items():
            torch.testing.assert_close(tensor, expected[1][place])
    torch.testing.assert_close(raw(TOKENS).logits, expected[0])


@pytest.mark.parametrize("what", ["the model", "its blocks"])
def test_a_compiled_model_is_changed(what, raw, byte_level):
    model = headwise.load(raw, tokenizer=byte_level)

    def changed():
        with hooks.ablated(model, ["L0H1"]):
            ablated = model.logits(TOKENS)
        with hooks.edit(model, "residual", lambda x, _: 2 * x, layers=[1]):
            return ablated, model.logits(TOKENS)

    expected = changed()
    compile_parts(raw, what, "eager")
    model.logits(TOKENS)
    raw(TOKENS)
    for found, right in zip(changed(), expected, strict=True):
        torch.testing.assert_close(found, right)


def test_what_is_held_in_a_compiled_model_is_held(raw, byte_level):
    """Norms and MLPs are held by hooks of their own."""
    model = headwise.load(raw, tokenizer=byte_level)
    pairs = suite()
    expected = headwise.direct_effects(model, pairs, heads=["L0H1", "L1H2"]).table
    compile_parts(raw, "its blocks", "eager")
    raw(TOKENS)
    model.logits(TOKENS)
    found = headwise.direct_effects(model, pairs, heads=["L0H1", "L1H2"]).table
    for name in ("total", "direct", "direct_through_mlps"):
        assert found[name].to_numpy() == pytest.approx(expected[name].to_numpy(), abs=1e-5)
