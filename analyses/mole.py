"""Where in the model does mole become an animal, a unit, a skin mark or a spy?

Question: before attention every *mole* is the same vector. From which layer on can its sense be
read off it, and is that more than the words of the sentence give away without any model?

Method: the vector of the marked word, at every layer and from every head, is classified by the
nearest class mean and by logistic regression; scored are only sentences that were not fitted. The
layer is chosen on one half of the groups and reported on the other, beside the majority class, a
bag of words and layer 0.

    uv run analyses/mole.py --model minilm
    headwise run mole --model minilm --data coarsewsd20/mole

Caveats: that a sense can be read does not show that the model uses it.
"""

import math
from typing import Any

import headwise
from headwise.probing import BAG_OF_WORDS, MAJORITY, Estimate, ProbeResult
from headwise.results import (
    Column,
    Heatmap,
    Lines,
    Report,
    Series,
    Table,
    head_name,
    percent,
    points,
    verdict_of,
)

SUITE = "mole"
BURROW = "mole"
HEADLINE = "logistic"
NAMES = {"centroid": "nearest class mean", "logistic": "logistic regression"}

SCORES = [
    Column(name="classifier", title="Classifier"),
    Column(name="examples", title="Scored", kind="integer", note="Sentences scored, none of them fitted"),
    Column(name="accuracy", title="Accuracy", kind="rate"),
    Column(name="accuracy_low", title="from", kind="rate", note="Lower end of the 95% interval over groups"),
    Column(name="accuracy_high", title="to", kind="rate", note="Upper end of the 95% interval over groups"),
    Column(name="p_family", title="p", kind="number", note="Against shuffled labels, over everything probed"),
    Column(name="selectivity", title="Selectivity", kind="difference", note="Accuracy above that of the same classifier on a control task, points"),
    Column(name="codelength", title="Bits", kind="integer", note="Online codelength of all labels; without the vectors it takes the number of sentences times log2 of the number of labels"),
    Column(name="balanced_accuracy", title="Balanced", kind="rate", note="Mean of the accuracies within each label"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Reads a word's sense, or any label, at every layer and head of a model."""
    result = headwise.probe(model, suite, label="sense", folds=3 if smoke else 5, seed=seed)
    choice = result.chosen("residual", HEADLINE)
    held_out = choice.held_out
    bag = (BAG_OF_WORDS, "logistic")
    rates = {
        "best": result.rate(choice.key, HEADLINE, held_out),
        "bag": result.rate(*bag, held_out),
        "majority": result.rate(MAJORITY, "majority", held_out),
        "start": result.rate(("residual", 0, None), HEADLINE, held_out),
    }
    gain = result.gain(choice.key, HEADLINE, bag, held_out)
    verdict = verdict_of([(gain.low, gain.high)])
    word, kind = _wording(suite)
    return Report(
        analysis="mole",
        model=model.name,
        question=suite.question,
        verdict=verdict,
        answer=_answer(
            model.name, word, kind, verdict, choice.key[1], int(held_out.sum()), rates, gain
        ),
        figures=_figures(result, choice.key[1], kind),
        tables=_tables(result),
        not_found=_not_found(result, word),
        method=_method(model, suite, result, word, kind),
        references=[
            "Loureiro, Rezaee, Pilehvar and Camacho-Collados 2021, Analysis and evaluation of language models for "
            "word sense disambiguation.",
            "Hewitt and Liang 2019, Designing and interpreting probes with control tasks.",
        ],
    )


def _wording(suite: headwise.Suite) -> tuple[str, str]:
    """The word that is marked and what its marks are; words of many forms just have labels."""
    marked = [s.words[mark.word].lower() for s in suite.sentences for mark in s.marks]
    word = max(set(marked), key=marked.count)
    if marked.count(word) < len(marked) / 2:
        return "the marked word", "label"
    return word, "sense"


def _answer(
    model: str,
    word: str,
    kind: str,
    verdict: str,
    layer: int,
    n_scored: int,
    rates: dict[str, Estimate],
    gain: Estimate,
) -> str:
    place = f"By layer {layer}" if layer else "Before any attention, at layer 0"
    opening = {
        "supported": f"{place} of {model} the {kind} of {word} can be read off the word itself, better than "
        "from a bag of its sentence's words",
        "not supported": f"In no layer of {model} was the {kind} of {word} read better than from a bag of its "
        "sentence's words",
        "inconclusive": f"At layer {layer} of {model} the {kind} of {word} can be read, but these data cannot tell "
        "whether better than from a bag of its sentence's words",
    }[verdict]
    best = rates["best"]
    return (
        f"{opening}: {percent(best.value)} of {n_scored} held-out sentences [{percent(best.low)}, "
        f"{percent(best.high)}] against {percent(rates['bag'].value)} ({points(gain.value, gain.low, gain.high)}); "
        f"before any attention it is {percent(rates['start'].value)}, the most frequent {kind} alone "
        f"{percent(rates['majority'].value)}."
    )


def _figures(result: ProbeResult, chosen_layer: int, kind: str) -> list[Heatmap | Lines]:
    table = result.table
    residual = table[table["site"] == "residual"]
    layers = sorted(residual["layer"].unique())
    flat = {
        name: table.loc[table["site"] == site, "accuracy"].item()
        for name, site in (("bag of words", "bag of words"), ("majority", "majority"))
    }
    curve = Lines(
        title=f"The {kind}, read at every layer",
        caption=f"Percent of unseen sentences whose {kind} is read correctly from the word's vector, with 95% intervals "
        f"over groups. Layer 0 is before any attention. Layer {chosen_layer} was chosen on half of the groups.",
        x_label="layer of the residual stream",
        x=[int(layer) for layer in layers],
        series=[
            *(
                Series(
                    name=NAMES[classifier],
                    values=rows["accuracy"],
                    low=rows["accuracy_low"],
                    high=rows["accuracy_high"],
                )
                for classifier, rows in residual.groupby("classifier")
            ),
            *(
                Series(name=name, values=[rate] * len(layers), is_baseline=True)
                for name, rate in flat.items()
            ),
        ],
    )
    return [curve, *(_head_map(result, classifier, flat, kind) for classifier in NAMES)]


def _head_map(result: ProbeResult, classifier: Any, flat: dict[str, float], kind: str) -> Heatmap:
    table = result.table
    rows = table[(table["site"] == "z") & (table["classifier"] == classifier)]
    return Heatmap(
        title=f"What each head hands over, {NAMES[classifier]}",
        caption=f"Percent of unseen sentences whose {kind} is read correctly from one head's output at the word. The "
        f"pale end is about the most frequent {kind} alone. Outlined: the head chosen on half of the groups.",
        values=rows.pivot(index="layer", columns="head", values="accuracy").to_numpy(dtype=float),
        low=math.floor(10 * flat["majority"]) / 10,
        baseline=("bag of words", flat["bag of words"]),
        marked=[result.chosen("z", classifier).key[1:]],
    )


def _tables(result: ProbeResult) -> list[Table]:
    table = result.table
    is_head = table["site"] == "z"
    layers = table[~is_head].copy()
    layers["place"] = [
        f"layer {row.layer}" if row.site == "residual" else row.site for row in layers.itertuples()
    ]
    heads = table[is_head].copy()
    heads["place"] = [head_name(int(row.layer), int(row.head)) for row in heads.itertuples()]
    return [
        Table.of(
            "layers",
            "Every layer, and what needs no model",
            layers,
            [Column(name="place", title="Place"), *SCORES],
        ),
        Table.of(
            "heads",
            "Every head",
            heads,
            [Column(name="place", title="Head"), *SCORES],
            caption="From the head's 'z' at the word: its weighted values before the output matrix.",
            folded=True,
        ),
    ]


def _not_found(result: ProbeResult, word: str) -> list[str]:
    best_head = result.chosen("z", HEADLINE)
    bag = (BAG_OF_WORDS, "logistic")
    gain = result.gain(best_head.key, HEADLINE, bag, best_head.held_out)
    rate = result.rate(best_head.key, HEADLINE, best_head.held_out)
    name = head_name(best_head.key[1], best_head.key[2] or 0)
    finding = {
        "supported": "beats the bag of words",
        "not supported": "does not beat the bag of words",
        "inconclusive": "cannot be told from the bag of words",
    }[verdict_of([(gain.low, gain.high)])]
    lines = [
        f"The best single head, {name}, chosen on one half and scored on the other, {finding}: "
        f"{percent(rate.value)} ({points(gain.value, gain.low, gain.high)})."
    ]
    if result.missing:
        lines.append(
            f"{result.missing} sentences were left out: {word} is cut off or has no token of its own."
        )
    lines += [
        "Which head makes it was not tested: a head may hand over what an earlier one found, and nothing "
        "was removed.",
        "No control task: how much of the score the classifier could have learned for arbitrary labels is not known.",
    ]
    return lines


CAUSAL = (
    "This model is a decoder: a word sees only what stands before it, and nothing looks ahead. What only later "
    "words give away cannot be read here."
)


def _method(
    model: headwise.Model, suite: headwise.Suite, result: ProbeResult, word: str, kind: str
) -> list[str]:
    division = (
        f"{result.n_fitted} sentences of the data's own training part are fitted and its test part is scored"
        if result.folds == 0
        else f"the sentences are divided into {result.folds} folds that keep groups whole and {kind}s in proportion; "
        "each is scored by classifiers fitted on the others"
    )
    alike = (
        f"{result.n_alike} have a near-duplicate "
        + (
            "in the fitted part"
            if result.folds == 0
            else "in another group, with which that group counts as one"
        )
        if result.n_alike
        else "none has a near-duplicate elsewhere"
    )
    return [
        f"The vector of {word} (the mean over its pieces) is taken from the residual stream before every block and "
        "after the last, and from every head. The nearest class mean goes by cosine; the logistic regression is "
        "multinomial, on standardised vectors, with the penalty (C from 0.01 to 10) that does best on inner folds of what is fitted.",
        *([suite.about] if suite.about else []),
        *([CAUSAL] if model.is_causal else []),
        f"Only unseen sentences count: {division}. {len(suite):,} sentences in {len(suite.groups):,} groups, of which {alike} "
        "(TF-IDF of character n-grams, cosine 0.8 or more); "
        f"{len(result.labels)} {kind}s: {', '.join(result.labels)}.",
        f"The bag of words sees the sentence's words{' as far as the marked one' if model.is_causal else ''} and no model: TF-IDF with sublinear counts and a balanced logistic "
        f"regression with C = 10. Majority always says the most frequent {kind} of what was fitted.",
        "Selectivity is accuracy above that on a control task, a random label for each kind of word before the marked one: "
        "what a classifier can memorise from the same vectors. p is against labels shuffled within groups (or among groups of one "
        "label), the largest of everything probed. The codelength is what it takes to send all labels to somebody who has the "
        "vectors and learns on the way (online code).",
        "The layer (and the head) is the best on a random half of the groups and is reported on the other half, so "
        "that the best of many scores is not flattered. Intervals come from drawing whole groups again 2,000 times.",
        "Verdict: 'supported' if at that layer logistic regression beats the bag of words by an interval that excludes "
        "zero; 'not supported' if the interval lies at or below zero; otherwise 'inconclusive'.",
    ]


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
