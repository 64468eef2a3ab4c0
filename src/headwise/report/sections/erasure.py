"""What erasing a label changes, as a section."""

import pandas as pd

from headwise._columns import Column
from headwise._formatting import MINUS, percent
from headwise.probing.erasure import MEASURES, ErasureResult
from headwise.report.schema import Section, Table

SHORT = {
    "accuracy": "refitted accuracy",
    "moved": "moved",
    "margin": "margin",
    "continuation": "continuation",
    "kl": "KL",
}
COLUMNS = ErasureResult.columns.pick(
    "layer",
    Column("what", "Measure", "text", "What was measured"),
    "examples",
    "clean",
    "erased",
    "random",
    "as_far",
    "difference",
    "difference_low",
    "difference_high",
)


def erasure(result: ErasureResult, kind: str = "label") -> Section:
    """What erasing a label at some layers changes, beyond a move of the same length.

    Args:
        result: What was erased.
        kind: What the labels are, as a sentence names it.
    """
    rows = result.table.assign(what=result.table["measure"].map(SHORT))
    subspaces = f"{result.n_null} random subspace{'s' if result.n_null > 1 else ''}"
    return Section(
        title=f"Erasing the {kind}",
        tables=[
            Table.of(
                "erasure", f"The {kind} erased at layer {' or '.join(map(str, rows['layer'].unique()))}", rows, COLUMNS,
                caption=f"The word's vector is moved as little as possible, until no linear classifier decodes the {kind} ({result.rank} directions), and the forward pass continues. Controls: {subspaces} of equal rank, and moves "
                f"of the same length. The most frequent {kind} alone gives {percent(rows['chance'].max())}. Measures: {'; '.join(f'{SHORT[m]}, {MEASURES[m]}' for m in rows['measure'].unique())}.",
            )
        ],
        findings=[_changes(own, kind, layer) for layer, own in rows.groupby("layer", sort=False)],
        method=[
            "Erasure (LEACE) is fitted where probes are fitted and applied to sentences that were not. A random subspace is the same for as many random variables as distinguish the labels; it moves vectors less, so behaviour is "
            "compared with a move of the same length in that subspace."
        ],
        references=["Belrose et al. 2023, LEACE: Perfect linear concept erasure in closed form."],
    )  # fmt: skip


def _changes(rows: pd.DataFrame, kind: str, layer: int) -> str:
    """Which measures of behaviour change more than by a move of the same length, and which do not."""
    behaviour = rows[rows["as_far"].notna()]
    if behaviour.empty:
        return f"Nothing is computed after layer {layer} that could show an effect of erasing the {kind}."
    is_other = (behaviour["difference_low"] > 0) | (behaviour["difference_high"] < 0)
    changed = [
        f"{row.what} ({_short(row.clean)} clean, {_short(row.erased)} erased, {_short(row.as_far)} moved as far)"
        for row in behaviour[is_other].itertuples()
    ]  # fmt: skip
    same = behaviour[~is_other]["what"].tolist()
    parts = [f"changes the {' and the '.join(changed)}"] if changed else []
    if same:
        parts.append(f"changes the {' and the '.join(same)} no more than a move of the same length")
    again = f" Later layers may recover the {kind} from the surrounding words." if same else ""
    return f"Erasing the {kind} at layer {layer} {' and '.join(parts)}.{again}"


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", MINUS)
