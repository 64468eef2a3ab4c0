"""Going on from the middle of a model gives what the whole model gives, on every architecture."""

import pytest
import torch

import headwise
from headwise.activations import _skip_blocks, hooks
from helpers.architectures import CONFIGS, MASK, TARGETS, TOKENS, make


@pytest.mark.parametrize("name", CONFIGS)
def test_going_on_is_running_the_whole(name, byte_level):
    model = headwise.load(make(name), tokenizer=byte_level, verify=False)
    targets = TARGETS if len(model.stacks) == 2 else None
    for side in ("",) if len(model.stacks) == 1 else ("encoder", "decoder"):
        if not _skip_blocks.can_resume(model, side):
            assert name == "T5"
            continue
        site = f"{side}.z" if side else "z"
        with _skip_blocks.keeping(model, [0, 1, 2], side) as kept:
            intact = model.logits(TOKENS, MASK, targets)
        for layer in (0, 1):
            cut = hooks.edit(model, site, lambda z, site: 0 * z, layers=[layer], heads=[2])
            with cut:
                expected = model.logits(TOKENS, MASK, targets)
            with _skip_blocks.resumed(model, kept[layer]), cut_again(model, site, layer):
                found = model.logits(TOKENS, MASK, targets)
            assert torch.equal(found, expected)
            assert not torch.allclose(found, intact, atol=1e-3)
        with _skip_blocks.resumed(model, kept[2]):  # no block is left to compute
            assert torch.equal(model.logits(TOKENS, MASK, targets), intact)
        assert torch.equal(model.logits(TOKENS, MASK, targets), intact)  # nothing stays behind


def cut_again(model, site, layer):
    return hooks.edit(model, site, lambda z, site: 0 * z, layers=[layer], heads=[2])


def test_every_row_several_times(tiny_bert):
    with _skip_blocks.keeping(tiny_bert, [1]) as kept:
        once = tiny_bert.logits(TOKENS, MASK)
    tokens, mask = (x.repeat_interleave(3, dim=0) for x in (TOKENS, MASK))
    with _skip_blocks.resumed(tiny_bert, kept[1].repeated(3)):
        found = tiny_bert.logits(tokens, mask)
    torch.testing.assert_close(found, once.repeat_interleave(3, dim=0), atol=1e-5, rtol=1e-5)
