"""What heads do with one relation, as tables."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from collections.abc import Sequence

import pandas as pd

from headwise._formatting import head_name
from headwise.attention._comparison import Scope, column
from headwise.attention.questions import AttentionOrder
from headwise.attention.relations import RelationTestResult
from headwise.evidence import LOOKS
from headwise.report.schema import Column, Table

WHICH: dict[Scope, str] = {
    "all": "all pairs",
    "non_adjacent": "non-adjacent pairs",
    "distractor": "with a distractor",
}

COLUMNS = [
    Column(name="direction", title="Direction"),
    Column(name="pairs", title="Counted", kind="integer", note="Pairs; governors for governor->dependent"),
    Column(name="hit_rate", title="Hit rate", kind="rate", note="Share of pairs whose most attended other word is the right one"),
    Column(name="baseline", title="Best baseline", note="The model-free baseline of plain text that was chosen most often, always on other groups than it is counted on"),
    Column(name="baseline_hit_rate", title="Its hit rate", kind="rate", note="Share of pairs for which the baselines chosen are right, mean over splits"),
    Column(name="effect", title="Effect, points", kind="difference", note="Hit rate minus that of the baseline"),
    Column(name="effect_low", title="from", kind="difference", note="Lower end of the 95% interval over groups and words"),
    Column(name="effect_high", title="to", kind="difference", note="Upper end of the 95% interval over groups and words"),
    Column(name="p_fwer", title="p", kind="number", note="Family-wise over all heads and directions, sign flips of whole clusters, combined over splits"),
]  # fmt: skip
CONTROLLED = [
    Column(name="effect_chance", title="Over chance", kind="difference", note="Effect over uniform attention and permuted links"),
    Column(name="effect_tags", title="Over tags", kind="difference", note="Effect over the best baseline that reads parts of speech; never a reason to say no"),
    Column(name="control", title="Controls", kind="difference", note="Largest effect over the same baseline of any head with random weights or uniform attention"),
    Column(name="detectable", title="Detectable", kind="difference", note="Smallest effect that would be found in 80% of such data"),
]  # fmt: skip
MORE = [
    Column(name="verdict", title="Verdict"),
    Column(name="share", title="Share of splits", kind="rate", note="Splits of the groups in which the head passes"),
    *CONTROLLED,
    Column(name="effect_non_adjacent", title="Effect, non-adjacent", kind="difference", note="On pairs with words between"),
    Column(name="p_fwer_non_adjacent", title="p", kind="number", note="Family-wise, non-adjacent pairs"),
    Column(name="effect_distractor", title="Effect, distractor", kind="difference", note="Where a wrong word of the right part of speech is as near"),
    Column(name="q_fdr", title="q", kind="number", note="Benjamini-Hochberg"),
    Column(name="norm_hit_rate", title="By norm", kind="rate", note="Hit rate of attention weighted by the length of what it moves"),
    Column(name="whole_hit_rate", title="Of all tokens", kind="rate", note="Hit rate where special tokens and the word itself count, too"),
    Column(name="mass", title="Mass", kind="rate", note="Mean attention on the right words, of all attention"),
    Column(name="uniform_mass", title="Uniform mass", kind="rate", note="The same of a uniform head"),
    Column(name="sink", title="Sink", kind="rate", note="Mean attention on the first token and on special tokens"),
    Column(name="uniform", title="Uniform hits", kind="rate", note="Hit rate of a uniform head"),
]  # fmt: skip

HEAD_COLUMNS = [
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="head", title="Head", kind="integer"),
]


SHOWN = (*(c.name for c in COLUMNS if c.name != "direction"), "control", "detectable")


def best_heads(result: RelationTestResult, directions: Sequence[AttentionOrder]) -> Table:
    """The most promising head in each direction, on every kind of pairs."""
    rows: list[dict[str, object]] = []
    for direction in directions:
        best = result.best(direction)
        if best is None:
            continue
        for scope, which in WHICH.items():
            row = {
                **{name: best.get(column(name, "plain", scope)) for name in SHOWN},
                "effect_chance": best.get(column("effect", "chance", scope)),
                "effect_tags": best.get(column("effect", "tags", scope)),
            }
            if row["pairs"]:
                head = head_name(int(best["layer"]), int(best["head"]))
                rows.append(row | {"direction": direction, "name": head, "scope": which})
    columns = [
        Column(name="name", title="Head"),
        Column(name="scope", title="Which pairs"),
        *COLUMNS,
        *CONTROLLED,
    ]
    frame = pd.DataFrame(rows, columns=[c.name for c in columns])
    return Table.of(
        "best_heads",
        "The most promising head in each direction",
        frame,
        columns,
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
