"""Gradients are slopes: what a patch would do to first order."""

import numpy as np
import pytest
import torch

from headwise import attribution_patch, patch
from helpers.architectures import load
from helpers.patches import LD, PatchByHand, key_of, role_at


@pytest.mark.parametrize("site", ["z", "v", "residual"])
def test_attribution_is_the_slope(model, few, site):
    """What a patch would do to first order is what a thousandth of it does, a thousand times."""
    result = attribution_patch(model, few, site, metrics=LD, top=3, sample=4)
    by_hand = PatchByHand(model, few, "noising")
    step = 1e-2
    for at in range(0, len(result.table), 5):
        row = result.table.iloc[at]
        key, layer = key_of(site, row["side"]), int(row["layer"])

        def a_little(i, sign, row=row, key=key, layer=layer):
            own, other = (
                by_hand.activations(p, i, key, layer) for p in (by_hand.base, by_hand.other)
            )
            way = other - own
            if site == "residual":
                way = (
                    way
                    * torch.tensor(role_at(by_hand.clean, i, row["side"], row["position"]))[:, None]
                )
            return own + sign * step * way

        heads = None if site == "residual" else [int(row["head"])]
        up, down = (
            by_hand.effect(key, layer, heads, lambda i, s=s: a_little(i, s)) for s in (1, -1)
        )
        slope = (up - down) / (2 * step)
        np.testing.assert_allclose(
            result.approximate[at], slope, atol=3e-3 + 0.02 * np.abs(slope).max()
        )
    exact = patch(model, few, site, mode=["noising"], metrics=[LD]).table
    chosen = result.table["chosen"] != ""
    np.testing.assert_allclose(result.table["effect"][chosen], exact["effect"][chosen], atol=1e-5)
    assert result.table["effect"][~chosen].isna().all()
    assert result.table["chosen"].str.contains("top").sum() == 3


def test_gradients_leave_nothing_behind(byte_level, wordpiece, asked):
    model = load("GPT2", byte_level, wordpiece)
    attribution_patch(model, asked, top=1, sample=1)
    assert all(parameter.grad is None for parameter in model.hf.parameters())


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_where_gradients_are_switched_off(off, byte_level, wordpiece, asked):
    model = load("GPT2", byte_level, wordpiece)
    expected = attribution_patch(model, asked, top=1, sample=1).table
    with off():
        found = attribution_patch(model, asked, top=1, sample=1).table
    assert found.equals(expected)
