"""Where are a model's numbers, and what does its context cost?

Question: how many parameters do queries, keys, value-down, value-up, the MLPs and the embeddings have;
how many attention scores does a text of T tokens give; and what do the weights of each head alone say?

Method: every parameter counted once, and T^2 scores for each head. With a model, the QK and OV circuits of
every head, their effective rank and whether the OV circuit copies, beside products of Gaussian matrices.
It asks no sentences. A shape, which has sizes and no weights, may stand in place of a model.

    uv run analyses/parameters.py --model burrow
    headwise run parameters --shape gpt3
    headwise run parameters --shape d_model=768,n_layers=12,n_heads=12,vocabulary=50257,n_context=1024

Caveats: weights say what a head could do, not what it does. No trained head is like a random product, so
that one is not means little by itself.
"""

import numpy as np
import pandas as pd

import headwise
from headwise._formatting import head_name, percent
from headwise.activations.planning import readable
from headwise.report.schema import Column, Heads, Heatmap, Lines, Report, Section, Series, Table
from headwise.report.sections import head_cards, head_details
from headwise.weights._parameter_map import ATTENTION, MLP, Line
from headwise.weights.circuits import CIRCUITS, CircuitResult

SUITE = None  # it asks no sentences
QUESTION = "Where are a model's numbers, and what does its context cost?"
ALPHA = 0.05
USUAL_CONTEXT = 1024  # where a shape does not say how many tokens it takes

PARAMETERS = [
    Column(name="part", title="What"),
    Column(name="heads", title="Heads per block", kind="integer", note="Keys and values have fewer under grouped-query attention"),
    Column(name="per_head", title="Per head", kind="integer"),
    Column(name="per_block", title="Per block", kind="integer"),
    Column(name="total", title="All blocks", kind="integer"),
    Column(name="share", title="Share of what is stored", kind="rate"),
]  # fmt: skip
CONTEXT = [
    Column(name="tokens", title="Tokens, T", kind="integer"),
    Column(name="scores_per_head", title="Scores per head, T\N{SUPERSCRIPT TWO}", kind="integer"),
    Column(name="heads", title="Heads in all blocks", kind="integer"),
    Column(name="scores", title="Scores", kind="integer"),
    Column(name="bytes", title="Bytes in float32", kind="integer"),
    Column(name="size", title="That is"),
]
CIRCUIT = [
    Column(name="name", title="Head"),
    Column(name="circuit", title="Circuit"),
    Column(name="norm", title="Norm", kind="number", note="Frobenius"),
    Column(name="top", title="Largest singular value", kind="number"),
    Column(name="top_random", title="Random", kind="number", note="Mean over Gaussian products of the same shape and norm"),
    Column(name="effective_rank", title="Effective rank", kind="number"),
    Column(name="effective_rank_random", title="Random", kind="number"),
    Column(name="effective_rank_random_low", title="from", kind="number", note="95% of random products lie between"),
    Column(name="effective_rank_random_high", title="to", kind="number"),
    Column(name="effective_rank_p_fwer", title="p", kind="number", note="Two-sided, over every number of every head"),
    Column(name="copying", title="Copying", kind="number", note="1 same sign, -1 opposite sign; OV only"),
    Column(name="copying_random_low", title="Random from", kind="number", note="95% of random products lie between"),
    Column(name="copying_random_high", title="to", kind="number"),
    Column(name="copying_p_fwer", title="p", kind="number", note="Two-sided, over every number of every head"),
]  # fmt: skip


def analyse(
    model: headwise.Model | None,
    suite: None,
    *,
    seed: int = 0,
    smoke: bool = False,
    shape: str = "",
) -> Report:
    """Counts the parameters of a model or a shape, and reads the weights of a model's heads."""
    assert model is not None or shape
    tally = headwise.count_parameters(shape if model is None else model)
    read = (
        None
        if model is None
        else headwise.read_circuits(model, n_null=5 if smoke else 40, seed=seed)
    )
    return Report(
        analysis="parameters",
        model=tally.name,
        question=QUESTION,
        verdict="description",
        answer=_answer(tally, read),
        sections=[
            Section(
                title="Results",
                figures=[] if read is None else _figures(read),
                tables=[
                    _parameters(tally),
                    _context(tally),
                    *([] if read is None else [_circuits(read)]),
                ],
                findings=_not_found(tally, read),
                method=_method(read),
                references=_references(read),
            )
        ],
        heads=_heads(model, read) if model and read else None,
    )


def _heads(model: headwise.Model, read: CircuitResult) -> Heads:
    """What weights say of each head; of a model of two stacks, of its encoder's."""
    side = head_cards.side_shown(model)
    rows: list[head_details.Row] = []
    for circuit, column, name in (
        ("OV", "copying", "copying"),
        ("OV", "effective_rank", "effective rank of OV"),
        ("QK", "effective_rank", "effective rank of QK"),
    ):
        t = read.table[(read.table["circuit"] == circuit) & (read.table["side"] == side)]
        places = t[["layer", "head"]]
        rows.append(
            head_details.Row(name, places.assign(effect=t[column], p=t[f"{column}_p_fwer"]))
        )
        rows.append(head_details.Row(f"{name}, random weights", places.assign(effect=t[f"{column}_random"])))  # fmt: skip
    caption = (
        "Copying: 1 hands on what was read with its sign, \N{MINUS SIGN}1 its opposite. Effective rank: how many directions matter. Random weights: the mean of products of Gaussian matrices of the same shape "
        "and norm. p against these, over every number of every head; weights have no interval."
    )
    found = head_details.detail(
        "Its circuits", caption, "number", rows, head_cards.shape_shown(model)
    )
    return head_cards.heads_section(model, details=[found])


def _parameters(tally: headwise.ParameterCount) -> Table:
    rows = []
    for line in tally.lines:
        rows.append(_row(line, f"{line.side} {line.part}".strip(), tally.total))
        if line is _last(tally, ATTENTION):
            rows.append(_row(tally.attention, "= attention, these together", tally.total))
        if line is _last(tally, MLP):
            mlp = Line("", "", tally.count(*MLP))
            rows.append(_row(mlp, "= MLPs, these together", tally.total))
        if line is _last(tally, ("embedding", "unembedding")):
            matrices = Line("", "", tally.matrices, is_stored=False)
            rows.append(_row(matrices, "= all matrices, unembedding counted apart", tally.total))
    rows.append(_row(Line("", "", tally.total), "= all that is stored", tally.total))
    return Table.of(
        "parameters",
        "Parameters",
        pd.DataFrame(rows).astype(dict.fromkeys(("heads", "per_head", "per_block"), "Int64")),
        PARAMETERS,
        caption="Value-down is W_V, value-up the head's slice of W_O. 'All matrices' leaves positions, biases and norms out; 'all "
        "that is stored' counts them, and an unembedding that is the embedding used again only once.",
    )


def _last(tally: headwise.ParameterCount, parts: tuple[str, ...]) -> Line | None:
    found = [line for line in tally.lines if line.part in parts]
    return found[-1] if found else None


def _row(line: Line, part: str, total: int) -> dict[str, object]:
    share = line.total / total if line.is_stored else None
    return {
        "part": part, "heads": line.heads, "per_head": line.per_head, "per_block": line.per_block, "total": line.total,
        "share": share,
    }  # fmt: skip


def _context(tally: headwise.ParameterCount) -> Table:
    frame = tally.context()
    limit = f" The model takes {tally.n_context:,}." if tally.n_context else ""
    return Table.of(
        "context",
        "What a context costs",
        frame.assign(size=frame["bytes"].map(readable)),
        CONTEXT,
        caption=f"Every token is compared with every token, in every head: T\N{SUPERSCRIPT TWO} scores.{limit} Bytes if all patterns "
        "were held at once; fused kernels hold a few rows at a time, but compute as many.",
    )


def _circuits(read: CircuitResult) -> Table:
    frame = read.table
    sides = [f"{side} " if side else "" for side in frame["side"]]
    places = zip(sides, frame["layer"], frame["head"], strict=True)
    names = [side + head_name(layer, head) for side, layer, head in places]
    return Table.of(
        "circuits",
        "Circuits of every head",
        frame.assign(name=names),
        CIRCUIT,
        caption="QK is W_Q W_K^T, OV is value-down times value-up.",
        folded=True,
    )


def _figures(read: CircuitResult) -> list[Heatmap | Lines]:
    figures: list[Heatmap | Lines] = []
    for side in read.table["side"].unique():
        of = f", {side}" if side else ""
        d_head = read.grid("d_head", circuit="OV", side=side)
        if np.isfinite(copying := read.grid("copying", circuit="OV", side=side)).any():
            far = read.grid("copying_p_fwer", circuit="OV", side=side) < ALPHA
            marked = [(int(layer), int(head)) for layer, head in np.argwhere(far)]
            figures.append(
                Heatmap(
                    title=f"Copying{of}",
                    caption="What the OV circuit hands on: 1 is what was read, with its sign, \N{MINUS SIGN}1 its opposite. Outlined: "
                    "unlike random weights, p below 5% over every number of every head.",
                    values=copying,
                    low=-1.0,
                    unit="number",
                    marked=marked,
                    baseline=("random", _mean(read, "copying_random", "OV", side)),
                )
            )
        for circuit in CIRCUITS:
            figures.append(
                Heatmap(
                    title=f"Effective rank of {circuit}{of}",
                    caption="How many directions matter, as a share of the head's width.",
                    values=read.grid("effective_rank", circuit=circuit, side=side) / d_head,
                    baseline=("random", _mean(read, "effective_rank_random", circuit, side)),
                )
            )
    return [*figures, *_by_layer(read)]


def _mean(read: CircuitResult, column: str, circuit: str, side: str) -> float | None:
    """Mean over heads, of ranks as a share of the head's width; None where random models were left out."""
    values = read.grid(column, circuit=circuit, side=side)
    if column.startswith("effective_rank"):
        values = values / read.grid("d_head", circuit=circuit, side=side)
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _by_layer(read: CircuitResult) -> list[Lines]:
    charts = []
    for side in read.table["side"].unique():
        d_head = read.grid("d_head", circuit="OV", side=side)
        series = [
            Series(
                name=circuit,
                values=(read.grid("effective_rank", circuit=circuit, side=side) / d_head).mean(1),
            )
            for circuit in CIRCUITS
        ]
        random = (read.grid("effective_rank_random", circuit="OV", side=side) / d_head).mean(1)
        charts.append(
            Lines(
                title="Effective rank by layer" + (f", {side}" if side else ""),
                caption="Mean over heads, as a share of the head's width.",
                x_label="layer",
                x=list(range(len(d_head))),
                series=[*series, Series(name="random", values=random, is_baseline=True)],
            )
        )
    return charts


def _answer(tally: headwise.ParameterCount, read: CircuitResult | None) -> str:
    total = tally.total
    embeddings = sum(
        line.total for line in tally.lines if line.is_stored and "embedding" in line.part
    )
    apart = f" ({tally.matrices:,} in matrices, the unembedding counted apart)"
    told = (
        f"{tally.name} stores {total:,} numbers{apart if read is None else ''}: {percent(tally.attention.total / total)} in "
        f"attention, {percent(tally.count(*MLP) / total)} in MLPs, {percent(embeddings / total)} in embeddings."
    )
    n = tally.n_context or USUAL_CONTEXT
    length = f"of {n:,} tokens{', the most it takes,' if tally.n_context else ''}"
    told += f" A text {length} gives {n**2:,} scores in each of {tally.n_heads:,} heads, {n**2 * tally.n_heads:,} in all."
    return told if read is None else f"{told} {_copying(read)}"


def _copying(read: CircuitResult) -> str:
    rows = read.table[read.table["copying"].notna()]
    far = rows["copying_p_fwer"] < ALPHA
    same, opposite = (
        int((far & sign).sum()) for sign in (rows["copying"] > 0, rows["copying"] < 0)
    )
    return (
        f"By their weights alone, {same} of {len(rows)} OV circuits hand on what they read and {opposite} its opposite, more than "
        "random weights would (p below 5% over everything)."
    )


def _not_found(tally: headwise.ParameterCount, read: CircuitResult | None) -> list[str]:
    lines = list(tally.notes)
    if read is None:
        return [*lines, "A shape has no weights, so nothing can be said of its heads."]
    return [
        *lines,
        "What a head does was not looked at: weights say what it could look for and what it could hand on.",
        "Left out of the circuits: biases, the gains of norms, the scale of scores and rotary embeddings, so that with those a "
        "QK circuit holds between equal positions only.",
    ]


def _method(read: CircuitResult | None) -> list[str]:
    counted = (
        "Every parameter is counted once, by where it stands in the model. Queries, keys, value-down and value-up are per head; under "
        "grouped-query attention several query heads share keys and values."
    )
    if read is None:
        return [f"{counted} What was not given is taken to be as in GPT-2."]
    return [
        counted,
        "The circuits of a head are the matrices W_Q W_K^T (QK) and value-down times value-up (OV), taken from the weights and held "
        "as factors. Effective rank is the exponential of the entropy of the squared singular values' shares. Copying is the sum of "
        "the OV circuit's eigenvalues over the sum of their moduli; between two stacks it cannot be asked.",
        f"Beside them stand {read.n_null} random models in which each circuit is a product of Gaussian matrices of the same shape and "
        "norm, as weights are before training. p is the share of these models in which any number of any head is as far from its "
        "mean, in standard deviations.",
    ]


def _references(read: CircuitResult | None) -> list[str]:
    if read is None:
        return ["Brown et al. 2020, Language models are few-shot learners (the sizes of GPT-3)."]
    return [
        "Elhage, Nanda, Olsson et al. 2021, A mathematical framework for transformer circuits.",
        "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality.",
        "Westfall and Young 1993, Resampling-based multiple testing.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
