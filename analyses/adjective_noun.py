"""Do some heads let nouns collect their adjectives?

Question: is there a head in which a noun attends to its adjectives more reliably than any rule that
knows no model could? And the other way round, an adjective to its noun?

Method: for every head and three directions, the share of adjective-noun pairs in which the most
attended other word is the right one. Rules (fixed offsets, the nearest adjective, the last noun of
the next noun run, the head's own positions) are chosen on one half of the groups; heads and rules
are compared on the other. Pairs with words between, and pairs with a distractor, stand apart,
because there "the next word" no longer explains anything. The hypothesis is that the noun looks
(governor->dependent); the other directions are shown, and said to be others.

Last, it is read from each head whether a noun has an adjective, and in minimal pairs that differ in
one adjective each head is cut; and what heads add to the noun is held against where its own adjective points.

    uv run analyses/adjective_noun.py --model minilm
    headwise run adjective_noun --model minilm --data en_ewt-ud-dev.conllu

Caveats: attention is not use; and that the model can do without a head does not show that it does nothing.
"""

from typing import Any

import headwise
from headwise import cues, evidence
from headwise.comparison import LEVEL, SCOPES
from headwise.directions.collecting import test_collecting
from headwise.exhibits import asked, cards, details, probes
from headwise.exhibits import heads as exhibits
from headwise.exhibits.asked import WHICH
from headwise.exhibits.attention import examples_shown
from headwise.prompts import that_fit
from headwise.questions import DIRECTIONS, Direction
from headwise.relations import RelationResult
from headwise.results import (
    Heatmap,
    Report,
    Table,
    Verdict,
    head_name,
    percent,
    points,
)
from headwise.verdicts import judge_all, summary

SUITE = "adjective_noun"
PAIRS = "adjective_pairs"
BURROW = "adjectives"
MIN_GROUPS = 10  # below, nothing can be fitted on some and scored on others
COSTS = " In sentences that go on as an adjective demands."
CARRIES = (
    "Carries: sentences with an adjective right before its noun stand beside the same sentences without it, and from every head's "
    "output z at the noun it is read which of the two it is, by logistic regression fitted on other groups, against a bag of the "
    "sentence's words."
)
MOVES = (
    "Moves: each head has a direction for every adjective, what it would write if it attended to the bare word alone (its value-up image). In the sentences "
    "of the minimal pairs, the cosine of the head's update at the noun to its own adjective's image is compared with that to the images of the others of its group."
)
QUESTION = "Do some heads let nouns collect their adjectives?"
LABELS = ("amod", "pred", "described")

TITLES: dict[Direction, str] = {
    "governor->dependent": "Noun looks at adjective",
    "dependent->governor": "Adjective looks at noun",
    "column": "Noun looks hardest",
}
PHRASES: dict[Direction, str] = {
    "dependent->governor": "the adjective attends most to its noun",
    "governor->dependent": "the noun attends most to one of its adjectives",
    "column": "of all words, the noun attends most to the adjective",
}
CAUSAL = (
    "This model is a decoder: a word sees only what stands before it, and nothing looks ahead. A noun can look back at its "
    "adjectives; an adjective in front of its noun sees nothing of it."
)


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    pairs: headwise.Suite | None = None,
) -> Report:
    """Tests adjectives and nouns in every head of a model, and cuts heads to see what that costs."""
    labels = [name for name in LABELS if name in suite.relations] or ["amod"]
    result = headwise.test_relation(
        model, suite, ", ".join(labels), seed=seed, controls=1 if smoke else 3
    )
    verdict = verdict_over_heads(result, "governor->dependent")
    known = [evidence.looks(result, "governor->dependent")]
    told = cues.described_or_bare(suite, labels[0])
    if len(told.groups) >= MIN_GROUPS:
        read = headwise.probe(model, told, sites=["z"], folds=3 if smoke else 5, seed=seed)
        known.append(evidence.carries(read, probes.HEADLINE, probes.BAG))
    pairs = pairs and that_fit(model, pairs)
    cut = headwise.ablate(model, pairs, seed=seed) if pairs and len(pairs.groups) > 1 else None
    if cut:
        known.append(evidence.matters(cut))
    collected, why = None, ""
    if pairs and pairs.pairs:
        try:
            collected = test_collecting(model, cues.cues(pairs), "cue", seed)
            known.append(evidence.collects(collected))
        except headwise.HeadwiseError as error:
            why = f"Whether heads move nouns along their adjectives was not asked: {error}"
    heads = judge_all(evidence.side_by_side(known))
    shape = cards.shape_shown(model)
    return Report(
        analysis="adjective_noun",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=f"{_answer(result)} {summary(heads)}".rstrip(),
        figures=_figures(result),
        tables=[
            asked.best_heads(result, list(TITLES)),
            *([exhibits.heads_table(heads)] if len(known) > 1 else []),
            Table.of(
                "heads",
                "Every head, on the reporting half",
                result.table,
                [*asked.HEAD_COLUMNS, *asked.COLUMNS, *asked.MORE],
                caption="p and q are over all heads and directions; intervals are for each head alone.",
                folded=True,
            ),
            asked.on_all_pairs(result),
        ],
        not_found=[
            *_not_found(result),
            *(exhibits.sentences(heads) if cut else [exhibits.UNCUT]),
            *([why] if why else []),
        ],
        method=[
            *_method(model, suite, result),
            *([CARRIES] if "carries" in heads else []),
            *(exhibits.method(cut, len(pairs.pairs)) if cut and pairs else []),
            *([MOVES] if collected else []),
        ],
        references=[
            "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
            "Voita, Talbot, Moiseev, Sennrich and Titov 2019, Analyzing multi-head self-attention.",
            "Pande, Budhraja, Nema, Kumar and Khapra 2021, The heads hypothesis.",
            "Kobayashi, Kuribayashi, Yokoi and Inui 2020, Attention is not only a weight.",
            "Jain and Wallace 2019, Attention is not explanation.",
        ],
        heads=cards.heads_section(
            model,
            heads,
            [
                details.directions_asked(result, shape),
                *([details.ways(cut, shape, note=COSTS)] if cut else []),
            ],
        ),
        attention=examples_shown(
            model,
            suite,
            [(", ".join(labels), "governor->dependent")],
            heads_first=cards.first(heads),
            seed=seed,
        ),
    )


def verdict_over_heads(result: RelationResult, direction: Direction) -> Verdict:
    """Supported if some head is; not supported if every head is refused; else inconclusive."""
    verdicts = set(result.table.loc[result.table["direction"] == direction, "verdict"])
    if "supported" in verdicts:
        return "supported"
    return "not supported" if verdicts == {"not supported"} else "inconclusive"


def _answer(result: RelationResult) -> str:
    model = result.model
    best = result.best("governor->dependent")
    if best is None:
        return "There was nothing to count: no noun with an adjective that it can see."
    verdict = verdict_over_heads(result, "governor->dependent")
    if verdict == "supported":
        heads = result.supported
        heads = heads[heads["direction"] == "governor->dependent"]
        best = heads.iloc[0]
        others = len(heads) - 1
        more = {0: "", 1: " and one more head"}.get(others, f" and {others} more heads")
        opening = (
            f"In {_name(best)}{more} of {model} nouns look at their adjectives, and more reliably than any rule that knows "
            f"no model: in {_name(best)}"
        )
    elif verdict == "not supported":
        opening = (
            f"No head of {model} in which nouns look at their adjectives beats the best rule that knows no model, "
            f"{_quoted(best['baseline'])}: in the most promising, {_name(best)},"
        )
    elif best["p_family_apart"] < LEVEL and best["effect_high"] <= 0:
        opening = (
            f"Where words stand between, {_name(best)} of {model} finds a noun's adjectives more often than any rule that "
            f"knows no model; on all pairs the rule {_quoted(best['baseline'])} is right more often:"
        )
    else:
        opening = (
            f"Whether nouns look at their adjectives in a head of {model} more reliably than the rule "
            f"{_quoted(best['baseline'])} cannot be told from these data: in the most promising, {_name(best)},"
        )
    answer = f"{opening} {_numbers(best)}."
    if verdict_over_heads(result, "dependent->governor") == "supported":
        reverse = result.supported
        reverse = reverse[reverse["direction"] == "dependent->governor"].iloc[0]
        answer += f" The other way round, adjectives look at their nouns in {_name(reverse)}: {_numbers(reverse)}."
    return answer


def _name(row: Any) -> str:
    return head_name(int(row["layer"]), int(row["head"]))


def _quoted(rule: Any) -> str:
    return f"'{rule}'"


def _numbers(row: Any) -> str:
    """Hits, rule and effect on all pairs and on those with words between."""
    text = (
        f"{PHRASES[row['direction']]} in {percent(row['hit_rate'])} of {int(row['pairs'])} held-out cases, against "
        f"{percent(row['baseline_hit_rate'])} for {_quoted(row['baseline'])} "
        f"({points(row['effect'], row['effect_low'], row['effect_high'])})"
    )
    if row["pairs_apart"]:
        text += (
            f"; with words between it is {percent(row['hit_rate_apart'])} of {int(row['pairs_apart'])} against "
            f"{percent(row['baseline_hit_rate_apart'])} for {_quoted(row['baseline_apart'])} "
            f"({points(row['effect_apart'], row['effect_low_apart'], row['effect_high_apart'])})"
        )
    return text


def _figures(result: RelationResult) -> list[Heatmap]:
    figures: list[Heatmap] = []
    for direction, title in TITLES.items():
        best = result.best(direction)
        if best is None:
            continue
        for scope in SCOPES[:2]:
            suffix = "" if scope == "all" else f"_{scope}"
            if not best[f"pairs{suffix}"]:
                continue
            figures.append(
                Heatmap(
                    title=f"{title}: {WHICH[scope]}",
                    caption=f"{direction}: percent in which {PHRASES[direction]}. Outlined: largest effect over its rule.",
                    values=result.hit_rates(direction, scope=scope),
                    baseline=(
                        f"rule: {best[f'baseline{suffix}']}",
                        best[f"baseline_hit_rate{suffix}"],
                    ),
                    marked=[(int(best["layer"]), int(best["head"]))],
                )
            )
    return figures


def _not_found(result: RelationResult) -> list[str]:
    lines: list[str] = []
    if verdict_over_heads(result, "dependent->governor") != "supported":
        word = verdict_over_heads(result, "dependent->governor")
        lines.append(f"That adjectives look at their nouns instead is {word}, by the same rule.")
    for direction in DIRECTIONS:
        impossible = sum(n for (_, asked), n in result.impossible.items() if asked == direction)
        if impossible:
            lines.append(
                f"{direction}: {impossible:,} answers lie ahead, where this decoder cannot look; they are "
                "not counted."
            )
        rows = result.table[result.table["direction"] == direction]
        if not rows["pairs"].sum():
            lines.append(f"{direction}: nothing could be counted.")
            continue
        above = int((rows["verdict"] == "supported").sum())
        lines.append(
            f"{direction}: {above or 'none'} of {len(rows)} heads {'beats' if above == 1 else 'beat'} the best rule on all "
            "pairs and on those with words between, at 5% over everything that was asked."
        )
    lines += result.too_little
    if result.missing:
        lines.append(
            f"{result.missing} pairs were left out: a word is cut off or has no token of its own."
        )
    return lines


def _method(model: headwise.Model, suite: headwise.Suite, result: RelationResult) -> list[str]:
    cover = result.coverage
    return [
        *([CAUSAL] if model.is_causal else []),
        "For each adjective-noun pair and each head we ask which other word gets most attention. "
        "dependent->governor: the adjective looks, and its noun should be the word. governor->dependent: the "
        "noun looks, and any of its adjectives is right. column: among all words that look at the adjective, "
        "the noun should look hardest.",
        "Attention is between words: to a word it is summed over the word's pieces, from a word averaged over "
        "them. Special tokens are left out and a word's attention to itself does not count. "
        f"Of {cover.words:,} words {cover.split:,} have several pieces, {cover.unaligned:,} could not be aligned "
        f"and {cover.cut:,} lie beyond the model's context.",
        *([suite.about] if suite.about else []),
        "Rules that know no model: every fixed distance up to 20 words; the nearest word of the right part of speech "
        "before, after or on either side; the last of the next run of such words and the first of the previous one; and "
        "for each head the distance at which it looks most on average, whatever the words. "
        + (
            "The suite has no parts of speech; its marks stand in for them. "
            if not any(sentence.tags for sentence in suite.sentences)
            else ""
        )
        + f"They are chosen on half of the {len(suite.groups):,} groups of sentences, and every figure is of the other half.",
        "Intervals come from drawing whole groups again 2,000 times. p: the signs of whole groups are flipped 5,000 times, "
        "and each head's effect, in units of its spread, is compared with the largest of all heads and directions "
        "at each flip. A random model is of the same shape and was never trained.",
        "The hypothesis is that the noun looks: governor->dependent. A head is supported if its effect is above zero on all "
        "pairs and on those with words between, both with p below 5% over everything asked. Verdict: 'supported' if a "
        "head is; 'not supported' if for every head one of the two intervals lies at or below zero and nothing is found on "
        "the other; otherwise 'inconclusive'. dependent->governor is judged by the same rule and said to be the other way round; it does not "
        "change the verdict.",
    ]


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
