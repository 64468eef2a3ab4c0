"""Attention run so that it can be read: row by row, and each model by itself."""

import pytest
import torch

import headwise
from headwise.activations import hooks
from headwise.model import RowsTap
from helpers.architectures import (
    CONFIGS,
    TOKENS,
    TWO_STACKS,
    close,
    full,
    hooked_and_raw,
    make,
    run,
)


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, wordpiece):
    """A hooked model, and the same model that nothing has touched."""
    return *hooked_and_raw(request.param, wordpiece), request.param


@pytest.mark.parametrize("starts", [(0,), (0, 2), (0, 1, 4)])
def test_patterns_read_row_by_row(pair, starts):
    """A few queries at a time are the same rows of the same pattern, and the model goes on as it would."""
    model, _, name = pair
    side = "" if name not in TWO_STACKS else "encoder"
    key = full(side, "pattern")
    with hooks.capture(model, [key]) as whole:
        expected = run(model)
    rows = {0: [], 1: []}
    readers = [
        RowsTap((side, layer), lambda w, at, own=rows[layer]: own.append((at, w)), starts)
        for layer in rows
    ]
    with model.engine.reading(readers):
        close(run(model), expected, 2e-5)
    for layer, found in rows.items():
        assert [at for at, _ in found] == list(starts)
        close(torch.cat([w for _, w in found], dim=2), whole[key, layer], 2e-6)
    assert not model.engine.readers


def test_the_callers_own_bridge_pass_is_hooked(wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    hf = make("GPT2", vocabulary=len(wordpiece))
    bridge = TransformerBridge.boot_transformers(
        "x", hf_model=hf, tokenizer=wordpiece, device="cpu"
    )
    with torch.inference_mode():
        plain = bridge(TOKENS)
        with hooks.capture(bridge, ["pattern", "q"]) as seen:
            hooked = bridge(TOKENS)
        _, cache = bridge.run_with_cache(TOKENS)
    close(hooked, plain)
    close(seen["pattern", 1], cache["blocks.1.attn.hook_pattern"])
    close(seen["q", 1], cache["blocks.1.attn.hook_q"])


def test_two_models_hooked_at_once_see_their_own(wordpiece):
    first, second = (
        headwise.load(make("Llama", vocabulary=len(wordpiece)), tokenizer=wordpiece)
        for _ in range(2)
    )
    other = TOKENS.flip(1)
    with hooks.capture(second, ["q_before_rotary"]) as alone:
        second.forward(other)
    with (
        hooks.capture(first, ["q_before_rotary"]) as one,
        hooks.capture(second, ["q_before_rotary"]) as two,
    ):
        second.forward(other)
        first.forward(TOKENS)
        make("Llama", vocabulary=len(wordpiece))(input_ids=other + 1)  # a third one, not hooked
    close(two["q_before_rotary", 1], alone["q_before_rotary", 1])
    assert (one["q_before_rotary", 1] - two["q_before_rotary", 1]).abs().max() > 1e-3
