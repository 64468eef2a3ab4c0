"""What heads do with one relation, as tables."""

from collections.abc import Sequence

import pandas as pd

from headwise._columns import Columns
from headwise.attention._columns import BY_SCOPE
from headwise.attention._comparison import SCOPES, Scope
from headwise.attention._significance import of_scope
from headwise.attention.questions import AttentionOrder
from headwise.attention.relations import RelationTestResult
from headwise.evidence import LOOKS
from headwise.report.schema import Table

from .heads.head_cards import NAME, named

WHICH: dict[Scope, str] = {
    "all": "all pairs",
    "non_adjacent": "non-adjacent pairs",
    "distractor": "with a distractor",
}

ASKED = RelationTestResult.columns
COLUMNS = ASKED.pick(
    "direction", "pairs", "hit_rate", "baseline", "baseline_hit_rate", "effect", "effect_low", "effect_high", "p_fwer",
)  # fmt: skip
CONTROLLED = ASKED.pick(
    ASKED["effect_chance"].but(title="Over chance"),
    ASKED["effect_tags"].but(title="Over tags", meaning="Effect over the best baseline that reads parts of speech; never a reason to say no"),
    "control", "detectable",
)  # fmt: skip
MORE = Columns(
    ASKED.pick("verdict", "share"),
    CONTROLLED,
    ASKED.pick(
        ASKED["effect"].but(name="effect_non_adjacent", title="Effect, non-adjacent", meaning="On non-adjacent pairs"),
        ASKED["p_fwer"].but(name="p_fwer_non_adjacent", meaning="Family-wise, non-adjacent pairs"),
        ASKED["effect"].but(name="effect_distractor", title="Effect, distractor", meaning="Where a wrong word of the right part of speech is as near"),
        "q_fdr", "norm_hit_rate", "whole_hit_rate", "mass", "uniform_mass", "sink", "uniform",
    ),
)  # fmt: skip
HEAD_COLUMNS = ASKED.pick("layer", "head")
SHOWN = Columns(NAME, ASKED.pick("scope"), COLUMNS, CONTROLLED)


def wide_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each head, relation and direction: of all pairs under the names of the columns, of the others with `_non_adjacent` and `_distractor` after them."""
    whole = of_scope(table, "all")
    names = [name for name in BY_SCOPE if name in table]
    others = [
        of_scope(table, scope)[names].set_axis(whole.index).add_suffix(f"_{scope}")
        for scope in SCOPES[1:]
    ]
    return pd.concat([whole.drop(columns="scope"), *others], axis=1)


def best_heads(result: RelationTestResult, directions: Sequence[AttentionOrder]) -> Table:
    """The most promising head in each direction, on every kind of pairs."""
    best = pd.DataFrame([row for d in directions if (row := result.best(d)) is not None], columns=list(result.table))  # fmt: skip
    asked = best[["relation", "direction", "layer", "head"]]
    counted = asked.merge(result.table[result.table["pairs"] > 0])
    return Table.of(
        "best_heads",
        "The most promising head in each direction",
        named(counted).replace({"scope": WHICH}),
        SHOWN,
        caption="The head whose effect over the best baseline is largest where it is smaller, on all pairs or on non-adjacent "
        "ones. Baselines are chosen anew for each kind of pairs. A distractor is a wrong word of the right part of "
        "speech that is as near; nothing is tested on these.",
    )


def method(result: RelationTestResult, n_groups: int) -> list[str]:
    """How attention was tested, in the words of a report's method."""
    splits = len(result.evidence[0].splits) if result.evidence else 0
    tags = (
        "Tags: the same, and rules and a ranking that read gold parts of speech; this comparison is reported and never makes a no."
        if result.has_tags
        else "The suite has no parts of speech, so no baseline could read them."
    )
    return [
        "Looks: three comparisons. Chance: uniform attention, run through the same counter, and permuted links. Plain text: fixed distances; first, last and k-th "
        "words; the word with most pieces; the rarest; the same word and those beside its first mention; words that were answers elsewhere; the head's own usual "
        f"distance; and a ranking learned from these. {tags}",
        f"Each baseline is chosen on one half of the {n_groups:,} groups and counted on the other, both in turn, over {splits} splits. p: signs of whole clusters (groups, "
        "and words that decide, where both vary) are flipped, and each head's effect, in units of its standard error, is compared with the largest of everything tested at "
        "each flip; over splits it is twice the median. Intervals are cluster-robust. "
        f"The same is tested on {result.controls.n} models with random weights and on uniform attention.",
        LOOKS.text,
    ]
