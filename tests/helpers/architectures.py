"""Tiny models of many architectures, random but real, and tokens for them."""

import copy

import torch

import headwise

N_HEADS, D_MODEL, VOCABULARY = 4, 32, 61
COMMON = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {
    "hidden_size": D_MODEL, "num_hidden_layers": 2, "num_attention_heads": N_HEADS,
    "intermediate_size": 48, "max_position_embeddings": 40, "initializer_range": 0.25,
}  # fmt: skip
GROUPED = {"num_key_value_heads": 2}
CONFIGS = {
    "GPT2": {"n_embd": D_MODEL, "n_layer": 2, "n_head": N_HEADS, "n_positions": 40, "initializer_range": 0.25},
    "GPTNeo": {"hidden_size": D_MODEL, "num_layers": 2, "num_heads": N_HEADS, "attention_types": [[["global", "local"], 1]],
               "window_size": 3, "max_position_embeddings": 40, "initializer_range": 0.25},
    "GPTJ": {"n_embd": D_MODEL, "n_layer": 2, "n_head": N_HEADS, "n_positions": 40, "rotary_dim": 4, "initializer_range": 0.25},
    "GPTNeoX": SMALL,
    "Llama": SMALL | GROUPED,
    "Qwen3": SMALL | GROUPED | {"head_dim": 16},
    "Gemma": SMALL | GROUPED | {"head_dim": 8},
    "Gemma2": SMALL | GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0, "sliding_window": 3},
    "Bert": SMALL,
    "Roberta": SMALL,
    "T5": {"d_model": D_MODEL, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": N_HEADS, "decoder_start_token_id": 0, "initializer_factor": 0.4},
    "Bart": {"d_model": D_MODEL, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": N_HEADS,
             "decoder_attention_heads": N_HEADS, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
             "max_position_embeddings": 40, "init_std": 0.25, "decoder_start_token_id": 2},
}  # fmt: skip
CLASSES = {
    "GPT2": "GPT2LMHeadModel", "Bert": "BertForMaskedLM", "Roberta": "RobertaForMaskedLM",
    "T5": "T5ForConditionalGeneration", "Bart": "BartForConditionalGeneration",
}  # fmt: skip
ROTARY = ("GPTNeoX", "Llama", "Qwen3", "Gemma", "Gemma2")
TWO_STACKS = ("T5", "Bart")
TOKENS = torch.tensor([[5, 9, 3, 7, 4], [8, 6, 4, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
TARGETS = torch.tensor([[3, 9, 8], [3, 7, 6]])


def make(name, vocabulary=VOCABULARY):
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(
        **COMMON | {"vocab_size": vocabulary}, **CONFIGS[name]
    )
    config.architectures = [CLASSES.get(name, f"{name}ForCausalLM")]
    return getattr(transformers, config.architectures[0])(config).eval()


def hooked_and_raw(name, tokenizer):
    """A hooked model, and the same model that nothing has touched."""
    hf = make(name)
    raw = copy.deepcopy(hf)
    raw.set_attn_implementation("eager")
    return headwise.load(hf, tokenizer=tokenizer), raw


def sides(model):
    return ["", ] if len(model.stacks) == 1 else ["encoder", "decoder", "cross"]  # fmt: skip


def full(side, site):
    return f"{side}.{site}" if side else site


MORE = {
    "MistralForCausalLM": GROUPED, "Qwen2ForCausalLM": GROUPED, "StableLmForCausalLM": {"num_key_value_heads": 4},
    "Gemma3ForCausalLM": GROUPED | {"head_dim": 8, "query_pre_attn_scalar": 8},
    "PhiForCausalLM": {}, "Phi3ForCausalLM": GROUPED, "OlmoForCausalLM": {}, "Olmo2ForCausalLM": {},
    "CohereForCausalLM": GROUPED, "GraniteForCausalLM": GROUPED, "Starcoder2ForCausalLM": GROUPED,
    "OPTForCausalLM": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "GPTBigCodeForCausalLM": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40},
    "MixtralForCausalLM": GROUPED | {"num_local_experts": 2},
    "DistilBertForMaskedLM": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "ElectraForMaskedLM": {"embedding_size": 32}, "XLMRobertaForMaskedLM": {}, "CamembertForMaskedLM": {},
    "ModernBertForMaskedLM": {"cls_token_id": 1, "sep_token_id": 2},
    "MT5ForConditionalGeneration": CONFIGS["T5"], "PegasusForConditionalGeneration": CONFIGS["Bart"],
    "MBartForConditionalGeneration": CONFIGS["Bart"],
}  # fmt: skip


def small(name, options, vocabulary):
    import transformers

    torch.manual_seed(0)
    model_class = getattr(transformers, name)
    config = model_class.config_class(**SMALL | COMMON | {"vocab_size": vocabulary} | options)
    return model_class(config).eval()


def load(name, byte_level, wordpiece):
    tokenizer = wordpiece if name in ("Bert", "Roberta") else byte_level
    return headwise.load(make(name, len(tokenizer)), tokenizer=tokenizer, verify=False)


def run(model, tokens=TOKENS, mask=MASK):
    return model.forward(tokens, mask, TARGETS[: len(tokens)] if len(model.stacks) == 2 else None)


def close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance
