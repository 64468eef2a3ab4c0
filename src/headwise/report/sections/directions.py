"""What pushes words along directions, from where, and what steering does: figures, tables and sentences."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from headwise._formatting import MINUS, percent
from headwise.directions.contributions import DirectionTestResult
from headwise.interventions.steering._damage import SAYS
from headwise.interventions.steering.doses import pooled, reported
from headwise.interventions.steering.steering import SteerResult
from headwise.report.schema import Column, Heatmap, Lines, Series, Table
from headwise.stats.deciding import MIN_CLUSTERS, SMALLEST

PUSHES = [
    Column(name="direction", title="Direction"),
    Column(name="name", title="From"),
    Column(name="effect", title="Effect", kind="number", note="How much larger its contribution is to words of the class ahead than to words of the class behind"),
    Column(name="low", title="from", kind="number", note="Lower end of the 95% interval over clusters"),
    Column(name="high", title="to", kind="number", note="Upper end of the 95% interval over clusters"),
    Column(name="share", title="Share", kind="rate", note="Of the distance of the classes along the direction; shares sum to 100%"),
    Column(name="uniform_share", title="Uniform", kind="rate", note="Share that the same head would add if it attended to everything alike"),
    Column(name="cosine", title="Cosine", kind="number", note="Between its own step from class to class and the direction"),
    Column(name="p_fwer", title="p", kind="number", note="Against shuffled labels, the largest of all heads and MLPs"),
    Column(name="p_random_fwer", title="p random", kind="number", note="Against random directions that vary as the words do within their classes, the largest of all heads and MLPs"),
    Column(name="excess_p_fwer", title="p excess", kind="number", note="Of the excess over uniform attention, against shuffled labels, the largest of all heads"),
    Column(name="least_t", title="t", kind="number", note="The smaller t of its effect and of its excess over uniform attention"),
    Column(name="control_t", title="Control t", kind="number", note="The largest such t of any head of models with random weights; t must exceed it"),
]  # fmt: skip
SOURCES = [
    Column(name="direction", title="Direction"),
    Column(name="name", title="Head"),
    Column(name="source", title="Taken from"),
    Column(name="effect", title="Effect", kind="number"),
    Column(name="low", title="from", kind="number"),
    Column(name="high", title="to", kind="number"),
    Column(name="share", title="Share", kind="rate", note="Of the head's effect"),
]  # fmt: skip
WORDS = [
    Column(name="direction", title="Direction"),
    Column(name="name", title="Head"),
    Column(name="word", title="Word"),
    Column(name="occurrences", title="Times", kind="integer"),
    Column(name="push", title="Push", kind="number", note="Mean, towards the class of the sentence that it stands in"),
]  # fmt: skip
STEERED = [
    Column(name="dose", title="Dose", kind="number", note="Steps of the direction towards the other class; below 0, away from it"),
    Column(name="sentences", title="Sentences", kind="integer", note="Of which the clean model is right"),
    Column(name="flipped", title="Flipped", kind="rate", note="Share of them of which it is wrong when steered"),
    Column(name="low", title="from", kind="rate", note="Lower end of the 95% interval over groups"),
    Column(name="high", title="to", kind="rate"),
    Column(name="flipped_random", title="Random", kind="rate", note="The same with random directions of the same length"),
    Column(name="value", title="Metric", kind="number"),
    Column(name="random", title="random", kind="number"),
    Column(name="beside", title="In the sentence", kind="number", note="Off-target change at other positions of the same sentences (KL in nats; 1 - cosine of a model that says nothing)"),
    Column(name="beside_random", title="random", kind="number"),
    Column(name="elsewhere", title="Elsewhere", kind="number", note="Off-target change in sentences of another question, in the same unit"),
    Column(name="elsewhere_random", title="random", kind="number"),
]  # fmt: skip


def trajectories(results: Sequence[DirectionTestResult], title: str, of: str) -> Lines:
    """How far the classes have come apart, layer by layer."""
    series: list[Series] = []
    for result in results:
        rows = result.trajectory[result.trajectory["label"] == "difference"]
        columns = {name: np.array(rows[name], dtype=float) for name in ("mean", "low", "high")}
        scaled = {name: values / abs(result.total) for name, values in columns.items()}
        series.append(
            Series(
                name=" - ".join(result.between).replace(" - others", ""),
                values=cast(Any, scaled["mean"]),
                low=cast(Any, scaled["low"]),
                high=cast(Any, scaled["high"]),
            )
        )
    return Lines(
        title=title,
        caption=f"Distance of {of} along the direction at every layer of the residual stream, in percent of that at the end, with 95% intervals "
        "over groups. Layer 0 is before any attention.",
        x_label="layer of the residual stream",
        x=[float(layer) for layer in range(results[0].direction.layer + 1)],
        series=series,
    )


def push_map(results: Sequence[DirectionTestResult], title: str) -> Heatmap:
    """The largest share that each head has in any of the directions."""
    shares = np.max([result.grid() for result in results], axis=0)
    best = np.unravel_index(int(np.nanargmax(shares)), shares.shape)
    several = ", the largest of the directions" if len(results) > 1 else ""
    rest = np.mean(
        [result.table.loc[result.table["kind"] == "mlp", "share"].sum() for result in results]
    )
    return Heatmap(
        title=title,
        caption=f"Percent of the distance between the classes along the direction that each head's update adds{several}. MLPs add "
        f"{percent(float(rest)).replace('-', MINUS)} and are not drawn. Below zero is shown as zero. Outlined: the largest.",
        values=shares,
        low=0.0,
        high=max(0.1, float(np.ceil(20 * np.nanmax(shares)) / 20)),
        marked=[(int(best[0]), int(best[1]))],
    )


def pushes_table(results: Sequence[DirectionTestResult], name: str = "pushes") -> Table:
    """Every component, those with the largest effects first."""
    frames = [
        r.table.assign(
            direction=r.direction.name,
            uniform_share=r.table["uniform"] / (r.total or np.nan),
            least_t=r.table[["t", "excess_t"]].min(axis=1, skipna=False),
        )
        for r in results
    ]
    table = pd.concat(frames).sort_values("share", ascending=False, kind="stable")
    return Table.of(
        name,
        "Direct contribution of each component",
        table,
        PUSHES,
        caption="Every head's update, every MLP, the embedding, positions and biases; their effects sum to the whole distance (largest error "
        f"{max(r.error for r in results):.0e}).",
        folded=True,
    )


def sources_table(results: Sequence[DirectionTestResult], name: str = "sources") -> Table:
    """From which words the heads with the largest effects took it."""
    table = pd.concat([r.sources.assign(direction=r.direction.name) for r in results])
    return Table.of(
        name,
        "Source tokens of each contribution",
        table,
        SOURCES,
        caption="Each head's effect split by the word that it read from (pattern times value, through the output matrix, along the direction). Key words: "
        "those that the word is linked to.",
        folded=True,
    )


def words_table(results: Sequence[DirectionTestResult], name: str = "pushing_words") -> Table:
    """The words that gave most."""
    table = pd.concat([r.words.assign(direction=r.direction.name) for r in results])
    return Table.of(
        name,
        "Words that contribute most",
        table,
        WORDS,
        caption="Of the heads with the largest effects; words that occur at least twice.",
        folded=True,
    )


def tables(results: Sequence[DirectionTestResult]) -> list[Table]:
    """Who pushes, from where, and the words that push most."""
    return [pushes_table(results), sources_table(results), words_table(results)]


def steering_figures(results: Sequence[SteerResult], what: str) -> list[Lines]:
    """Dose and response of several directions together; nothing of none."""
    return [steering_lines(pooled(results), what)] if results else []


def steering_tables(results: Sequence[SteerResult]) -> list[Table]:
    """The same in numbers."""
    if not results:
        return []
    return [steering_table(pooled(results), results[0].says[results[0].metrics[0]])]


def steering_lines(table: pd.DataFrame, what: str) -> Lines:
    """Dose and response."""
    return Lines(
        title="Steering: dose and response",
        caption=f"Percent of sentences in which {what} flips when so many steps of the direction are added to the word, with 95% intervals over "
        "groups, and the same for random directions of the same length.",
        x_label="steps towards the other class",
        x=[float(dose) for dose in np.array(table["dose"], dtype=float)],
        series=[
            Series(
                name="direction",
                values=cast(Any, table["flipped"]),
                low=cast(Any, table["low"]),
                high=cast(Any, table["high"]),
            ),
            Series(
                name="random directions",
                values=cast(Any, table["flipped_random"]),
                is_baseline=True,
            ),
        ],
    )


def steering_table(table: pd.DataFrame, says: str) -> Table:
    """The same in numbers."""
    return Table.of(
        "steering",
        "Steering, dose by dose",
        table,
        STEERED,
        caption=f"Metric: {says}. Off-target: other positions of the same sentences, and sentences of another question with as much added to their marked word; what changes there is damage.",
    )


def steering_sentence(results: Sequence[SteerResult], seed: int = 0) -> str:
    """What steering did at doses that were chosen on other groups."""
    found, layer = reported(results, seed), results[0].direction.layer
    doses = " and ".join(f"{dose:g}" for dose in sorted(set(found.doses)))
    if found.clusters < MIN_CLUSTERS:
        return (
            f"The clean model is right in {found.sentences} sentences of {found.clusters} groups; fewer than {MIN_CLUSTERS} groups are too few to say "
            "how often steering flips it."
        )
    what = (
        f"Read out at layer {layer}, after which nothing is computed (no intervention): adding"
        if results[0].is_read_out
        else f"Steering at layer {layer}: adding"
    )
    beside = (
        ""
        if np.isnan(found.beside)
        else f"{found.beside:.2g} at other positions of the same sentences (random {found.beside_random:.2g}) and "
    )
    return (
        f"{what} {doses} steps of the direction (the dose chosen on one half of the groups and reported on the other) flips {percent(found.flipped)} of "
        f"{found.sentences} sentences [{percent(found.low)}, {percent(found.high)}], random directions of the same length {percent(found.flipped_random)}; "
        f"off-target change is {beside}{found.elsewhere:.2g} in sentences of another question (random {found.elsewhere_random:.2g})."
    )


def method(results: Sequence[DirectionTestResult], fitted_on: str) -> list[str]:
    """How contributions were measured."""
    first = results[0]
    direction = first.direction
    norms = (
        "Norms stand on this model's stream, so what was written passes through them; each divides by what it divided by in the run"
        if any(c.kind == "token type" for c in first.components)
        else "Norms stand before the blocks' branches, so what was written into the stream stays as it is"
    )
    folds = (
        f" Directions were cross-fitted: the sentences were divided into {first.n_folds} parts by their deciding words, and each part was measured along directions fitted without its words."
        if first.n_folds > 1
        else ""
    )
    kept = (
        f" {first.left_out} sentences were left out of fitting, as a word that decides in them decides in those that were tested, too."
        if first.left_out
        else ""
    )
    control = (
        f"{first.control.n_models} models of the same shape with random weights, each along directions of its own fitted and tested on the same sentences; the largest t of any of their heads is {first.control.t:.1f}"
        if first.control.n_models
        else f"no model with random weights could be tested ({first.control.why_not}), so no head is a yes"
    )
    return [
        f"Moves (direct contribution): the direction is the {direction.how} at layer {direction.layer}, fitted on {fitted_on} ({direction.inner} inner product), and measured on sentences whose "
        f"deciding words it was not fitted on.{folds}{kept} The stream at the word is the sum of its embedding, position, every head's update, every MLP and biases, exactly. {norms}. A contribution is a "
        "part's length along the direction; its effect is by how much larger it is for words of one class than of the other, in percent of the distance of the classes.",
        f"A head moves words if it adds {percent(SMALLEST)} of the distance or more, and as much more than the same head under uniform attention; if p is below 5% against labels shuffled within groups, against 1,000 random "
        "directions that vary as the words do within their classes, and of the excess over uniform attention, each the largest of all heads (and MLPs) and times the number of directions; and if the smaller t of its effect and of "
        f"its excess is larger than that of every head of the controls: {control}. It does not if its share lies within {percent(SMALLEST)} to either side along every direction, simultaneously over heads.",
    ]


def steering_method(results: Sequence[SteerResult]) -> list[str]:
    """How it was steered."""
    first = results[0]
    place = (
        "after which nothing is computed, so that this is a read-out and no intervention"
        if first.is_read_out
        else "after which the rest of the model is computed"
    )
    return [
        f"Steering: at layer {first.direction.layer}, {place}, the direction between two classes is added to the vector of the marked word, in steps of the distance of their means, towards the class "
        f"that the sentence does not have; directions are fitted without the words that decide in the steered sentences. Measured: {first.says[first.metrics[0]]}. Random directions ({first.n_random}) vary as the words do within their classes at that layer and are as long. "
        "The dose is chosen on one half of the groups and reported on the other, both ways. Off-target: "
        + SAYS["next" if first.speaks else "vectors"]
        + "."
    ]
