"""Do some heads let nouns collect their adjectives?

Question: is there a head in which a noun attends to its adjectives, more often than chance, and than anything that
position and plain text tell? Does it hold which adjective is its own, is it needed, and does it move the noun?

Method: for every head and every linked pair, which other word gets most attention? Every head is compared with uniform
attention, permuted links and never-trained models (does it attend there at all?), with rules and a learned ranking of plain
text (is it more than position?), and with the same that also read gold parts of speech (is it more than a tagger and a rule?). Each
baseline is chosen on other groups than it is counted on. The hypothesis is that the noun attends (governor->dependent);
the other directions are shown, and said to be others.

Then: which of two adjectives of opposite kinds in a sentence is the noun's own is read from every head at the noun; in
minimal pairs that differ in one adjective each head is ablated; and what each head adds to the noun is compared with where its
own adjective points.

    uv run analyses/adjective_noun.py --model minilm
    headwise run adjective_noun --model minilm --data en_ewt-ud-dev.conllu

Caveats: attention is not use; and that the model can do without a head does not show that it does nothing.
"""

from typing import Any

import headwise
from headwise import evidence
from headwise._formatting import Verdict, could_be_found, head_name, percent, points
from headwise.attention._comparison import SCOPES
from headwise.attention.questions import DIRECTIONS, AttentionOrder
from headwise.attention.relations import RelationTestResult
from headwise.cli import discovery
from headwise.data import transforms
from headwise.directions.ov_alignment import ov_alignment_test
from headwise.evidence.verdicts import judge_all, summary
from headwise.interventions.prompts import that_fit
from headwise.report.schema import Heatmap, Report, Section, Table
from headwise.report.sections import evidence as exhibits
from headwise.report.sections import head_cards, head_details, probing
from headwise.report.sections import relations as asked
from headwise.report.sections.examples import examples_shown
from headwise.report.sections.relations import WHICH
from headwise.stats.deciding import N_RANDOM, N_RANDOM_PROBED, N_SPLITS

SUITE = "adjective_noun"
PAIRS = "adjective_pairs"
BURROW = "adjectives"
COSTS = " In sentences that go on as an adjective demands."
CARRIES = (
    "Carries: in every sentence of a further suite ({name}, {n} sentences, {groups} groups) two nouns have adjectives of opposite kinds, and from every head's output z at one of the nouns it is "
    "read which kind is its own. Both kinds stand in every sentence, at balanced places, so that no word of it, and no mean of its words, tells the answer."
)
MOVES = (
    "Moves: each head has a direction for every adjective, what it would write if it attended to the bare word alone (its value-up image). In the sentences "
    "of the minimal pairs, the cosine of the head's update at the noun to its own adjective's image is compared with that to the images of the others of its group."
)
QUESTION = "Do some heads let nouns collect their adjectives?"
LABELS = ("amod", "pred", "described")

TITLES: dict[AttentionOrder, str] = {
    "governor->dependent": "Noun looks at adjective",
    "dependent->governor": "Adjective looks at noun",
    "column": "Noun looks hardest",
}
PHRASES: dict[AttentionOrder, str] = {
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
    result = headwise.relation_test(
        model,
        suite,
        ", ".join(labels),
        seed=seed,
        controls=1 if smoke else N_RANDOM,
        n_splits=4 if smoke else N_SPLITS,
    )
    verdict = _verdict(result, "governor->dependent")
    known = [evidence.looks(result, "governor->dependent")]
    not_asked: list[str] = []
    told = discovery.bindings(model, smoke=smoke)
    read = None
    try:
        read = headwise.probe(
            model,
            told,
            sites=["z"],
            labels=[name for name in told.labels if name != "adj"],
            classifiers=[probing.HEADLINE],
            folds=3 if smoke else 5,
            seed=seed,
            n_random=1 if smoke else N_RANDOM_PROBED,
        )
        known.append(evidence.carries(read, probing.HEADLINE))
    except headwise.HeadwiseError as error:
        not_asked.append(
            f"Whether heads hold which adjective is the noun's own was not asked: {error}"
        )
    pairs = pairs and that_fit(model, pairs)
    cut = headwise.ablate(model, pairs, seed=seed) if pairs and len(pairs.groups) > 1 else None
    if cut:
        known.append(evidence.matters(cut))
    collected = None
    if pairs and pairs.pairs:
        try:
            collected = ov_alignment_test(
                model, transforms.cues(pairs), "cue", seed, n_controls=1 if smoke else N_RANDOM
            )
            known.append(evidence.collects(collected))
        except headwise.HeadwiseError as error:
            not_asked.append(
                f"Whether heads move nouns along their adjectives was not asked: {error}"
            )
    heads = judge_all(evidence.side_by_side(known))
    shape = head_cards.shape_shown(model)
    return Report(
        analysis="adjective_noun",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=f"{_answer(result)} {summary(heads)}".rstrip(),
        controls=evidence.controls_line(heads),
        sections=[
            Section(
                title="Results",
                figures=_figures(result),
                tables=[
                    asked.best_heads(result, list(TITLES)),
                    *([exhibits.heads_table(heads)] if len(known) > 1 else []),
                    Table.of(
                        "heads",
                        "Every head",
                        result.table,
                        [*asked.HEAD_COLUMNS, *asked.COLUMNS, *asked.MORE],
                        caption="p and q are over all heads and directions; intervals are for each head alone.",
                        folded=True,
                    ),
                ],
                findings=[
                    *_not_found(result),
                    *([read.baseline_sentence(), *read.warnings] if read else []),
                    *(exhibits.sentences(heads) if cut else [exhibits.UNCUT]),
                    *not_asked,
                ],
                method=[
                    *_method(model, suite, result),
                    *(
                        [CARRIES.format(name=told.name, n=len(told), groups=len(told.groups))]
                        if read
                        else []
                    ),
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
            )
        ],
        heads=head_cards.heads_section(
            model,
            heads,
            [
                head_details.directions_asked(result, shape),
                *([head_details.ways(cut, shape, note=COSTS)] if cut else []),
            ],
        ),
        attention=examples_shown(
            model,
            suite,
            [(", ".join(labels), "governor->dependent")],
            heads_first=head_cards.first(heads),
            seed=seed,
        ),
    )


def _verdict(result: RelationTestResult, direction: AttentionOrder) -> Verdict:
    return evidence.verdict_over(evidence.looks(result, direction)["looks"])


def _answer(result: RelationTestResult) -> str:
    model = result.model
    best = result.best("governor->dependent")
    if best is None:
        return "There was nothing to count: no noun with an adjective that it can see."
    verdict = _verdict(result, "governor->dependent")
    if verdict == "supported":
        heads = result.supported
        heads = heads[heads["direction"] == "governor->dependent"]
        best, others = heads.iloc[0], len(heads) - 1
        more = {0: "", 1: " and one more head"}.get(others, f" and {others} more heads")
        opening = (
            f"In {_name(best)}{more} of {model} nouns attend to their adjectives, more often than chance, never-trained models and every "
            f"baseline of plain text: in {_name(best)}"
        )
    elif verdict == "not supported":
        opening = (
            f"In no head of {model} do nouns attend to their adjectives more often than chance (an effect of {percent(evidence.SMALLEST)} is ruled out in all): in the most "
            f"promising, {_name(best)},"
        )
    else:
        opening = (
            f"Whether nouns attend to their adjectives in a head of {model} more often than the baselines is inconclusive "
            f"({could_be_found(best['detectable'])}): in the most promising, {_name(best)},"
        )
    answer = f"{opening} {_numbers(best, result.has_tags)}."
    if _verdict(result, "dependent->governor") == "supported":
        reverse = result.supported
        reverse = reverse[reverse["direction"] == "dependent->governor"].iloc[0]
        answer += f" The other way round, adjectives attend to their nouns in {_name(reverse)}: {_numbers(reverse, result.has_tags)}."
    return answer


def _name(row: Any) -> str:
    return head_name(int(row["layer"]), int(row["head"]))


def _quoted(rule: Any) -> str:
    return f"'{rule}'"


def _numbers(row: Any, has_tags: bool) -> str:
    """Hits, baseline and effect on all pairs and on non-adjacent ones, and beyond parts of speech."""
    text = (
        f"{PHRASES[row['direction']]} in {percent(row['hit_rate'])} of {int(row['pairs'])} cases, against "
        f"{percent(row['baseline_hit_rate'])} for {_quoted(row['baseline'])} "
        f"({points(row['effect'], row['effect_low'], row['effect_high'])})"
    )
    if row["pairs_non_adjacent"]:
        text += (
            f"; where pairs are non-adjacent it is {percent(row['hit_rate_non_adjacent'])} of {int(row['pairs_non_adjacent'])} against "
            f"{percent(row['baseline_hit_rate_non_adjacent'])} for {_quoted(row['baseline_non_adjacent'])} "
            f"({points(row['effect_non_adjacent'], row['effect_low_non_adjacent'], row['effect_high_non_adjacent'])})"
        )
    if not has_tags:
        return text
    tags = points(row["effect_tags"], row["effect_low_tags"], row["effect_high_tags"])
    return f"{text}; against the best baseline that reads gold parts of speech, {_quoted(row['baseline_tags'])}, it is {tags}"


def _figures(result: RelationTestResult) -> list[Heatmap]:
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
                    caption=f"{direction}: percent in which {PHRASES[direction]}. Outlined: largest effect over its baseline.",
                    values=result.hit_rates(direction, scope=scope),
                    baseline=(
                        f"baseline: {best[f'baseline{suffix}']}",
                        best[f"baseline_hit_rate{suffix}"],
                    ),
                    marked=[(int(best["layer"]), int(best["head"]))],
                )
            )
    return figures


def _not_found(result: RelationTestResult) -> list[str]:
    lines: list[str] = []
    reverse = _verdict(result, "dependent->governor")
    if reverse != "supported":
        lines.append(
            f"That adjectives attend to their nouns instead is {reverse}, by the same rule."
        )
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
        said = rows["verdict"].value_counts()
        lines.append(
            f"{direction}: {said.get('supported', 0)} of {len(rows)} heads are supported, {said.get('not supported', 0)} are not supported, the evidence is inconclusive for "
            f"{said.get('inconclusive', 0)}."
        )
    lines += result.limits
    if result.missing:
        lines.append(
            f"{result.missing} pairs were left out: a word is cut off or has no token of its own."
        )
    return lines


def _method(model: headwise.Model, suite: headwise.Suite, result: RelationTestResult) -> list[str]:
    cover = result.coverage
    return [
        *([CAUSAL] if model.is_causal else []),
        "For each adjective-noun pair and each head we ask which other word gets most attention. "
        "dependent->governor: the adjective attends, and its noun should be the word. governor->dependent: the "
        "noun attends, and any of its adjectives is right. column: among all words that attend to the adjective, "
        "the noun should attend most.",
        "Attention is between words: to a word it is summed over the word's pieces, from a word averaged over "
        "them. Special tokens are left out and a word's attention to itself does not count. "
        f"Of {cover.words:,} words {cover.split:,} have several pieces, {cover.unaligned:,} could not be aligned "
        f"and {cover.truncated:,} lie beyond the model's context.",
        *([suite.about] if suite.about else []),
        *asked.method(result, len(suite.groups)),
        "The hypothesis is that the noun attends: governor->dependent. Verdict: 'supported' if a head is; 'not supported' if every head is not; otherwise "
        "'inconclusive'. dependent->governor is judged by the same rule and said to be the other way round; it does not change the verdict.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
