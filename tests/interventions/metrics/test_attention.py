"""Where heads look, as a metric, by hand."""

import pytest
import torch

from headwise import HeadwiseError, ablate
from headwise.activations import hooks
from headwise.data.suite import Link, Sentence, Suite
from headwise.interventions.metrics import attention
from headwise.interventions.prompts import Prompts
from helpers.sweeps import suite


def linked():
    """The clean sentences, with a link from the first word to the second."""
    sentences = tuple(
        Sentence(s.words, s.spaces, s.group, s.marks, (Link(0, 1, "first"),))
        for s in (pair.clean for pair in suite().pairs)
    )
    return Suite("linked", "?", sentences)


def test_attention_further_up(tiny_gpt2):
    asked = linked()
    measure = attention("first: governor->dependent", layer=1, head=2)
    result = ablate(tiny_gpt2, asked, metrics=[measure], heads=[(0, 1)], method=["zero"])
    prompts = Prompts.of(tiny_gpt2, asked, answers=False)
    for i, row in enumerate(prompts.rows):
        places = [[k for k, w in enumerate(row.words) if w == x] for x in (1, 0)]

        def mass(places=places, row=row):
            with hooks.capture(tiny_gpt2, ["pattern"], layers=[1]) as seen:
                tiny_gpt2.forward(torch.tensor([row.tokens]))
            return float(seen["pattern", 1][0, 2][places[0]][:, places[1]].sum(-1).mean())

        before = mass()
        with hooks.edit(tiny_gpt2, "z", lambda z, _: 0 * z, layers=[0], heads=[1]):
            after = mass()
        assert result.clean_values["attention"][i] == pytest.approx(before, abs=1e-5)
        assert result.degradations["attention"][0, 0, i] == pytest.approx(before - after, abs=1e-5)
    with pytest.raises(HeadwiseError, match="no relation 'last'"):
        ablate(tiny_gpt2, asked, metrics=[attention("last", 1)])
