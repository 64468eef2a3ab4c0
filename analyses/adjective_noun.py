"""Do some heads let nouns collect their adjectives?

Question: is there a head in which a noun attends to its adjectives more reliably than a rule that
only counts words could? And the other way round, an adjective to its noun?

Method: for every head and three directions, the share of adjective-noun pairs in which the most
attended other word is the right one. The head is chosen on one half of the groups and reported on
the other, beside the best fixed offset, which is fitted on the first half too. Pairs that are not
adjacent stand apart, because there "the next word" no longer explains anything. The hypothesis is
that the noun looks (governor->dependent); the other directions are shown, and said to be others.

    uv run analyses/adjective_noun.py --model minilm
    headwise run adjective_noun --model minilm --data en_ewt-ud-dev.conllu

Caveats: attention is not use. A rule that knows parts of speech is stronger than any offset and is
not among the baselines.
"""

from typing import Any

import headwise
from headwise.hits import DIRECTIONS, Direction
from headwise.relations import RelationResult
from headwise.results import (
    Column,
    Heatmap,
    Report,
    Table,
    Verdict,
    head_name,
    percent,
    points,
    signed,
    verdict_of,
)

SUITE = "adjective_noun"
QUESTION = "Do some heads let nouns collect their adjectives?"
RELATIONS = ("amod", "pred")

TITLES: dict[Direction, str] = {
    "governor->dependent": "Noun looks at adjective",
    "dependent->governor": "Adjective looks at noun",
    "column": "Noun looks hardest",
}
PHRASES = {
    "dependent->governor": "the adjective attends most to its noun",
    "governor->dependent": "the noun attends most to one of its adjectives",
    "column": "of all words, the noun attends most to the adjective",
}

COLUMNS = [
    Column(name="direction", title="Direction"),
    Column(name="pairs", title="Counted", kind="integer", note="Pairs reported on; governors for governor->dependent"),
    Column(name="hit_rate", title="Hit rate", kind="rate", note="Share of pairs whose most attended other word is the right one"),
    Column(name="offset", title="Best offset", kind="offset", note="Words to the right, fitted on the selection half"),
    Column(name="offset_hit_rate", title="Its hit rate", kind="rate", note="Share of pairs for which that fixed offset is right"),
    Column(name="gain", title="Gain, points", kind="difference", note="Hit rate minus that of the offset"),
    Column(name="gain_low", title="from", kind="difference", note="Lower end of the 95% interval over groups"),
    Column(name="gain_high", title="to", kind="difference", note="Upper end of the 95% interval over groups"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Tests adjectives and nouns in every head of a model."""
    relations = [name for name in RELATIONS if name in suite.relations] or ["amod"]
    result = headwise.test_relation(model, suite, relations, select=0.5, seed=seed)
    chosen = result.chosen_heads()
    chosen.insert(
        0, "name", [head_name(*lh) for lh in zip(chosen["layer"], chosen["head"], strict=True)]
    )
    collecting = _contest(result, "governor->dependent")
    reverse = _contest(result, "dependent->governor")
    verdict = _verdict(collecting)
    return Report(
        analysis="adjective_noun",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=_answer(model, verdict, collecting, reverse),
        figures=_figures(result, chosen),
        tables=[
            Table.of(
                "chosen_heads",
                "The most attentive head in each direction",
                chosen,
                [
                    Column(name="name", title="Head"),
                    Column(name="scope", title="Which pairs"),
                    *COLUMNS,
                ],
                caption="The highest hit rate on one half of the groups, reported on the other. 'apart' are pairs with "
                "words between them; the offset is fitted again within each kind of pairs.",
            ),
            _every_head(result, part="report"),
            _every_head(result, part="all"),
        ],
        not_found=_not_found(result, _verdict(reverse)),
        method=_method(model, suite, result),
        references=[
            "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
            "Voita, Talbot, Moiseev, Sennrich and Titov 2019, Analyzing multi-head self-attention.",
            "Jain and Wallace 2019, Attention is not explanation.",
        ],
    )


Contest = list[dict[str, Any]]


def _contest(result: RelationResult, direction: Direction) -> Contest:
    """The chosen head beside the best offset, on all pairs and on those with words between."""
    head = result.best_head(direction)
    if head is None:
        return []
    rows = [result.compare(direction, *head, scope) for scope in ("all", "apart")]
    return [row for row in rows if row["pairs"]]


def _verdict(contest: Contest) -> Verdict:
    if len(contest) < 2:
        return "inconclusive"
    return verdict_of([(row["gain_low"], row["gain_high"]) for row in contest])


def _answer(model: headwise.Model, verdict: Verdict, collecting: Contest, reverse: Contest) -> str:
    if not collecting:
        return "There was nothing to count: no noun with an adjective that it can see."
    opening = {
        "supported": f"In {_head(collecting)} of {model.name} nouns look at their adjectives, and not by counting words:",
        "not supported": f"No head of {model.name} was found in which nouns look at their adjectives better than a "
        f"rule that counts words; in the most promising, {_head(collecting)},",
        "inconclusive": f"In {_head(collecting)} of {model.name} nouns may look at their adjectives, but these data "
        "cannot tell it from counting words:",
    }[verdict]
    answer = f"{opening} {_numbers(collecting)}."
    if _verdict(reverse) == "supported":
        answer += f" The other way round, adjectives look at their nouns in {_head(reverse)}: {_numbers(reverse)}."
    return answer


def _head(contest: Contest) -> str:
    return head_name(contest[0]["layer"], contest[0]["head"])


def _numbers(contest: Contest) -> str:
    first = contest[0]
    text = (
        f"{PHRASES[first['direction']]} in {percent(first['hit_rate'])} of {first['pairs']} "
        f"held-out cases, against {percent(first['offset_hit_rate'])} for the best fixed offset, {signed(first['offset'])} "
        f"({points(first['gain'], first['gain_low'], first['gain_high'])})"
    )
    for row in contest[1:]:
        text += (
            f"; with words between them it is {percent(row['hit_rate'])} against "
            f"{percent(row['offset_hit_rate'])} ({points(row['gain'], row['gain_low'], row['gain_high'])})"
        )
    return text


def _figures(result: RelationResult, chosen: Any) -> list[Heatmap]:
    figures: list[Heatmap] = []
    for direction in TITLES:
        for scope, what in (("all", "all pairs"), ("apart", "words between")):
            row = chosen[(chosen["direction"] == direction) & (chosen["scope"] == scope)]
            if row.empty:
                continue
            figures.append(
                Heatmap(
                    title=f"{TITLES[direction]}: {what}",
                    caption=f"{direction}: percent in which {PHRASES[direction]}. Outlined: "
                    "highest on the other half.",
                    values=result.hit_rates(direction, "report", scope),
                    baseline=(
                        f"offset {signed(row['offset'].item())}",
                        row["offset_hit_rate"].item(),
                    ),
                    marked=[(row["layer"].item(), row["head"].item())],
                )
            )
    return figures


def _every_head(result: RelationResult, part: str) -> Table:
    """The table of all heads: the reporting half with intervals, or all pairs for comparison with others."""
    head_columns = [
        Column(name="layer", title="Layer", kind="integer"),
        Column(name="head", title="Head", kind="integer"),
    ]
    if part == "report":
        return Table.of(
            "heads",
            "Every head, on the reporting half",
            result.table,
            [*head_columns, *COLUMNS],
            caption="The intervals are for each head alone; with this many heads some will miss by chance.",
            folded=True,
        )
    frame = result.table[["layer", "head", "direction"]].copy()
    frame["hit_rate"] = [rate for d in DIRECTIONS for rate in result.hit_rates(d, "all").ravel()]
    return Table.of(
        "heads_all_pairs",
        "Every head, on all pairs",
        frame,
        [*head_columns, COLUMNS[0], COLUMNS[2]],
        caption="Nothing is set aside here: to compare with published figures, not to choose a head.",
        folded=True,
    )


def _not_found(result: RelationResult, reverse: Verdict) -> list[str]:
    lines: list[str] = []
    if reverse != "supported":
        lines.append(f"That adjectives look at their nouns instead is {reverse}, by the same rule.")
    for direction in DIRECTIONS:
        rows = result.table[result.table["direction"] == direction]
        impossible = result.impossible[direction]
        if impossible:
            lines.append(
                f"{direction}: {impossible:,} answers lie ahead, where this decoder cannot look; they are "
                "not counted."
            )
        if not rows["pairs"].sum():
            lines.append(f"{direction}: nothing could be counted.")
            continue
        above = int((rows["gain_low"] > 0).sum())
        lines.append(
            f"{direction}: {above or 'none'} of {len(rows)} heads {'lies' if above == 1 else 'lie'} above the best "
            "fixed offset by its own 95% interval, not corrected for the number of heads."
        )
    if result.missing:
        lines.append(
            f"{result.missing} pairs were left out: a word is cut off or has no token of its own."
        )
    lines.append(
        "Not compared with a rule that knows parts of speech (the next noun), which is stronger than any "
        "fixed offset, nor with a model of random weights."
    )
    lines.append(
        "Whether the model needs these heads was not tested: nothing was removed, and attention alone does "
        "not show use."
    )
    return lines


def _method(model: headwise.Model, suite: headwise.Suite, result: RelationResult) -> list[str]:
    cover = result.coverage
    return [
        "For each adjective-noun pair and each head we ask which other word gets most attention. "
        "dependent->governor: the adjective looks, and its noun should be the word. governor->dependent: the "
        "noun looks, and any of its adjectives is right. column: among all words that look at the adjective, "
        "the noun should look hardest.",
        "Attention is between words: to a word it is summed over the word's pieces, from a word averaged over "
        "them. Special tokens are left out and a word's attention to itself does not count. "
        f"Of {cover.words:,} words {cover.split:,} have several pieces, {cover.unaligned:,} could not be aligned "
        f"and {cover.cut:,} lie beyond the model's context.",
        f"{suite.name} has {len(suite.groups):,} groups of sentences. Heads and offsets are chosen on half of those "
        "with pairs and every rate is of the other half, so that the best of many heads is not flattered. Intervals "
        "come from drawing whole groups again 2,000 times.",
        "The hypothesis is that the noun looks: governor->dependent. The head is the one whose gain over the best fixed "
        "offset, on all pairs or on those with words between, whichever is smaller, is largest on the choosing half. "
        "Verdict: 'supported' if on the other half both gains have intervals above zero; 'not supported' if one lies at "
        "or below zero; otherwise 'inconclusive'. dependent->governor is judged by the same rule and said to be the other "
        "way round; it does not change the verdict.",
        *(
            ["This model is a decoder: a word sees only what stands before it, so a noun can look back at its "
             "adjective and an adjective in front of its noun sees nothing of it."]
            if model.is_causal
            else []
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
