"""What a forward pass is given is right, or refused in a sentence."""

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError
from helpers.architectures import TWO_STACKS, load, make

IDS = torch.tensor([[5, 9, 3, 7]])


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_ids_of_any_integer_type_are_alike(tiny_gpt2, dtype):
    assert torch.equal(tiny_gpt2._inputs.of(IDS.to(dtype))["input_ids"], IDS)


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (IDS[0], r"got the shape \[4\]"),
        (IDS[None], r"got the shape \[1, 1, 4\]"),
        (IDS[:0], r"got the shape \[0, 4\]"),
        (IDS[:, :0], r"got the shape \[1, 0\]"),
        ([[5, 9]], "got list"),
        (np.array([[5, 9]]), "got ndarray"),
        ("The mole dug.", "got str"),
        (None, "got NoneType"),
        (IDS.float(), "got the type float32"),
        (IDS > 4, "got the type bool"),
        (IDS - 6, "-3 is outside the vocabulary"),
        (IDS + 10**6, "is outside the vocabulary"),
    ],
)  # fmt: skip
def test_no_tokens(tiny_gpt2, tokens, says):
    with pytest.raises(HeadwiseError, match=says):
        tiny_gpt2._inputs.of(tokens)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (torch.ones(1, 3), r"got \[1, 3\]"),
        (torch.ones(2, 4), r"got \[2, 4\]"),
        (torch.ones(4), r"got \[4\]"),
        ([[1, 1, 1, 1]], "got list"),
        (torch.zeros(1, 4), "row 0 has no token"),
        (torch.tensor([[1, 1, 0, 1]]), "row 0 has zeros between ones"),
        (torch.tensor([[0, 1, 0, 1]]), "row 0 has zeros between ones"),
        (torch.tensor([[1, 2, 1, 1]]), "got other numbers"),
        (torch.tensor([[1, 0.5, 1, 1]]), "got other numbers"),
    ],
)  # fmt: skip
def test_no_mask(tiny_gpt2, mask, says):
    with pytest.raises(HeadwiseError, match=says):
        tiny_gpt2._inputs.of(IDS, mask)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32])
def test_a_mask_of_any_type(tiny_gpt2, dtype):
    mask = torch.tensor([[0, 1, 1, 0]])
    assert torch.equal(tiny_gpt2._inputs.of(IDS, mask.to(dtype))["attention_mask"], mask)


def test_pads_at_either_end_change_nothing(tiny_gpt2):
    alone = tiny_gpt2.forward(IDS)
    padded = torch.tensor([[2, 2, *IDS[0].tolist(), 2]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 0]])
    torch.testing.assert_close(tiny_gpt2.forward(padded, mask)[:, 2:6], alone, atol=1e-5, rtol=0)


def test_what_a_masked_token_is_means_nothing_to_roberta(wordpiece, byte_level):
    model = load("Roberta", byte_level, wordpiece)
    padded, mask = torch.tensor([[7, 7, 5, 9, 3]]), torch.tensor([[0, 0, 1, 1, 1]])
    found = model.forward(padded, mask)[:, 2:]
    torch.testing.assert_close(found, model.forward(padded[:, 2:]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", TWO_STACKS)
def test_no_targets(name, byte_level, wordpiece):
    model = load(name, byte_level, wordpiece)
    with pytest.raises(HeadwiseError, match="needs one of targets; got 1 and 2"):
        model._inputs.of(IDS, None, IDS.repeat(2, 1))
    with pytest.raises(HeadwiseError, match="padded on the right"):
        model.forward(IDS, targets=IDS, target_mask=torch.tensor([[0, 1, 1, 1]]))


def test_targets_of_one_stack(tiny_gpt2):
    with pytest.raises(HeadwiseError, match="takes no targets"):
        tiny_gpt2.forward(IDS, targets=IDS)


def test_a_decoder_without_a_start(byte_level):
    raw = make("T5", len(byte_level))
    raw.config.decoder_start_token_id = None
    model = headwise.load(raw, tokenizer=byte_level, verify=False)
    with pytest.raises(HeadwiseError, match="with which token its decoder starts"):
        model.forward(IDS)
