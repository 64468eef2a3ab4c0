"""Models that cannot be read are refused by what they are, with what to pass instead."""

import warnings

import pytest
import torch
import transformers

import headwise
from headwise import HeadwiseError
from helpers.architectures import GROUPED, SMALL, make, small


def test_quantised_layers(tokenizer):
    raw = make("GPT2", len(tokenizer))
    linear = small("LlamaForCausalLM", GROUPED, len(tokenizer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is about to move it elsewhere
        quantised = torch.ao.quantization.quantize_dynamic(linear, {torch.nn.Linear}, torch.qint8)
    with pytest.raises(HeadwiseError, match=r"The output matrix of .* quantised layer"):
        headwise.load(quantised, tokenizer=tokenizer)
    headwise.load(raw, tokenizer=tokenizer)


def test_weights_that_are_not_in_memory(tokenizer):
    with torch.device("meta"):
        raw = make("GPT2", len(tokenizer))
    with pytest.raises(HeadwiseError, match=r"weights are not in memory.*device_map=None"):
        headwise.load(raw, tokenizer=tokenizer)


def test_a_model_of_images_and_text(tokenizer):
    text = SMALL | GROUPED | {"vocab_size": len(tokenizer), "head_dim": 8}
    vision = SMALL | {"image_size": 28, "patch_size": 14}
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4
    )
    torch.manual_seed(0)
    raw = transformers.Gemma3ForConditionalGeneration(config).eval()
    with pytest.raises(HeadwiseError, match=r"a stack for vision .*model\.model\.language_model"):
        headwise.load(raw, tokenizer=tokenizer)
    inner = headwise.load(raw.model.language_model, tokenizer=tokenizer)
    assert inner.n_heads == 4


@pytest.mark.parametrize(
    ("name", "step"),
    [("PeftModel", "merge_and_unload"), ("OptimizedModule", "_orig_mod"), ("DistributedDataParallel", "model.module")],
)  # fmt: skip
def test_wrappers_name_what_they_wrap(name, step, tokenizer):
    wrapper = type(name, (torch.nn.Module,), {})()
    with pytest.raises(HeadwiseError, match=rf"got {name}\. Pass .*{step}"):
        headwise.load(wrapper, tokenizer=tokenizer)


def test_what_is_no_tokenizer(tokenizer):
    with pytest.raises(HeadwiseError, match="must be a fast Hugging Face tokenizer; got object"):
        headwise.load(make("GPT2", len(tokenizer)), tokenizer=object())


@pytest.mark.parametrize("name", ["a" * 300, "a/" + "b" * 300, "", "a\0b", "caf\udce9"])
def test_names_that_no_model_has(name):
    with pytest.raises(HeadwiseError) as refused:
        headwise.load(name)
    assert len(str(refused.value)) < 1000
