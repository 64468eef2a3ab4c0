"""Whether the step of one field is that of others, as a section."""

import numpy as np

from headwise._formatting import MINUS, percent
from headwise.directions.transfer import TransferTestResult
from headwise.evidence import LEVEL, MIN_CASES, MIN_CLUSTERS, SMALLEST
from headwise.report.schema import Lines, Section, Series, Table

COLUMNS = TransferTestResult.columns.pick(
    "layer", "field", "words", "right", "right_low", "right_high", "step", "step_low", "step_high", "cosine", "p_fwer", "t", "control_t", "uniform",
    "excess_p_fwer", "p_random",
)  # fmt: skip


def transfer(result: TransferTestResult) -> Section:
    """How far pairs of each field go along the step of one."""
    return Section(
        title=f"Steps along that of {result.source}",
        figures=[_lines(result)],
        tables=[
            Table.of(
                "transfer", "Every field, layer by layer", result.table, COLUMNS, folded=True,
                caption=f"Steps between the words of a pair along the mean step of {result.source} pairs; pairs of {result.source} are measured along the mean step of the others.",
            )
        ],
        findings=_findings(result),
        method=[
            f"Words of a pair stand in the same sentence. A step is the difference of their vectors (means over tokens) in the residual stream; the direction is the mean step of {result.n_pairs[result.source]} {result.source} word "
            f"pairs. A pair of {result.source} is measured along the mean of the others, and the layer, {result.layer}, is that at which these have the largest mean cosine. Intervals are t intervals over word pairs (of shares, "
            "Wilson's); p flips the signs of whole word pairs and is over the largest of all layers and fields. Random directions have the covariance of the words within their classes. "
            f"{result.n_null} models with random weights, and the model with uniform attention, are measured along steps of their own.",
            f"Verdict: supported if in every other field the mean step along the direction is at least {percent(SMALLEST)} of that of {result.source}, and exceeds that under uniform attention by as much; if p of both is below {percent(LEVEL)}; if "
            f"no more than {percent(LEVEL)} of random directions have as long a step; and if its t is larger than that of any field in the models with random weights. Not supported if the step of one field lies within {percent(SMALLEST)} of "
            f"zero. Otherwise, and with fewer than {MIN_CASES} pairs of sentences or {MIN_CLUSTERS} word pairs of a field, inconclusive.",
        ],
        references=[
            "Mikolov, Yih and Zweig 2013, Linguistic regularities in continuous space word representations.",
            "Bolukbasi, Chang, Zou, Saligrama and Kalai 2016, Man is to computer programmer as woman is to homemaker?",
        ],
    )  # fmt: skip


def transfer_controls(result: TransferTestResult) -> str:
    """What models with random weights and uniform attention reach, in a line."""
    if not result.n_null:
        return f"Steps: no model with random weights could be measured ({result.why_not})."
    rows = [result.row(field=field, layer=result.layer) for field in result.fields[1:]]
    tested = [f"{row['t']:.1f} in {row['field']}" for row in rows if np.isfinite(row["t"])]
    few = " and ".join(str(row["field"]) for row in rows if not np.isfinite(row["t"]))
    uniform = ", ".join(
        f"{row['uniform']:.2f} in {row['field']} (clean {row['step']:.2f})" for row in rows
    )
    largest = (
        f"t is {', '.join(tested)}, and at most {rows[0]['control_t']:.1f} in {result.n_null} models with random weights; "
        if tested
        else ""
    )
    return f"Steps: {largest}under uniform attention the step is {uniform}.{f' Too few pairs for a t: {few}.' if few else ''}".replace("-", MINUS)  # fmt: skip


def _lines(result: TransferTestResult) -> Lines:
    by_field = {field: result.table[result.table["field"] == field] for field in result.fields}
    return Lines(
        title=f"Steps of each field along that of {result.source}",
        caption=f"Mean step in percent of the mean step of {result.source}, at every layer of the residual stream, with 95% intervals over word pairs. An unrelated step would be at zero. Layer 0 is before any attention.",
        x_label="layer of the residual stream",
        x=sorted({float(layer) for layer in result.table["layer"]}),
        series=[
            Series.of(f"{field}, left out" if field == result.source else field, rows, "step")
            for field, rows in by_field.items()
        ],
    )  # fmt: skip


def _findings(result: TransferTestResult) -> list[str]:
    rows = {field: result.row(field=field, layer=result.layer) for field in result.fields}
    few = [field for field in result.fields if result.n_pairs[field] < MIN_CLUSTERS]
    lines = [f"Fields with fewer than {MIN_CLUSTERS} word pairs, which are not tested: {', '.join(few)}."] if few else []  # fmt: skip
    lines += [
        f"In {field} the mean step is no longer along that of {result.source} than along many random directions (p {rows[field]['p_random']:.2g})."
        for field in result.fields[1:]
        if rows[field]["p_random"] >= LEVEL
    ]
    cosines = [float(row["cosine"]) for row in rows.values()]
    return [
        *lines,
        f"Cosines with the direction lie between {min(cosines):.2f} and {max(cosines):.2f}, so most of the length of a pair's own step lies along other directions.".replace("-", MINUS),
    ]  # fmt: skip
