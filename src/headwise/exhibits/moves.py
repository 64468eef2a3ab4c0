"""What pushes words along directions, from where, and what steering does: figures, tables and sentences."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from ..directions.pushes import DirectionResult
from ..directions.steering import SteerResult, pooled
from ..results import MINUS, Column, Heatmap, Lines, Series, Table, percent

PUSHES = [
    Column(name="direction", title="Direction"),
    Column(name="name", title="From"),
    Column(name="effect", title="Effect", kind="number", note="How much further words of the class ahead are pushed than words of the class behind"),
    Column(name="low", title="from", kind="number", note="Lower end of the 95% interval over groups"),
    Column(name="high", title="to", kind="number", note="Upper end of the 95% interval over groups"),
    Column(name="share", title="Share", kind="rate", note="Of the distance of the classes along the direction; shares sum to 100%"),
    Column(name="cosine", title="Cosine", kind="number", note="Between its own step from class to class and the direction"),
    Column(name="p_family", title="p", kind="number", note="Against shuffled labels, the largest of all heads and MLPs"),
    Column(name="p_random", title="p random", kind="number", note="Against random directions that vary as the words do within their classes"),
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
    Column(name="sentences", title="Sentences", kind="integer", note="Of which the model is right when it is left alone"),
    Column(name="flipped", title="Turned", kind="rate", note="Share of them of which it is wrong when steered"),
    Column(name="low", title="from", kind="rate"),
    Column(name="high", title="to", kind="rate"),
    Column(name="flipped_random", title="Random", kind="rate", note="The same with random directions of the same length"),
    Column(name="value", title="Metric", kind="number"),
    Column(name="random", title="random", kind="number"),
    Column(name="elsewhere", title="Elsewhere", kind="number", note="How far the same addition moves what the model says (nats; 1 - cosine of one that says nothing) in sentences of another question"),
    Column(name="elsewhere_random", title="random", kind="number"),
]  # fmt: skip


def trajectories(results: Sequence[DirectionResult], title: str, of: str) -> Lines:
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


def push_map(results: Sequence[DirectionResult], title: str) -> Heatmap:
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


def pushes_table(results: Sequence[DirectionResult], name: str = "pushes") -> Table:
    """Every component, those with the largest effects first."""
    frames = [r.table.assign(direction=r.direction.name) for r in results]
    table = pd.concat(frames).sort_values("share", ascending=False, kind="stable")
    return Table.of(
        name,
        "Who pushes, and how far",
        table,
        PUSHES,
        caption="Every head's update, every MLP, the embedding, positions and biases; their effects sum to the whole distance (largest error "
        f"{max(r.error for r in results):.0e}).",
        folded=True,
    )


def sources_table(results: Sequence[DirectionResult], name: str = "sources") -> Table:
    """From which words the heads with the largest effects took it."""
    table = pd.concat([r.sources.assign(direction=r.direction.name) for r in results])
    return Table.of(
        name,
        "From where the pushes were taken",
        table,
        SOURCES,
        caption="Each head's effect split by the word that it read from (pattern times value, through the output matrix, along the direction). Key words: "
        "those that the word is linked to.",
        folded=True,
    )


def words_table(results: Sequence[DirectionResult], name: str = "pushing_words") -> Table:
    """The words that gave most."""
    table = pd.concat([r.words.assign(direction=r.direction.name) for r in results])
    return Table.of(
        name,
        "Words that push most",
        table,
        WORDS,
        caption="Of the heads with the largest effects; words that occur at least twice.",
        folded=True,
    )


def tables(results: Sequence[DirectionResult]) -> list[Table]:
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
        caption=f"Percent of sentences in which {what} is turned when so many steps of the direction are added to the word, with 95% intervals over "
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
        caption=f"Metric: {says}. Elsewhere: sentences of another question with as much added to their marked word; what moves there is damage.",
    )


def steering_sentence(results: Sequence[SteerResult]) -> str:
    """What steering did at its best dose."""
    table = pooled(results)
    row = table.iloc[int(np.array(table["flipped"]).argmax())]
    return (
        f"Adding {row['dose']:g} steps of the direction at layer {results[0].direction.layer} turns {percent(row['flipped'])} of "
        f"{int(row['sentences'])} sentences [{percent(row['low'])}, {percent(row['high'])}], random directions of the same length "
        f"{percent(row['flipped_random'])}; elsewhere the same addition moves what is said by {row['elsewhere']:.2g}, random ones by "
        f"{row['elsewhere_random']:.2g}."
    )


def method(results: Sequence[DirectionResult], fitted_on: str) -> list[str]:
    """How pushes were measured."""
    direction = results[0].direction
    norms = (
        "Norms stand on this model's stream, so what was written passes through them; each divides by what it divided by in the run"
        if any(c.kind == "token type" for c in results[0].components)
        else "Norms stand before the blocks' branches, so what was written into the stream stays as it is"
    )
    return [
        f"Moves: the direction is the {direction.how} at layer {direction.layer}, fitted on {fitted_on} ({direction.inner} inner product), and measured on sentences it was "
        f"not fitted on. The stream at the word is the sum of its embedding, position, every head's update, every MLP and biases, exactly. {norms}. A push is a "
        "part's length along the direction; its effect is by how much words of one class are pushed further than words of the other. p: labels shuffled within "
        "groups, the largest of all heads and MLPs; and 1,000 random directions that vary as the words do within their classes. A head moves words if it adds 1% of the distance or more, its interval lies above zero and "
        "both p are below 5% (times the number of directions); it does not if it adds less than 5% of the distance along each, with 95% confidence."
    ]


def steering_method(results: Sequence[SteerResult]) -> list[str]:
    """How it was steered."""
    return [
        f"Steering: at layer {results[0].direction.layer} the direction between two classes is added to the vector of the marked word, in steps of the distance of their means, towards the class "
        f"that the sentence does not have. Measured: {results[0].says[results[0].metrics[0]]}. Random directions ({results[0].n_random}) vary as the words do within their classes at that layer and are as long."
    ]
