"""What each head writes, from the weights alone."""

import numpy as np
import torch

from headwise.report.sections.directions import ov_tokens
from headwise.weights.circuits import factored


def test_what_is_written_is_the_spectrum_of_the_circuit(tiny_gpt2):
    found, caption = ov_tokens.writes_of(tiny_gpt2)
    assert [w.head for w in found] == list(range(8)) and "arbitrary" in caption
    rows = tiny_gpt2.hf.get_output_embeddings().weight.detach()
    for own in found:
        matrix = factored(tiny_gpt2, "OV", *divmod(own.head, 4)[:1])[own.head % 4].dense()
        _, values, directions = torch.linalg.svd(matrix)
        shares = values**2 / (values**2).sum()
        np.testing.assert_allclose([d.share for d in own.directions], shares[:3], atol=1e-5)
        dots = rows @ directions[0]
        dots[tiny_gpt2.tokenizer.all_special_ids] = 0
        tokens = [[ov_tokens.shown(tiny_gpt2, int(t)) for t in end.topk(5).indices] for end in (dots, -dots)]  # fmt: skip
        assert [own.directions[0].up, own.directions[0].down] in (tokens, tokens[::-1])


def test_no_tokens_without_an_output_head(minilm, tiny_bert):
    for model in (minilm, tiny_bert):  # the head of a masked language model turns the stream first
        found, caption = ov_tokens.writes_of(model)
        assert not any(d.up or d.down for w in found for d in w.directions)
        assert "No tokens" in caption


def test_of_many_heads_the_first_are_read(tiny_gpt2, monkeypatch):
    monkeypatch.setattr(ov_tokens, "MOST_HEADS", 4)
    monkeypatch.setattr(ov_tokens, "OF_MANY", 3)
    found, caption = ov_tokens.writes_of(tiny_gpt2, [(1, 2), (0, 3)])
    assert [w.head for w in found] == [0, 3, 6] and "3 of 8 heads" in caption
