"""What can be decoded at every layer and from every head, as a section."""

import math

import numpy as np
import pandas as pd

from headwise._columns import Column, Columns
from headwise._formatting import head_name, percent, points
from headwise.data.suite import Suite
from headwise.evidence import CARRIES, carries_by_layer, verdict
from headwise.model.model import Model
from headwise.probing.classifiers import HEADLINE
from headwise.probing.experiment import (
    BAG_OF_WORDS,
    BEST_BASELINE,
    MAJORITY,
    STATIC_MEAN,
    ProbeResult,
)
from headwise.report.schema import Heatmap, Lines, Section, Series, Table

from .heads.head_cards import named, shape_shown
from .heads.head_details import read_from

FLAT = [site for site, _, _ in (BEST_BASELINE, STATIC_MEAN, BAG_OF_WORDS, MAJORITY)]
NAMES = {"centroid": "nearest class mean", "logistic": "logistic regression"}
CLASSIFIERS = {
    "centroid": "the nearest class mean by cosine",
    "logistic": "multinomial logistic regression on standardised vectors, with the penalty (C from 0.01 to 1) that scores best on inner folds of what is fitted",
}  # fmt: skip
SITES = {
    "z": ("z", "output z, the weighted values before the output matrix"),
    "update": ("update", "update z W_O, as it is added to the residual stream"),
    "k": ("key", "key"),
    "v": ("value", "value"),
}
EXCEEDS = {
    "supported": "exceeds the best baseline",
    "not supported": "does not exceed the best baseline",
    "inconclusive": "may or may not exceed the best baseline",
}
BY_LAYER = {
    "yes": "accuracy exceeds the best baseline",
    "no": "it does not",
    "inconclusive": "the evidence is inconclusive",
}
CAUSAL = "The model is a decoder, in which a word attends only to itself and to what precedes it. What only later words determine cannot be decoded here."
SCORES = ProbeResult.columns.pick(
    "classifier", "balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high", "accuracy", "selectivity", "codelength_ratio",
    "gain", "gain_low", "gain_high", "p_fwer", "control", "detectable",
)  # fmt: skip


def probing(
    result: ProbeResult,
    model: Model,
    suite: Suite,
    *,
    word: str = "the marked word",
    kind: str = "label",
) -> Section:
    """Where a label can be decoded: at every layer if the residual stream was probed, and from every head.

    Args:
        result: What was decoded.
        model: From which model.
        suite: In which sentences.
        word: The word whose vectors were probed, as a sentence names it.
        kind: What its labels are.
    """
    missing = f"{result.missing} sentences were left out, as {word} is truncated, has no token of its own, or is absent."
    dropped = f"Labels of too few groups were left out: {', '.join(result.dropped)}."
    left_out = [*([missing] if result.missing else []), *([dropped] if result.dropped else [])]
    return Section(
        title=f"Decoding the {kind} of {word}",
        figures=figures(result, kind),
        tables=tables(result),
        findings=[*_best_head(result), result.baseline_sentence(), *_by_layer(result), *result.warnings, *left_out],
        method=[
            f"The vector of {word} (the mean over its pieces) is taken from {_places(result)}, and classified by {' and by '.join(CLASSIFIERS[c] for c in result.table['classifier'].unique() if c in CLASSIFIERS)}. The score is "
            "balanced accuracy, in which every label has the same weight.",
            *([CAUSAL] if model.is_causal else []),
            f"Only sentences that were not fitted are scored: {_division(result, kind)}. There are {len(suite):,} sentences in {len(suite.groups):,} groups, of which {_alike(result)} (TF-IDF of character n-grams, "
            f"cosine 0.8 or more), and {len(result.labels)} labels: {', '.join(result.labels)}.",
            f"Model-free baselines see {'the words up to the probed one' if model.is_causal else 'all words of the sentence'} and no layer: a bag of words (TF-IDF and logistic regression, with its penalty chosen as that of the "
            "probes), the mean of the words' input embeddings, the embedding of the word before or after, and the position of the word. For each fold the best of them on what is fitted is the baseline of the gain. The same "
            "probes are fitted on models of the same shape with random weights and on the model with uniform attention.",
            f"{result.selectivity_note} The p of decoding the label at all is against labels permuted within groups (or among groups of one label), for the largest of everything probed. The online code length is the bits it takes to "
            "transmit all labels, given the vectors, with a classifier that is refitted on the portions transmitted so far, mean over orders.",
            "The best layer and the best head are chosen on a random half of the groups and scored on the other half, both ways, over 20 halvings with the folds of one draw each, so the best of many scores is not biased upwards and no single division decides. "
            "Intervals are cluster-robust (t, or a score interval on the effective number of sentences).",
            f"{CARRIES.text} The verdict on the best layer or head follows the same rule, with p combined over halvings; the share of halvings in which p is below 5% is stated beside it.",
        ],
        references=[
            "Hewitt and Liang 2019, Designing and interpreting probes with control tasks.",
            "Zhang and Bowman 2018, Language modeling teaches you more than translation does: never-trained models as controls.",
            "Voita and Titov 2020, Information-theoretic probing with minimum description length.",
        ],
        details=[read_from(result, HEADLINE, shape_shown(model))],
    )  # fmt: skip


def figures(result: ProbeResult, kind: str) -> list[Heatmap | Lines]:
    """Balanced accuracy at every layer, and a map of heads for every site that was probed."""
    rates = result.table.drop_duplicates("site").set_index("site")["balanced_accuracy"]
    curve = [_curve(result, rates[FLAT], kind)] if "residual" in rates else []
    return [*curve, *(_map(result, site, rates, kind) for site in SITES if site in rates)]


def _curve(result: ProbeResult, baselines: pd.Series, kind: str) -> Lines:
    residual = result.table[result.table["site"] == "residual"]
    layers = sorted(int(layer) for layer in residual["layer"].unique())
    return Lines(
        title=f"Probe accuracy at every layer: {kind}",
        caption=f"Balanced accuracy: percent of unseen sentences whose {kind} is decoded correctly from the word's vector, with the same weight for each {kind} and 95% intervals over groups. Layer 0 is before any attention. "
        f"Layer {result.chosen('residual').key[1]} was chosen most often when half of the groups chose.",
        x_label="layer of the residual stream",
        x=layers,
        series=[
            *(
                Series.of(NAMES[classifier], rows, "balanced_accuracy")
                for classifier, rows in residual.groupby("classifier")
            ),
            *(Series(name=name, values=[rate] * len(layers), is_baseline=True) for name, rate in baselines.items()),
        ],
    )  # fmt: skip


def _map(result: ProbeResult, site: str, rates: pd.Series, kind: str) -> Heatmap:
    table = result.table
    rows = table[(table["site"] == site) & (table["classifier"] == HEADLINE)]
    name, what = SITES[site]
    return Heatmap(
        title=f"Probe accuracy from {name}",
        caption=f"Balanced accuracy of the {kind} from each head's {what}, at the word; {NAMES[HEADLINE]}. The pale end is about the most frequent {kind} alone. Outlined: the head chosen most often when half of the groups chose.",
        values=rows.pivot(index="layer", columns="head", values="balanced_accuracy").to_numpy(float),
        low=math.floor(10 * float(rates[MAJORITY[0]])) / 10,
        baseline=(BEST_BASELINE[0], rates[BEST_BASELINE[0]]),
        marked=[result.chosen(site).key[1:]],
    )  # fmt: skip


def tables(result: ProbeResult) -> list[Table]:
    """Every layer, the confusion of labels at the best one, and every head."""
    is_head = result.table["site"].isin(list(SITES))
    heads, layers = result.table[is_head], result.table[~is_head]
    of_heads = Table.of(
        "probed_heads",
        "Every head",
        heads.assign(place=named(heads)["name"]),
        Columns(Column("place", "Head"), ProbeResult.columns["site"], SCORES),
        caption=f"{'; '.join(f'{site}: its {what}' for site, (_, what) in SITES.items())}. Controls were probed at z.",
        folded=True,
    )  # fmt: skip
    is_layer = layers["site"].to_numpy() == "residual"
    if not is_layer.any():
        return [of_heads]
    chosen = result.chosen("residual").key
    confusion = result.confusion(chosen, HEADLINE)
    return [
        Table.of(
            "layers",
            "Every layer, and the model-free baselines",
            layers.assign(place=np.where(is_layer, "layer " + layers["layer"].astype(str), layers["site"])),
            Columns(Column("place", "Place"), SCORES),
            caption="The gain is over the best baseline, which is chosen for each fold on what that fold fits.",
        ),
        Table.of(
            "confusion",
            f"Confusion of labels at layer {chosen[1]}",
            confusion.reset_index(names="truth"),
            Columns(Column("truth", "True label"), *(Column(name, name, "number") for name in confusion)),
            caption=f"Unseen sentences by their label (rows) and by the label that {NAMES[HEADLINE]} predicts (columns); means over draws of folds.",
        ),
        of_heads,
    ]  # fmt: skip


def _best_head(result: ProbeResult) -> list[str]:
    if "z" not in set(result.table["site"]):
        return []
    best = result.chosen("z")
    return [
        f"The best single head (most often {head_name(best.key[1], best.key[2] or 0)}), chosen on one half of the groups and scored on the other, {EXCEEDS[verdict(best)]}: balanced accuracy "
        f"{percent(best.accuracy.value)} ({points(best.gain.value, best.gain.low, best.gain.high)}; p below 5% in {percent(best.passes)} of halvings)."
    ]  # fmt: skip


def _by_layer(result: ProbeResult) -> list[str]:
    layers = carries_by_layer(result)
    parts = [
        f"at layer{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows['layer']))} {text}"
        for said, text in BY_LAYER.items()
        if len(rows := layers[layers["carries"] == said])
    ]
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]} ({NAMES[HEADLINE]}, all unseen sentences, corrected over all layers)."] if parts else []  # fmt: skip


def _places(result: ProbeResult) -> str:
    sites = set(result.table["site"])
    own = [name for site, (name, _) in SITES.items() if site in sites]
    stream = "the residual stream before every block and after the last, and from " if "residual" in sites else ""  # fmt: skip
    return f"{stream}every head ({', '.join(own)})"


def _division(result: ProbeResult, kind: str) -> str:
    if result.folds == 0:
        return f"{result.n_fitted} sentences of the data's own training part are fitted and its test part is scored"
    return f"the sentences are divided into {result.folds} folds that keep groups whole and {kind}s in proportion, and each fold is scored by classifiers fitted on the others, with folds drawn {len(result.fold)} times and scores averaged over draws"


def _alike(result: ProbeResult) -> str:
    if not result.n_alike:
        return "none has a near-duplicate elsewhere"
    where = "in the fitted part" if result.folds == 0 else "in another group, with which that group counts as one"  # fmt: skip
    return f"{result.n_alike} have a near-duplicate {where}"
