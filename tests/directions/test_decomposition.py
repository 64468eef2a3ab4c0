"""The parts of the stream sum to it, on every kind of block, and each is what its name says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, decompose
from headwise.activations import alignment, hooks
from headwise.activations.alignment import Batch
from headwise.data.suite import Mark, Sentence, Suite
from headwise.directions._stream import components, take_apart
from headwise.directions._stream.wiring import Wiring
from headwise.model.loading import hold
from helpers.architectures import CONFIGS, MASK, SMALL, TARGETS, TOKENS, TWO_STACKS, load, make

TEXTS = ("the fluffy zebra roamed the verdant forest", "a creature in quixotic forests", "blue")
ASKED = ((0, 2, 5), (1, 3), (0,))
WORDS = [(i, word) for i, own in enumerate(ASKED) for word in own]
SUITE = Suite("s", "?", tuple(Sentence.of(text) for text in TEXTS))
POST_NORM = ("Bert", "Roberta", "Bart")  # and no norm at the end
STACKS = [(name, side) for name in CONFIGS for side in (("encoder", "decoder") if name in TWO_STACKS else ("",))]  # fmt: skip
EXACT = 1e-5


@pytest.fixture(scope="module")
def get(byte_level, wordpiece, minilm):
    own = {"minilm": minilm, "burrow": headwise.load("burrow", device="cpu", verify=False)}
    own |= {name: roughened(load(name, byte_level, wordpiece)) for name in CONFIGS}
    return own.__getitem__


def roughened(model):
    """Biases that are not zero, and norms that multiply by something."""
    random = torch.Generator().manual_seed(1)
    for parameter in model.hf.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=random)
    return model


def tokens_of(model, i=0):
    return torch.tensor([alignment.align(model, SUITE.sentences)[i].tokens])


def pieces(model, i, word):
    return [at for at, own in enumerate(alignment.align(model, SUITE.sentences)[i].words) if own == word]  # fmt: skip


def at_words(model, values):
    """Means over the pieces of every word; `values` gives those of all tokens of a sentence."""
    with torch.no_grad():
        return torch.stack([values(i)[pieces(model, i, word)].mean(0) for i, word in WORDS]).numpy()


def captured(model, site, layer, i=0):
    side = model.stacks[0].side
    key = f"{side}.{site}" if side else site
    with hooks.capture(model, [key], layers=[layer]) as seen:
        model.forward(tokens_of(model, i))
    return seen[key, layer][0]


def given_to(model, module, i=0):
    found = []
    handle = module.register_forward_pre_hook(lambda _, args: found.append(args[0].detach()[0]))
    model.forward(tokens_of(model, i))
    handle.remove()
    return found[0]


def near(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= EXACT * np.abs(expected).max()


@pytest.mark.parametrize("name", [*CONFIGS, "burrow", "minilm"])
def test_parts_of_words_sum_to_the_stream(name, get):
    model = get(name)
    for layer in (0, len(model.stacks[0].blocks) // 2, len(model.stacks[0].blocks)):
        found = decompose(model, SUITE, ASKED, layer=layer)
        near(found.total, at_words(model, lambda i, at=layer: captured(model, "residual", at, i)))
        near(found.parts.sum(0), found.total)
        assert found.error <= EXACT and found.words == tuple(WORDS)
    assert max(len(pieces(model, i, word)) for i, word in WORDS) > 1
    if name in (*POST_NORM, "minilm"):
        with pytest.raises(HeadwiseError, match="which has none"):
            decompose(model, SUITE, ASKED, normed=True)
        return
    found = decompose(model, SUITE, ASKED, normed=True)
    body = model.hf.get_encoder() if name in TWO_STACKS else model.hf.base_model
    near(found.total, at_words(model, lambda i: body(input_ids=tokens_of(model, i)).last_hidden_state[0]))  # fmt: skip
    near(found.parts.sum(0), found.total)


def watched(model, side, layer, normed=False, far=0):
    """Every token of a padded batch, or of its targets, as a recorder sees it; and as it is."""
    of = Batch((0, 1), TARGETS, torch.ones_like(TARGETS), torch.zeros(2, 1, 3))
    batch = Batch((0, 1), TOKENS, MASK, torch.zeros(2, 1, 5), of if len(model.stacks) == 2 else None)  # fmt: skip
    shown = torch.ones_like(TARGETS) if side == "decoder" else MASK
    key = f"{side}.residual" if side else "residual"
    with hooks.capture(model, [key], layers=[layer]) as seen:
        end = model.forward(TOKENS, MASK, TARGETS if len(model.stacks) == 2 else None)
    expected = (end if normed else seen[key, layer])[shown > 0]
    recorder = components.Recorder(model, Wiring.of(model, side), layer, normed=normed)
    return recorder.see(batch, *(far + shown.nonzero().T)), expected


@pytest.mark.parametrize(("name", "side"), STACKS)
def test_every_token_of_every_stack(name, side):
    """Parts sum to the stream, and what a reader pulled back reads from a head's output it reads from its part."""
    model = roughened(hold(make(name)))
    for layer in (0, 1, 2):
        # The last hidden state is the decoder's.
        normed = layer == 2 and side != "encoder" and name not in POST_NORM
        seen, expected = watched(model, side, layer, normed)
        found = seen.parts()
        near(found.sum(0), expected)
        near(seen.total, expected)
        reader = torch.randn(model.d_model, generator=torch.Generator().manual_seed(0))
        pulled, along = seen.pulled(reader), found @ reader
        heads = {
            k: c
            for k, c in enumerate(components.components(seen.wiring, layer))
            if c.kind == "head"
        }
        assert len(heads) == layer * 4 * (2 if side == "decoder" else 1)
        for k, c in heads.items():
            z = seen.z[f"{c.side}.z" if c.side else "z", c.layer][:, c.head]
            kind = "cross" if c.side == "cross" else "attention"
            read = (z @ model.attention(c.side, c.layer).W_O[c.head] * pulled[c.layer, kind]).sum(-1)  # fmt: skip
            assert (read - along[k]).abs().max() <= EXACT * along.abs().max()


@pytest.mark.parametrize("name", [n for n in (*CONFIGS, "burrow") if n not in (*POST_NORM, "Gemma2")])  # fmt: skip
def test_a_heads_part_is_what_it_writes(name, get):
    model = get(name)
    z = at_words(model, lambda i: captured(model, "z", 1, i)[:, 2])
    part = decompose(model, SUITE, ASKED).part("encoder.L1H2" if name == "T5" else "L1H2")
    near(part, z @ model.attention(model.stacks[0].side, 1).W_O[2].numpy())


@pytest.mark.parametrize("name", ["Gemma2", "Bert"])
def test_norms_on_the_way_divide_as_they_did(name, get):
    """Gemma 2 norms what a branch gives, BERT the stream; here by hand."""
    model = get(name)
    x = captured(model, "z", 1)[:, 2] @ model.attention(layer=1).W_O[2]
    block = model.stacks[0].blocks[1]
    if name == "Gemma2":
        norm = block.post_attention_layernorm
        scale = (given_to(model, norm).pow(2).mean(-1, keepdim=True) + norm.eps).sqrt()
        x = x / scale * (1 + norm.weight)
    for norm in () if name == "Gemma2" else (block.attention.output.LayerNorm, block.output.LayerNorm):  # fmt: skip
        given, x = given_to(model, norm), x - x.mean(-1, keepdim=True)
        x = x / (given.var(-1, correction=0, keepdim=True) + norm.eps).sqrt() * norm.weight
    near(decompose(model, SUITE, ASKED).part("L1H2")[1], x[pieces(model, 0, 2)].mean(0).detach())


NEXT = {
    "GPTNeoX": "gpt_neox.final_layer_norm", "GPTJ": "transformer.ln_f", "GPT2": "transformer.h.1.ln_2",
    "Llama": "model.layers.1.post_attention_layernorm",
}  # fmt: skip


@pytest.mark.parametrize("name", NEXT)
def test_a_part_is_what_cutting_takes_away(name, get):
    """From the end, where a block's branches run beside each other; else from what the last MLP is given."""
    model = get(name)
    norm = model.hf.get_submodule(NEXT[name])
    intact = at_words(model, lambda i: given_to(model, norm, i))
    with hooks.edit(model, "z", lambda z, _: 0 * z, layers=[1], heads=[3]):
        cut = at_words(model, lambda i: given_to(model, norm, i))
    near(intact - cut, decompose(model, SUITE, ASKED).part("L1H3"))


def test_embeddings_mlps_and_biases(get):
    model, body, mlp = get("GPT2"), get("GPT2").hf.transformer, get("GPT2").hf.transformer.h[1].mlp
    found = decompose(model, SUITE, ASKED)
    near(found.part("embedding"), at_words(model, lambda i: body.wte(tokens_of(model, i)[0])))
    near(found.part("position"), at_words(model, lambda i: body.wpe.weight[:20]))
    near(found.part("MLP 1"), at_words(model, lambda i: mlp(given_to(model, mlp, i)) - mlp.c_proj.bias))  # fmt: skip
    biases = sum(h.attn.c_proj.bias + h.mlp.c_proj.bias for h in body.h).detach()
    near(found.part("biases"), biases.expand(len(WORDS), -1))
    assert found.table["share"].sum() == pytest.approx(1, abs=EXACT)
    with pytest.raises(HeadwiseError, match="Nothing called 'L2H0' writes"):
        found.part("L2H0")


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Bert", "T5", "Bart"])
def test_words_are_taken_by_themselves(name, get, monkeypatch):
    """A sentence alone as in a padded batch, and a word at a time as all at once."""
    model = get(name)
    whole = decompose(model, SUITE, ASKED)
    for i, own in enumerate(ASKED):
        alone = decompose(model, replace(SUITE, sentences=SUITE.sentences[i : i + 1]), [own])
        near(alone.parts, whole.parts[:, [k for k, at in enumerate(WORDS) if at[0] == i]])
    monkeypatch.setattr(take_apart, "CHUNK", 1)
    near(decompose(model, SUITE, ASKED).parts, whole.parts)


def test_a_bridge_is_taken_apart_as_its_model(wordpiece):
    from transformer_lens.model_bridge import TransformerBridge

    hf, copy = (make("Bert", len(wordpiece)) for _ in range(2))
    bridge = TransformerBridge.boot_transformers("Bert", hf_model=copy, tokenizer=wordpiece, device="cpu")  # fmt: skip
    found = decompose(headwise.load(bridge), SUITE, ASKED)
    expected = decompose(headwise.load(hf, tokenizer=wordpiece), SUITE, ASKED)
    near(found.parts, expected.parts)
    assert found.components == expected.components


@pytest.mark.parametrize(("name", "more"), [("Granite", {"embedding_multiplier": 3.0}), ("Cohere", {}), ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32})])  # fmt: skip
def test_streams_that_are_put_together_otherwise(name, more, monkeypatch):
    """Embeddings that are multiplied, a LayerNorm of its own class, an MLP that puts all rows together."""
    monkeypatch.setitem(CONFIGS, name, SMALL | more)
    seen, expected = watched(roughened(hold(make(name))), "", 2, normed=True)
    near(seen.parts().sum(0), expected)


def test_bad_questions(get):
    model = get("GPT2")
    for given, message in (
        ({"words": None}, "marks no word"),
        ({"words": [[0], [9], []]}, r"there is no word 9 in .*; its words are 0 to 4"),
        ({"words": [[0]]}, "given for 1 sentences, and 's' has 3"),
        ({"words": ASKED, "layer": 3}, "no layer 3 of the residual stream; expected 0 to 2"),
        ({"words": ASKED, "layer": 1, "normed": True}, "After the final norm there is the end"),
        ({"words": ASKED, "budget": 1000}, "more than the budget of 1000 B"),
    ):
        with pytest.raises(HeadwiseError, match=message):
            decompose(model, SUITE, **given)
    with pytest.raises(IndexError):  # no hook is left behind
        watched(model, "", 2, normed=True, far=9)
    assert not any(m._forward_pre_hooks for m in model.hf.modules()) and not model.engine.taps
    marked = replace(SUITE.sentences[0], marks=(Mark(5, "x"), Mark(2, "y")))
    assert decompose(model, replace(SUITE, sentences=(marked,))).words == ((0, 5), (0, 2))


def test_a_stream_that_is_no_sum_is_refused(monkeypatch):
    monkeypatch.setitem(CONFIGS, "Granite", SMALL | {"residual_multiplier": 0.5})
    with pytest.raises(HeadwiseError, match="block 0 is not the sum of its heads and its MLP"):
        Wiring.of(hold(make("Granite")))
    for path, message in (("h.1", "block 1 is not the sum"), ("drop", "the sum of its embeddings")):
        hf = make("GPT2")
        module = hf.transformer.get_submodule(path)
        module.register_forward_hook(lambda module, args, output: 1.1 * output + 1)
        with pytest.raises(HeadwiseError, match=message):
            Wiring.of(hold(hf))
