"""Every number of a sweep equals a plain run with one hook, and cutting is what it is said to be."""

import copy

import numpy as np
import pytest
import torch
from test_architectures import CONFIGS, TWO_STACKS, make

import headwise
from headwise import HeadwiseError, ablate, hooks
from headwise.ablation import METRICS
from headwise.prompts import Prompts
from headwise.standins import StandIns
from headwise.suites import Pair, Sentence, Suite

DECODERS = [name for name in CONFIGS if name not in (*TWO_STACKS, "Bert", "Roberta")]
TEXTS = (
    ("g", "the blue creature roamed", "forest", "verdant"),
    ("g", "the fluffy creature roamed", "verdant", "forest"),
    ("h", "a creature in the forest", "roamed", "blue"),
    ("h", "the verdant blue forest the creature", "fluffy", "roamed"),
    ("i", "the forest", "blue creature", "roamed"),
)


def suite(texts=TEXTS):
    pairs = tuple(
        Pair(
            Sentence(*_words(text), group=group),
            Sentence(*_words(f"x{text[1:]}"), group=group),
            right,
            wrong,
        )
        for group, text, right, wrong in texts
    )
    return Suite("s", "?", tuple(s for p in pairs for s in (p.clean, p.corrupted)), pairs=pairs)


def _words(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces


def load(name, byte_level):
    return headwise.load(make(name, len(byte_level)), tokenizer=byte_level, verify=False)


def by_hand(model, prompts, run):
    """The metrics of every sentence, from a function that gives logits of one row."""
    found = {name: [] for name in METRICS}
    for i in range(len(prompts.sentences)):
        sums = []
        for c in (prompts.right[i], prompts.wrong[i]):
            log_p = run(c.row).log_softmax(-1)
            sums.append(sum(float(log_p[c.start + k, t]) for k, t in enumerate(c.tokens)))
        row, end = prompts.ends[i]
        log_p = run(row).log_softmax(-1)
        intact = model.logits(torch.tensor([prompts.rows[row]]))[0].log_softmax(-1)
        said = prompts.rows[row][1 : end + 1]
        found["logit difference"].append(sums[0] - sums[1])
        found["log probability"].append(sums[0])
        found["kl"].append(float((intact[end].exp() * (intact[end] - log_p[end])).sum()))
        found["loss"].append(-np.mean([float(log_p[k, t]) for k, t in enumerate(said)]))
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", DECODERS)
def test_a_sweep_is_many_plain_runs(name, byte_level):
    model = load(name, byte_level)
    prompts = Prompts.of(model, suite(), answers=True)
    assert prompts.n_split > 0  # some continuations are of several tokens
    result = ablate(model, suite(), metrics=tuple(METRICS), seed=3)
    pools = StandIns.of(prompts, 3)
    all_z = []
    for row in prompts.rows:
        with hooks.capture(model, ["z"]) as seen:
            model.forward(torch.tensor([row]))
        all_z.append([seen["z", layer][0] for layer in range(model.n_layers)])
    flat = [torch.cat([z[layer] for z in all_z]) for layer in range(model.n_layers)]

    def instead(how, row, layer):
        own = slice(pools.starts[row], pools.starts[row] + len(prompts.rows[row]))
        if how == "zero":
            return torch.zeros_like(all_z[row][layer])
        if how == "resample":
            return flat[layer][pools.donor[own]]
        return torch.stack([flat[layer][pools.members[p]].mean(0) for p in pools.pool[own]])

    intact = by_hand(model, prompts, lambda row: model.logits(torch.tensor([prompts.rows[row]]))[0])
    for metric in METRICS:
        np.testing.assert_allclose(result.intact[metric], intact[metric], atol=1e-4)
    for number, how in enumerate(result.hows):
        for place, (layer, head) in enumerate(result.heads):

            def cut(row, how=how, layer=layer, head=head):
                other = instead(how, row, layer)[:, head]
                with hooks.edit(model, "z", lambda z, _: other[None, :, None], [layer], [head]):
                    return model.logits(torch.tensor([prompts.rows[row]]))[0]

            found = by_hand(model, prompts, cut)
            for metric in METRICS:
                rises = metric in ("kl", "loss")
                expected = (found[metric] - intact[metric]) * (1 if rises else -1)
                np.testing.assert_allclose(result.costs[metric][number, place], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
def test_zero_is_an_output_matrix_without_the_head(name, byte_level):
    model = load(name, byte_level)
    prompts = Prompts.of(model, suite(), answers=True)
    result = ablate(model, suite(), how=["zero"], heads=[(1, 2)])
    changed = copy.deepcopy(model.hf)
    attention = headwise.load(changed, tokenizer=byte_level, verify=False).attention(layer=1)
    d = model.d_head
    weight = attention.output.weight
    rows = weight if hasattr(attention.output, "nf") else weight.T
    rows.data[2 * d : 3 * d] = 0
    expected = by_hand(
        model, prompts, lambda row: changed(torch.tensor([prompts.rows[row]])).logits[0].detach()
    )
    cost = result.intact["logit difference"] - expected["logit difference"]
    np.testing.assert_allclose(result.costs["logit difference"][0, 0], cost, atol=1e-4)


def test_what_a_mean_is_taken_over(tiny_gpt2):
    """Sentences of one length in a group: the same position; else the part of speech; else all words."""
    tagged = [
        Sentence(*_words(text), group=group, tags=tags)
        for group, text, tags in (
            ("a", "the blue forest", ("DET", "ADJ", "NOUN")),
            ("a", "the blue creature", ("DET", "ADJ", "NOUN")),
            ("b", "the the forest the", ("DET", "DET", "NOUN", "X")),
        )
    ]
    prompts = Prompts.of(tiny_gpt2, Suite("s", "?", tuple(tagged)), answers=False)
    lengths = [len(row) for row in prompts.rows]
    assert lengths[0] == lengths[1] != lengths[2]
    pools = StandIns.of(prompts, 0)
    owner = np.repeat([0, 1, 2], lengths)
    tags = np.concatenate([np.array(t) for t in prompts.tags])
    assert (owner[pools.donor] != owner).all()
    for token, (pool, donor) in enumerate(zip(pools.pool, pools.donor, strict=True)):
        members = pools.members[pool]
        assert donor in members
        if owner[token] < 2:
            other = token + (lengths[0] if owner[token] == 0 else -lengths[0])
            assert sorted(members) == sorted((token, other))
        elif tags[token] != "X":
            assert {tags[m] for m in members} == {tags[token]} and len(members) > 2
        else:
            assert len(members) == sum(lengths)
    assert sum(pools.shares.values()) == pytest.approx(1)


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
    result = ablate(model, suite(), metrics=["kl", "logit difference"], how=["zero", "mean"])
    table = result.table
    needed = (table["layer"] == 1) & (table["head"] == 1)
    assert (table.loc[~needed, "cost"].abs() < 1e-6).all()
    by_difference = table["metric"] == "logit difference"
    assert (table.loc[~needed & by_difference, "p_family"] == 1).all()
    assert table.loc[~by_difference, "p"].isna().all()
    assert (table.loc[needed & (table["metric"] == "kl"), "cost"] > 1e-3).all()
    assert result.row(1, 1, "zero")["cost"] == result.costs["kl"][0, 5].mean()
    assert not table.loc[~needed, "disagree"].any()


def test_sentences_without_answers(tiny_gpt2):
    plain = Suite("s", "?", tuple(p.clean for p in suite().pairs))
    result = ablate(tiny_gpt2, plain, metrics=["loss", "kl"], heads=[(0, 1)])
    assert len(result.table) == 2 * 3 and result.n_split == 0
    assert result.table["changed"].isna().all()
    with pytest.raises(HeadwiseError, match="does not say what is right and wrong"):
        ablate(tiny_gpt2, plain)


def test_bad_questions(tiny_gpt2, tiny_bert):
    with pytest.raises(HeadwiseError, match="no decoder with an output head"):
        ablate(tiny_bert, suite())
    with pytest.raises(HeadwiseError, match="Unknown metric 'accuracy'"):
        ablate(tiny_gpt2, suite(), metrics=["accuracy"])
    with pytest.raises(HeadwiseError, match="Unknown way of cutting 'noise'"):
        ablate(tiny_gpt2, suite(), how=["noise"])
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
