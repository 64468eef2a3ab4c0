"""A set of heads as a whole: whether it is needed and whether it is sufficient, as a section."""

from headwise import evidence
from headwise._formatting import MINUS
from headwise.interventions.head_sets import HeadSetResult
from headwise.report.schema import Section, Table

COLUMNS = HeadSetResult.columns.pick(
    "metric", "method", "heads", "degradation", "degradation_low", "degradation_high", "share", "sum_of_parts", "random", "random_max",
    "random_sets", "p_random", "unrelated", "restored", "restored_random",
)  # fmt: skip
TITLE = "The set of heads as a whole"


def head_set(result: HeadSetResult | None) -> Section:
    """What ablating a set of heads does, and what keeping it alone restores.

    Args:
        result: On sentences by which the set was not selected; None where no head was selected, which leaves the rule of the verdict.
    """
    if result is None:
        return Section(title=TITLE, findings=["Not tested: no single head matters."], method=[evidence.SET_RULE])  # fmt: skip
    elsewhere = (
        f" Elsewhere: minimal pairs of another question, {result.unrelated.suite}."
        if result.unrelated
        else ""
    )
    table = Table.of(
        "set",
        "The set, on the groups by which it was not selected",
        result.table,
        COLUMNS,
        caption=f"{', '.join(head.name for head in result.heads)}. Random sets: as many heads of {result.random_from}, which may be some of these.{elsewhere}",
    )
    return Section(
        title=TITLE,
        tables=[table],
        findings=[_sum_of_parts(result, method) for method in result.methods if method == "mean"],
        method=[
            "The set was ablated together, beside random sets of as many heads; kept alone, by ablating every other head; and ablated in sentences of another question. Random sets may share heads with the set, as the "
            "question is whether this choice of heads is better than a random one; they were ablated on fewer sentences, and the set beside them on the same ones.",
            evidence.SET_RULE,
        ],
        references=[
            "Wang et al. 2022, Interpretability in the wild: a circuit for indirect object identification in GPT-2 small.",
            "Miller, Chughtai and Saunders 2024, Transformer circuit faithfulness metrics are not robust.",
        ],
    )  # fmt: skip


def _sum_of_parts(result: HeadSetResult, method: str) -> str:
    """The degradation of the set against the sum over its heads."""
    row = result.row(metric=result.ablation.metrics[0], method=method)
    finding = "no difference is shown"
    if row["excess_low"] > 0:
        finding = "more together, so some compensate for others that are ablated alone"
    elif row["excess_high"] < 0:
        finding = "less together, so they are needed for the same"
    return (
        f"Under {method} ablation the set degrades the {row['metric']} by {row['degradation']:.2g}, and its heads one by one by {row['sum_of_parts']:.2g} in sum: {finding} (difference {row['excess']:.2g} "
        f"[{row['excess_low']:.2g}, {row['excess_high']:.2g}])."
    ).replace("-", MINUS)  # fmt: skip
