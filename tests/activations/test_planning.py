"""What a capture needs is known exactly before it begins."""

from pathlib import Path

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import alignment as words
from headwise.activations import planning
from headwise.data.suite import Sentence

SENTENCES = ["a fluffy blue creature", "the forest", "the verdant creature roamed the blue forest"]
SITES = ["q", "k", "v", "scores", "pattern", "z", "residual", "update", "norms"]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def model(request):
    return request.getfixturevalue(request.param)


def test_need_is_exact(model):
    aligned = planning.Aligned(words.align(model, [Sentence.of(text) for text in SENTENCES]), None)
    plan = planning.Plan.make(
        model, aligned, SITES, None, None, budget=10**9, batch_tokens=30, may_offload=False
    )
    assert plan.n_bytes == headwise.capture(model, SENTENCES, SITES, batch_tokens=30).nbytes


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("4GiB", 4 * 2**30), ("500 MB", 500_000_000), (123, 123), ("1.5kb", 1500), ("7", 7)],
)
def test_budgets(text, n_bytes):
    assert planning.parse(text) == n_bytes


@pytest.mark.parametrize("text", ["much", "", "-4GB", "0", "4 parsecs"])
def test_budgets_that_cannot_be_read(text):
    with pytest.raises(HeadwiseError, match="Cannot read the budget"):
        planning.parse(text)


def test_over_budget_names_the_figure_and_the_ways_out(tiny_bert):
    with pytest.raises(
        HeadwiseError, match=r"takes .* KiB, more .*budget=.*offload_dir=.*headwise\.reduce"
    ):
        headwise.capture(tiny_bert, SENTENCES * 9, ["pattern"], budget="20KB")
    with pytest.raises(HeadwiseError, match="One sentence alone takes"):
        headwise.capture(tiny_bert, SENTENCES, ["pattern"], budget="1KB", offload_dir="nowhere")
    assert not Path("nowhere").exists()


def test_a_stack_has_layers_in_the_order_in_which_they_were_given(tiny_gpt2):
    cache = headwise.capture(tiny_gpt2, ["the mole dug"], ["z"], layers=[1, 0])
    assert torch.equal(cache["z"][0], cache["z", 1]) and torch.equal(cache["z"][1], cache["z", 0])


def test_no_layers_are_no_capture(tiny_gpt2):
    with pytest.raises(HeadwiseError, match="No layers were named"):
        headwise.capture(tiny_gpt2, ["the mole dug"], ["z"], layers=[])
