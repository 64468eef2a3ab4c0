"""Which components move words along directions, and from which tokens: direct contributions as a section."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headwise._columns import Column
from headwise._formatting import percent
from headwise.directions.contributions import DirectionTestResult
from headwise.evidence import MOVES
from headwise.report.schema import Heatmap, Lines, Section, Series, Table

from ..heads.head_details import contributions_along

MOST_MAPS = 2  # directions that have a map each; of more, one map has each head's largest share

ALONG = Column("direction", "Direction", "text", "Along which it was measured")
PUSHES = DirectionTestResult.columns.pick(
    ALONG,
    "name", "effect", "effect_low", "effect_high", "share",
    Column("uniform_share", "Uniform", "rate", "Share that the same head would add if it attended to everything alike"),
    "cosine", "p_fwer", "p_random_fwer", "excess_p_fwer",
    Column("least_t", "t", "number", "The smaller t of its effect and of its excess over uniform attention"),
    DirectionTestResult.columns["control_t"].but(meaning="The largest such t of any head of models with random weights; t must exceed it"),
)  # fmt: skip
SOURCES = DirectionTestResult.further["sources"].pick(
    ALONG, "name", "source", "effect", "effect_low", "effect_high", "share"
)
WORDS = DirectionTestResult.further["words"].pick(
    ALONG, "name", "word", "occurrences", "contribution"
)


def direction(
    results: Sequence[DirectionTestResult],
    fitted_on: str,
    *,
    title: str = "Direct contributions",
    what: str = "",
) -> Section:
    """Direct contributions of every component along directions, and the words from which heads take theirs.

    Args:
        results: One per direction, all of one layer and of the same words.
        fitted_on: What the directions were fitted on, for the method.
        title: Heading.
        what: The classes as a phrase for captions, such as `mole in one sense from mole in the others`; by default their labels.
    """
    maps = [[r] for r in results] if len(results) <= MOST_MAPS else [results]
    return Section(
        title=title,
        figures=[trajectories(results, what), *map(contribution_map, maps)],
        tables=_tables(results),
        findings=[_finding(result) for result in results],
        method=_method(results, fitted_on),
        references=[
            "Elhage et al. 2021, A mathematical framework for transformer circuits.",
            "Kim et al. 2018, Interpretability beyond feature attribution: testing with concept activation vectors.",
            "Park, Choe and Veitch 2024, The linear representation hypothesis and the geometry of large language models.",
        ],
        details=[contributions_along(results)],
    )


def trajectories(results: Sequence[DirectionTestResult], what: str = "") -> Lines:
    """The distance of the classes at every layer, as a share of that at the end; `what` as in `direction`."""
    series: list[Series] = []
    for result in results:
        rows = result.trajectory[result.trajectory["label"] == "difference"]
        scaled = rows[["mean", "mean_low", "mean_high"]] / abs(result.total)
        name = " - ".join(result.between).replace(" - others", "")
        series.append(Series.of(name, scaled, "mean"))
    classes = what or " and of ".join(" from ".join(result.between) for result in results)
    return Lines(
        title="Distance of the classes by layer",
        caption=f"Distance of {classes} along the direction at every layer of the residual stream, in percent of that at the end, with 95% intervals over groups. Layer 0 is before any attention.",
        x_label="layer of the residual stream",
        x=[float(layer) for layer in range(results[0].direction.layer + 1)],
        series=series,
    )  # fmt: skip


def contribution_map(results: Sequence[DirectionTestResult]) -> Heatmap:
    """The largest share that each head has along any of the directions."""
    shares = np.max([result.grid("share") for result in results], axis=0)
    along, largest = "any direction", ", the largest of the directions"
    if len(results) == 1:
        along, largest = results[0].direction.name, ""
    mlps = percent(float(np.mean([_share(result, "mlp") for result in results])))
    return Heatmap.of_shares(
        f"Direct contribution along {along}",
        f"Percent of the distance between the classes along the direction that each head's update adds{largest}. MLPs add {mlps} and are not drawn. Below zero is shown as zero. Outlined: the largest.",
        shares,
        steps=20,
    )


def _share(result: DirectionTestResult, kind: str) -> float:
    """The summed share of one kind of components."""
    return float(result.table.loc[result.table["kind"] == kind, "share"].to_numpy(float).sum())


def _tables(results: Sequence[DirectionTestResult]) -> list[Table]:
    """Every component, source tokens of heads, and the words that contribute most."""
    contributions = [
        r.table.assign(
            uniform_share=r.table["uniform"] / (r.total or np.nan),
            least_t=r.table[["t", "excess_t"]].min(axis=1, skipna=False),
        )
        for r in results
    ]
    error = max(r.error for r in results)

    def of_all(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        named = zip(results, frames, strict=True)
        return pd.concat([frame.assign(direction=r.direction.name) for r, frame in named])

    return [
        Table.of(
            "contributions", "Direct contribution of each component", of_all(contributions).sort_values("share", ascending=False, kind="stable"), PUSHES, folded=True,
            caption=f"Every head's update, every MLP, the embedding, positions and biases; their effects sum to the whole distance (largest error {error:.0e}).",
        ),
        Table.of(
            "sources", "Source tokens of each contribution", of_all([r.sources for r in results]), SOURCES, folded=True,
            caption="Each head's effect split by the word that it read from (pattern times value, through the output matrix, along the direction). Key words: those that the word is linked to.",
        ),
        Table.of(
            "pushing_words", "Words that contribute most", of_all([r.words for r in results]), WORDS, folded=True,
            caption="Of the heads with the largest effects; words that occur at least twice.",
        ),
    ]  # fmt: skip


def _finding(result: DirectionTestResult) -> str:
    """What heads, MLPs and the rest add along one direction, and which heads pass."""
    heads, mlps = _share(result, "head"), _share(result, "mlp")
    rest = float(result.table["share"].to_numpy(float).sum()) - heads - mlps
    passing = ", ".join(result.significant()["name"][:12]) or "none"
    return (
        f"Along {result.direction.name}, heads add {percent(heads)} of the distance between {' and '.join(result.between)}, MLPs {percent(mlps)}, and the embedding, positions and biases "
        f"{percent(rest)}. Heads whose contribution passes every test and exceeds every control, largest first: {passing}."
    )


def _method(results: Sequence[DirectionTestResult], fitted_on: str) -> list[str]:
    """How contributions were measured."""
    first = results[0]
    direction, control = first.direction, first.control
    norms = (
        "The model normalises its residual stream, so each contribution passes through the norms above it, with the scales of the clean run"
        if any(c.kind == "token type" for c in first.components)
        else "The model normalises only the inputs of its blocks, so each contribution reaches the layer unchanged"
    )
    folds = (
        f" Directions were cross-fitted: the sentences were divided into {first.n_folds} parts by their deciding words, and each part was measured along directions fitted without these words."
        if first.n_folds > 1
        else ""
    )
    excluded = (
        f" {first.left_out} sentences were excluded from fitting, because they share a deciding word with the tested sentences."
        if first.left_out
        else ""
    )
    controls = (
        f"Controls are {control.n_models} models of the same shape with random weights, each with directions of its own that were fitted and tested on the same sentences; the largest t of any of their heads is {control.t:.1f}."
        if control.n_models
        else f"No model with random weights could be tested ({control.why_not}), so no head is a yes."
    )
    return [
        f"Moves (direct contribution): the direction is the {direction.how} at layer {direction.layer}, fitted on {fitted_on} ({direction.inner} inner product), and measured on sentences with other deciding "
        f"words.{folds}{excluded} The residual stream at the word is exactly the sum of its embedding, its position, every head's update, every MLP and biases. {norms}. A contribution is the length of one summand along the "
        "direction. Its effect is the mean over words of one class minus that over words of the other, in percent of the distance of the classes.",
        f"{MOVES.text} Labels are permuted within groups; the 1,000 random directions have the covariance of the words within their classes. {controls}",
    ]  # fmt: skip
