"""Minimal pairs as rows of tokens that correspond, clean and corrupted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from headwise._validate import OneOrMore, one_of
from headwise.activations.alignment import usual_batch_tokens
from headwise.data.suite import Pair, Suite
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from . import _effects, metrics
from . import token_roles as places
from ._replacing.replacements import Place, Source, read_all, starts_of, themselves
from ._runner import Sweep
from .metrics import AnyMetric, Reading
from .prompts import Prompts, Row

ALIGNMENTS = ("words", "marks")
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Pairs:
    """Minimal pairs as two lists of rows that correspond.

    Attributes:
        model: The model.
        suite: The pairs that can be aligned.
        metrics: What is measured.
        clean: Rows of the clean sentences.
        corrupted: Rows of the corrupted ones, with the same continuations.
        align: How tokens are aligned: by `words` or `marks`.
        left_out: Pairs that could not be aligned.
    """

    model: Model
    suite: Suite
    metrics: tuple[AnyMetric, ...]
    clean: Prompts
    corrupted: Prompts
    align: str
    left_out: int

    @staticmethod
    def of(
        model: Model, suite: Suite, requested: OneOrMore[AnyMetric] | None, align: str
    ) -> "Pairs":
        """Checks and aligns; arguments as of `patch`."""
        one_of(align, ALIGNMENTS, "alignment")
        if not suite.pairs:
            raise HeadwiseError(
                f"The suite {suite.name!r} has no pairs of a clean and a corrupted sentence to patch between; see "
                "docs/suites.md."
            )
        for pair in suite.pairs:
            if pair.clean.words == pair.corrupted.words:
                raise HeadwiseError(
                    f"{pair.clean.source}: the clean and the corrupted sentence are the same: {pair.clean.text[:60]!r}. They "
                    "must differ in a word."
                )
        usual = [m for m in metrics.usual(model, suite) if m not in ("kl", "shift", "loss")]
        wanted = tuple(usual) if requested is None else metrics.several(requested)
        if bad := [m for m in wanted if m in ("kl", "shift")]:
            raise HeadwiseError(
                f"{bad[0]!r} is a distance from the clean model and does not say towards which sentence a patch moves it. Ask for "
                "'logit difference', 'log probability', 'margin' or 'contrast'."
            )
        answers = metrics.need_answers(wanted)
        kept = tuple(pair for pair in suite.pairs if pair.right or not answers) or suite.pairs
        whole = _only(suite, kept)
        if align == "words":
            clean, corrupted = _prompts(model, whole, answers)
            fits = [True] * len(kept)
            for a, b, owner in zip(clean.rows, corrupted.rows, clean.owners, strict=True):
                changed = whole.pairs[owner].changed
                fits[owner] &= _fixed(a, changed) == _fixed(b, changed)
            if not any(fits):
                raise HeadwiseError(
                    f"No pair of {suite.name!r} has the same tokens, word by word, in both sentences for {model.name}. Swap words "
                    "of as many pieces, or pass align='marks' to patch marked words only."
                )
            whole = _only(suite, tuple(p for p, ok in zip(kept, fits, strict=True) if ok))
        clean, corrupted = _prompts(model, whole, answers)
        return Pairs(model, whole, wanted, clean, corrupted, align, len(kept) - len(whole.pairs))

    def readings(self, base: Prompts) -> list[Reading]:
        """Metrics of one side."""
        return metrics.bind(self.model, self.suite, base, self.metrics)

    def sides_of(self, mode: str) -> tuple[Prompts, Prompts]:
        """The side that is run, and the side that is patched in."""
        if mode == "noising":
            return self.clean, self.corrupted
        return self.corrupted, self.clean

    def other(self, mode: str, places: Sequence[Place]) -> Source:
        """Activations at some places in the other sentences, for every token that has a counterpart there."""
        base, other = self.sides_of(mode)
        starts = starts_of(other.rows)
        index: list[Int[ndarray, " _"]] = []
        for i, row in enumerate(base.rows):
            own = np.arange(len(row.tokens))
            if self.align == "marks":
                own = self._by_marks(base, other, i)
            index.append(np.where(own < 0, -1, own + starts[i]))
        vectors = read_all(self.model, other, places)
        return Source(vectors, (index, themselves(other)[1]))

    def unpatched(self, prompts: Prompts) -> list[Float[ndarray, " pair"]]:
        """The metrics of one side as it is."""
        usual = usual_batch_tokens(self.model)
        sweep = Sweep(self.model, prompts, self.readings(prompts), {}, {}, usual)
        return [values[0] for values in sweep.run([], "reading")]

    def moved(
        self,
        columns: Mapping[str, Sequence[object]],
        modes: Sequence[str],
        found: Sequence[Sequence[Float[ndarray, "all_variants pair"]]],
        seed: int,
    ) -> tuple[dict[str, Float[ndarray, "mode variant pair"]], pd.DataFrame]:
        """How far variants move each metric towards the other sentence of a pair.

        Args:
            columns: What each variant is.
            modes: Noising, denoising.
            found: For each mode and metric the values of the clean model and of every variant.
            seed: Fixes intervals.

        Returns:
            The effects by metric, and the table as in `headwise.interventions.patching.PatchResult`.
        """
        ends = [self.unpatched(prompts) for prompts in (self.clean, self.corrupted)]
        moved: dict[str, Float[ndarray, "mode variant pair"]] = {}
        tables: list[pd.DataFrame] = []
        for m, reading in enumerate(self.readings(self.clean)):
            gap = float((ends[0][m] - ends[1][m]).mean())
            every: list[Float[ndarray, "variant pair"]] = []
            for one, values in zip(modes, found, strict=True):
                towards = -1.0 if one == "noising" else 1.0
                every.append(towards * (values[m][1:] - values[m][0]))
                table = _effects.table_of(reading, "effect", every[-1], self.clean.clusters, seed)
                table.insert(1, "mode", one)
                for i, (name, values_of) in enumerate(columns.items()):
                    table.insert(2 + i, name, list(values_of))
                table["share"] = every[-1].mean(axis=1) / gap if abs(gap) > TINY else np.nan
                table["changed"] = _effects.turned(reading, values[m])
                tables.append(table)
            moved[reading.name] = np.stack(every)
        return moved, pd.concat(tables, ignore_index=True)

    def masks(self, mode: str, names: Iterable[str]) -> dict[str, places.Masks]:
        """Where roles are; tokens that correspond have the role of the clean one."""
        base = self.clean if self.align == "words" else self.sides_of(mode)[0]
        return {name: places.masks(base, name) for name in names}

    def _by_marks(self, base: Prompts, other: Prompts, row: int) -> Int[ndarray, " token"]:
        """Marked words of one label and as many pieces, and the end."""
        a, b, owner = base.rows[row], other.rows[row], base.owners[row]
        found = np.full(len(a.tokens), -1)
        here, there = (
            {mark.label: mark.word for mark in p.sentences[owner].marks} for p in (base, other)
        )
        for label in here.keys() & there.keys():
            own, its = (
                [i for i, word in enumerate(r.words) if word == w]
                for r, w in ((a, here[label]), (b, there[label]))
            )
            if len(own) == len(its):
                found[own] = its
        ends = base.ends[owner][1], other.ends[owner][1]
        if not base.targets and min(ends) >= 0:
            found[ends[0]] = ends[1]
        return found


def _fixed(row: Row, changed: Sequence[int]) -> list[int | None]:
    """Words of tokens, but for those that are swapped."""
    return [None if word in changed else word for word in row.words]


def _only(suite: Suite, pairs: tuple[Pair, ...]) -> Suite:
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    return replace(suite, pairs=pairs, sentences=sentences)


def _prompts(model: Model, suite: Suite, answers: bool) -> tuple[Prompts, Prompts]:
    clean = Prompts.of(model, suite, answers=answers)
    return clean, Prompts.of(model, suite, answers=answers, corrupted=True)
