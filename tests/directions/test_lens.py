"""The last layer's lens is the model's own logits; a head set by hand is found; nothing is found where nothing is."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import headwise
from headwise import HeadwiseError
from headwise.data.suite import Suite
from headwise.directions import _lens_reader
from headwise.probing._vectors import read_vectors
from headwise.probing.labelled_words import Examples
from headwise.weights.readout import (
    Readout,
    compare,
    random_sets,
    set_means,
    word_tokens,
)
from helpers.architectures import make
from helpers.paths import ROOT
from helpers.word_tokens import one, suite, tiny


def vectors_of(model, sentences, sites=("residual",)):
    examples = Examples.of(model, sentences, "mark", 0)
    return examples, read_vectors(model, sentences, examples, sites, None, None)


# The identity that makes the last layer exact.


@pytest.mark.parametrize("name", ["GPT2", "Bert"])
def test_the_end_of_the_stream_is_what_the_model_says(name, tokenizer):
    model, sentences = tiny(tokenizer, name), suite()
    result = headwise.logit_lens(model, sentences, k=5)
    assert result.how == "output head" and result.n_words == {"animal": 6, "unit": 6}
    examples = Examples.of(model, sentences, "mark", 0)
    said = []
    for i, word in zip(examples.sentences, examples.positions, strict=True):
        alignment = examples.alignments[i]
        logits = model.logits(torch.tensor([alignment.tokens]))[0]
        said.append(logits[alignment.words.index(word)].log_softmax(-1))
    known = torch.stack(said)[:, : len(tokenizer)]
    best, ids = known[examples.codes == 1].mean(0).topk(5)
    rows = one(result.stream, label="unit", layer=2)
    assert rows["token"].tolist() == [tokenizer.decode([t]) for t in ids.tolist()]
    np.testing.assert_allclose(rows["score"], best, atol=1e-5)
    single = one(result.sentences, layer=2, sentence=3)
    assert single["token"].item() == tokenizer.decode([int(known[3].argmax())])
    assert (
        single["text"].item() == sentences.sentences[3].text and single["label"].item() == "animal"
    )


# Heads.


def test_a_rise_is_the_score_with_the_update_less_the_score_without(tokenizer):
    model = tiny(tokenizer, "Llama")
    examples, vectors = vectors_of(model, suite(), ("residual", "z"))
    result = headwise.logit_lens(model, suite(), heads=["L1H2"], k=4)
    assert set(result.updates["layer"]) == {1} and set(result.updates["head"]) == {2}
    stream = torch.from_numpy(vectors["residual", 1, None])
    update = torch.from_numpy(vectors["z", 1, 2]) @ model.attention(layer=1).W_O[2]
    with torch.no_grad():
        norm, head = model.hf.model.norm, model.hf.lm_head
        before, after = (head(norm(x)).log_softmax(-1) for x in (stream, stream + update))
    own = torch.from_numpy(examples.codes == 0)
    rise = (after - before)[own].mean(0)[: len(tokenizer)]
    best, ids = rise.topk(4)
    rows = one(result.updates, label="animal")
    assert rows["token"].tolist() == [tokenizer.decode([t]) for t in ids.tolist()]
    np.testing.assert_allclose(rows["rise"], best, atol=1e-5)
    np.testing.assert_allclose(rows["before"], before[own].mean(0)[ids], atol=1e-5)
    np.testing.assert_allclose(rows["after"], after[own].mean(0)[ids], atol=1e-5)
    contrast = rise - (after - before)[~own].mean(0)[: len(tokenizer)]
    rows = one(result.contrasts, label="animal", kind="update")
    np.testing.assert_allclose(rows["difference"], contrast.topk(4).values, atol=1e-5)


def planted(tokenizer):
    """L1H2 looks everywhere alike, and where it meets a creature it writes the unembedding of *dig*."""
    model = tiny(tokenizer)
    creature, dig = tokenizer.convert_tokens_to_ids(["creature", "dig"])
    block, embedding = model.hf.transformer.h[1], model.hf.transformer.wte.weight
    with torch.no_grad():
        model.hf.transformer.wpe.weight.mul_(0.1)
        for part in (*model.hf.transformer.h[0].parameters(), *block.mlp.parameters()):
            part.mul_(0.1)
        values = slice(64 + 16, 64 + 24)  # of head 2, after queries and keys
        block.attn.c_attn.weight[:, values] = 0
        block.attn.c_attn.weight[:, 16:24] = 0  # its queries
        read = embedding[creature] / embedding[creature].norm()
        block.attn.c_attn.weight[:, values.start] = read
        block.attn.c_proj.weight[16:24] = 0
        block.attn.c_proj.weight[16] = 3 * embedding[dig] / embedding[dig].norm()
    return model


def test_a_head_that_writes_a_word_is_found(tokenizer):
    given = {"animal": ["dig"], "unit": ["gram"]}
    result = headwise.logit_lens(planted(tokenizer), suite(), targets=given, n_null=1000, seed=1)
    rows = one(result.updates, label="animal", layer=1, head=2, rank=0)
    assert rows["token"].item() == "dig" and rows["rise"].item() > 0.5
    assert rows["after"].item() == pytest.approx(rows["before"].item() + rows["rise"].item())
    best = one(result.contrasts, kind="update", label="animal", layer=1, head=2, rank=0)
    assert best["token"].item() == "dig"
    row = one(result.table, kind="update", label="animal", layer=1, head=2).iloc[0]
    assert (
        row["p_fwer"] < 0.05
        and row["effect_low"] > 0
        and row["effect_low"] < row["effect"] < row["effect_high"]
    )
    assert (row["n_words"], row["n_targets"]) == (6, 1)
    others = result.table[(result.table["kind"] == "update") & (result.table["label"] == "unit")]
    assert (others["p_fwer"] > 0.05).all()
    moved = one(result.table, kind="stream", label="animal", layer=2).iloc[0]
    assert moved["effect"] > 0.5 and moved["p"] < 0.05


def test_effects_are_contrasts_of_labels_above_the_mean_word(tokenizer):
    model = tiny(tokenizer)
    examples, vectors = vectors_of(model, suite())
    given = {"unit": ["gram", "atom", "gram"]}
    result = headwise.logit_lens(model, suite(), heads=[], targets=given, n_null=50)
    readout = Readout.of(model)
    scores = readout.scores(torch.from_numpy(vectors["residual", 1, None])).numpy()
    targets = scores[:, tokenizer.convert_tokens_to_ids(["gram", "atom"])].mean(1)
    above = targets - scores[:, word_tokens(readout)].mean(1)
    expected = above[examples.codes == 1].mean() - above[examples.codes == 0].mean()
    row = one(result.table, layer=1).iloc[0]
    assert row["effect"] == pytest.approx(expected, abs=1e-5) and row["n_targets"] == 2
    assert result.table["kind"].unique().tolist() == ["stream"]
    assert result.table["head"].isna().all() and result.updates.empty


# The null.


def test_random_targets_are_found_as_often_as_stated(tokenizer):
    """A test of the test: words drawn at random as targets, on a model that nobody trained."""
    model = tiny(tokenizer)
    examples, vectors = vectors_of(model, suite(), ("residual",))
    readout = Readout.of(model)
    pool = word_tokens(readout)
    of_layers = []
    for layer in (0, 1, 2):
        scores = readout.scores(torch.from_numpy(vectors["residual", layer, None])).numpy()
        of_layers.append(scores[examples.codes == 0].mean(0) - scores[examples.codes == 1].mean(0))
    above = np.stack(of_layers)[:, pool]
    rng = np.random.default_rng(0)
    alone, family = [], []
    for seed in range(200):
        given = [rng.choice(len(pool), 4, replace=False) for _ in range(2)]
        sets = random_sets(given, len(pool), 199, seed)
        null = [set_means(sign * above, own) for sign, own in zip((1, -1), sets, strict=True)]
        found = compare(np.concatenate(null))
        alone.append(found.p[1])  # layer 0 is the word and its place, the same in all sentences
        family.append(found.p_fwer.min())
    low, high = stats.binom.interval(0.99, 200, 0.05)
    assert low <= (np.array(family) <= 0.05).sum() <= high
    assert low <= (np.array(alone) <= 0.05).sum() <= high
    assert stats.kstest(alone, "uniform").pvalue > 0.01


# Which tokens are words.


# Without an output head.


def test_minilm_is_read_by_its_nearest_embeddings(minilm):
    sentences = headwise.read_suite(ROOT / "probes/mole.toml").sample_groups(10)
    result = headwise.logit_lens(minilm, sentences, heads=[(1, 3)], k=3)
    assert result.how == "nearest embeddings"
    first = one(result.sentences, layer=0)
    assert (first["token"] == "mole").mean() > 0.9
    assert (
        result.stream["score"].between(-1, 1).all()
        and result.sentences["score"].between(-1, 1).all()
    )
    examples, vectors = vectors_of(minilm, sentences)
    stream = torch.from_numpy(vectors["residual", 3, None])[examples.codes == 1]
    rows = minilm.hf.embeddings.word_embeddings.weight.detach()
    cosines = torch.cosine_similarity(stream[:, None], rows[None], dim=-1).mean(0)
    found = one(result.stream, layer=3, label=examples.labels[1])
    np.testing.assert_allclose(found["score"], cosines.topk(3).values, atol=1e-5)
    with pytest.raises(HeadwiseError, match="has no output head, so there are no logits"):
        Readout.of(minilm).logits(stream)


def test_a_decoder_without_head_is_read_after_its_final_norm(tokenizer):
    whole = tiny(tokenizer)
    body = headwise.load(whole.hf.transformer, tokenizer=tokenizer)
    readout = Readout.of(body)
    assert readout.how == "nearest embeddings" and readout.norm is body.hf.ln_f
    vectors = torch.randn(3, 32)
    with torch.no_grad():
        expected = torch.cosine_similarity(
            body.hf.ln_f(vectors)[:, None], body.hf.wte.weight[None, : len(tokenizer)], dim=-1
        )
    torch.testing.assert_close(readout.scores(vectors), expected)


# What is given back.


def test_parts_give_what_the_whole_gives(tokenizer, monkeypatch):
    model, given = tiny(tokenizer), {"animal": ["dig", "fur"], "unit": ["gram"]}
    whole = headwise.logit_lens(model, suite(), targets=given, n_null=30)
    monkeypatch.setattr(_lens_reader, "MOST", 3 * (len(tokenizer) + 5))
    parts = headwise.logit_lens(model, suite(), targets=given, n_null=30)
    for name in ("stream", "updates", "contrasts", "sentences", "table"):
        pd.testing.assert_frame_equal(getattr(parts, name), getattr(whole, name), atol=1e-5)


def test_tables_are_tidy_and_seeded(tokenizer):
    model, given = tiny(tokenizer), {"animal": ["dig"]}
    result = headwise.logit_lens(model, suite(), targets=given, n_null=40, seed=3)
    assert len(result.stream) == 2 * 3 * 8 and len(result.updates) == 2 * 2 * 4 * 8
    assert len(result.contrasts) == 2 * 3 * 8 + 2 * 2 * 4 * 8
    assert list(result.stream) == ["label", "layer", "rank", "token", "score"]
    assert not result.updates.duplicated(["label", "layer", "head", "rank"]).any()
    assert len(result.table) == 3 + 8 and result.table[["p", "p_fwer", "q_fdr"]].notna().all(
        axis=None
    )
    assert (result.table["p_fwer"] >= result.table["p"] - 1e-9).all()
    assert result.table["p"].min() >= 1 / 41
    again = headwise.logit_lens(model, suite(), targets=given, n_null=40, seed=3)
    pd.testing.assert_frame_equal(again.table, result.table)
    part = headwise.logit_lens(model, suite(), layers=[1])
    assert set(part.stream["layer"]) == set(part.updates["layer"]) == {1}
    assert part.table.empty and list(part.table) == list(result.table)
    without = headwise.logit_lens(model, suite(), heads=[], layers=[2, 2, 0])
    assert set(without.stream["layer"]) == {0, 2} and list(without.updates) == list(result.updates)
    few = headwise.logit_lens(model, suite(3), heads=[], targets=given, n_null=10).table
    assert few[["effect_low", "effect_high"]].isna().all(axis=None) and few["p"].notna().all()


def test_one_vector_for_all_words_says_nothing(tokenizer):
    """Without positions the stream before the first block is the word alone."""
    result = headwise.logit_lens(
        tiny(tokenizer, "Llama"), suite(), targets={"animal": ["dig"]}, n_null=99
    )
    first = one(result.table, kind="stream", layer=0).iloc[0]
    assert first["effect"] == pytest.approx(0, abs=1e-5) and first["p"] == first["p_fwer"] == 1


def test_half_precision_is_read(tokenizer):
    model = headwise.load(make("GPT2", vocabulary=len(tokenizer)).bfloat16(), tokenizer=tokenizer)
    result = headwise.logit_lens(model, suite(), targets={"animal": ["dig"]}, n_null=10)
    assert np.isfinite(result.stream["score"]).all() and result.stream["score"].dtype == np.float32


def test_bad_input(tokenizer, wordpiece):
    from helpers.architectures import small

    model = tiny(tokenizer)

    def refuses(match, *args, **kwargs):
        with pytest.raises(HeadwiseError, match=match):
            headwise.logit_lens(*(args or (model, suite())), **kwargs)

    plain = Suite("plain", "?", (headwise.Sentence.of("the mole"),))
    refuses("marks no word", model, plain)
    refuses("has only one label", labels=["unit"])
    refuses("has no label 'spy'", labels=["spy"])
    refuses("no layer 3 at site 'residual'; expected 0 to 2", layers=[3])
    refuses("No layers were named", layers=[])
    refuses("has no head 4; expected 0 to 3", heads=["L1H4"])
    refuses("has no layer 2; expected 0 to 1", heads=[(2, 0)])
    refuses("k=0 is out of range; expected 1 to", k=0)
    refuses("k=9999 is out of range", k=9999)
    refuses("n_null=0 is out of range", n_null=0)
    refuses("label 'spy', which is not read; read are animal, unit", targets={"spy": ["dig"]})
    refuses("None of the targets for 'unit' is one token", targets={"unit": ["Photosynthesis"]})
    refuses("None of the targets for 'unit' is one token of .*; got none", targets={"unit": []})
    t5 = headwise.load(make("T5", vocabulary=len(tokenizer)), tokenizer=tokenizer)
    refuses("is an encoder-decoder: its output head reads the decoder", t5, suite())
    electra = small("ElectraModel", {"embedding_size": 16}, len(wordpiece))
    refuses("embeds tokens in 16 dimensions", headwise.load(electra, tokenizer=wordpiece), suite())
