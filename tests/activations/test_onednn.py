"""Faster kernels compute what the model computes, whatever stands in it."""

import pytest
import torch
from torch import nn

import headwise
from headwise.activations import _onednn
from helpers.architectures import CONFIGS, TARGETS, TOKENS, TWO_STACKS, load


class Linear(nn.Module):
    """An adapter that is called as what it adapts, with the base layer's weight as its own (as in peft)."""

    def __init__(self, base):
        super().__init__()
        self.base_layer = base
        self.down = nn.Linear(base.weight.shape[1 - hasattr(base, "nf")], 4, bias=False)
        self.up = nn.Linear(4, base.weight.shape[hasattr(base, "nf")], bias=False)
        nn.init.normal_(self.down.weight, std=0.3)
        nn.init.normal_(self.up.weight, std=0.3)

    @property
    def weight(self):
        return self.base_layer.weight

    @property
    def bias(self):
        return self.base_layer.bias

    def forward(self, x):
        return self.base_layer(x) + self.up(self.down(x))


class Doubled(nn.Linear):
    """A linear map that does more than its weight says."""

    def forward(self, x):
        return 2 * super().forward(x)


def adapted(name, byte_level, wordpiece, wrap=Linear):
    torch.manual_seed(1)
    model = load(name, byte_level, wordpiece)
    hf = model.hf
    hf.set_output_embeddings(wrap(hf.get_output_embeddings()).eval())
    return model


def doubled(base):
    made = Doubled(base.weight.shape[1], base.weight.shape[0], bias=False)
    made.weight = base.weight
    return made


@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_numbers(name, byte_level, wordpiece):
    model = load(name, byte_level, wordpiece)
    targets = TARGETS if name in TWO_STACKS else None
    expected = model.logits(TOKENS, targets=targets)
    with _onednn.fast(model):
        found = model.logits(TOKENS, targets=targets)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
    assert not any("forward" in vars(module) for module in model.hf.modules())


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
@pytest.mark.parametrize("wrap", [Linear, doubled])
def test_an_adapter_stays_in_every_sweep(name, wrap, byte_level, wordpiece):
    """The clean metric of an ablation is that of a plain run, and what stands in for a linear map is left alone."""
    model = adapted(name, byte_level, wordpiece, wrap)
    base = load(name, byte_level, wordpiece)
    texts = ["the mole dug a tunnel", "the king ate a cake"]
    found = headwise.ablate(model, texts, metrics="loss", heads=["L0H0"], method="zero", n_null=0)
    plain = headwise.ablate(base, texts, metrics="loss", heads=["L0H0"], method="zero", n_null=0)
    expected = []
    for text in texts:
        tokens, mask = model.tokenize(text)
        log_p = model.logits(tokens, mask)[0].log_softmax(-1)
        expected.append(-log_p[:-1].gather(1, tokens[0, 1:, None]).mean().item())
    assert found.clean_values["loss"] == pytest.approx(expected, abs=1e-5)
    assert abs(found.clean_values["loss"] - plain.clean_values["loss"]).max() > 0.01


@pytest.mark.parametrize("wrap", [Linear, doubled])
def test_what_is_more_than_its_matrix_is_not_read_as_one(wrap, byte_level, wordpiece):
    model = adapted("Llama", byte_level, wordpiece, wrap)
    with pytest.raises(headwise.UnsupportedModel, match="merge_and_unload"):
        _ = model.unembedding


def test_embeddings_that_are_scaled_are_a_table(byte_level, wordpiece):
    model = load("Gemma", byte_level, wordpiece)
    assert torch.equal(model.embedding, model.hf.get_input_embeddings().weight)
    model.hf.set_input_embeddings(nn.Sequential(model.hf.get_input_embeddings(), nn.Tanh()))
    del model.__dict__["embedding"]
    with pytest.raises(headwise.UnsupportedModel, match="more than a matrix"):
        _ = model.embedding


def test_a_small_adapter_is_no_rounding(byte_level, wordpiece):
    """In half precision its effect is within what rounding may do, and it is refused all the same."""
    model = adapted("Llama", byte_level, wordpiece)
    with torch.no_grad():
        model.hf.get_output_embeddings().up.weight.mul_(1e-4)
    model.hf.to(torch.bfloat16)
    with pytest.raises(headwise.UnsupportedModel, match="merge_and_unload"):
        _ = model.unembedding
