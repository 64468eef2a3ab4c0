"""Looks (attention): whether each head attends to the expected word."""

import numpy as np
import pandas as pd

from headwise.attention._columns import versus
from headwise.attention._significance import NEEDED, of_scope, smallest_supported, worst
from headwise.attention.questions import AttentionOrder
from headwise.attention.relations import RelationTestResult

from .rules import INCONCLUSIVE, NO, YES


def looks(result: RelationTestResult, direction: AttentionOrder) -> pd.DataFrame:
    """Whether each head attends to the expected word, by the verdict of the relation test.

    Returns:
        One row per head: `layer`, `head`, `looks`; `looks_effect`, over the best baseline of plain text on all pairs, with
        `looks_low` and `looks_high`; `looks_p`, the largest of the four that the rule uses; `looks_control`, the largest
        effect of a head with random weights or uniform attention; `looks_detectable`, the smallest effect that would be found, the larger of that on
        all and on non-adjacent pairs; `looks_share`, the share of splits in which the head passes; `looks_chance` and `looks_tags`, the effects over
        chance and over baselines that read parts of speech; and `looks_mass`, mean attention on the right words.
    """
    whole = of_scope(result.table, "all")
    rows: pd.DataFrame = whole.loc[whole["direction"] == direction]
    return _looks(result.table, rows).reset_index(drop=True)


def looks_along(result: RelationTestResult) -> pd.DataFrame:
    """Whether each head attends along any tested relation and direction.

    `yes` if along one, `no` if along none of those that could be counted, and of each the verdict is `not supported`.

    Returns:
        As of `looks`, of the relation and direction that is supported and has the largest effect where it is smaller, on all pairs or
        on non-adjacent ones (without any that is supported, of all); and `looks_relation`, which that is.
    """
    rows = of_scope(result.table, "all").copy()
    rows["is_supported"] = rows["verdict"] == "supported"
    rows["worst"] = worst(result.table)
    best = rows.sort_values(["is_supported", "worst"], ascending=False, kind="stable")
    best = best.drop_duplicates(["layer", "head"]).sort_values(["layer", "head"])
    counted = rows[rows["pairs"] > 0]
    refused = (counted["verdict"] == "not supported").groupby([counted["layer"], counted["head"]])
    places = list(zip(best["layer"], best["head"], strict=True))
    denied = refused.all().reindex(places, fill_value=False).to_numpy(dtype=bool)
    supported = best["is_supported"].to_numpy(dtype=bool)
    found = _looks(result.table, best)
    found["looks"] = np.where(supported, YES, np.where(denied, NO, INCONCLUSIVE))
    tested = zip(best["relation"], best["direction"], strict=True)
    found["looks_relation"] = [r if ":" in r or "->" in r else f"{r}: {d}" for r, d in tested]
    return found.reset_index(drop=True)


def _looks(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Some rows of all pairs, with what the table says of the other scopes."""
    said = {"supported": YES, "not supported": NO}
    whole = of_scope(table, "all").index
    p = [
        of_scope(table, scope)[versus("p_fwer", comparison)]
        .set_axis(whole)
        .loc[rows.index]
        .to_numpy(float)
        for comparison, scope in NEEDED
    ]
    return pd.DataFrame(
        {
            "layer": rows["layer"],
            "head": rows["head"],
            "looks": [said.get(str(verdict), INCONCLUSIVE) for verdict in rows["verdict"]],
            "looks_effect": rows["effect"],
            "looks_low": rows["effect_low"],
            "looks_high": rows["effect_high"],
            "looks_p": np.maximum.reduce(p),  # NaN where one of them is: then the rule says nothing
            "looks_control": rows["control"],
            "looks_control_t": rows["control_t"],
            "looks_detectable": smallest_supported(table)[rows.index],
            "looks_share": rows["share"],
            "looks_chance": rows["effect_chance"],
            "looks_tags": rows["effect_tags"],
            "looks_mass": rows["mass"],
        }
    )
