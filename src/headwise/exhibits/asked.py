"""What heads do with one relation, as tables."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from collections.abc import Sequence

import pandas as pd

from ..comparison import Scope
from ..questions import DIRECTIONS, Direction
from ..relations import RelationResult
from ..results import Column, Table, head_name

WHICH: dict[Scope, str] = {
    "all": "all pairs",
    "apart": "words between",
    "distractor": "with a distractor",
}

COLUMNS = [
    Column(name="direction", title="Direction"),
    Column(name="pairs", title="Counted", kind="integer", note="Pairs reported on; governors for governor->dependent"),
    Column(name="hit_rate", title="Hit rate", kind="rate", note="Share of pairs whose most attended other word is the right one"),
    Column(name="baseline", title="Best rule", note="The rule without a model that was right most often on the choosing half"),
    Column(name="baseline_hit_rate", title="Its hit rate", kind="rate", note="Share of pairs for which that rule is right"),
    Column(name="effect", title="Effect, points", kind="difference", note="Hit rate minus that of the rule"),
    Column(name="effect_low", title="from", kind="difference", note="Lower end of the 95% interval over groups"),
    Column(name="effect_high", title="to", kind="difference", note="Upper end of the 95% interval over groups"),
    Column(name="p_family", title="p", kind="number", note="Family-wise over all heads and directions, sign flips of whole groups"),
]  # fmt: skip
MORE = [
    Column(name="verdict", title="Verdict"),
    Column(name="effect_apart", title="Effect, words between", kind="difference"),
    Column(name="p_family_apart", title="p", kind="number", note="Family-wise, pairs with words between"),
    Column(name="effect_distractor", title="Effect, distractor", kind="difference"),
    Column(name="q", title="q", kind="number", note="Benjamini-Hochberg"),
    Column(name="norm_hit_rate", title="By norm", kind="rate", note="Hit rate of attention weighted by the length of what it moves"),
    Column(name="mass", title="Mass", kind="rate", note="Mean attention on the right words"),
    Column(name="sink", title="Sink", kind="rate", note="Mean attention on the first token and on special tokens"),
    Column(name="control_best", title="Random model", kind="rate", note="Hit rate of the best head of models with random weights"),
]  # fmt: skip

HEAD_COLUMNS = [
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="head", title="Head", kind="integer"),
]


def best_heads(result: RelationResult, directions: Sequence[Direction]) -> Table:
    """The most promising head in each direction, on every kind of pairs."""
    rows: list[dict[str, object]] = []
    for direction in directions:
        best = result.best(direction)
        if best is None:
            continue
        for scope, which in WHICH.items():
            suffix = "" if scope == "all" else f"_{scope}"
            row = {
                column.name: best[f"{column.name}{suffix}"]
                for column in COLUMNS
                if column.name != "direction"
            }
            if row["pairs"]:
                rows.append(
                    row
                    | {
                        "direction": direction,
                        "name": head_name(int(best["layer"]), int(best["head"])),
                        "scope": which,
                    }
                )
    columns = [
        Column(name="name", title="Head"),
        Column(name="scope", title="Which pairs"),
        *COLUMNS,
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table.of(
        "best_heads",
        "The most promising head in each direction",
        frame,
        columns,
        caption="The head whose effect over the best rule is largest where it is smaller, on all pairs or on those with "
        "words between. Rules are chosen anew for each kind of pairs. A distractor is a wrong word of the right part of "
        "speech that is as near.",
    )


def on_all_pairs(result: RelationResult) -> Table:
    """Hit rates of every head with nothing set aside."""
    frame = result.table[["layer", "head", "direction"]].copy()
    frame["hit_rate"] = [
        rate for d in DIRECTIONS for rate in result.hit_rates_on_everything(d).ravel()
    ]
    return Table.of(
        "heads_all_pairs",
        "Every head, on all pairs",
        frame,
        [*HEAD_COLUMNS, COLUMNS[0], COLUMNS[2]],
        caption="Nothing is set aside here: to compare with published figures, not to choose a head.",
        folded=True,
    )
