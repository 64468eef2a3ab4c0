"""Carries (probing): whether a label can be decoded linearly from the vectors of a word.

For every layer of the residual stream, and for every head's key, value, output `z` and update `z W_O`, the
vector of the marked word is classified by its label: by the nearest class mean (cosine) and by logistic
regression. Scores are of sentences that were not fitted: the data's own test part, or folds that keep
every group whole, drawn several times. Beside them stand baselines that need no layer and no head (see `plain`): the majority class, a bag of words, the mean of the
same words' input embeddings, the words beside, the place in the sentence. The effect is the gain over the best of them, chosen on what each fold
fits, tested jointly over heads, and compared with models with random weights and with uniform attention.

A high score shows that the label is present, not that the model uses it (Hewitt and Liang 2019;
Ravichander, Belinkov and Hovy 2021).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from headwise._validate import OneOrMore, as_tuple, check_counts
from headwise.activations import alignment
from headwise.data.suite import Suite, as_suite
from headwise.errors import HeadwiseError
from headwise.model.heads import AnyHeads, by_number
from headwise.model.model import Model
from headwise.stats import Clusters, balanced_mean
from headwise.stats.deciding import N_DRAWS, N_RANDOM_PROBED

from . import _text_baselines, gains
from ._fits.codelength import Order, orders_of
from ._fits.draws import fit_draws
from ._fits.fitting import Fit, Job, Task
from ._fits.selectivity import control_task
from ._result import BEST, ProbeResult
from ._table import table_of
from ._text_baselines import (
    BAG_OF_WORDS,
    BEST_BASELINE,
    MAJORITY,
    NEXT_WORD,
    PLACE,
    PREVIOUS_WORD,
    STATIC_MEAN,
    WORD,
)
from ._vectors import SITES, Key, ProbeSite, read_vectors, update_basis
from .classifiers import (
    CLASSIFIERS,
    CentroidClassifier,
    Classifier,
    Logistic,
    inner_folds,
    weights,
)
from .controls import SITES as CONTROLLED
from .controls import Scored, probe_controls
from .gains import Choice, Estimate
from .labelled_words import Examples, divide
from .linear_probe import Probe
from .splits import Folds, RareLabels

__all__ = [
    "BAG_OF_WORDS",
    "BEST",
    "BEST_BASELINE",
    "MAJORITY",
    "NEXT_WORD",
    "PLACE",
    "PREVIOUS_WORD",
    "STATIC_MEAN",
    "WORD",
    "Choice",
    "Estimate",
    "ProbeResult",
    "fit_probe",
    "probe",
]

MIN_WORDS = (
    10  # kinds of read words, from which on they are a sample of words and not the question itself
)
GIVEN_AWAY = 0.5  # of the way from the most frequent label to all right
WITH_CODELENGTH = ("residual", "z")


def probe(
    model: Model,
    suite: Suite,
    label: str = "mark",
    *,
    labels: Sequence[str] | None = None,
    sites: OneOrMore[ProbeSite] = SITES,
    layers: OneOrMore[int] | None = None,
    heads: AnyHeads | None = None,
    positions: int | str = 0,
    max_examples: int | None = None,
    rare_labels: RareLabels = "refuse",
    folds: int = 5,
    draws: int = N_DRAWS,
    classifiers: OneOrMore[Classifier] = CLASSIFIERS,
    logistic: Logistic | None = None,
    selectivity: bool = True,
    n_null: int = N_RANDOM_PROBED,
    seed: int = 0,
    n_jobs: int | None = None,
    checkpoint_dir: str | Path | None = None,
) -> ProbeResult:
    """Decodes a label from the vectors of marked words, everywhere in the model.

    Args:
        model: The model.
        suite: Sentences with marks. Where they bring their own train and test parts these are used.
        label: What is read: `"mark"`, the label of each mark, whatever it says; or `"part of speech"`, the tag
            of every word.
        labels: Read only these; all by default.
        sites: `residual` (every layer, `n_layers` being the end), and `z`, `update` (what the head adds to
            the residual stream, `z W_O`), `k`, `v` (every head; keys and values that several heads share are
            probed once, under the number of the shared one). All of them by default.
        layers: Layers to probe; all by default.
        heads: Heads to probe; all by default.
        positions: Where the label is read: 0 is the marked word, -1 the one before it; or a relation, for
            the nearest word that the marked one governs by it (`"sense"`: is the sense already in the words
            that give it?). Marked words without such a word are left out.
        max_examples: Most words to probe; more are drawn at random. By default all that are marked, and 3,000
            where every word has a label.
        rare_labels: With a label in fewer groups than folds: `"refuse"`, `"reduce"` the number of folds, or `"drop"`
            the label.
        folds: Number of folds where the data bring no split; a group is never in two of them.
        draws: How often folds are drawn, 1 to 20; scores at `residual` and `z`, and of baselines, are means over draws, those of controls over the first three. The other
            sites, which no evidence is based on, are fitted with the first.
        classifiers: `centroid`, the nearest class mean by cosine, and `logistic`, multinomial logistic
            regression.
        logistic: How logistic regression is fitted; by default on standardised vectors, with the penalty
            chosen on inner folds.
        selectivity: Whether the probe is also fitted to a control task, for its codelength and selectivity.
        n_null: Models with random weights in which the same is probed, at `residual` and `z`, beside the model with uniform
            attention; 0 for neither. Without these no place can be a yes: `control_t` is NaN.
        seed: Fixes the folds, the controls and the tests.
        n_jobs: Processes that fit; by default what suits the machine and the work.
        checkpoint_dir: Folder in which each fit is kept, so that a run that was stopped goes on with those missing.

    Raises:
        HeadwiseError: `draws` out of range, an unknown label, no marks, one class only, a class with fewer groups than
            folds, labels that each fill one group, or a marked word that the tokenizer drops.
    """
    check_counts(draws=draws, n_null=n_null, seed=seed)
    check_counts(least=1, folds=folds)
    suite = as_suite(suite)
    sites, classifiers = as_tuple(sites), as_tuple(classifiers)
    if not 1 <= draws <= gains.N_HALVINGS:
        raise HeadwiseError(f"draws={draws}: folds are drawn 1 to {gains.N_HALVINGS} times.")
    numbers, layers = by_number(model, heads, layers)
    examples = Examples.of(model, suite, label, positions, labels, max_examples, seed)
    everything = examples.labels
    examples, divided = divide(examples, suite, folds, seed, rare_labels, draws)
    features = read_vectors(model, suite, examples, sites, layers, numbers)
    order = np.sort(np.concatenate([test for _, test in divided.splits]))
    of_baselines = _text_baselines.baseline_jobs(model, suite, examples)
    places = [place for place, _ in of_baselines]
    jobs = [job for _, job in of_baselines]
    for key, values in features.items():
        for classifier in classifiers:
            places.append((key, classifier))
            jobs.append(Job(values, classifier, has_codelength=key[0] in WITH_CODELENGTH))
    control, note = None, "Selectivity was not requested."
    if selectivity:
        control, note = control_task(
            examples, suite, divided.splits, seed, is_causal=model.is_causal
        )
    tasks = _tasks(
        examples,
        divided,
        None if control is None else control.codes,
        orders_of(examples.codes, divided.groups, seed) if selectivity else (),
    )
    kept = None if checkpoint_dir is None else Path(checkpoint_dir)
    how = logistic or Logistic()
    n_baselines = len(of_baselines)
    once = [i for i, (key, _) in enumerate(places) if i >= n_baselines and key[0] not in CONTROLLED]
    fits = fit_draws(
        jobs, tasks, how, "fitting probes", once=once, n_jobs=n_jobs, checkpoint_dir=kept
    )
    predictions = {
        place: np.stack([fit.predicted[order] for fit in own])
        for place, own in zip(places, fits, strict=True)
    }
    truth, groups, fold = examples.codes[order], divided.groups[order], _fold(divided)[:, order]
    best = _best_baselines(dict(zip(places, fits[:n_baselines], strict=False)), order, truth, fold)
    of_best = np.stack([one.predicted for one in best])
    predictions = {**dict(list(predictions.items())[:n_baselines]), BEST: of_best, **predictions}
    clusters = _clusters(suite, examples, divided.groups, order)
    of_controls, why = probe_controls(
        model, suite, examples, sites, layers, numbers, classifiers, tasks, how,
        Scored(order, truth, (of_best == truth).astype(float), clusters),
        n_null=n_null, seed=seed, n_jobs=n_jobs, checkpoint_dir=kept,
    )  # fmt: skip
    bits = {place: fits[i][0].bits for i, place in enumerate(places)}
    selective: dict[tuple[Key, str], tuple[float, float]] = {}
    if control is not None:
        known = control.known
        for i, place in enumerate(places):
            fit = fits[i][0]
            if len(fit.control) and (fit.control[known] >= 0).all():
                own = fit.predicted[known] == examples.codes[known]
                other = fit.control[known] == control.codes[known]
                selective[place] = float(own.mean()), float(other.mean())
    table = table_of(predictions, truth, groups, clusters, selective, bits, of_controls, seed)
    return ProbeResult(
        model=model.name,
        suite=suite.name,
        labels=examples.labels,
        truth=truth,
        predictions=predictions,
        groups=groups,
        clusters=clusters,
        sentences=examples.sentences[order],
        fold=fold,
        folds=0 if divided.own else len(divided.splits),
        best_baselines=tuple(place for one in best for place in one.places),
        controls=of_controls,
        n_alike=divided.n_alike,
        n_fitted=round(np.mean([len(train) for train, _ in divided.splits])),
        dropped=tuple(name for name in everything if name not in examples.labels),
        missing=examples.missing,
        coverage=alignment.coverage(examples.alignments),
        seed=seed,
        warnings=(*_given_away(predictions, truth), *([why] if why else [])),
        selectivity_note=note,
        table=table.assign(
            uniform_codelength=len(examples.codes) * np.log2(len(examples.labels)),
            codelength_ratio=table["codelength"]
            / (len(examples.codes) * np.log2(len(examples.labels))),
        ),
    )


def _tasks(
    examples: Examples,
    divided: Folds,
    control: Int[ndarray, " example"] | None,
    orders: tuple[Order, ...],
) -> list[Task]:
    """The task with the folds of each draw; the control task and the codelength go with the first."""
    return [
        Task(
            codes=examples.codes,
            groups=divided.groups,
            splits=splits,
            control=control if draw == 0 else None,
            orders=orders if draw == 0 else (),
            n_labels=len(examples.labels),
            inner=tuple(
                inner_folds(examples.codes[train], divided.groups[train]) for train, _ in splits
            ),
        )
        for draw, splits in enumerate(divided.draws)
    ]


def _fold(divided: Folds) -> Int[ndarray, "draw example"]:
    """The fold that scores each example, in each draw."""
    fold = np.zeros((len(divided.draws), len(divided.groups)), dtype=int)
    for draw, splits in enumerate(divided.draws):
        for f, (_, test) in enumerate(splits):
            fold[draw, test] = f
    return fold


def _best_baselines(
    fits: Mapping[gains.Place, Sequence[Fit]],
    order: Int[ndarray, " scored"],
    truth: Int[ndarray, " scored"],
    fold: Int[ndarray, "draw scored"],
) -> list[gains.Best]:
    """The best baseline of each fold, for each draw."""
    return [
        gains.best_baseline(
            {place: own[draw].predicted[order] for place, own in fits.items()},
            {place: own[draw].inner for place, own in fits.items()},
            truth,
            of_draw,
        )
        for draw, of_draw in enumerate(fold)
    ]


def _clusters(
    suite: Suite,
    examples: Examples,
    groups: Int[ndarray, " example"],
    order: Int[ndarray, " scored"],
) -> Clusters:
    """Groups, crossed with the read words where these vary: words are a sample, too (Clark 1973)."""
    at = zip(examples.sentences[order], examples.positions[order], strict=True)
    forms = [suite.sentences[int(i)].words[int(word)].lower() for i, word in at]
    if len(set(forms)) < MIN_WORDS:
        return Clusters.of(groups[order])
    return Clusters.of(groups[order], np.array(forms))


def _given_away(
    predictions: dict[tuple[Key, str], Int[ndarray, "_ example"]], truth: Int[ndarray, " example"]
) -> list[str]:
    """A sentence for each single sign that decides the label far above the most frequent one."""
    usual = 1 / len(np.unique(truth))
    found: list[str] = []
    for key, what in _text_baselines.ONE_SIGN.items():
        if (key, "rule") not in predictions:
            continue
        score = float(balanced_mean((predictions[key, "rule"] == truth).mean(axis=0), truth))
        if score >= usual + GIVEN_AWAY * (1 - usual):
            found.append(
                f"The label is predictable from {what}: a rule of that cue alone predicts it in {100 * score:.0f}% of unseen "
                f"sentences (balanced; chance is {100 * usual:.0f}%). The gain is measured beyond that."
            )
    return found


def fit_probe(
    model: Model,
    suite: Suite,
    label: str = "mark",
    *,
    labels: Sequence[str] | None = None,
    site: ProbeSite = "residual",
    layer: int,
    head: int | None = None,
    positions: int | str = 0,
    classifier: Classifier = "logistic",
    logistic: Logistic | None = None,
) -> Probe:
    """Fits one probe to keep, at one place: on the data's own training part, else on everything.

    Its score on what it was fitted on means nothing; `probe` gives honest ones.

    Args:
        model: The model.
        suite: Sentences with marks.
        label: As in `probe`.
        labels: As in `probe`.
        site: `residual`, `z`, `update`, `k` or `v`.
        layer: Layer of the site.
        head: Which head; needed unless the site is `residual`.
        positions: As in `probe`.
        classifier: As in `probe`.
        logistic: As in `probe`.

    Raises:
        HeadwiseError: As in `probe`; a head is missing or does not belong; vectors are not finite.
    """
    suite = as_suite(suite)
    if (site == "residual") != (head is None):
        raise HeadwiseError(
            "The residual stream has no heads; leave head out."
            if head is not None
            else f"{site!r} is of a head; say which, head=0 to {model.n_heads - 1}."
        )
    examples = Examples.of(model, suite, label, positions, labels)
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
