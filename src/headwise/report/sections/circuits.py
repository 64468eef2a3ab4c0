"""What the QK and OV circuits of every head are like, beside random ones, as a section."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from headwise._formatting import MINUS
from headwise.report.schema import Detail, Heatmap, Lines, Section, Series, Table
from headwise.stats.deciding import LEVEL
from headwise.weights.circuits import CIRCUITS, CircuitResult

from .heads.head_cards import NAME, named
from .heads.head_details import Row, detail

MEASURED = CircuitResult.columns
COLUMNS = MEASURED.pick(
    NAME,
    "circuit", "norm", "top", "top_random",
    "effective_rank", "effective_rank_random", "effective_rank_random_low", "effective_rank_random_high", "effective_rank_p_fwer",
    "copying", MEASURED["copying_random_low"].but(title="Random from"), "copying_random_high", "copying_p_fwer",
)  # fmt: skip
ON_CARDS = (("OV", "copying", "copying"), ("OV", "effective_rank", "effective rank of OV"), ("QK", "effective_rank", "effective rank of QK"))  # fmt: skip


def circuits(result: CircuitResult) -> Section:
    """Effective rank and copying score of every head's circuits, from the weights alone."""
    sides = [str(side) for side in result.table["side"].unique()]
    short = named(result.table.drop(columns="side"))["name"]
    table = result.table.assign(name=(result.table["side"] + " " + short).str.strip())
    return Section(
        title="Circuits of every head",
        figures=[
            *(figure for side in sides for figure in _maps(result, side)),
            *(_by_layer(result, side) for side in sides),
        ],
        tables=[
            Table.of("circuits", "Circuits of every head", table, COLUMNS, caption="QK is W_Q W_K^T, OV is value-down times value-up.", folded=True)
        ],
        findings=[
            copying(result),
            "What a head does was not measured: weights say what it could attend to and what it could write.",
            "The circuits exclude biases, the gains of norms, the scale of scores and rotary embeddings; with rotary embeddings a QK circuit therefore holds between equal positions only.",
        ],
        method=[
            "The circuits of a head are the matrices W_Q W_K^T (QK) and value-down times value-up (OV), taken from the weights and held as factors. Effective rank is the exponential of the entropy of the shares of the squared singular "
            "values. The copying score is the sum of the OV circuit's eigenvalues over the sum of their moduli; it is not defined between two stacks.",
            f"Controls are {result.n_null} random models in which each circuit is a product of Gaussian matrices of the same shape and norm, as weights are before training. p is the share of these models in which any number of any "
            "head is as far from its mean, in standard deviations.",
        ],
        references=[
            "Elhage, Nanda, Olsson et al. 2021, A mathematical framework for transformer circuits.",
            "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality.",
            "Westfall and Young 1993, Resampling-based multiple testing.",
        ],
        details=[_on_cards(result, sides[0])],
    )  # fmt: skip


def copying(result: CircuitResult) -> str:
    """How many heads copy, or negate, what they read, in a sentence."""
    rows = result.table[result.table["copying"].notna().to_numpy()]
    scores, p = rows["copying"].to_numpy(float), rows["copying_p_fwer"].to_numpy(float)
    return (
        f"By their weights alone, {int(((scores > 0) & (p < LEVEL)).sum())} of {len(rows)} OV circuits copy what they read and {int(((scores < 0) & (p < LEVEL)).sum())} write its opposite, more than "
        "random weights do (p below 5% over everything)."
    )


def _ranks(
    result: CircuitResult, circuit: str, side: str, of: str = ""
) -> Float[ndarray, "layer head"]:
    """Effective rank, or that of random models, as a share of the head's width."""
    d_head = result.grid("d_head", circuit=circuit, side=side)
    return result.grid(f"effective_rank{of}", circuit=circuit, side=side) / d_head


def _random(values: Float[ndarray, "layer head"]) -> tuple[str, float | None]:
    """The mean of random models over heads; None where they were left out."""
    return "random", float(np.nanmean(values)) if np.isfinite(values).any() else None


def _maps(result: CircuitResult, side: str) -> list[Heatmap]:
    """The copying score of each head, and the effective ranks of its circuits."""
    of = f", {side}" if side else ""
    scores, p = (
        result.grid(name, circuit="OV", side=side) for name in ("copying", "copying_p_fwer")
    )
    copied = Heatmap(
        title=f"Copying score{of}",
        caption=f"From 1, where the OV circuit writes what it reads, to {MINUS}1, where it writes the opposite. Outlined: unlike random weights, p below 5% over every number of every head.",
        values=scores,
        low=-1.0,
        unit="number",
        marked=[(int(layer), int(head)) for layer, head in np.argwhere(p < LEVEL)],
        baseline=_random(result.grid("copying_random", circuit="OV", side=side)),
    )  # fmt: skip
    ranks = [
        Heatmap(
            title=f"Effective rank of {circuit}{of}",
            caption="Number of directions that the circuit uses, as a share of the head's width.",
            values=_ranks(result, circuit, side),
            baseline=_random(_ranks(result, circuit, side, "_random")),
        )
        for circuit in CIRCUITS
    ]
    return [copied, *ranks] if np.isfinite(scores).any() else ranks


def _by_layer(result: CircuitResult, side: str) -> Lines:
    own = [Series(name=c, values=_ranks(result, c, side).mean(1)) for c in CIRCUITS]
    random = _ranks(result, "OV", side, "_random").mean(1)
    return Lines(
        title="Effective rank by layer" + (f", {side}" if side else ""),
        caption="Mean over heads, as a share of the head's width.",
        x_label="layer",
        x=list(range(len(random))),
        series=[*own, Series(name="random", values=random, is_baseline=True)],
    )


def _on_cards(result: CircuitResult, side: str) -> Detail:
    """What the weights of each head say, on its card; of a model of two stacks, of its encoder."""
    rows: list[Row] = []
    for circuit, column, name in ON_CARDS:
        t = result.table[(result.table["circuit"] == circuit) & (result.table["side"] == side)]
        rows.append(Row(name, t, (column, "", "", f"{column}_p_fwer")))
        rows.append(Row(f"{name}, random weights", t, [f"{column}_random"]))
    caption = (
        f"Copying score: 1 where the head writes what it reads, {MINUS}1 where it writes the opposite. Effective rank: number of directions that a circuit uses. Random weights: mean of products of Gaussian matrices "
        "of the same shape and norm. p against these, over every number of every head; weights have no interval."
    )
    return detail("Its circuits", caption, "number", rows)
