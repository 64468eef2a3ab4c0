"""The last block run for the end only says there what the whole block says, on every decoder."""

import pytest
import torch

from headwise.activations import _last_block, hooks
from headwise.interventions._runner import Sweep
from helpers.architectures import CONFIGS, TWO_STACKS, load

DECODERS = [name for name in CONFIGS if name not in (*TWO_STACKS, "Bert", "Roberta")]
TOKENS = torch.tensor([[5, 9, 3, 7, 4, 6], [5, 9, 3, 7, 4, 0]])
MASK = torch.tensor([[1] * 6, [1] * 5 + [0]])


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("first", [1, 3, 5])
def test_the_end_is_the_end_of_the_whole(name, first, byte_level, wordpiece):
    model = load(name, byte_level, wordpiece)
    for tokens, mask in ((TOKENS[:1], None), (TOKENS, MASK)):
        whole = model.logits(tokens, mask)
        keep = torch.arange(first, 6)
        with _last_block.only_from(model, first):
            end = model.logits(tokens, mask, keep=keep)
        torch.testing.assert_close(end, whole[:, first:], atol=1e-5, rtol=1e-5)
        assert torch.equal(model.logits(tokens, mask), whole)  # nothing stays behind


def test_a_cut_below_is_seen(tiny_gpt2):
    cut = hooks.edit(tiny_gpt2, "z", lambda z, _: 0 * z, layers=[0], heads=[1])
    with cut:
        whole = tiny_gpt2.logits(TOKENS, MASK)
    again = hooks.edit(tiny_gpt2, "z", lambda z, _: 0 * z, layers=[0], heads=[1])
    with again, _last_block.only_from(tiny_gpt2, 4):
        end = tiny_gpt2.logits(TOKENS, MASK, keep=torch.arange(4, 6))
    torch.testing.assert_close(end, whole[:, 4:], atol=1e-5, rtol=1e-5)


def test_a_block_that_differs_is_run_whole(tiny_gpt2, monkeypatch):
    """A sweep compares the two before it relies on the shorter one."""
    import headwise
    from helpers.sweeps import suite

    told = []
    asked = Sweep._can_end

    def spy(self, *args):
        told.append(asked(self, *args))
        return told[-1]

    monkeypatch.setattr(Sweep, "_can_end", spy)
    before = headwise.ablate(tiny_gpt2, suite(), metrics=["kl"], method=["zero"], heads=[(0, 1)])
    assert all(told)
    other = _last_block._whole
    monkeypatch.setattr(_last_block, "_whole", lambda *args: other(*args).roll(1, -1))
    after = headwise.ablate(tiny_gpt2, suite(), metrics=["kl"], method=["zero"], heads=[(0, 1)])
    assert not any(told[len(told) // 2 :])
    assert abs(before.degradations["kl"] - after.degradations["kl"]).max() < 1e-5
