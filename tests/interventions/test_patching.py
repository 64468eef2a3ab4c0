"""Every patch is a plain run with hooks, on every kind of attention; gradients are slopes; paths are paths."""

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, attribution_patch, direct_effects, patch, path_patch
from headwise.activations import hooks
from headwise.activations.norms import final_norm
from headwise.data.suite import Mark, Pair, Sentence, Suite
from headwise.interventions.prompts import Prompts
from headwise.model.heads import Head, every_head, order_met
from helpers.architectures import load, make

MODELS = ["GPT2", "GPTNeoX", "Llama", "Gemma", "Bert", "T5", "Bart"]
LD = "logit difference"
TEXTS = (
    ("a", "the blue creature roamed", "the blue forest roamed", 2),
    ("a", "the creature the blue forest", "the forest the blue forest", 1),
    ("b", "a creature in the forest", "a forest in the forest", 1),
    ("c", "the verdant creature", "the verdant forest", 2),
    ("d", "blue creature roamed the", "blue forest roamed the", 1),
    ("e", "fluffy creature in the", "fluffy forest in the", 1),
)


def sentence(text, group, word, label):
    plain = Sentence.of(text)
    return Sentence(plain.words, plain.spaces, group=group, marks=(Mark(word, label),))


@pytest.fixture(scope="module")
def asked():
    pairs = tuple(
        Pair(sentence(a, g, w, "x"), sentence(b, g, w, "y"), "forest", "creature")
        for g, a, b, w in TEXTS
    )
    return Suite("s", "?", tuple(s for p in pairs for s in (p.clean, p.corrupted)), pairs=pairs)


class ByHand:
    """Pairs of rows and the metric of a run, written out plainly."""

    def __init__(self, model, suite, mode):
        both = [Prompts.of(model, suite, answers=True, corrupted=c) for c in (False, True)]
        self.model = model
        self.base, self.other = both if mode == "noising" else both[::-1]
        self.clean = both[0]
        self.sign = -1 if mode == "noising" else 1

    def run(self, prompts, row):
        tokens = torch.tensor([prompts.rows[row].tokens])
        targets = torch.tensor([prompts.targets[row].tokens]) if prompts.targets else None
        return self.model.logits(tokens, None, targets)[0].log_softmax(-1)

    def activations(self, prompts, row, key, layer):
        with hooks.capture(self.model, [key], [layer]) as seen:
            self.run(prompts, row)
        return seen[key, layer][0]

    def values(self, runs):
        """Right less wrong of every pair, from what its rows came to."""
        return np.array(
            [
                sum(
                    sign * float(runs[c.row][c.start + k, t])
                    for sign, c in ((1, right), (-1, wrong))
                    for k, t in enumerate(c.tokens)
                )
                for right, wrong in zip(self.base.right, self.base.wrong, strict=True)
            ]
        )

    def moved(self, edits_of):
        """How far the edits of each row move every pair."""
        rows = range(len(self.base.rows))
        before = self.values([self.run(self.base, row) for row in rows])
        return self.sign * (self.values([self.edited(row, edits_of(row)) for row in rows]) - before)

    def effect(self, key, layer, heads, values):
        """How far one edit moves every pair; `values` gives what is put in, row by row."""
        return self.moved(lambda row: [(key, layer, heads, values(row))])

    def edited(self, row, edits):
        from contextlib import ExitStack

        with ExitStack() as stack:
            for key, layer, heads, new in edits:

                def put(x, _, new=new, heads=heads):
                    return (new if heads is None else new[:, heads])[None].expand(x.shape)

                stack.enter_context(hooks.edit(self.model, key, put, [layer], heads))
            return self.run(self.base, row)

    def from_other(self, key, layer):
        return lambda row: self.activations(self.other, row, key, layer)

    def own(self, key, layer):
        return lambda row: self.activations(self.base, row, key, layer)


def key_of(site, side):
    return f"{side}.{site}" if side else site


@pytest.fixture(scope="module", params=MODELS)
def model(request, byte_level, wordpiece):
    return load(request.param, byte_level, wordpiece)


@pytest.mark.parametrize("site", ["z", "q", "k", "v"])
def test_heads_are_patched_as_by_hand(model, asked, site):
    result = patch(model, asked, site, metrics=[LD], layers=[1])
    assert result.left_out == 0
    for mode, moved in zip(("noising", "denoising"), result.effects[LD], strict=True):
        by_hand = ByHand(model, asked, mode)
        rows = result.table[result.table["mode"] == mode]
        for at in range(0, len(rows), 2):
            row = rows.iloc[at]
            key = key_of(site, row["side"])
            expected = by_hand.effect(key, 1, [int(row["head"])], by_hand.from_other(key, 1))
            np.testing.assert_allclose(moved[at], expected, atol=1e-4)


def test_the_stream_is_patched_as_by_hand(model, asked):
    result = patch(model, asked, "residual", mode=["denoising"], metrics=[LD], layers=[1])
    by_hand = ByHand(model, asked, "denoising")
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


def role_at(prompts, row, side, name):
    """The roles, told once more: the end, the marked word, special tokens and the others."""
    words = prompts.rows[row].words
    owner = prompts.owners[row]
    end = prompts.ends[owner][1]
    marked = prompts.sentences[owner].marks[0].word
    if side == "decoder":
        return [
            name == ("end" if i == end else "other")
            for i in range(len(prompts.targets[row].tokens))
        ]
    found = []
    for i, word in enumerate(words):
        role = "special" if word is None else "marked" if word == marked else "other"
        found.append(name == ("end" if i == end and not prompts.targets else role))
    return found


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


@pytest.mark.parametrize(
    ("name", "receiver", "through"),
    [
        ("GPT2", "L1H2", "q"),
        ("GPTNeoX", "L1H0", "v"),
        ("Llama", "L1H3", "k"),
        ("Bert", "L1H1", "v"),
        ("Bart", "cross.L1H1", "q"),
        ("T5", "cross.L0H1", "v"),
    ],
)
def test_paths_are_followed_as_by_hand(name, receiver, through, byte_level, wordpiece, asked):
    model = load(name, byte_level, wordpiece)
    result = path_patch(model, asked, receiver, through)
    by_hand = ByHand(model, asked, "noising")
    goal = next(head for head in every_head(model) if head.name == receiver)
    place = key_of(through, goal.side)
    shared = result.shared_by
    assert shared == (2 if name == "Llama" else 1)
    (moved,) = result.effects[LD]
    for at in range(0, len(result.table), 3):
        row = result.table.iloc[at]
        sender = Head(int(row["layer"]), int(row["head"]), row["side"])

        def arrived(i, sender=sender):
            with hooks.capture(model, [place], [goal.layer]) as seen:
                by_hand.edited(i, list(isolated(by_hand, i, sender, goal)))
            return seen[place, goal.layer][0]

        expected = by_hand.effect(place, goal.layer, [goal.head // shared], arrived)
        np.testing.assert_allclose(moved[at], expected, atol=1e-4)


def isolated(by_hand, i, sender, goal):
    """The sender's output from the other sentence, all heads between as they were."""
    key = key_of("z", sender.side)
    own = by_hand.activations(by_hand.base, i, key, sender.layer).clone()
    own[:, sender.head] = by_hand.activations(by_hand.other, i, key, sender.layer)[:, sender.head]
    yield key, sender.layer, None, own
    met = {order_met(h)[:3]: h for h in every_head(by_hand.model)}
    for at, head in met.items():
        if order_met(sender)[:3] < at and (goal is None or at < order_met(goal)[:3]):
            between = key_of("z", head.side)
            yield (
                between,
                head.layer,
                None,
                by_hand.activations(by_hand.base, i, between, head.layer),
            )


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Bert"])
def test_paths_to_the_output(name, byte_level, wordpiece, asked):
    model = load(name, byte_level, wordpiece)
    result = path_patch(model, asked, mode=["denoising"])
    by_hand = ByHand(model, asked, "denoising")
    (moved,) = result.effects[LD]
    for at in range(len(result.table)):
        row = result.table.iloc[at]
        sender = Head(int(row["layer"]), int(row["head"]))
        expected = by_hand.moved(lambda row, s=sender: list(isolated(by_hand, row, s, None)))
        np.testing.assert_allclose(moved[at], expected, atol=1e-4)


@pytest.mark.parametrize("site", ["z", "v", "residual"])
def test_attribution_is_the_slope(model, asked, site):
    """What a patch would do to first order is what a thousandth of it does, a thousand times."""
    result = attribution_patch(model, asked, site, metric=LD, top=3, sample=4)
    by_hand = ByHand(model, asked, "noising")
    step = 1e-2
    for at in range(0, len(result.table), 5):
        row = result.table.iloc[at]
        key, layer = key_of(site, row["side"]), int(row["layer"])

        def a_little(i, sign, row=row, key=key, layer=layer):
            own, other = (
                by_hand.activations(p, i, key, layer) for p in (by_hand.base, by_hand.other)
            )
            way = other - own
            if site == "residual":
                way = (
                    way
                    * torch.tensor(role_at(by_hand.clean, i, row["side"], row["position"]))[:, None]
                )
            return own + sign * step * way

        heads = None if site == "residual" else [int(row["head"])]
        up, down = (
            by_hand.effect(key, layer, heads, lambda i, s=s: a_little(i, s)) for s in (1, -1)
        )
        slope = (up - down) / (2 * step)
        np.testing.assert_allclose(
            result.approximate[at], slope, atol=3e-3 + 0.02 * np.abs(slope).max()
        )
    exact = patch(model, asked, site, mode=["noising"], metrics=[LD]).table
    chosen = result.table["chosen"] != ""
    np.testing.assert_allclose(result.table["effect"][chosen], exact["effect"][chosen], atol=1e-5)
    assert result.table["effect"][~chosen].isna().all()
    assert result.table["chosen"].str.contains("top").sum() == 3


def test_gradients_leave_nothing_behind(byte_level, wordpiece, asked):
    model = load("GPT2", byte_level, wordpiece)
    attribution_patch(model, asked, top=1, sample=1)
    assert all(parameter.grad is None for parameter in model.hf.parameters())


@pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX"])
def test_direct_effect_is_direct_logit_attribution(name, byte_level, wordpiece, asked):
    """A head's update, over the scale that the last norm had in the clean model, against the two words; MLPs or none."""
    model = load(name, byte_level, wordpiece)
    result = direct_effects(model, asked, metrics=[LD], method="zero")
    prompts = Prompts.of(model, asked, answers=True)
    norm, unembedding = final_norm(model), model.hf.get_output_embeddings().weight.detach()
    for at, head in enumerate(every_head(model)):
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
                    centred = isinstance(norm, torch.nn.LayerNorm)
                    scale = (
                        (end - end.mean() * centred).square().mean()
                        + (norm.eps if centred else norm.variance_epsilon)
                    ).sqrt()
                    written = (update - update.mean() * centred) / scale * norm.weight.detach()
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
    from headwise.interventions._frozen import Frozen
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

    from headwise.interventions._frozen import Frozen
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
        path_patch(tiny_gpt2, asked, "L0H1", "q")
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
        lambda model: headwise.ablate(model, asked, heads=[(0, 1), (1, 2)]).costs[LD],
        lambda model: patch(model, asked, "z", layers=[0]).effects[LD],
        lambda model: patch(model, asked, "residual", layers=[1]).effects[LD],
    ):
        np.testing.assert_allclose(measure(theirs), measure(ours), atol=1e-4)
