"""A model that torch compiled is the same model: taps stand outside its graphs."""

import pytest
import torch

import headwise
from headwise.activations import hooks
from helpers.architectures import GROUPED, small

TOKENS = torch.tensor([[5, 6, 7, 8]])
SITES = ("z", "pattern", "residual", "k")


def seen_by(raw):
    with hooks.capture(raw, SITES) as seen:
        logits = raw(TOKENS).logits
    return logits, dict(seen.items())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", ["the model", "its blocks"])
def test_a_compiled_model_is_seen(what, byte_level):
    raw = small("LlamaForCausalLM", GROUPED, len(byte_level))
    expected = seen_by(raw)
    for module in [raw] if what == "the model" else raw.model.layers:
        module.compile(backend="aot_eager")
    logits, seen = seen_by(raw)
    torch.testing.assert_close(logits, expected[0])
    for place, tensor in expected[1].items():
        torch.testing.assert_close(seen[place], tensor)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
def test_compiled_blocks_are_ablated(byte_level):
    raw = small("LlamaForCausalLM", GROUPED, len(byte_level))
    model = headwise.load(raw, tokenizer=byte_level)
    with hooks.ablated(model, ["L0H1"]):
        expected = model.logits(TOKENS)
    for block in raw.model.layers:
        block.compile(backend="aot_eager")
    with hooks.ablated(model, ["L0H1"]):
        torch.testing.assert_close(model.logits(TOKENS), expected)
    torch._dynamo.reset()
