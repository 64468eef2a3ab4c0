"""What a head does by itself, without what later parts make of it."""

import numpy as np
import pytest
import torch

import headwise
from headwise import direct_effects
from headwise.activations import hooks
from headwise.activations.norms import final_norm
from headwise.interventions.prompts import Prompts
from helpers.architectures import load, make, small
from helpers.patches import LD


def loaded(name, byte_level, wordpiece):
    """One more, whose norms have neither weights nor an epsilon that they tell."""
    if name == "Olmo":
        hf = small("OlmoForCausalLM", {}, len(byte_level))
        return headwise.load(hf, tokenizer=byte_level, verify=False)
    return load(name, byte_level, wordpiece)


@pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX", "Olmo"])
def test_direct_effect_is_direct_logit_attribution(name, byte_level, wordpiece, asked):
    """A head's update, over the scale that the last norm had in the clean model, against the two words; MLPs or none."""
    model = loaded(name, byte_level, wordpiece)
    result = direct_effects(model, asked, metrics=[LD], method="zero")
    prompts = Prompts.of(model, asked, answers=True)
    norm, unembedding = final_norm(model), model.hf.get_output_embeddings().weight.detach()
    for at, head in enumerate(model.heads):
        expected = []
        for right, wrong in zip(prompts.right, prompts.wrong, strict=True):
            expected.append(0.0)
            for sign, answer in ((1, right), (-1, wrong)):
                tokens = torch.tensor([prompts.rows[answer.row].tokens])
                with hooks.capture(model, ["z", "residual"]) as seen:
                    logits = model.logits(tokens)[0]
                steps = range(answer.start, answer.start + len(answer.tokens))
                for step, token in zip(steps, answer.tokens, strict=True):
                    update = (
                        seen["z", head.layer][0, step, head.head]
                        @ model.attention(layer=head.layer).W_O[head.head]
                    )
                    end = seen["residual", model.n_layers][0, step].double()
                    centred = name != "Llama"
                    eps = {"Llama": 1e-6, "Olmo": 1e-5}.get(name) or norm.eps
                    weight = getattr(norm, "weight", torch.ones(model.d_model)).detach()
                    scale = ((end - end.mean() * centred).square().mean() + eps).sqrt()
                    written = (update - update.mean() * centred) / scale * weight
                    after = logits[step].double() - written.double() @ unembedding.double().T
                    expected[-1] += sign * float(
                        logits[step].double().log_softmax(-1)[token] - after.log_softmax(-1)[token]
                    )
        np.testing.assert_allclose(result.direct[LD][at], expected, atol=2e-4)
    assert (
        np.abs(result.direct_through_mlps[LD] - result.direct[LD]).max() > 1e-3
    )  # MLPs pass it on
    table = result.table.set_index("metric").loc[LD]
    repaired = result.direct[LD] - result.total[LD]
    np.testing.assert_allclose(table["self_repair"], repaired.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(table["direct"], result.direct[LD].mean(axis=1), atol=1e-6)


def test_without_mlps_both_direct_effects_are_one(byte_level, asked):
    hf = make("GPT2", len(byte_level))
    for block in hf.transformer.h:
        block.mlp.c_proj.weight.data.zero_()
        block.mlp.c_proj.bias.data.zero_()
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    result = direct_effects(model, asked, metrics=[LD], method="zero")
    np.testing.assert_allclose(result.direct[LD], result.direct_through_mlps[LD], atol=1e-5)
    repaired = result.direct[LD] - result.total[LD]
    assert np.abs(repaired[:4]).max() > 1e-3  # what layer 1 and the norm make of a cut in layer 0


@pytest.mark.parametrize("name", ["Llama", "Gemma2", "Bert", "T5", "Bart"])
def test_frozen_norms_of_an_unchanged_model_change_nothing(name, byte_level, wordpiece, asked):
    from headwise.interventions._replacing.frozen import Frozen
    from headwise.interventions.direct_effects import _mlps

    model = load(name, byte_level, wordpiece)
    mlps = _mlps(model)
    assert len(mlps) == sum(len(stack.blocks) for stack in model.stacks)
    tokens = torch.tensor([[5, 9, 3, 7, 4], [2, 8, 6, 1, 9]])
    for frozen in (Frozen(model), Frozen(model, mlps)):
        with frozen.recorded():
            before = model.logits(tokens)
        assert len(frozen.kept_of) >= 2 * model.n_layers
        with frozen.kept(3):
            after = model.logits(tokens.repeat_interleave(3, dim=0))
        torch.testing.assert_close(after, before.repeat_interleave(3, 0), atol=1e-4, rtol=1e-4)


def test_frozen_parts_of_a_model_that_lays_tokens_in_one_row(byte_level):
    """OPT's norms and MLPs are given all tokens of a batch one after the other; copies of a row still stand beside it."""
    from transformers import OPTConfig, OPTForCausalLM

    from headwise.interventions._replacing.frozen import Frozen
    from headwise.interventions.direct_effects import _mlps

    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=len(byte_level), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64,
        max_position_embeddings=64, word_embed_proj_dim=32, init_std=0.3,
    )  # fmt: skip
    model = headwise.load(OPTForCausalLM(config).eval(), tokenizer=byte_level, verify=False)
    tokens = torch.tensor([[5, 9, 3, 7, 4], [2, 8, 6, 1, 9]])
    frozen = Frozen(model, _mlps(model))
    with frozen.recorded():
        before = model.logits(tokens)
    with frozen.kept(3):
        after = model.logits(tokens.repeat_interleave(3, dim=0))
    torch.testing.assert_close(after, before.repeat_interleave(3, 0), atol=1e-4, rtol=1e-4)


def test_a_norm_that_runs_twice_has_no_one_scale(byte_level, asked):
    """NanoChat's last norm is also the one after its embeddings."""
    hf = small("NanoChatForCausalLM", {}, len(byte_level))
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    with pytest.raises(headwise.HeadwiseError, match=r"runs more than once .*headwise.ablate"):
        direct_effects(model, asked, metrics=[LD], method="zero")
