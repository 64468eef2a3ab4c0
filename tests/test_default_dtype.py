"""Another default type of torch changes nothing: what is computed has the type that the code names."""

import pandas as pd
import pytest
import torch

import headwise
from headwise import burrow_pairs, burrow_sentences


def pairs():
    return burrow_pairs("mole", 12, held_out=True)


ASKED = {
    "logit_lens": lambda model: headwise.logit_lens(model, burrow_sentences("mole", 6)).stream,
    "relation_test": lambda model: (
        headwise.relation_test(
            model, burrow_sentences("mole", 24), "sense: governor->dependent", n_null=1, n_splits=2
        ).table
    ),
    "ablate": lambda model: headwise.ablate(model, pairs(), heads=["L0H1"], n_null=0).table,
    "decompose": lambda model: pd.DataFrame(
        headwise.decompose(model, burrow_sentences("mole", 4)).parts[:, 0]
    ),
    "direct_effects": lambda model: headwise.direct_effects(model, pairs(), heads=["L3H1"]).table,
    "atlas": lambda model: headwise.attention.atlas(model, burrow_sentences("mole", 6)).table,
}


@pytest.mark.parametrize("name", ASKED)
def test_another_default_type_changes_nothing(name, burrow):
    expected = ASKED[name](burrow)
    torch.set_default_dtype(torch.float64)
    try:
        found = ASKED[name](burrow)
    finally:
        torch.set_default_dtype(torch.float32)
    pd.testing.assert_frame_equal(found, expected)
