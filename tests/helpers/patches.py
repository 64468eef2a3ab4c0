"""Patches by hand: plain runs with hooks, and the metric of a run written out once more."""

import numpy as np
import torch

from headwise.activations import hooks
from headwise.activations.sites import heads_at
from headwise.interventions.prompts import Prompts

LD = "logit difference"


class PatchByHand:
    """Pairs of rows and the metric of a run, written out plainly."""

    def __init__(self, model, suite, mode):
        both = [Prompts.of(model, suite, answers=True, corrupted=c) for c in (False, True)]
        self.model = model
        self.base, self.other = both if mode == "noising" else both[::-1]
        self.clean = both[0]
        self.sign = -1 if mode == "noising" else 1
        self._kept = {}  # runs that nothing changes are made once

    def run(self, prompts, row):
        tokens = torch.tensor([prompts.rows[row].tokens])
        targets = torch.tensor([prompts.targets[row].tokens]) if prompts.targets else None
        return self.model.logits(tokens, None, targets)[0].log_softmax(-1)

    def activations(self, prompts, row, key, layer):
        at = id(prompts), row, key, layer
        if at not in self._kept:
            with hooks.capture(self.model, [key], layers=[layer]) as seen:
                self.run(prompts, row)
            self._kept[at] = seen[key, layer][0]
        return self._kept[at]

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
        if "before" not in self._kept:
            self._kept["before"] = self.values([self.run(self.base, row) for row in rows])
        before = self._kept["before"]
        return self.sign * (self.values([self.edited(row, edits_of(row)) for row in rows]) - before)

    def effect(self, key, layer, heads, values):
        """How far one edit moves every pair; `values` gives what is put in, row by row."""
        return self.moved(lambda row: [(key, layer, heads, values(row))])

    def edited(self, row, edits):
        from contextlib import ExitStack

        with ExitStack() as stack:
            for key, layer, heads, new in edits:

                def put(x, at, new=new, heads=heads):
                    own = new if heads is None else new[:, heads_at(self.model, at, heads)]
                    return own[None].expand(x.shape)

                stack.enter_context(hooks.edit(self.model, key, put, layers=[layer], heads=heads))
            return self.run(self.base, row)

    def from_other(self, key, layer):
        return lambda row: self.activations(self.other, row, key, layer)

    def own(self, key, layer):
        return lambda row: self.activations(self.base, row, key, layer)


def key_of(site, side):
    return f"{side}.{site}" if side else site


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
