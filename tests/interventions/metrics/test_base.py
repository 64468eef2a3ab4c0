"""A metric of one's own: what it sees of a pass, and the number that is made of it."""

import numpy as np
import pytest
import torch

from headwise import ablate
from headwise.activations import hooks
from headwise.interventions.metrics.base import Reading
from headwise.interventions.prompts import Prompts
from helpers.sweeps import suite


def test_a_reading_sees_the_pass_and_the_clean_one(tiny_gpt2):
    """The length of the first token's end, less that of the intact run: zero there, and by hand where a head is cut."""
    seen_at = ("residual", 2)

    def read(seen):
        length = seen.sites[seen_at][:, :, 0].norm(dim=-1)
        if seen.clean is None:
            return 0 * length
        before = seen.clean.sites[seen_at][:, :, 0].norm(dim=-1)
        assert seen.clean.clean is None and seen.clean.rows == seen.rows
        return length - before

    def longer(model, asked, prompts):
        return Reading("longer", read, "how much longer", sites=(seen_at,))

    asked = suite()
    result = ablate(tiny_gpt2, asked, metrics=[longer], heads=[(1, 2)], method=["zero"], n_null=0)
    np.testing.assert_array_equal(result.clean_values["longer"], 0)
    prompts = Prompts.of(tiny_gpt2, asked, answers=False)
    for i, (row, _) in enumerate(prompts.ends):
        tokens = torch.tensor([prompts.rows[row].tokens])
        lengths = []
        for factor in (1, 0):
            with (
                hooks.edit(tiny_gpt2, "z", lambda z, _, f=factor: f * z, layers=[1], heads=[2]),
                hooks.capture(tiny_gpt2, ["residual"], layers=[2]) as seen,
            ):
                tiny_gpt2.forward(tokens)
            lengths.append(float(seen["residual", 2][0, 0].norm()))
        assert result.degradations["longer"][0, 0, i] == pytest.approx(
            lengths[0] - lengths[1], abs=1e-5
        )
