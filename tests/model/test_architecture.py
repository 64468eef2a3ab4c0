"""Where a model's attention is, found on every architecture."""

import pytest
import torch

import headwise
from headwise.activations import hooks
from helpers.architectures import (
    CONFIGS,
    MASK,
    TARGETS,
    TOKENS,
    TWO_STACKS,
    close,
    full,
    hooked_and_raw,
    make,
    sides,
)


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, wordpiece):
    """A hooked model, and the same model that nothing has touched."""
    return *hooked_and_raw(request.param, wordpiece), request.param


def test_cutting_a_head_is_cutting_its_columns(pair):
    """z set to zero in one head equals zero weights in its slice of the output matrix."""
    model, _, name = pair
    side = sides(model)[-1]
    attention = model.attention(side, 1)
    targets = TARGETS if name in TWO_STACKS else None
    with hooks.edit(model, full(side, "z"), lambda z, site: 0 * z, layers=[1], heads=[2]):
        found = model.logits(TOKENS, MASK, targets)
    weight = attention.output.weight
    kept = weight.detach().clone()
    columns = slice(2 * attention.d_head, 3 * attention.d_head)
    with torch.no_grad():
        if hasattr(attention.output, "nf"):
            weight[columns] = 0
        else:
            weight[:, columns] = 0
    expected = model.logits(TOKENS, MASK, targets)
    with torch.no_grad():
        weight.copy_(kept)
    close(found, expected)
    assert (found - model.logits(TOKENS, MASK, targets)).abs().max() > 1e-4


def test_keys_and_values_of_groups_can_be_repeated(wordpiece):
    model = headwise.load(make("Llama", vocabulary=len(wordpiece)), tokenizer=wordpiece)
    own = headwise.capture(model, ["a blue creature"], ["k", "v", "norms"])
    repeated = headwise.capture(model, ["a blue creature"], ["k", "v"], expand_kv=True)
    assert own["k", 0].shape[2] == 2 and repeated["k", 0].shape[2] == 4
    assert repeated.nbytes == own.nbytes - sum(own[("norms", layer)].nbytes for layer in (0, 1))
    for head in range(4):
        close(repeated["v", 1][:, :, head], own["v", 1][:, :, head // 2])
