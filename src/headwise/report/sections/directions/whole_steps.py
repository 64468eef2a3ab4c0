"""Whether the classes of words are separated along directions, as a section."""

from collections.abc import Mapping, Sequence

import pandas as pd

from headwise._columns import Column, Columns, interval
from headwise._formatting import MINUS, percent
from headwise.directions.contributions import DirectionTestResult
from headwise.evidence import MOVES
from headwise.report.schema import Section, Table

from .along_directions import ALONG

STEPS = Columns(
    ALONG,
    Column("classes", "Classes"),
    Column("effect", "Step", "number", "From the mean of the second class to that of the first, along the direction"),
    interval("effect", over="groups"),
    Column("separated", "Separated", "rate", "How often a word of the first class lies further ahead than one of the second; 50% is chance"),
    Column("cosine", "Cosine", "number", "Between the step and the direction"),
    Column("p", "p", "number", "Against permuted labels"),
    Column("p_random", "p random", "number", "Against random directions with the covariance of the words within their classes"),
    Column("t", "t", "number", "The step in units of its standard error"),
    Column("control_t", "Control t", "number", "The largest t of a model with random weights, along a direction of its own"),
    Column("uniform", "Uniform", "number", "The step in the same model with uniform attention"),
    Column("excess_p", "p excess", "number", "Of the excess over uniform attention, against permuted labels"),
)  # fmt: skip
PLACES = DirectionTestResult.further["trajectory"]
POSITIONS = PLACES.pick(
    ALONG,
    PLACES["label"].but(name="class", title="Class"),
    PLACES["mean"].but(title="Position"),
    "mean_low",
    "mean_high",
)


def whole_steps(
    results: Sequence[DirectionTestResult],
    others: Sequence[DirectionTestResult] = (),
    held_out: Mapping[str, DirectionTestResult | None] | None = None,
) -> Section:
    """The distance of the classes along each direction, and whether directions generalise.

    Args:
        results: One per direction that the verdict is over.
        others: Other classes of the same words along the same directions.
        held_out: By what a direction is of: words like those that it was fitted on, measured along a direction fitted on others; None where too few were left.
    """
    along = [*results, *others]
    held_out = held_out or {}
    rows = [*along, *(r for r in held_out.values() if r)]
    steps = [{"direction": r.direction.name, "classes": " against ".join(r.between)} | r.whole for r in rows]  # fmt: skip
    positions = pd.concat([_positions(r) for r in along]).drop_duplicates(["direction", "class"])
    return Section(
        title="Steps along the directions",
        tables=[
            Table.of("steps", "Steps", pd.DataFrame(steps), STEPS, caption="Lengths along the direction, at its layer. " + ("The last rows are held-out words like those that the directions were fitted on." if held_out else "")),
            Table.of("positions", "Positions of each class", positions.sort_values(["direction", "class"]), POSITIONS, caption="Lengths along the direction, at its layer."),
        ],
        findings=[_random(r) for r in results if r.whole["p_random"] >= MOVES.level] + [*filter(None, map(_generalises, held_out, held_out.values())), _before_attention(results)],
        method=[
            f"Verdict: 'supported' if along every direction the step is at least {percent(MOVES.smallest)} of one of the direction, and exceeds that in the same model with uniform attention by as much, with p below {percent(MOVES.level)} (times {len(results)}) "
            "against permuted labels, against random directions and of that excess, and a t larger than in every model with random weights; 'not supported' if one step lies within that much of zero (90% interval) or its interval ends "
            f"below zero; otherwise, and with fewer than {MOVES.min_cases} cases or {MOVES.min_clusters} groups, 'inconclusive'.",
        ],
    )  # fmt: skip


def whole_steps_controls(results: Sequence[DirectionTestResult]) -> str:
    """What never-trained models and uniform attention reach, in a line."""
    reached = [
        f"along {r.direction.name} t {r.whole['t']:.1f}, at most {r.whole['control_t']:.1f} in {r.control.n_models} models with random weights; step {r.whole['effect']:.2g}, and {r.whole['uniform']:.2g} under uniform attention"
        for r in results
    ]  # fmt: skip
    return f"Whole steps: {'; '.join(reached)}.".replace("-", MINUS)


def _positions(result: DirectionTestResult) -> pd.DataFrame:
    """Where each class lies at the layer of the direction."""
    t = result.trajectory
    rows = t.loc[(t["layer"] == result.direction.layer) & (t["label"] != "difference")]
    return rows.rename(columns={"label": "class"}).assign(direction=result.direction.name)


def _random(result: DirectionTestResult) -> str:
    return (
        f"Along {result.direction.name} the step is no longer than along many random directions with the covariance of the words (p {result.whole['p_random']:.2g}), so the step is "
        "not specific to this direction."
    )


def _generalises(name: str, result: DirectionTestResult | None) -> str:
    """A limitation where a direction is not shown to separate words that it was not fitted on, else nothing."""
    if result is None:
        return f"Whether the direction of {name} generalises could not be tested, as the halves of its groups share deciding words."
    if result.whole["p"] >= MOVES.level or result.whole["effect_low"] <= 0:
        return f"The direction of {name} does not separate held-out words, so results along it are weak evidence."
    return ""


def _before_attention(results: Sequence[DirectionTestResult]) -> str:
    """Along which directions the classes are separated at layer 0."""
    starts = [r.trajectory.set_index(["layer", "label"]).loc[(0, "difference")] for r in results]
    separated = [
        result.direction.name
        for result, at in zip(results, starts, strict=True)
        if at["mean_low"] > 0 or at["mean_high"] < 0
    ]
    if separated:
        return f"At layer 0, before any attention, the classes are already separated along {', '.join(separated)}, by their positions in the sentence alone."
    return (
        "At layer 0, before any attention, the classes are separated along none of the directions."
    )
