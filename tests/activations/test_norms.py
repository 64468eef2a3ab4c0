"""The norm at the end of the stream is found where there is one."""

import pytest

from headwise import HeadwiseError
from headwise.activations.norms import final_norm
from helpers.architectures import TWO_STACKS, make
from helpers.word_tokens import tiny


def test_the_final_norm_is_found_where_there_is_one():
    names = {
        "GPT2": "ln_f", "GPTNeoX": "final_layer_norm", "Llama": "norm", "Gemma2": "norm", "Bert": None, "Roberta": None,
        "T5": "final_layer_norm", "Bart": None,
    }  # fmt: skip
    from headwise.model.loading import hold

    for name, expected in names.items():
        model = hold(make(name))
        body = model.hf.get_decoder() if name in TWO_STACKS else model.hf.base_model
        assert final_norm(model) is (None if expected is None else getattr(body, expected)), name


def test_an_end_that_is_not_one_norm_is_refused(tokenizer):
    model = tiny(tokenizer)
    model.hf.transformer.ln_f.register_forward_hook(lambda module, args, output: 2 * output)
    assert final_norm(model) is model.hf.transformer.ln_f  # what a hook does is the norm's
    body = model.hf.transformer
    forward = body.forward

    def doubled(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.last_hidden_state = 2 * output.last_hidden_state
        return output

    vars(body)["forward"] = doubled
    with pytest.raises(HeadwiseError, match="something else than one norm"):
        final_norm(model)
