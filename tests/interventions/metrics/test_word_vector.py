"""Where a word ends, as a metric, by hand."""

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, ablate
from headwise.activations import hooks
from headwise.data.suite import Mark, Sentence, Suite
from headwise.interventions.prompts import Prompts


@pytest.mark.parametrize("classifier", ["logistic", "centroid"])
def test_a_saved_probe_is_a_metric(tiny_bert, classifier):
    texts = [(f"g{i}", f"the {w} forest", "a", "b") for i, w in enumerate(("blue", "red") * 6)]
    sentences = tuple(
        Sentence(*_words(text), group=group, marks=(Mark(2, "xy"[i % 2]),))
        for i, (group, text, _, _) in enumerate(texts)
    )
    asked = Suite("s", "?", sentences)
    probe = headwise.fit_probe(tiny_bert, asked, layer=1, classifier=classifier)
    result = ablate(
        tiny_bert, asked, metrics=[probe, "shift"], heads=[(0, 0), (1, 0)], method=["zero"]
    )
    prompts = Prompts.of(tiny_bert, asked, answers=False)
    vectors = []
    for row in prompts.rows:
        with hooks.capture(tiny_bert, ["residual"], layers=[1]) as seen:
            tiny_bert.forward(torch.tensor([row.tokens]))
        own = [k for k, word in enumerate(row.words) if word == 2]
        vectors.append(seen["residual", 1][0, own].mean(0).double().numpy())
    labels = np.array([probe.labels.index("xy"[i % 2]) for i in range(len(texts))])
    margins = probe.margin(np.array(vectors), labels)
    np.testing.assert_allclose(result.clean_values["probe"], margins, atol=1e-4)
    assert np.abs(result.degradations["probe"][0, 1]).max() < 1e-6  # it reads before layer 1
    assert np.abs(result.degradations["shift"][0, 1]).max() > 1e-4
    head = headwise.fit_probe(tiny_bert, asked, site="z", layer=1, head=0)
    with pytest.raises(HeadwiseError, match="reads the residual stream"):
        ablate(tiny_bert, asked, metrics=[head])


def _words(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces
