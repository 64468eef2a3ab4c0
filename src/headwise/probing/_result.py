"""What a probing experiment found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from headwise._columns import Columns
from headwise._result import Result
from headwise.activations import alignment
from headwise.stats import Clusters, balanced_of
from headwise.stats.deciding import LEVEL

from . import _text_baselines, gains
from ._columns import CONTROLS, PROBED
from ._text_baselines import (
    BAG_OF_WORDS,
    BEST_BASELINE,
)
from ._vectors import Key, ProbeSite
from .classifiers import (
    HEADLINE,
    Classifier,
)
from .gains import Choice, Estimate

BEST: gains.Place = (BEST_BASELINE, "chosen")


@dataclass(frozen=True, eq=False, repr=False)
class ProbeResult(Result):
    """How well a label can be decoded at every probed place, and how much better than by model-free baselines.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        labels: The classes, in the order of the codes in `truth`.
        truth: Class of each scored example.
        predictions: Predicted class of each scored example in each draw of folds, by (site, layer, head) and classifier (of sites without
            controls in the first draw only); the baselines are named in `headwise.probing._text_baselines`,
            and `BEST` is the best of them, chosen for each fold on what it fits.
        groups: Group of each scored example, as an index.
        clusters: What intervals and tests go by: groups, and where words of ten kinds or more are read these, too.
        sentences: Index in the suite of each scored example.
        fold: Fold that scored each example, in each draw.
        folds: Number of folds, or 0 where the data's own split was used.
        best_baselines: Place and classifier of the best baseline of each fold of each draw.
        controls: One row per place of every control (random weights, uniform attention), see `untrained.probe_controls`.
        n_alike: Examples that have a near-duplicate in another group, with which that group was joined, or
            in the other part of the data's own split; see `headwise.probing.splits`.
        n_fitted: Examples that were fitted at a time (on average over folds).
        dropped: Labels left out because too few groups have them.
        missing: Examples left out because their word is truncated, shares its only token, or there is no word at the requested position.
        coverage: How words were split and aligned.
        seed: The seed of folds, controls and tests.
        warnings: Limits of a score: a cue that predicts the label, controls that could not be run.
        selectivity_note: How selectivity was found, or why there is none.
        table: One row per `site` (`residual`, `z`, ..., and the baselines), `layer`, `head` (empty for the residual stream and the baselines) and
            `classifier`, with what `columns` says.
    """

    model: str
    suite: str
    labels: tuple[str, ...]
    truth: Int[ndarray, " example"]
    predictions: dict[tuple[Key, str], Int[ndarray, "_ example"]]
    groups: Int[ndarray, " example"]
    clusters: Clusters
    sentences: Int[ndarray, " example"]
    fold: Int[ndarray, "draw example"]
    folds: int
    best_baselines: tuple[tuple[Key, str], ...]
    controls: pd.DataFrame
    n_alike: int
    n_fitted: int
    dropped: tuple[str, ...]
    missing: int
    coverage: alignment.Coverage
    seed: int
    warnings: tuple[str, ...]
    selectivity_note: str
    table: pd.DataFrame
    columns: ClassVar[Columns] = PROBED
    further: ClassVar[Mapping[str, Columns]] = {"controls": CONTROLS}

    def significant(self) -> pd.DataFrame:
        """The rows of places that decode the label better than the best baseline, over their site, and beyond every control; `evidence.carries` also requires a minimum gain."""
        t = self.table
        # NaN without controls: what was not controlled was not shown.
        found = (t["p_fwer"] < LEVEL) & (t["t"] > t["control_t"])
        return t.loc[found].sort_values("gain", ascending=False)

    def _summary(self) -> str:
        n = len(self.significant())
        return f"{len(self.labels)} labels read at {len(self.predictions)} places; {n} read more than the best baseline"

    def correct(self, key: Key, classifier: str) -> Float[ndarray, " example"]:
        """In what share of the draws of folds the prediction of each example is right; 1 or 0 where there is one draw."""
        return self._right(key, classifier).mean(axis=0)

    def _right(self, key: Key, classifier: str) -> Float[ndarray, "_ example"]:
        return (self.predictions[key, classifier] == self.truth).astype(float)

    def chosen(self, site: ProbeSite, classifier: Classifier = HEADLINE) -> Choice:
        """The best place at a site, each example scored at the place that was chosen on the other half of the groups.

        The best of many scores is biased upwards on the examples it was chosen by, and a single halving is arbitrary, as a single draw of
        folds is: so both halves choose in turn, over 20 halvings, each with the folds of one draw.
        """
        keys = [key for key, fitted in self.predictions if key[0] == site and fitted == classifier]
        own: pd.DataFrame = self.controls.loc[(self.controls["site"] == site) & (self.controls["classifier"] == classifier)]  # fmt: skip
        return gains.choose(
            keys,
            classifier,
            (right := np.stack([self._right(key, classifier) for key in keys])),
            self._right(*BEST)[: right.shape[1]],
            self.truth,
            self.groups,
            self.clusters,
            max(own["t"].to_numpy(dtype=float), default=float("nan")),
            self.seed,
        )

    def rate(
        self, key: Key, classifier: str, examples: Bool[ndarray, " example"] | None = None
    ) -> Estimate:
        """Balanced accuracy at a place, on some of the scored examples or on all."""
        return self._estimate(self.correct(key, classifier), examples, is_rate=True)

    def gain(
        self,
        key: Key,
        classifier: str,
        other: tuple[Key, str] = BEST,
        examples: Bool[ndarray, " example"] | None = None,
    ) -> Estimate:
        """How much higher the balanced accuracy of a place is than that of another (by default the best baseline), paired by example."""
        own, beside = self._right(key, classifier), self._right(*other)
        draws = min(len(own), len(beside))
        values = (own[:draws] - beside[:draws]).mean(axis=0)
        return self._estimate(values, examples, is_rate=False)

    def _estimate(
        self,
        values: Float[ndarray, " example"],
        examples: Bool[ndarray, " example"] | None,
        *,
        is_rate: bool,
    ) -> Estimate:
        kept = np.ones(len(values), dtype=bool) if examples is None else examples
        bound = "rate" if is_rate else "difference"
        return Estimate.of(
            balanced_of(values[kept], self.truth[kept], self.clusters.where(kept), bound)
        )

    def baseline_sentence(self) -> str:
        """The best baseline, its accuracy, and whether a bag of words could have exceeded chance."""
        counts = Counter(_text_baselines.name_of(place) for place in self.best_baselines)
        folds = len(self.best_baselines)
        which = ", ".join(f"{name} ({n} of {folds} folds)" for name, n in counts.most_common())
        best, bag = self.rate(*BEST), self.rate(BAG_OF_WORDS, "logistic")
        said = f"The baseline to beat is chosen on what each fold fits: {which}; it reads {100 * best.value:.0f}%."
        if bag.low <= 1 / len(self.labels):
            said += (
                f" The bag of words reads {100 * bag.value:.0f}%, no more than chance: where the words that decide are in one fold only, it "
                "cannot win, and likeness between words can."
            )
        return said

    def confusion(self, key: Key, classifier: str) -> pd.DataFrame:
        """How often each label (rows) was read as each (columns), at one place; mean over draws of folds."""
        said = self.predictions[key, classifier]
        counts = np.zeros((len(self.labels), len(self.labels)))
        np.add.at(counts, (np.broadcast_to(self.truth, said.shape), said), 1 / len(said))
        return pd.DataFrame(counts, index=list(self.labels), columns=list(self.labels))
