"""Figures and tables of what can be read, and of what erasing it changes."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false

import math

import pandas as pd

from headwise._formatting import head_name, percent
from headwise.probing import erasure
from headwise.probing._text_baselines import SITES_WITHOUT_MODEL, STATIC_MEAN
from headwise.probing.erasure import ErasureResult
from headwise.probing.experiment import BAG_OF_WORDS, BEST_BASELINE, MAJORITY, Key, ProbeResult
from headwise.report.schema import Column, Heatmap, Lines, Series, Table

HEADLINE = "logistic"
BAG = (BAG_OF_WORDS, "logistic")
FLAT = {"best baseline": BEST_BASELINE, "static mean": STATIC_MEAN, "bag of words": BAG_OF_WORDS}
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
    Column(name="selectivity", title="Selectivity", kind="difference", note="Accuracy above that of the same classifier on a control task, points, on the sentences where both can be known; empty where no control task was possible"),
    Column(name="codelength_ratio", title="Bits", kind="rate", note="Online codelength of all labels, as a share of what it takes without the vectors"),
]  # fmt: skip
AGAINST = [
    Column(name="gain", title="Gain", kind="difference", note="Balanced accuracy above that of the best baseline, points"),
    Column(name="gain_low", title="from", kind="difference", note="Lower end of its 95% interval"),
    Column(name="gain_high", title="to", kind="difference", note="Upper end of its 95% interval"),
    Column(name="p_fwer", title="p", kind="number", note="Of the gain, over all heads of the site, or over all layers"),
    Column(name="control", title="Controls", kind="difference", note="Largest gain of any place of a model with random weights or with uniform attention"),
    Column(name="detectable", title="Detectable", kind="difference", note="Smallest gain that would be found in 80% of such data"),
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


def figures(result: ProbeResult, chosen_layer: int, kind: str) -> list[Heatmap | Lines]:
    """What can be read at every layer, and from every head."""
    table = result.table
    residual = table[table["site"] == "residual"]
    layers = sorted(residual["layer"].unique())
    flat = {
        **{name: rate_of(table, key) for name, key in FLAT.items()},
        "majority": rate_of(table, MAJORITY),
    }
    curve = Lines(
        title=f"The {kind}, read at every layer",
        caption=f"Balanced accuracy: percent of unseen sentences whose {kind} is read correctly from the word's vector, "
        f"each {kind} counting alike, with 95% intervals over groups. Layer 0 is before any attention. Layer "
        f"{chosen_layer} was chosen most often when half of the groups chose.",
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
    probed = [site for site in SITES if site in set(table["site"])]
    return [curve, *(head_map(result, site, flat, kind) for site in probed)]


def rate_of(table: pd.DataFrame, key: Key) -> float:
    """Balanced accuracy of a baseline, the first way of classifying it."""
    return float(table.loc[table["site"] == key[0], "balanced_accuracy"].iloc[0])


def head_map(result: ProbeResult, site: str, flat: dict[str, float], kind: str) -> Heatmap:
    """What can be read from every head at one site; `flat` holds the rates of what needs no model."""
    table = result.table
    rows = table[(table["site"] == site) & (table["classifier"] == HEADLINE)]
    title, what = SITES[site]
    return Heatmap(
        title=title,
        caption=f"Balanced accuracy of the {kind} from {what}, at the word; {NAMES[HEADLINE]}. The pale end is about "
        f"the most frequent {kind} alone. Outlined: the head chosen most often when half of the groups chose.",
        values=rows.pivot(index="layer", columns="head", values="balanced_accuracy").to_numpy(
            dtype=float
        ),
        low=math.floor(10 * flat["majority"]) / 10,
        baseline=("best baseline", flat["best baseline"]),
        marked=[result.chosen(site, HEADLINE).key[1:]],
    )


def tables(result: ProbeResult, chosen: Key) -> list[Table]:
    """Every layer, what is taken for what at the chosen place, and every head."""
    table = result.table
    is_head = table["site"].isin(list(SITES))
    layers = table[table["site"].isin(["residual", *SITES_WITHOUT_MODEL])].copy()
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
            caption=f"{result.baseline_sentence()} {result.selectivity_note}",
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
            [
                Column(name="place", title="Head"),
                Column(name="site", title="Site"),
                *SCORES,
                *AGAINST,
            ],
            caption="; ".join(f"{site}: {what}" for site, (_, what) in SITES.items())
            + ". Controls were asked at z.",
            folded=True,
        ),
    ]


def erasure_table(erased: ErasureResult) -> Table:
    """What erasing changed."""
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
