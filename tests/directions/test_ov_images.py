"""What a head would write of one bare word."""

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.directions import ov_images
from helpers.architectures import make


class TestImages:
    @pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX", "Bert"])
    def test_are_what_a_head_writes_of_a_word(self, name, wordpiece):
        """At layer 0 of a single token all attention is on it; an embedding of zeros gives what is added whatever comes."""
        hf = make(name, len(wordpiece))
        model = headwise.load(hf, tokenizer=wordpiece)
        token = ov_images.token_of(model, "blue")
        found = ov_images.value_up_images(model, ["blue"])[0, :, 0]
        embedding = hf.get_input_embeddings()(torch.tensor([[token]])).detach()
        if name == "Bert":
            embedding = hf.bert.embeddings.LayerNorm(embedding).detach()
        wrote = []
        for stream in (embedding, 0 * embedding):
            with (
                hooks.edit(model, "residual", lambda x, _, s=stream: s.expand_as(x), layers=[0]),
                hooks.capture(model, ["z"], layers=[0]) as seen,
            ):
                model.forward(torch.tensor([[token]]))
                wrote.append(torch.einsum("hd,hdm->hm", seen["z", 0][0, 0], model.attention().W_O))
        torch.testing.assert_close(found, wrote[0] - wrote[1], atol=1e-5, rtol=1e-4)

    def test_words_of_several_tokens_are_refused(self, minilm):
        with pytest.raises(HeadwiseError, match="one token"):
            ov_images.token_of(minilm, "kilojoulesque")
