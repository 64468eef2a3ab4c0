"""Columns of relation tests and atlases."""

from headwise._columns import Column, Columns, columns_of_heads, interval


def versus(name: str, comparison: str) -> str:
    """Name of a column of one comparison: `effect`, `effect_tags`, `effect_tags_low`."""
    if comparison == "plain":
        return name
    end = next((end for end in ("_low", "_high") if name.endswith(end)), "")
    return f"{name.removesuffix(end)}_{comparison}{end}"


def _against(comparison: str, over: str, baseline: str) -> Columns:
    """One comparison: the baseline, the effect over it and its test."""
    named = Columns(
        Column("baseline", "Best baseline", "text", f"{baseline} that was chosen most often, always on other groups than it is counted on"),
        Column("baseline_hit_rate", "Its hit rate", "rate", "Share of pairs for which the baselines chosen are right, mean over splits"),
        Column("effect", f"Effect{over}", "difference", "Hit rate minus that of the baseline, mean over splits"),
        interval("effect", "difference", "groups and words"),
        Column("p", "p alone", "number", "Of this head alone, one-sided, sign flips of whole clusters; of the mean over splits"),
        Column("p_fwer", "p", "number", "Family-wise over everything tested, sign flips of whole clusters, combined over splits"),
        Column("q_fdr", "q", "number", "False discovery rate (Benjamini-Hochberg), of the mean over splits"),
        Column("t", "t", "number", "The effect in units of its standard error, on the questions of the random-weight models"),
        Column("control", "Controls", "difference", "Largest effect over the same baseline of any head with random weights or uniform attention"),
        Column("control_t", "Control t", "number", "Largest t of any such head; t must exceed it"),
        Column("detectable", "Detectable", "difference", "Smallest effect that would be found in 80% of such data; empty where none would, however large"),
    )  # fmt: skip
    return Columns(*(column.but(name=versus(name, comparison)) for name, column in named.items()))


COUNTED = Columns(
    Column("pairs", "Counted", "integer", "Pairs; governors for governor->dependent"),
    Column("clusters", "Clusters", "integer", "Groups or deciding words, whichever are fewer"),
    Column("hit_rate", "Hit rate", "rate", "Share of pairs whose most attended other word is the right one"),
)  # fmt: skip
BY_SCOPE = Columns(
    COUNTED,
    _against("plain", ", points", "The model-free baseline of plain text"),
    _against("chance", " over chance", "Uniform attention or permuted links, the one"),
    _against("tags", " over tags", "The baseline that reads parts of speech, too,"),
)
RELATIONS = Columns(
    Column("relation", "Relation", "text", "In the notation of `headwise.attention.relation_query`"),
    columns_of_heads(),
    Column("direction", "Direction", "text", "Who attends: `dependent->governor`, `governor->dependent`; `column`: of all words that attend to the dependent, its governor most"),
    Column("scope", "Which pairs", "text", "`all`, `non_adjacent` , or `distractor` (a wrong word of the right part of speech is as near; described, not tested)"),
    Column("sentences", "Sentences", "integer", "With questions, in any scope"),
    BY_SCOPE,
    Column("mass", "Mass", "rate", "Mean attention on the right words, of all attention; this and all that follow of all pairs"),
    Column("uniform_mass", "Uniform mass", "rate", "The same of a uniform head"),
    Column("mass_excess_low", "Mass over uniform, from", "rate", "Lower end of the 95% interval of the difference of the two"),
    Column("sink", "Sink", "rate", "Mean attention on the first token and on special tokens"),
    Column("whole_hit_rate", "Of all tokens", "rate", "Hit rate where special tokens and the word itself count, too"),
    Column("norm_hit_rate", "By norm", "rate", "Hit rate of attention weighted by the length of what it moves"),
    Column("uniform", "Uniform hits", "rate", "Hit rate of a uniform head"),
    Column("share", "Share of splits", "rate", "Splits of the groups in which the head passes against chance and plain baselines, on all and on non-adjacent pairs"),
    Column("verdict", "Verdict", "text", "Of the head along this relation and direction: supported, not supported or inconclusive"),
)  # fmt: skip
ATLAS = Columns(
    columns_of_heads(),
    Column("entropy", "Entropy", "number", "Nats; 0 is all attention on one token"),
    Column("distance", "Distance", "number", "Tokens, mean of the absolute"),
    Column("previous", "Previous", "rate", "Mean attention on the token before"),
    Column("next", "Next", "rate", "Mean attention on the token after"),
    Column("same", "Itself", "rate", "Mean attention on the token itself"),
    Column("first", "First", "rate", "Mean attention on the first token"),
    Column("special", "Special", "rate", "Mean attention on tokens that belong to no word"),
    Column("sink", "Sink", "rate", "The most that one token gets, averaged over sentences"),
    Column("duplicate", "Duplicate", "rate", "On random tokens written twice: attention from the second occurrence to the first"),
    Column("induction", "Induction", "rate", "On random tokens written twice: attention from the second occurrence to the token after the first"),
)  # fmt: skip
