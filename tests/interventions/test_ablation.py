"""Every number of a sweep equals a plain run with one hook, and cutting is what it is said to be."""

import copy

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, ablate, evidence
from headwise.data.suite import Suite
from headwise.interventions.prompts import how_it_speaks
from headwise.model.heads import Head, sides
from helpers.architectures import CONFIGS, load, make
from helpers.paths import PROBES
from helpers.sweeps import TEXTS, ByHand, instead, metrics_of, suite


@pytest.mark.parametrize("name", CONFIGS)
def test_a_sweep_is_many_plain_runs(name, byte_level, wordpiece):
    check_sweep(load(name, byte_level, wordpiece), suite(TEXTS[1:]))


def test_a_sweep_of_minilm(minilm):
    asked = headwise.read_suite(PROBES / "mole_pairs.toml").sample_groups(2)
    marks = [s.marks[0].label for p in asked.pairs for s in (p.clean, p.corrupted)]
    assert len(set(marks)) > 1
    by_hand = ByHand(minilm, asked)
    check_heads(minilm, asked, ["contrast", "shift"], by_hand, [Head(0, 3), Head(4, 11)])


def test_a_sweep_of_burrow():
    model = headwise.load("burrow", device="cpu", verify=False)
    asked = headwise.burrow_pairs("adjectives", 6, held_out=True)
    by_hand = ByHand(model, asked)
    check_heads(model, asked, ["logit difference", "kl"], by_hand, [Head(0, 3), Head(2, 1)])


def check_sweep(model, asked):
    by_hand = ByHand(model, asked)
    if how_it_speaks(model):
        assert by_hand.prompts.n_split > 0  # some continuations are of several tokens
    every = model.heads  # some of them in each layer and side: a plain run for each takes its time
    check_heads(model, asked, metrics_of(model), by_hand, every[:: 3 if len(every) == 8 else 5])


def check_heads(model, asked, metrics, by_hand, heads):
    result = ablate(model, asked, metrics=metrics, heads=heads, seed=3, n_null=0)
    z = by_hand.z(sides(model))
    clean_values = {metric: by_hand.all_values(metric, by_hand.clean_values) for metric in metrics}
    for metric in metrics:
        np.testing.assert_allclose(result.clean_values[metric], clean_values[metric], atol=1e-4)
    for number, method in enumerate(result.methods):
        new = instead(by_hand, z, method, 3)
        for place, head in enumerate(heads):
            key = (head.side, head.layer, head.head)
            ran = by_hand.ablated({key: new[key]})
            for metric in metrics:
                change = by_hand.all_values(metric, ran) - clean_values[metric]
                rises = metric in ("kl", "loss", "shift")
                found = result.degradations[metric][number, place]
                np.testing.assert_allclose(found, change if rises else -change, atol=1e-4)


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Bert", "T5", "Bart"])
def test_sets_of_heads(name, byte_level, wordpiece):
    """A set is cut as a whole: every head of it in one run."""
    model = load(name, byte_level, wordpiece)
    by_hand = ByHand(model, suite(), answers=False)
    every = model.heads
    sets = {"some": every[1::3], "others": every[::3]}
    metrics = ["kl", "contrast"]
    result = ablate(
        model, suite(), metrics=metrics, heads=sets, method=["resample", "zero"], seed=1
    )
    assert set(result.table["heads"]) == {len(own) for own in sets.values()}
    z = by_hand.z(sides(model))
    for number, method in enumerate(result.methods):
        new = instead(by_hand, z, method, 1)
        for place, own in enumerate(sets.values()):
            keys = [(h.side, h.layer, h.head) for h in own]
            ran = by_hand.ablated({key: new[key] for key in keys})
            kl = by_hand.all_values("kl", ran)
            np.testing.assert_allclose(result.degradations["kl"][number, place], kl, atol=1e-4)
            contrast = by_hand.all_values("contrast", by_hand.clean_values) - by_hand.all_values(
                "contrast", ran
            )
            np.testing.assert_allclose(
                result.degradations["contrast"][number, place], contrast, atol=1e-4
            )


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Gemma", "Bert", "Bart"])
def test_all_heads_of_a_layer_are_its_attention(name, byte_level, wordpiece):
    """Without any head, what attention adds is the output's bias and nothing else."""
    model = load(name, byte_level, wordpiece)
    by_hand = ByHand(model, suite(), answers=False)
    side = sides(model)[-1]
    every = [head for head in model.heads if head.layer == 1 and head.side == side]
    result = ablate(model, suite(), metrics=["kl"], heads={"all": every}, method=["zero"])
    output = model.attention(side, 1).output

    def only_bias(module, args, output):
        return torch.zeros_like(output) + (0 if module.bias is None else module.bias)

    handle = output.register_forward_hook(only_bias)
    ran = {row: by_hand.run(row) for row in range(len(by_hand.prompts.rows))}
    handle.remove()
    np.testing.assert_allclose(
        result.degradations["kl"][0, 0], by_hand.all_values("kl", ran), atol=1e-4
    )
    assert result.degradations["kl"].max() > 1e-3


def test_a_cut_at_one_place(tiny_gpt2):
    """Only there: what stands before it in a decoder is as it was."""
    asked = suite()
    by_hand = ByHand(tiny_gpt2, asked, answers=False)
    for at in ("end", "marked", "changed"):
        result = ablate(
            tiny_gpt2, asked, metrics=["kl"], heads=[(0, 1)], method=["zero"], positions=at
        )
        z = by_hand.z([""])["", 0]
        new = []
        for row, owner in enumerate(by_hand.prompts.owners):
            words = by_hand.prompts.rows[row].words
            own = z[row][:, 1].clone()
            end = by_hand.prompts.ends[owner][1]
            where = {
                "end": [end],
                "marked": [i for i, w in enumerate(words) if w == 1 and i != end],
                "changed": [i for i, w in enumerate(words) if w == 0 and i != end],
            }[at]
            own[where] = 0
            new.append(own)
        ran = by_hand.ablated({("", 0, 1): new})
        np.testing.assert_allclose(
            result.degradations["kl"][0, 0], by_hand.all_values("kl", ran), atol=1e-4
        )
    with pytest.raises(HeadwiseError, match=r"No position is called 'start'.*marked"):
        ablate(tiny_gpt2, asked, positions="start")


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_zero_is_an_output_matrix_without_the_head(name, byte_level, wordpiece):
    model = load(name, byte_level, wordpiece)
    by_hand = ByHand(model, suite())
    result = ablate(model, suite(), method=["zero"], heads=[(1, 2)])
    changed = copy.deepcopy(model.hf)
    attention = headwise.load(changed, tokenizer=byte_level, verify=False).attention(layer=1)
    d = model.d_head
    weight = attention.output.weight
    rows = weight if hasattr(attention.output, "nf") else weight.T
    rows.data[2 * d : 3 * d] = 0
    without = headwise.load(changed, tokenizer=byte_level, verify=False)
    ran = [ByHand.run(Changed(by_hand, without), row) for row in range(len(by_hand.prompts.rows))]
    degradation = result.clean_values["logit difference"] - by_hand.all_values(
        "logit difference", ran
    )
    np.testing.assert_allclose(
        result.degradations["logit difference"][0, 0], degradation, atol=1e-4
    )


class Changed(ByHand):
    """The same questions to another model."""

    def __init__(self, by_hand, model):
        vars(self).update(vars(by_hand) | {"model": model})


def test_only_the_head_that_is_needed(byte_level):
    """A model in which all heads but one write nothing: it alone costs anything."""
    hf = make("GPT2", len(byte_level))
    for layer, block in enumerate(hf.transformer.h):
        rows = block.attn.c_proj.weight.data
        kept = rows[8:16].clone()
        rows.zero_()
        if layer == 1:
            rows[8:16] = kept
    model = headwise.load(hf, tokenizer=byte_level, verify=False)
    result = ablate(model, suite(), metrics=["kl", "logit difference"], method=["zero", "mean"])
    table = result.table
    needed = (table["layer"] == 1) & (table["head"] == 1)
    assert (table.loc[~needed, "degradation"].abs() < 1e-6).all()
    by_difference = table["metric"] == "logit difference"
    assert table.loc[by_difference, "p_fwer"].isna().all()  # five sentences test nothing
    assert table.loc[~by_difference, "p"].isna().all()
    assert set(evidence.matters(result)["matters"]) == {"inconclusive"}
    assert (table.loc[needed & (table["metric"] == "kl"), "degradation"] > 1e-3).all()
    assert result.row(name="L1H1", method="zero", metric="kl")["degradation"] == pytest.approx(
        result.degradations["kl"][0, 5].mean()
    )
    assert not table.loc[~needed, "disagree"].any()


def test_sentences_without_answers(tiny_gpt2):
    plain = Suite("s", "?", tuple(p.clean for p in suite().pairs))
    result = ablate(tiny_gpt2, plain, metrics=["loss", "kl"], heads=[(0, 1)])
    assert len(result.table) == 2 * 3 and result.n_split == 0
    assert result.table["changed"].isna().all()
    with pytest.raises(HeadwiseError, match="does not give right and wrong continuations"):
        ablate(tiny_gpt2, plain, metrics=["logit difference"])
    assert ablate(tiny_gpt2, plain, heads=[(0, 1)]).metrics == ("kl", "loss")


def test_bad_questions(tiny_gpt2, tiny_bert):
    with pytest.raises(HeadwiseError, match="'loss' is of a decoder alone"):
        ablate(tiny_bert, suite(), metrics=["loss"])
    with pytest.raises(HeadwiseError, match="Cannot read the head 'H3'"):
        ablate(tiny_gpt2, suite(), heads=["H3"])
    with pytest.raises(HeadwiseError, match="no attention of the side 'cross'"):
        ablate(tiny_gpt2, suite(), heads=[(0, 1, "cross")])
    with pytest.raises(HeadwiseError, match="No set of heads was named"):
        ablate(tiny_gpt2, suite(), heads={})
    with pytest.raises(HeadwiseError, match=r"more than the budget of 1\.0 KiB"):
        ablate(tiny_gpt2, suite(), budget=1024)
    with pytest.raises(HeadwiseError, match="Unknown metric 'accuracy'"):
        ablate(tiny_gpt2, suite(), metrics=["accuracy"])
    with pytest.raises(HeadwiseError, match="Unknown method of ablation 'noise'"):
        ablate(tiny_gpt2, suite(), method=["noise"])
    with pytest.raises(HeadwiseError, match="no head 4"):
        ablate(tiny_gpt2, suite(), heads=[(0, 4)])
    with pytest.raises(HeadwiseError, match="no layer 2"):
        ablate(tiny_gpt2, suite(), heads=[(2, 0)])
    with pytest.raises(HeadwiseError, match="No heads were named"):
        ablate(tiny_gpt2, suite(), heads=[])
    with pytest.raises(HeadwiseError, match="no other to take a mean over"):
        ablate(tiny_gpt2, suite(TEXTS[:1]))
    long = (("g", " ".join(["forest"] * 80), "blue", "fluffy"), TEXTS[0])
    with pytest.raises(HeadwiseError, match="longer than the context"):
        ablate(tiny_gpt2, suite(long))
