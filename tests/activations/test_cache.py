import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import alignment as words
from headwise.activations import hooks
from headwise.data.suite import Sentence
from helpers.architectures import load

SENTENCES = ["a fluffy blue creature", "the forest", "the verdant creature roamed the blue forest"]
SITES = ["q", "k", "v", "scores", "pattern", "z", "residual", "update", "norms"]


@pytest.fixture(params=["tiny_bert", "tiny_gpt2"])
def model(request):
    return request.getfixturevalue(request.param)


def test_every_site_of_every_sentence_as_when_alone(model):
    cache = headwise.capture(model, SENTENCES, SITES)
    for i, text in enumerate(SENTENCES):
        alone = headwise.capture(model, [text], SITES)
        for site in SITES:
            for layer in cache.layers[site]:
                found, expected = cache.sentence(i)[site, layer], alone[site, layer][0]
                if site == "scores":
                    expected, found = expected.clamp(min=-1e3), found.clamp(min=-1e3)
                torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_derived_sites_by_hand(model):
    cache = headwise.capture(model, SENTENCES, ["update", "norms"])
    parts = headwise.capture(model, SENTENCES, ["z", "pattern", "v"])
    W_O = model.attention("", 1).W_O
    for i in range(len(SENTENCES)):
        z, pattern, v = (parts.sentence(i)[site, 1] for site in ("z", "pattern", "v"))
        update = torch.stack([z[:, h].double() @ W_O[h].double() for h in range(4)], dim=1)
        torch.testing.assert_close(
            cache.sentence(i)["update", 1].double(), update, atol=1e-5, rtol=0
        )
        for h in range(4):
            moved = v[:, h].double() @ W_O[h].double()
            contribution = pattern[h].double()[..., None] * moved
            torch.testing.assert_close(
                cache.sentence(i)["norms", 1][h].double(),
                contribution.norm(dim=-1),
                atol=1e-5,
                rtol=0,
            )


def test_no_tensor_is_held_twice(model):
    """Bytes held are bytes asked for; derived sites cost what they are derived from."""
    n = len(model.tokenizer("a fluffy blue creature")["input_ids"])
    vector, pattern = n * 32 * 4, 4 * n * n * 4
    one = ["a fluffy blue creature"]
    assert headwise.capture(model, one, ["q", "k", "v", "pattern"]).nbytes == 2 * (
        3 * vector + pattern
    )
    assert headwise.capture(model, one, ["q"]).nbytes == 2 * vector
    assert headwise.capture(model, one, ["update", "z"]).nbytes == 2 * vector
    assert headwise.capture(model, one, ["residual"]).nbytes == 3 * vector
    assert (
        headwise.capture(model, one, ["pattern"], layers=[0], heads=[1, 2]).nbytes == pattern // 2
    )
    held = headwise.capture(model, one, ["q"])["q", 0]
    assert held.untyped_storage().nbytes() == held.nbytes


def test_heads_are_the_same_heads(model):
    everything = headwise.capture(model, SENTENCES, SITES)
    some = headwise.capture(model, SENTENCES, SITES, heads=[3, 1])
    for site, axis in (
        ("q", 1),
        ("k", 1),
        ("v", 1),
        ("pattern", 0),
        ("z", 1),
        ("update", 1),
        ("norms", 0),
    ):
        whole = everything.sentence(2)[site, 1].index_select(axis, torch.tensor([3, 1]))
        torch.testing.assert_close(some.sentence(2)[site, 1], whole)


def test_all_sentences_at_once_are_padded_with_zeros(model):
    cache = headwise.capture(model, SENTENCES, ["pattern", "z"], batch_tokens=12)
    for site in ("pattern", "z"):
        whole = cache[site, 0]
        assert whole.shape[0] == 3
        for i in range(3):
            part = cache.sentence(i)[site, 0]
            index = (i, *(slice(n) for n in part.shape))
            assert torch.equal(whole[index], part)
            assert whole[i].count_nonzero() == part.count_nonzero()


def test_by_words(model):
    cache = headwise.capture(model, SENTENCES, ["pattern", "z", "norms", "scores"])
    for i, text in enumerate(SENTENCES):
        sentence = Sentence.of(text)
        alignment = words.align(model, [sentence])[0]
        (batch,) = words.batches(model, [alignment])
        with hooks.capture(model, ["pattern", "z"]) as seen:
            model.forward(batch.tokens, batch.mask)
        expected = words.pattern_of_words(seen["pattern", 1], batch.pieces)[0]
        torch.testing.assert_close(cache.words(i)["pattern", 1], expected, atol=1e-5, rtol=0)
        expected = words.vectors_of_words(seen["z", 1], batch.pieces)[0]
        torch.testing.assert_close(cache.words(i)["z", 1], expected, atol=1e-5, rtol=0)
    assert cache.words(0)["norms", 1].shape == (4, 4, 4)
    with pytest.raises(HeadwiseError, match="Scores of pieces"):
        cache.words(0)["scores", 0]


def test_iteration_and_device(model):
    cache = headwise.capture(model, SENTENCES, ["z"])
    assert [view["z", 0].shape[0] for view in cache] == [n for n, _ in cache.index.lengths]
    assert torch.equal(cache.to("cpu")["z", 1], cache["z", 1])


def test_what_was_not_captured_is_named(tiny_bert):
    cache = headwise.capture(tiny_bert, SENTENCES, ["q", "z"], layers=[1])
    with pytest.raises(
        HeadwiseError, match="'k' at layer 1 was not captured; the cache holds q at layers 1"
    ):
        cache["k", 1]
    with pytest.raises(HeadwiseError, match="'q' at layer 0"):
        cache.sentence(0)["q", 0]
    with pytest.raises(HeadwiseError, match="no sentence 3; the cache holds 0 to 2"):
        cache.sentence(3)


def test_bad_sentences(tiny_bert):
    for sentences, message in (
        ([], "No sentences were given"),
        (["fine", "  "], "Sentence 1 has no words"),
        ("one string", "got one string"),
        (
            ["fine", "creature " * 70],
            r"Sentence 1 \('creature creature.*longer than the context.*64 tokens",
        ),
    ):
        with pytest.raises(HeadwiseError, match=message):
            headwise.capture(tiny_bert, sentences, ["z"])
    ablated = headwise.capture(tiny_bert, ["creature " * 70], ["z"], truncate=True)
    assert ablated.sentence(0)["z", 0].shape[0] == 64


def test_numbers_that_are_not_finite_are_found_where_they_began(raw, byte_level):
    import copy

    hf = copy.deepcopy(raw["GPT2LMHeadModel"])
    with torch.no_grad():
        hf.transformer.h[0].mlp.c_proj.weight[:] = float("inf")
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    with pytest.raises(HeadwiseError, match="not finite at 'residual', layer 1"):
        headwise.capture(model, SENTENCES, ["residual", "z"])


def test_nothing_above_the_last_layer_runs(model):
    ran = []
    handles = [
        block.register_forward_pre_hook(lambda module, args, i=i: ran.append(i))
        for i, block in enumerate(model.stacks[0].blocks)
    ]
    mlp_ran = []
    first = model.stacks[0].blocks[0]
    mlp = getattr(first, "mlp", None) or first.intermediate
    handles.append(mlp.register_forward_pre_hook(lambda module, args: mlp_ran.append(1)))
    headwise.capture(model, ["the forest"], ["pattern"], layers=[0])
    assert ran == [0] and not mlp_ran
    headwise.capture(model, ["the forest"], ["residual"], layers=[1])
    assert ran == [0, 0, 1] and len(mlp_ran) == 1
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_encoder_decoder_sentences_and_targets(name, wordpiece):
    from helpers.architectures import make

    model = headwise.load(make(name, vocabulary=len(wordpiece)), tokenizer=wordpiece)
    texts, targets = SENTENCES, ["blue", "a verdant forest roamed", "the creature"]
    sites = [
        "encoder.z",
        "decoder.pattern",
        "cross.pattern",
        "cross.v",
        "cross.norms",
        "decoder.residual",
    ]
    cache = headwise.capture(model, texts, sites, targets=targets)
    for i in range(3):
        n_source, n_target = cache.index.lengths[i]
        alone = headwise.capture(model, [texts[i]], sites, targets=[targets[i]])
        view = cache.sentence(i)
        assert view["cross.pattern", 1].shape == (4, n_target, n_source)
        assert view["cross.v", 1].shape[0] == n_source
        assert view["decoder.pattern", 1].shape == (4, n_target, n_target)
        assert cache.words(i)["cross.pattern", 1].shape == (
            4, len(targets[i].split()), len(texts[i].split()),
        )  # fmt: skip
        for site in sites:
            torch.testing.assert_close(view[site, 1], alone[site, 1][0], atol=1e-5, rtol=0)
    with pytest.raises(HeadwiseError, match="3 sentences and 1 targets"):
        headwise.capture(model, texts, ["cross.z"], targets=["one"])


@pytest.mark.parametrize("expand_kv", [False, True])
def test_a_head_of_keys_and_values_is_what_a_query_head_reads(expand_kv, byte_level, wordpiece):
    grouped = load("Llama", byte_level, wordpiece)
    texts = ["the mole dug a tunnel"]
    whole = headwise.capture(grouped, texts, ["k", "v", "norms"], expand_kv=expand_kv)
    some = headwise.capture(grouped, texts, ["k", "v", "norms"], heads=[3, 0], expand_kv=expand_kv)
    for site in ("k", "v"):
        assert some[site, 1].shape[2] == 2
        for head in (0, 3):
            assert torch.equal(some[site, 1, head], whole[site, 1, head])
        kept = whole[site, 1] if not expand_kv else whole[site, 1][:, :, ::2]
        assert torch.equal(whole[site, 1, 1], kept[:, :, 0])
        assert torch.equal(whole[site, 1, 2], kept[:, :, 1])
    torch.testing.assert_close(some["norms", 1], whole["norms", 1][:, [3, 0]])


def test_an_encoder_with_other_heads_than_its_decoder(wordpiece):
    """Eight heads and four: each side has its own, in every site, and what it has not is refused."""
    import transformers

    from helpers.architectures import CONFIGS

    options = CONFIGS["Bart"] | {"encoder_attention_heads": 8, "vocab_size": len(wordpiece)}
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.BartConfig(**options | special)
    raw = transformers.BartForConditionalGeneration(config).eval()
    model = headwise.load(raw, tokenizer=wordpiece)
    texts, targets = ["the mole dug", "a creature"], ["the forest", "blue"]
    sites = [
        f"{side}.{site}"
        for side in ("encoder", "decoder", "cross")
        for site in ("k", "z", "norms", "update")
    ]
    cache = headwise.capture(model, texts, sites, targets=targets, expand_kv=True)
    for side, n in (("encoder", 8), ("decoder", 4), ("cross", 4)):
        assert cache[f"{side}.k", 1].shape[2:] == (n, 32 // n)
        assert cache[f"{side}.norms", 1].shape[1] == n
        assert cache[f"{side}.update", 1].shape[2:] == (n, 32)
        assert torch.equal(cache[f"{side}.z", 1, n - 1], cache[f"{side}.z", 1][:, :, n - 1])
    assert headwise.capture(model, texts, "encoder.z", heads=[7])["encoder.z", 0].shape[2] == 1
    for wrong in (
        {"sites": "decoder.z", "targets": targets},
        {"sites": "cross.pattern", "targets": targets},
    ):
        with pytest.raises(HeadwiseError, match=r"at '\w+.\w+' has no head 7; expected 0 to 3"):
            headwise.capture(model, texts, **wrong, heads=[7])
    with pytest.raises(HeadwiseError, match="has no head 8; expected 0 to 7"):
        headwise.capture(model, texts, "encoder.z", heads=[8])
    headwise.show_attention(model, texts[0], side="encoder", targets=targets[:1])
