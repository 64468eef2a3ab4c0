"""Models that learnt nothing, or attend to nothing in particular, are ablated as the model itself is."""

import numpy as np
import pytest
import torch

from headwise import HeadwiseError, ablate, evidence
from headwise.activations import hooks
from headwise.interventions.controls import spread, uniform_attention
from headwise.interventions.prompts import Prompts
from helpers.architectures import load
from helpers.sweeps import TEXTS, suite


@pytest.mark.parametrize("name", ["GPT2", "Gemma2", "Bert", "T5"])
def test_uniform_attention(name, byte_level, wordpiece):
    """Every head attends alike to whatever its mask leaves, and no hook stays."""
    model = load(name, byte_level, wordpiece)
    tokens, mask = (
        torch.tensor([[5, 9, 3, 7], [2, 8, 6, 1]]),
        torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]),
    )
    keys = (
        ["pattern"]
        if len(model.stacks) == 1
        else ["encoder.pattern", "decoder.pattern", "cross.pattern"]
    )
    targets = tokens if len(model.stacks) == 2 else None
    with uniform_attention(model), hooks.capture(model, keys) as seen:
        model.forward(tokens, mask, targets)
    for key in keys:
        pattern = seen[key, 1][0, 1]
        causal = key == "decoder.pattern" or (len(keys) == 1 and model.is_causal)
        even = torch.ones(4, 4).tril() if causal else torch.ones(4, 4)
        torch.testing.assert_close(pattern, even / even.sum(-1, keepdim=True))
        if key in ("pattern", "encoder.pattern") and not causal:
            assert (seen[key, 1][1, ..., 3] == 0).all()
    assert not model.engine.taps


def test_controls_take_sentences_of_all_groups(tiny_gpt2):
    asked = suite(TEXTS * 3)
    prompts = Prompts.of(tiny_gpt2, asked, answers=True)
    few = spread(asked, prompts, 4)
    assert [pair.group for pair in few.pairs].count("g") == 2 and len(
        {p.group for p in few.pairs}
    ) == 3
    assert few.sentences == tuple(s for p in few.pairs for s in (p.clean, p.corrupted))
    result = ablate(tiny_gpt2, suite(WIDE), method=["zero", "mean"], heads=[(0, 1), (1, 2)])
    found = result.controls
    assert found is not None and found.names == (
        "random weights 1",
        "random weights 2",
        "uniform attention",
    )
    assert found.cases == 40 and found.scale == pytest.approx((len(WIDE) / 40) ** 0.5)
    assert found.t["logit difference"].shape == (3, 2, 2) and "kl" not in found.t
    with uniform_attention(tiny_gpt2):
        own = ablate(
            tiny_gpt2,
            spread(suite(WIDE), Prompts.of(tiny_gpt2, suite(WIDE), answers=True), 40),
            method=["zero", "mean"],
            heads=[(0, 1), (1, 2)],
            n_null=0,
        )
    np.testing.assert_allclose(
        found.degradations["logit difference"][2],
        own.degradations["logit difference"].mean(-1),
        atol=1e-5,
    )
    degradation, t = found.largest("logit difference")
    assert (
        degradation == found.degradations["logit difference"].min(axis=1).max()
        and t == found.t["logit difference"].min(axis=1).max()
    )


WIDE = tuple(
    (f"g{i % 12}", f"the {a} {b} {c}", *words)
    for i, (a, b, c, words) in enumerate(
        (a, b, c, words)
        for words in (("forest", "verdant"), ("verdant", "forest"))
        for a in ("blue", "fluffy", "verdant")
        for b in ("creature", "forest", "blue")
        for c in ("roamed", "forest", "creature")
    )
)


def test_a_model_without_a_random_twin(tiny_gpt2, monkeypatch):
    def refuse(model, seed):
        raise HeadwiseError("its class wants what its configuration does not say")

    monkeypatch.setattr("headwise.model.loading.random_like", refuse)
    result = ablate(tiny_gpt2, suite(WIDE), method=["zero"], heads=[(0, 1)])
    assert result.controls is not None and "its class wants" in result.controls.why_not
    assert not (evidence.matters(result)["matters"] == "yes").any()
