"""No number holds dropout, and a model gets back the mode that it had."""

import pytest
import torch

import headwise
from helpers.architectures import TOKENS, make


def in_training(name, tokenizer):
    raw = make(name, len(tokenizer))
    for module in raw.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    model = headwise.load(raw, tokenizer=tokenizer)
    raw.train()
    raw.base_model.eval()  # modes may be mixed
    next(raw.base_model.children()).train()
    return model, raw


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Bert"])
def test_it_is_run_in_evaluation_mode_and_put_back(name, tokenizer):
    model, raw = in_training(name, tokenizer)
    before = [module.training for module in raw.modules()]
    assert any(before) and not all(before)
    with pytest.warns(UserWarning, match="training mode"):
        found = model.logits(TOKENS)
    assert [module.training for module in raw.modules()] == before
    raw.eval()
    assert torch.equal(found, model.logits(TOKENS))


@pytest.mark.filterwarnings("ignore:This GPT2LMHeadModel is in training mode")
def test_two_captures_are_one(tokenizer):
    model, raw = in_training("GPT2", tokenizer)
    raw.train()
    first, second = (
        headwise.capture(model, ["The mole dug a tunnel."], ["pattern"])["pattern", 0]
        for _ in range(2)
    )
    assert torch.equal(first, second)
    torch.testing.assert_close(first.sum(-1), torch.ones_like(first.sum(-1)))


@pytest.mark.filterwarnings("ignore:This GPT2LMHeadModel is in training mode")
def test_modes_come_back_after_an_error(tokenizer):
    model, raw = in_training("GPT2", tokenizer)
    raw.train()

    def fails(tensor, site):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), headwise.hooks.edit(model, "z", fails):
        model.forward(TOKENS)
    assert all(module.training for module in raw.modules())


def test_a_pass_of_ones_own_inside_a_block(tokenizer):
    model, raw = in_training("GPT2", tokenizer)
    raw.train()
    with (
        pytest.warns(UserWarning, match="training mode") as said,
        headwise.hooks.capture(model, "pattern") as seen,
    ):
        raw(TOKENS)
    assert said[0].filename == __file__
    assert all(module.training for module in raw.modules())
    pattern = seen["pattern", 0]
    torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern.sum(-1)))


def test_an_edit_that_gives_nothing_back(tokenizer):
    model, _ = in_training("GPT2", tokenizer)
    model.hf.eval()
    with (
        pytest.raises(headwise.HeadwiseError, match="must return a tensor, not NoneType"),
        headwise.hooks.edit(model, "z", lambda z, site: None),
    ):
        model.forward(TOKENS)
