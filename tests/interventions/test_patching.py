"""Every patch is a plain run with hooks, on every kind of attention; gradients are slopes; paths are paths."""

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, attribution_patch, patch, path_patch
from headwise.data.suite import Mark, Pair, Sentence, Suite
from helpers.architectures import make
from helpers.patches import LD, PatchByHand, key_of, role_at


@pytest.mark.parametrize("site", ["z", "q", "k", "v"])
def test_heads_are_patched_as_by_hand(model, few, site):
    result = patch(model, few, site, metrics=[LD], layers=[1])
    assert result.left_out == 0
    for mode, moved in zip(("noising", "denoising"), result.effects[LD], strict=True):
        by_hand = PatchByHand(model, few, mode)
        rows = result.table[result.table["mode"] == mode]
        for at in range(0, len(rows), 3):
            row = rows.iloc[at]
            key = key_of(site, row["side"])
            expected = by_hand.effect(key, 1, [int(row["head"])], by_hand.from_other(key, 1))
            np.testing.assert_allclose(moved[at], expected, atol=1e-4)


def test_the_stream_is_patched_as_by_hand(model, few):
    result = patch(model, few, "residual", mode=["denoising"], metrics=[LD], layers=[1])
    by_hand = PatchByHand(model, few, "denoising")
    (moved,) = result.effects[LD]
    for at, row in enumerate(result.table.itertuples()):
        key = key_of("residual", row.side)

        def mixed(i, row=row, key=key):
            own, other = (by_hand.activations(p, i, key, 1) for p in (by_hand.base, by_hand.other))
            where = role_at(by_hand.clean, i, row.side, row.position)
            return torch.where(torch.tensor(where)[:, None], other, own)

        np.testing.assert_allclose(moved[at], by_hand.effect(key, 1, None, mixed), atol=1e-4)
    whole = result.table[result.table["side"] != "decoder"]["share"]
    assert whole.abs().max() > 0.01


def test_everything_patched_is_the_other_sentence(tiny_gpt2, asked):
    """Shares are of the whole difference: the whole stream before the first block makes all of it."""
    result = patch(tiny_gpt2, asked, "residual", layers=[0], metrics=[LD])
    for mode in ("noising", "denoising"):
        rows = result.table[result.table["mode"] == mode]
        assert {"marked", "other", "end"} <= set(rows["position"])
        share = rows.set_index("position")["share"]
        # What differs stands at the end in one of the pairs.
        assert share["marked"] + share["end"] == pytest.approx(1, abs=1e-5)
        assert abs(share["other"]) < 1e-5
    assert (result.table["pairs"] <= len(asked.pairs)).all()


def test_pairs_of_unequal_length(tiny_gpt2, asked):
    def longer(pair):
        words = ("the", *pair.corrupted.words)
        mark = pair.corrupted.marks[0]
        other = Sentence(
            words, (True,) * len(words), group=pair.group, marks=(Mark(mark.word + 1, "x"),)
        )
        return Pair(pair.clean, other, pair.right, pair.wrong)

    some = Suite("s", "?", (), pairs=(*asked.pairs[:5], longer(asked.pairs[5])))
    result = patch(tiny_gpt2, some, metrics=[LD])
    assert result.left_out == 1 and len(result.groups) == 5
    none = Suite("s", "?", (), pairs=tuple(longer(pair) for pair in asked.pairs))
    with pytest.raises(HeadwiseError, match="align='marks'"):
        patch(tiny_gpt2, none)
    marked = patch(tiny_gpt2, none, "residual", align="marks", layers=[0], metrics=[LD])
    assert marked.left_out == 0
    moved = marked.table.set_index(["mode", "position"])["effect"].abs()
    assert moved["noising", "x"] > 1e-3 and moved["noising", "end"] > 1e-6
    assert moved["noising", "other"] == 0  # has no counterpart and stays as it is


def test_bad_questions(tiny_gpt2, tiny_bert, asked):
    with pytest.raises(HeadwiseError, match="Unknown site 'mlp'"):
        patch(tiny_gpt2, asked, "mlp")
    with pytest.raises(HeadwiseError, match="Unknown mode 'both'"):
        patch(tiny_gpt2, asked, mode=["both"])
    with pytest.raises(HeadwiseError, match="Unknown alignment 'characters'"):
        patch(tiny_gpt2, asked, align="characters")
    with pytest.raises(HeadwiseError, match="no layer 5"):
        patch(tiny_gpt2, asked, layers=[5])
    with pytest.raises(HeadwiseError, match="does not say towards which"):
        patch(tiny_gpt2, asked, metrics=["kl"])
    plain = Suite("s", "?", asked.sentences)
    with pytest.raises(HeadwiseError, match="has no pairs"):
        patch(tiny_gpt2, plain)
    same = Suite("s", "?", (), pairs=(Pair(asked.pairs[0].clean, asked.pairs[0].clean, "a", "b"),))
    with pytest.raises(HeadwiseError, match="are the same"):
        patch(tiny_gpt2, same)
    with pytest.raises(HeadwiseError, match="more than the budget"):
        patch(tiny_gpt2, asked, budget=1024)
    with pytest.raises(HeadwiseError, match="No head stands before L0H1"):
        path_patch(tiny_gpt2, asked, "L0H1", through="q")
    with pytest.raises(HeadwiseError, match="Unknown input of a receiving head"):
        path_patch(tiny_gpt2, asked, "L1H1")
    with pytest.raises(HeadwiseError, match="at least 1"):
        attribution_patch(tiny_gpt2, asked, sample=0)
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    with pytest.raises(HeadwiseError, match="no output head"):
        patch(silent, asked, metrics=[LD])
    assert patch(silent, asked, layers=[0]).metrics == ("retrieval", "margin")


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_a_bridge_gives_what_the_model_gives(name, asked):
    import copy

    from transformer_lens.model_bridge import TransformerBridge

    tokenizer = headwise.load("burrow", device="cpu", verify=False).tokenizer
    hf = make(name, len(tokenizer))
    known = {"GPT2": "gpt2", "Llama": "meta-llama/Llama-3.2-1B"}[name]
    bridge = TransformerBridge.boot_transformers(
        known, hf_model=copy.deepcopy(hf), tokenizer=tokenizer
    )
    ours, theirs = (headwise.load(m, tokenizer=tokenizer, verify=False) for m in (hf, bridge))
    for measure in (
        lambda model: headwise.ablate(model, asked, heads=[(0, 1), (1, 2)]).degradations[LD],
        lambda model: patch(model, asked, "z", layers=[0]).effects[LD],
        lambda model: patch(model, asked, "residual", layers=[1]).effects[LD],
    ):
        np.testing.assert_allclose(measure(theirs), measure(ours), atol=1e-4)
