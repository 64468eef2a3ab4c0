"""Carries: can a fact be read, linearly, from what the model holds at a word?

For every layer of the residual stream, and for every head's key, value, output `z` and update `z W_O`, the
vector of the marked word is classified by its label: by the nearest class mean (cosine) and by logistic
regression. Scores are of sentences that were not fitted: the data's own test part, or folds that keep
every group whole. Beside them stand the majority class and a bag of words of the same sentences (TF-IDF
and logistic regression; for a decoder, of the words up to the marked one), which knows no model at all;
layer 0 of the residual stream is the word before any attention.

A high score says that the fact is there, not that the model uses it (Hewitt and Liang 2019;
Ravichander, Belinkov and Hovy 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from . import words
from .classifiers import CLASSIFIERS, CentroidClassifier, Classifier, Logistic, inner_folds, weights
from .errors import HeadwiseError
from .examples import Examples, control_task, divide
from .fits import Job, Task, fit_all, group_order
from .folds import TooFew
from .linear import Probe
from .models import Model
from .progress import track
from .showing import Viewable
from .stats import balanced_bootstrap, balanced_mean, cluster_bootstrap, label_permutation
from .suites import Suite
from .vectors import SITES, Key, ProbeSite, read_vectors, update_basis

BAG_OF_WORDS: Key = ("bag of words", 0, None)
MAJORITY: Key = ("majority", 0, None)


@dataclass(frozen=True, eq=False)
class ProbeResult(Viewable):
    """How well a label can be read at every place that was probed.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        labels: The classes, in the order of the codes in `truth`.
        truth: Class of each scored example.
        predictions: Predicted class of each scored example by (site, layer, head) and classifier; the
            baselines have the sites `bag of words` and `majority`.
        groups: Group of each scored example, as an index.
        sentences: Index in the suite of each scored example.
        folds: Number of folds, or 0 where the data's own split was used.
        n_alike: Examples that have a near-duplicate in another group, with which that group was joined, or
            in the other part of the data's own split; see `headwise.folds`.
        n_fitted: Examples that were fitted at a time (on average over folds).
        dropped: Labels left out because too few groups have them.
        missing: Examples left out because their word is cut off, shares its only token, or there is no word
            at the position asked for.
        coverage: How words were split and aligned.
        seed: The seed of folds and intervals.
        table: One row per `site` (`residual`, `z`, `bag of words`, `majority`), `layer`, `head` (empty
            for the residual stream and the baselines) and `classifier`, with `examples` scored,
            `balanced_accuracy` (mean recall over classes) and `accuracy`, both 0 to 1, with their 95% intervals
            over groups (`balanced_low`, `balanced_high`, `accuracy_low`, `accuracy_high`); `p` against shuffled
            labels, `p_family` over everything that was probed and `q` (Benjamini-Hochberg), see
            `stats.label_permutation`; NaN for the baselines. `control_accuracy` is that of the same
            classifier on a random label for each kind of word before the marked one, scored where that word
            was seen in fitting, and `selectivity` the difference (Hewitt and Liang 2019): a probe that
            learns either equally well shows what it can memorise, not what the model knows. `codelength` is
            the online code of all labels in bits, where the classifier gives probabilities, beside
            `uniform_codelength`.
    """

    model: str
    suite: str
    labels: tuple[str, ...]
    truth: Int[ndarray, " example"]
    predictions: dict[tuple[Key, str], Int[ndarray, " example"]]
    groups: Int[ndarray, " example"]
    sentences: Int[ndarray, " example"]
    folds: int
    n_alike: int
    n_fitted: int
    dropped: tuple[str, ...]
    missing: int
    coverage: words.Coverage
    seed: int
    table: pd.DataFrame

    def correct(self, key: Key, classifier: str) -> Float[ndarray, " example"]:
        """1 where the prediction is right and 0 where it is not."""
        return (self.predictions[key, classifier] == self.truth).astype(float)

    def chosen(self, site: ProbeSite, classifier: Classifier) -> "Choice":
        """The best place at a site, chosen on one half of the groups and scored on the other.

        The best of many scores is too good to be true on the examples it was chosen by; on the
        other half it is not.
        """
        names = np.unique(self.groups)
        half = np.random.default_rng(self.seed).permutation(names)[: len(names) // 2]
        chosen_on = np.isin(self.groups, half)
        keys = [key for key, fitted in self.predictions if key[0] == site and fitted == classifier]
        truth = self.truth[chosen_on]
        best = max(
            keys, key=lambda key: balanced_mean(self.correct(key, classifier)[chosen_on], truth)
        )
        return Choice(best, classifier, ~chosen_on)

    def rate(self, key: Key, classifier: str, examples: Bool[ndarray, " example"]) -> "Estimate":
        """Balanced accuracy at a place on some of the scored examples."""
        return self._estimate(self.correct(key, classifier), examples)

    def gain(
        self,
        key: Key,
        classifier: str,
        other: tuple[Key, str],
        examples: Bool[ndarray, " example"],
    ) -> "Estimate":
        """How much higher the balanced accuracy of a place is than that of another, paired by example."""
        return self._estimate(self.correct(key, classifier) - self.correct(*other), examples)

    def _estimate(
        self, values: Float[ndarray, " example"], examples: Bool[ndarray, " example"]
    ) -> "Estimate":
        values, truth = values[examples], self.truth[examples]
        low, high = balanced_bootstrap(values[None], truth, self.groups[examples], seed=self.seed)
        return Estimate(float(balanced_mean(values, truth)), float(low[0]), float(high[0]))

    def confusion(self, key: Key, classifier: str) -> pd.DataFrame:
        """How often each label (rows) was read as each (columns), at one place."""
        counts = np.zeros((len(self.labels), len(self.labels)), dtype=int)
        np.add.at(counts, (self.truth, self.predictions[key, classifier]), 1)
        return pd.DataFrame(counts, index=list(self.labels), columns=list(self.labels))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A balanced accuracy, or a difference of two, with its 95% interval over groups."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Choice:
    """A place that was chosen, and the examples that had no part in choosing it."""

    key: Key
    classifier: Classifier
    held_out: Bool[ndarray, " example"]


def probe(
    model: Model,
    suite: Suite,
    label: str = "sense",
    sites: Sequence[ProbeSite] = SITES,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    position: int | str = 0,
    folds: int = 5,
    seed: int = 0,
    labels: Sequence[str] | None = None,
    at_most: int | None = None,
    classifiers: Sequence[Classifier] = CLASSIFIERS,
    logistic: Logistic | None = None,
    too_few: TooFew = "refuse",
    controls: bool = True,
    n_jobs: int | None = None,
    resume: str | Path | None = None,
) -> ProbeResult:
    """Reads a label from the vectors of marked words, everywhere in the model.

    Args:
        model: The model.
        suite: Sentences with marks. Where they bring their own train and test parts these are used.
        label: What is read: `"sense"`, the label of each mark, whatever it says; or `"part of speech"`, the tag
            of every word.
        sites: `residual` (every layer, `n_layers` being the end), and `z`, `update` (what the head adds to
            the residual stream, `z W_O`), `k`, `v` (every head; keys and values that several heads share are
            probed once, under the number of the shared one). All of them by default.
        layers: Layers to probe; all by default.
        heads: Heads to probe; all by default.
        position: Where the label is read: 0 is the marked word, -1 the one before it; or a relation, for
            the nearest word that the marked one governs by it (`"sense"`: is the sense already in the words
            that give it?). Marked words without such a word are left out.
        folds: Number of folds where the data bring no split; a group is never in two of them.
        seed: Fixes the folds and the intervals.
        labels: Read only these; all by default.
        at_most: Most words to probe; more are drawn at random. By default all that are marked, and 3,000
            where every word has a label.
        classifiers: `centroid`, the nearest class mean by cosine, and `logistic`, multinomial logistic
            regression.
        logistic: How logistic regression is fitted; by default on standardised vectors, with the penalty
            chosen on inner folds.
        controls: Whether each probe is also fitted to a control task and for its codelength.
        n_jobs: Processes that fit; by default what suits the machine and the work.
        resume: Folder in which each fit is kept, so that a run that was stopped goes on with those missing.
        too_few: With a label in fewer groups than folds: `"refuse"`, `"reduce"` the number of folds, or `"drop"`
            the label.

    Raises:
        HeadwiseError: An unknown label, no marks, one class only, a class with fewer groups than
            folds, labels that each fill one group, or a marked word that the tokenizer drops.
    """
    examples = Examples.of(model, suite, label, position, labels, at_most, seed)
    everything = examples.labels
    examples, divided = divide(examples, suite, folds, seed, too_few)
    splits = divided.splits
    features = read_vectors(model, suite, examples, sites, layers, heads)
    scored = np.concatenate([test for _, test in splits])
    order = np.sort(scored)
    places: list[tuple[Key, str]] = [(MAJORITY, "majority"), (BAG_OF_WORDS, "logistic")]
    jobs = [
        Job(np.zeros((len(examples.codes), 1)), "majority"),
        Job(np.array(examples.texts), "bag of words"),
    ]
    for key, values in features.items():
        for classifier in classifiers:
            places.append((key, classifier))
            jobs.append(Job(values, classifier))
    control = control_task(examples, suite, splits, seed) if controls else None
    task = Task(
        codes=examples.codes,
        groups=divided.groups,
        splits=splits,
        control=None if control is None else control.codes,
        order=group_order(divided.groups, seed) if controls else np.empty(0, dtype=int),
        n_labels=len(examples.labels),
        inner=tuple(
            inner_folds(examples.codes[train], divided.groups[train]) for train, _ in splits
        ),
    )
    kept = None if resume is None else Path(resume)
    done = fit_all(jobs, task, logistic or Logistic(), n_jobs=n_jobs, resume=kept)
    fits = dict(track(done, len(jobs), "fitting probes"))
    predictions = {place: fits[i].predicted[order] for i, place in enumerate(places)}
    control_scores = {
        place: float((fits[i].control == control.codes)[control.known].mean())
        for i, place in enumerate(places)
        if control is not None and place[0] != MAJORITY
    }
    bits = {place: fits[i].bits for i, place in enumerate(places)}
    truth, groups = examples.codes[order], divided.groups[order]
    return ProbeResult(
        model=model.name,
        suite=suite.name,
        labels=examples.labels,
        truth=truth,
        predictions=predictions,
        groups=groups,
        sentences=examples.sentences[order],
        folds=0 if divided.own else len(splits),
        n_alike=divided.n_alike,
        n_fitted=round(np.mean([len(train) for train, _ in splits])),
        dropped=tuple(name for name in everything if name not in examples.labels),
        missing=examples.missing,
        coverage=words.coverage(examples.alignments),
        seed=seed,
        table=_table(predictions, truth, groups, control_scores, seed).assign(
            codelength=list(bits.values()),
            uniform_codelength=len(examples.codes) * np.log2(len(examples.labels)),
        ),
    )


def fit_probe(
    model: Model,
    suite: Suite,
    label: str = "sense",
    *,
    site: ProbeSite = "residual",
    layer: int,
    head: int | None = None,
    position: int | str = 0,
    labels: Sequence[str] | None = None,
    classifier: Classifier = "logistic",
    logistic: Logistic | None = None,
) -> Probe:
    """Fits one probe to keep, at one place: on the data's own training part, else on everything.

    Its score on what it was fitted on means nothing; `probe` gives honest ones.

    Args:
        model: The model.
        suite: Sentences with marks.
        label: As in `probe`.
        site: `residual`, `z`, `update`, `k` or `v`.
        layer: Layer of the site.
        head: Which head; needed unless the site is `residual`.
        position: As in `probe`.
        labels: As in `probe`.
        classifier: As in `probe`.
        logistic: As in `probe`.

    Raises:
        HeadwiseError: As in `probe`; a head is missing or does not belong; vectors are not finite.
    """
    if (site == "residual") != (head is None):
        raise HeadwiseError(
            "The residual stream has no heads; leave head out."
            if head is not None
            else f"{site!r} is of a head; say which, head=0 to {model.n_heads - 1}."
        )
    examples = Examples.of(model, suite, label, position, labels)
    heads = None if head is None else [head]
    ((key, values),) = read_vectors(model, suite, examples, [site], [layer], heads).items()
    fitted = np.ones(len(examples.codes), dtype=bool)
    if suite.has_own_split:
        fitted = np.array([suite.sentences[i].split == "train" for i in examples.sentences])
    codes, groups = examples.codes[fitted], examples.groups[fitted]
    made = (
        CentroidClassifier()
        if classifier == "centroid"
        else (logistic or Logistic()).make(codes, groups)
    )
    weight, bias = weights(made.fit(values[fitted], codes))
    if site == "update":  # from coordinates to the residual stream
        basis = update_basis(model.attention(layer=layer).W_O)[1][key[2] or 0]
        weight = weight @ basis.cpu().numpy()
    return Probe(
        model=model.name,
        suite=suite.name,
        label=label,
        site=site,
        layer=layer,
        head=key[2],
        classifier=classifier,
        labels=examples.labels,
        weight=weight,
        bias=bias,
    )


def _table(
    predictions: dict[tuple[Key, str], Int[ndarray, " example"]],
    truth: Int[ndarray, " example"],
    groups: Int[ndarray, " example"],
    control_scores: dict[tuple[Key, str], float],
    seed: int,
) -> pd.DataFrame:
    """Scores of every place, in the order they were fitted."""
    correct = np.stack([predicted == truth for predicted in predictions.values()]).astype(float)
    low, high = cluster_bootstrap(correct, groups, seed=seed)
    balanced_low, balanced_high = balanced_bootstrap(correct, truth, groups, seed=seed)
    keys = list(predictions)
    is_probe = np.array([key not in (MAJORITY, BAG_OF_WORDS) for key, _ in keys], dtype=bool)
    p, p_family, q = (np.full(len(keys), np.nan) for _ in range(3))
    if is_probe.any():
        probed = np.stack(
            [x for x, kept in zip(predictions.values(), is_probe, strict=True) if kept]
        )
        tested = label_permutation(probed, truth, groups, seed=seed)
        p[is_probe], p_family[is_probe], q[is_probe] = tested.p, tested.p_family, tested.q
    of_control = np.array([control_scores.get(key, np.nan) for key in keys])
    return pd.DataFrame(
        {
            "site": [key[0] for key, _ in keys],
            "layer": [key[1] for key, _ in keys],
            "head": pd.array([key[2] for key, _ in keys], dtype="Int64"),
            "classifier": [classifier for _, classifier in keys],
            "examples": len(truth),
            "balanced_accuracy": balanced_mean(correct, truth),
            "balanced_low": balanced_low,
            "balanced_high": balanced_high,
            "accuracy": correct.mean(axis=1),
            "accuracy_low": low,
            "accuracy_high": high,
            "p": p,
            "p_family": p_family,
            "q": q,
            "control_accuracy": of_control,
            "selectivity": correct.mean(axis=1) - of_control,
        }
    )
