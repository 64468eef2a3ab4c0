"""Ablations by hand: one plain run with one hook per row and cut, and every metric written out once more."""

from contextlib import ExitStack, nullcontext
from itertools import pairwise

import numpy as np
import torch

from headwise.activations import hooks
from headwise.data.suite import Mark, Pair, Sentence, Suite
from headwise.interventions._replacing.reference_tokens import ReferenceTokens
from headwise.interventions.prompts import Prompts, how_it_speaks

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
            Sentence(*_words(text), group=group, marks=(Mark(1, "known"),)),
            Sentence(*_words(f"x{text[1:]}"), group=group, marks=(Mark(1, "unknown"),)),
            right,
            wrong,
        )
        for group, text, right, wrong in texts
    )
    return Suite("s", "?", tuple(s for p in pairs for s in (p.clean, p.corrupted)), pairs=pairs)


def _words(text):
    sentence = Sentence.of(text)
    return sentence.words, sentence.spaces


class ByHand:
    """One run per row and cut, each with one plain hook, and the metrics written out once more."""

    def __init__(self, model, asked, answers=True):
        self.model, self.asked = model, asked
        answers = answers and bool(how_it_speaks(model))
        self.prompts = Prompts.of(model, asked, answers=answers)

        self.stream = "residual" if len(model.stacks) == 1 else "encoder.residual"
        self.n_layers = len(model.stacks[0].blocks)
        self.clean_values = [self.run(i) for i in range(len(self.prompts.rows))]
        others = Prompts.of(model, asked, answers=answers, corrupted=True)
        self.ends = {False: [self.word(row) for row, _ in self.prompts.ends]}
        self.ends[True] = [self.word(row, others) for row, _ in others.ends]

    def inputs(self, row, prompts):
        targets = torch.tensor([prompts.targets[row].tokens]) if prompts.targets else None
        return torch.tensor([prompts.rows[row].tokens]), None, targets

    def run(self, row, prompts=None):
        prompts = prompts or self.prompts
        with hooks.capture(self.model, [self.stream], layers=[self.n_layers]) as seen:
            if not self.model.has_output_head:
                self.model.forward(*self.inputs(row, prompts))
                return None, seen[self.stream, self.n_layers][0]
            log_p = self.model.logits(*self.inputs(row, prompts))[0].log_softmax(-1)
        return log_p, seen[self.stream, self.n_layers][0]

    def word(self, row, prompts=None, ran=None):
        prompts = prompts or self.prompts
        marks = prompts.sentences[prompts.owners[row]].marks
        asked = max([mark.word for mark in marks], default=0)
        stream = (ran or self.run(row, prompts))[1]
        return stream[[i for i, word in enumerate(prompts.rows[row].words) if word == asked]].mean(
            0
        )

    def z(self, sides):
        found = {}
        for side in sides:
            rows = []
            key = f"{side}.z" if side else "z"
            for row in range(len(self.prompts.rows)):
                with hooks.capture(self.model, [key]) as seen:
                    self.model.forward(*self.inputs(row, self.prompts))
                rows.append([seen[key, layer][0] for layer in range(self.n_layers)])
            for layer in range(self.n_layers):
                found[side, layer] = [z[layer] for z in rows]
        return found

    def values(self, metric, i, ran):
        """One metric of one sentence, from what its rows came to."""
        p = self.prompts
        row, end = p.ends[i]
        if metric in ("logit difference", "log probability"):
            sums = [
                sum(float(ran[c.row][0][c.start + k, t]) for k, t in enumerate(c.tokens))
                for c in (p.right[i], p.wrong[i])
            ]
            return sums[0] - sums[1] * (metric == "logit difference")
        if metric == "kl":
            before, after = self.clean_values[row][0][end], ran[row][0][end]
            return float((before.exp() * (before - after)).sum())
        if metric == "loss":
            said = p.rows[row].tokens[1 : end + 1]
            return -np.mean([float(ran[row][0][k, t]) for k, t in enumerate(said)])
        word = self.word(row, ran=ran[row])
        clean, corrupted = self.ends[False][i], self.ends[True][i]
        if metric == "shift":
            return 1 - float(torch.cosine_similarity(word, clean, dim=0))
        if metric == "contrast":
            way = clean - corrupted
            return float((word - corrupted) @ way / (way @ way))
        groups = [s.group for s in p.sentences]
        unseen = [k for k, g in enumerate(groups) if g != groups[i]]
        means = [torch.stack([self.ends[of][k] for k in unseen]).mean(0) for of in (False, True)]
        cosines = [float(torch.cosine_similarity(word, mean, dim=0)) for mean in means]
        return cosines[0] - cosines[1]

    def all_values(self, metric, ran):
        return np.array([self.values(metric, i, ran) for i in range(len(self.prompts.sentences))])

    def ablated(self, changes):
        """Runs every row with `z` replaced: `changes[side, layer, head] = values of each row`."""
        ran = {}
        for row in range(len(self.prompts.rows)):
            with ExitStack() as stack:
                for (side, layer, head), values in changes.items():
                    key = f"{side}.z" if side else "z"

                    def put(z, _, own=values[row]):
                        return own[None, :, None].expand(z.shape)

                    stack.enter_context(
                        hooks.edit(self.model, key, put, layers=[layer], heads=[head])
                    )
                ran[row] = self.run(row)
        return ran


def instead(by_hand, z, method, seed):
    """What takes the place of each head's `z`, row by row: worked out token by token."""
    p = by_hand.prompts
    found = {}
    for (side, layer), values in z.items():
        rows = p.targets if side in ("decoder", "cross") else p.rows
        pools = ReferenceTokens.of(rows, p.owners, p.groups, seed)
        flat = torch.cat(values)
        starts = np.cumsum([0, *[len(row.tokens) for row in rows]])
        for head in range(by_hand.model.n_heads):
            own = flat[:, head]
            if method == "zero":
                new = torch.zeros_like(own)
            elif method == "resample":
                new = own[pools.reference]
            else:
                others = [
                    [m for m in pools.members[pool] if pools.owner[m] != pools.owner[token]]
                    for token, pool in enumerate(pools.pool)
                ]
                new = torch.stack([own[some].mean(0) for some in others])
            found[side, layer, head] = [new[a:b] for a, b in pairwise(starts)]
    return found


def metrics_of(model):
    speech = how_it_speaks(model)
    spoken = ["logit difference", "log probability", "kl"] if speech else []
    return [*spoken, *(["loss"] if speech == "next" else []), "margin", "contrast", "shift"]


def sentence_vector(model, sentence, changed=None):
    """As sentence-transformers makes it: the mean of the final vectors of all tokens, at length 1."""
    tokens = model.tokenizer(sentence.text, return_tensors="pt")["input_ids"]
    with changed or nullcontext(), torch.no_grad():
        found = model.forward(tokens)[0].double().mean(0)
    return found / found.norm()
