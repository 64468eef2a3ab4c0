"""Where in the model does mole become an animal, a unit, a skin mark or a spy?

Question: before attention every *mole* is the same vector. From which layer on can its sense be
read off it, and is that more than the words of the sentence give away without any model?

Method: the vector of the marked word, at every layer and from every head, is classified by the
nearest class mean and by logistic regression; scored are only sentences that were not fitted. The
layer is chosen on one half of the groups and reported on the other, beside the majority class, a
bag of words and layer 0. Then the sense is erased there, and the model goes on without it.

    uv run analyses/mole.py --model minilm
    headwise run mole --model minilm --data coarsewsd20/mole
    headwise run mole --data treebank.conllu --label "part of speech"

Caveats: that a sense can be read does not show that the model uses it.
"""

import math

import pandas as pd

import headwise
from headwise import erasure
from headwise.probing import BAG_OF_WORDS, MAJORITY, Estimate, ProbeResult
from headwise.results import (
    MINUS,
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
BAG = (BAG_OF_WORDS, "logistic")
NAMES = {"centroid": "nearest class mean", "logistic": "logistic regression"}
SITES = {
    "z": ("What each head gathers", "its output z: weighted values, before the output matrix"),
    "update": ("What each head writes", "its update z W_O, as it is added to the residual stream"),
    "k": ("What each head can be found by", "its key"),
    "v": ("What each head has to give", "its value"),
}

SCORES = [
    Column(name="classifier", title="Classifier"),
    Column(name="balanced_accuracy", title="Balanced accuracy", kind="rate", note="Mean of the accuracies within each label"),
    Column(name="balanced_low", title="from", kind="rate", note="Lower end of its 95% interval over groups"),
    Column(name="balanced_high", title="to", kind="rate", note="Upper end of its 95% interval over groups"),
    Column(name="accuracy", title="Accuracy", kind="rate", note="Share of the scored sentences, none of them fitted"),
    Column(name="p_family", title="p", kind="number", note="Against shuffled labels, over everything probed"),
    Column(name="selectivity", title="Selectivity", kind="difference", note="Accuracy above that of the same classifier on a control task, points"),
    Column(name="codelength", title="Bits", kind="integer", note="Online codelength of all labels; without the vectors it takes the number of sentences times log2 of the number of labels"),
]  # fmt: skip
AGAINST = [
    Column(name="gain", title="Over the bag", kind="difference", note="Balanced accuracy above that of the bag of words, points"),
    Column(name="gain_low", title="from", kind="difference", note="Lower end of its 95% interval"),
    Column(name="gain_high", title="to", kind="difference", note="Upper end of its 95% interval"),
]  # fmt: skip
SHORT = {
    "accuracy": "read anew",
    "moved": "moved",
    "margin": "margin",
    "continuation": "continuation",
    "kl": "KL",
}
ERASED = [
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="what", title="Measure"),
    Column(name="examples", title="Sentences", kind="integer"),
    Column(name="intact", title="Intact", kind="number"),
    Column(name="erased", title="Erased", kind="number"),
    Column(name="random", title="Random", kind="number", note="Of equal rank; mean over several"),
    Column(name="as_far", title="Moved as far", kind="number", note="By the same length, in a random subspace"),
    Column(name="difference", title="Difference", kind="number", note="Erased less moved as far, or less random"),
    Column(name="low", title="from", kind="number", note="Lower end of its 95% interval over groups"),
    Column(name="high", title="to", kind="number", note="Upper end of its 95% interval over groups"),
]  # fmt: skip


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    label: str = "sense",
    position: int | str = 0,
) -> Report:
    """Reads a word's sense, or any label, at every layer and head of a model."""
    asked = {"label": label, "position": position, "folds": 3 if smoke else 5, "seed": seed}
    if label != "sense":
        asked["too_few"] = "drop"  # a treebank's rarest parts of speech
    result = headwise.probe(model, suite, **asked)
    choice = result.chosen("residual", HEADLINE)
    layer, held_out = choice.key[1], choice.held_out
    rates = {
        "best": result.rate(choice.key, HEADLINE, held_out),
        "bag": result.rate(*BAG, held_out),
        "majority": result.rate(MAJORITY, "majority", held_out),
        "start": result.rate(("residual", 0, None), HEADLINE, held_out),
    }
    gain = result.gain(choice.key, HEADLINE, BAG, held_out)
    verdict = verdict_of([(gain.low, gain.high)])
    word, kind = _wording(suite, label, position)
    erased = None
    if erasure.is_installed() and label == "sense":
        # A decoder also at its end, from where nothing can be looked up again.
        layers = sorted({layer, model.n_layers}) if model.is_causal else [layer]
        erased = headwise.erase(model, suite, layers=layers, **asked, n_random=1 if smoke else 3)
    return Report(
        analysis="mole",
        model=model.name,
        question=_question(suite, label),
        verdict=verdict,
        answer=_answer(model.name, word, kind, verdict, layer, int(held_out.sum()), rates, gain),
        figures=_figures(result, layer, kind),
        tables=[*_tables(result, choice.key), *([_erasure_table(erased)] if erased else [])],
        not_found=_not_found(result, word, kind, erased),
        method=_method(model, suite, result, word, kind, erased),
        references=[
            "Loureiro, Rezaee, Pilehvar and Camacho-Collados 2021, Analysis and evaluation of language models for "
            "word sense disambiguation.",
            "Hewitt and Liang 2019, Designing and interpreting probes with control tasks.",
            "Voita and Titov 2020, Information-theoretic probing with minimum description length.",
            *(
                ["Belrose et al. 2023, LEACE: Perfect linear concept erasure in closed form."]
                if erased
                else []
            ),
        ],
    )


def _question(suite: headwise.Suite, label: str) -> str:
    if label == "sense":
        return suite.question
    return f"From which layer on can the {label} of a word be read?"


def _wording(suite: headwise.Suite, label: str, position: int | str) -> tuple[str, str]:
    """The word that is marked and what its marks are; words of many forms just have labels."""
    if label != "sense":
        return "a word", label
    marked = [s.words[mark.word].lower() for s in suite.sentences for mark in s.marks]
    word = max(set(marked), key=marked.count)
    word, kind = (
        ("the marked word", "label") if marked.count(word) < len(marked) / 2 else (word, "sense")
    )
    if position == 0:
        return word, kind
    if isinstance(position, str):
        return f"the word that {word} needs ({position})", kind
    side = "before" if position < 0 else "after"
    return f"the word {abs(position)} {side} {word}", kind


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
        "supported": f"{place} of {model} the {kind} of {word} can be read off its vector, better than "
        "from a bag of its sentence's words",
        "not supported": f"In no layer of {model} was the {kind} of {word} read better than from a bag of its "
        "sentence's words",
        "inconclusive": f"At layer {layer} of {model} the {kind} of {word} can be read, but these data cannot tell "
        "whether better than from a bag of its sentence's words",
    }[verdict]
    best = rates["best"]
    before = (
        ""
        if layer == 0
        else f"before any attention, at layer 0, it is {percent(rates['start'].value)}; "
    )
    return (
        f"{opening}: balanced accuracy {percent(best.value)} on {n_scored} held-out sentences [{percent(best.low)}, "
        f"{percent(best.high)}] against {percent(rates['bag'].value)} ({points(gain.value, gain.low, gain.high)}); "
        f"{before}the most frequent {kind} alone gives {percent(rates['majority'].value)}."
    )


def _figures(result: ProbeResult, chosen_layer: int, kind: str) -> list[Heatmap | Lines]:
    table = result.table
    residual = table[table["site"] == "residual"]
    layers = sorted(residual["layer"].unique())
    flat = {
        name: table.loc[table["site"] == site, "balanced_accuracy"].item()
        for name, site in (("bag of words", "bag of words"), ("majority", "majority"))
    }
    curve = Lines(
        title=f"The {kind}, read at every layer",
        caption=f"Balanced accuracy: percent of unseen sentences whose {kind} is read correctly from the word's vector, "
        f"each {kind} counting alike, with 95% intervals over groups. Layer 0 is before any attention. Layer "
        f"{chosen_layer} was chosen on half of the groups.",
        x_label="layer of the residual stream",
        x=[int(layer) for layer in layers],
        series=[
            *(
                Series(
                    name=NAMES[classifier],
                    values=rows["balanced_accuracy"],
                    low=rows["balanced_low"],
                    high=rows["balanced_high"],
                )
                for classifier, rows in residual.groupby("classifier")
            ),
            *(
                Series(name=name, values=[rate] * len(layers), is_baseline=True)
                for name, rate in flat.items()
            ),
        ],
    )
    return [curve, *(_head_map(result, site, flat, kind) for site in SITES)]


def _head_map(result: ProbeResult, site: str, flat: dict[str, float], kind: str) -> Heatmap:
    table = result.table
    rows = table[(table["site"] == site) & (table["classifier"] == HEADLINE)]
    title, what = SITES[site]
    return Heatmap(
        title=title,
        caption=f"Balanced accuracy of the {kind} from {what}, at the word; {NAMES[HEADLINE]}. The pale end is about "
        f"the most frequent {kind} alone. Outlined: the head chosen on half of the groups.",
        values=rows.pivot(index="layer", columns="head", values="balanced_accuracy").to_numpy(
            dtype=float
        ),
        low=math.floor(10 * flat["majority"]) / 10,
        baseline=("bag of words", flat["bag of words"]),
        marked=[result.chosen(site, HEADLINE).key[1:]],
    )


def _tables(result: ProbeResult, chosen: tuple[str, int, int | None]) -> list[Table]:
    table = result.table
    is_head = table["site"].isin(list(SITES))
    layers = _against_bag(result)
    layers["place"] = [
        f"layer {row.layer}" if row.site == "residual" else row.site for row in layers.itertuples()
    ]
    heads = table[is_head].copy()
    heads["place"] = [head_name(int(row.layer), int(row.head)) for row in heads.itertuples()]
    confusion = result.confusion(chosen, HEADLINE)
    names = [Column(name=name, title=name, kind="integer") for name in confusion]
    return [
        Table.of(
            "layers",
            "Every layer, and what needs no model",
            layers,
            [Column(name="place", title="Place"), *SCORES, *AGAINST],
        ),
        Table.of(
            "confusion",
            f"What is taken for what, at layer {chosen[1]}",
            confusion.reset_index(names="truth"),
            [Column(name="truth", title="True label"), *names],
            caption=f"Unseen sentences by their label (rows) and by the label that {NAMES[HEADLINE]} read (columns).",
        ),
        Table.of(
            "heads",
            "Every head",
            heads,
            [Column(name="place", title="Head"), Column(name="site", title="Site"), *SCORES],
            caption="; ".join(f"{site}: {what}" for site, (_, what) in SITES.items()) + ".",
            folded=True,
        ),
    ]


def _against_bag(result: ProbeResult) -> pd.DataFrame:
    """Layers and baselines, with what each layer gains over the bag of words."""
    table = result.table
    layers = table[~table["site"].isin(list(SITES))].copy()
    everything = result.truth >= 0
    gains = [
        result.gain(("residual", int(row.layer), None), str(row.classifier), BAG, everything)
        if row.site == "residual"
        else Estimate(math.nan, math.nan, math.nan)
        for row in layers.itertuples()
    ]
    layers["gain"] = [gain.value for gain in gains]
    layers["gain_low"] = [gain.low for gain in gains]
    layers["gain_high"] = [gain.high for gain in gains]
    return layers


def _erasure_table(erased: headwise.ErasureResult) -> Table:
    rows = erased.table.copy()
    rows["what"] = [SHORT[measure] for measure in rows["measure"]]
    meanings = "; ".join(f"{SHORT[m]}: {erasure.MEASURES[m]}" for m in rows["measure"].unique())
    return Table.of(
        "erasure",
        f"The label erased at layer {' or '.join(map(str, rows['layer'].unique()))}",
        rows,
        ERASED,
        caption=f"The word's vector is moved, as little as possible, until no linear classifier can read the label "
        f"({erased.rank} directions), and the model goes on. Beside it: {erased.n_random} random "
        f"subspace{'s' if erased.n_random > 1 else ''} of equal rank, and moves of the same length. The most frequent label alone "
        f"gives {percent(erased.table['chance'].max())}. {meanings[0].upper()}{meanings[1:]}.",
    )


def _not_found(
    result: ProbeResult,
    word: str,
    kind: str,
    erased: headwise.ErasureResult | None,
) -> list[str]:
    best_head = result.chosen("z", HEADLINE)
    gain = result.gain(best_head.key, HEADLINE, BAG, best_head.held_out)
    rate = result.rate(best_head.key, HEADLINE, best_head.held_out)
    name = head_name(best_head.key[1], best_head.key[2] or 0)
    finding = {
        "supported": "beats the bag of words",
        "not supported": "does not beat the bag of words",
        "inconclusive": "cannot be told from the bag of words",
    }[verdict_of([(gain.low, gain.high)])]
    lines = [
        f"The best single head, {name}, chosen on one half and scored on the other, {finding}: "
        f"{percent(rate.value)} ({points(gain.value, gain.low, gain.high)}).",
        _where_not_better(result),
    ]
    if result.missing:
        lines.append(
            f"{result.missing} sentences were left out: {word} is cut off, has no token of its own, or is not there."
        )
    if result.dropped:
        lines.append(
            f"Left out, as too few groups have them: {', '.join(result.dropped)}. Nothing is said of these."
        )
    if erased is not None:
        lines += [_where_unchanged(erased, kind, at) for at in erased.table["layer"].unique()]
    elif not erasure.is_installed():
        lines.append(
            f"The {kind} was not erased, as concept-erasure is not installed: pip install 'headwise[erasure]'."
        )
    lines.append(
        "Which head makes it was not tested: a head may hand over what an earlier one found, and no head was removed."
    )
    return lines


def _where_not_better(result: ProbeResult) -> str:
    """Plainly: where the model beats the words alone, and where not."""
    rows = _against_bag(result)
    rows = rows[(rows["site"] == "residual") & (rows["classifier"] == HEADLINE)]
    verdicts = {
        int(row.layer): verdict_of([(row.gain_low, row.gain_high)]) for row in rows.itertuples()
    }
    parts = {
        "better than the bag of words": [n for n, v in verdicts.items() if v == "supported"],
        "not better": [n for n, v in verdicts.items() if v == "not supported"],
        "not to be told apart from it": [n for n, v in verdicts.items() if v == "inconclusive"],
    }
    said = [
        f"{what} at layer{'s' if len(layers) > 1 else ''} {', '.join(map(str, layers))}"
        for what, layers in parts.items()
        if layers
    ]
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]} ({NAMES[HEADLINE]}, all unseen sentences, each layer by itself)."


def _where_unchanged(erased: headwise.ErasureResult, kind: str, layer: int) -> str:
    """What erasing changed, and what it did not, more than a move of the same length."""
    table = erased.table
    behaviour = table[(table["layer"] == layer) & table["as_far"].notna()]
    if behaviour.empty:
        return f"Nothing is computed after layer {layer} that could show what erasing the {kind} changes."
    changed = [
        f"{SHORT[row.measure]} ({_short(row.intact)} intact, {_short(row.erased)} erased, {_short(row.as_far)} moved as far)"
        for row in behaviour.itertuples()
        if row.low > 0 or row.high < 0
    ]
    same = [str(row.measure) for row in behaviour.itertuples() if not (row.low > 0 or row.high < 0)]
    said = [
        *([f"changed the {' and the '.join(changed)}"] if changed else []),
        *(
            [f"changed the {' and the '.join(same)} no more than a move of the same length"]
            if same
            else []
        ),
    ]
    anew = (
        f" A {kind} that is erased here may be taken anew, by later layers, from the words around."
    )
    return f"Erasing the {kind} at layer {layer} {' and '.join(said)}.{anew if same else ''}"


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", MINUS)


CAUSAL = (
    "This model is a decoder: a word sees only what stands before it, and nothing looks ahead. What only later "
    "words give away cannot be read here."
)


def _method(
    model: headwise.Model,
    suite: headwise.Suite,
    result: ProbeResult,
    word: str,
    kind: str,
    erased: headwise.ErasureResult | None,
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
        "after the last, and from every head: keys, values, output and update. The nearest class mean goes by cosine; the "
        "logistic regression is multinomial, on standardised vectors, with the penalty (C from 0.01 to 1) that does best on "
        "inner folds of what is fitted. The score is balanced accuracy, in which every label counts alike.",
        *([suite.about] if suite.about else []),
        *([CAUSAL] if model.is_causal else []),
        f"Only unseen sentences count: {division}. {len(suite):,} sentences in {len(suite.groups):,} groups, of which {alike} "
        "(TF-IDF of character n-grams, cosine 0.8 or more); "
        f"{len(result.labels)} labels: {', '.join(result.labels)}.",
        f"The bag of words sees the sentence's words{' as far as the one that is probed' if model.is_causal else ''} and no "
        "model: TF-IDF with sublinear counts and a balanced logistic regression with C = 10. Majority always says the most "
        f"frequent {kind} of what was fitted.",
        "Selectivity is accuracy above that on a control task, a random label for each kind of word before the probed one: "
        "what a classifier can memorise from the same vectors. p is against labels shuffled within groups (or among groups of one "
        "label), the largest of everything probed. The codelength is what it takes to send all labels to somebody who has the "
        "vectors and learns on the way (online code).",
        "The layer (and the head) is the best on a random half of the groups and is reported on the other half, so "
        "that the best of many scores is not flattered. Intervals come from drawing whole groups again 2,000 times.",
        *(
            [
                "Erasing (LEACE) is fitted where probes are fitted and applied to sentences that were not. A random subspace is "
                "the same done for random variables, as many as it takes to tell the labels apart; as it moves vectors less, "
                "behaviour is compared with a move of the same length in that subspace."
            ]
            if erased
            else []
        ),
        "Verdict: 'supported' if at that layer logistic regression beats the bag of words by an interval that excludes "
        "zero; 'not supported' if the interval lies at or below zero; otherwise 'inconclusive'.",
    ]


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
