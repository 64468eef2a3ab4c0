"""Do some heads let nouns collect their adjectives?

Question: is there a head in which a noun attends to its adjectives more often than chance, and than position and plain text predict?
Does that head carry which adjective is the noun's own, is it needed, and does it move the noun?

Method: for every head and every linked pair, which other word gets most attention? Every head is compared with uniform attention,
permuted links and models with random weights (does it attend there at all?), with rules and a learned ranking of plain text (is it more
than position?), and with the same that also read gold parts of speech (is it more than a tagger and a rule?). Each baseline is chosen on
other groups than it is counted on. The hypothesis is that the noun attends (governor->dependent); the other directions are reported, and
do not change the verdict. Then: which of two adjectives of opposite kinds in a sentence is the noun's own is decoded from every head at
the noun; in minimal pairs that differ in one adjective each head is ablated; and the update of each head at the noun is compared with
the OV images of adjectives.

    uv run analyses/adjective_noun.py --model minilm
    headwise run adjective_noun --model minilm --data en_ewt-ud-dev.conllu

Caveats: attention is not use; and that the model can do without a head does not show that it does nothing.
"""

from typing import Any

import headwise
from headwise import evidence
from headwise.attention import DIRECTIONS, AttentionOrder
from headwise.cli import discovery
from headwise.data import transforms
from headwise.interventions import that_fit
from headwise.report import sections
from headwise.report.schema import (  # fmt: skip
    Heatmap,
    Section,
    Table,
    Verdict,
    could_be_found,
    head_name,
    percent,
    points,
)
from headwise.report.sections import evidence as exhibits
from headwise.report.sections import head_cards, head_details
from headwise.report.sections import relations as tested

SUITE = "adjective_noun"
PAIRS = "adjective_pairs"
BURROW = "adjectives"
QUESTION = "Do some heads let nouns collect their adjectives?"
LABELS = ("amod", "pred", "described")
LOOKS: AttentionOrder = "governor->dependent"
REVERSE: AttentionOrder = "dependent->governor"
PHRASES: dict[AttentionOrder, str] = {
    LOOKS: "the noun attends most to one of its adjectives",
    REVERSE: "the adjective attends most to its noun",
    "column": "of all words, the noun attends most to the adjective",
}
OPENINGS: dict[Verdict, str] = {
    "supported": "In {heads} of {model} nouns attend to their adjectives more often than chance, models with random weights and every model-free baseline of plain text: in {head},",
    "not supported": "In no head of {model} do nouns attend to their adjectives more often than chance (an effect of {smallest:.0f} points is ruled out in all): in the most promising, {head},",
    "inconclusive": "Whether nouns attend to their adjectives in a head of {model} more often than the baselines is inconclusive ({detectable}): in the most promising, {head},",
}  # fmt: skip
OWN = (
    "In every sentence of a further suite two nouns have adjectives of opposite kinds, and the kind of its own adjective is decoded from every head at one of the nouns. Both kinds are in every sentence, at balanced positions, "
    "so that no word of it, and no mean of its words, determines the label."
)  # fmt: skip


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    pairs: headwise.Suite | None = None,
) -> headwise.Report:
    """Tests adjectives and nouns in every head of a model with four kinds of evidence."""
    n_null, n_probed = (1, 1) if smoke else (evidence.N_RANDOM, evidence.N_RANDOM_PROBED)
    query = ", ".join([name for name in LABELS if name in suite.relations] or ["amod"])
    looked = headwise.relation_test(
        model, suite, query, seed=seed, n_null=n_null, n_splits=4 if smoke else evidence.N_SPLITS
    )  # fmt: skip
    known = [evidence.looks(looked, LOOKS)]
    parts = []
    own = discovery.bindings(model, smoke=smoke)
    try:
        read = headwise.probe(
            model, own, sites="z", labels=[name for name in own.labels if name != "adj"], classifiers="logistic",
            folds=3 if smoke else 5, seed=seed, n_null=n_probed,
        )  # fmt: skip
        known.append(evidence.carries(read))
        section = sections.probing(read, model, own, word="the noun", kind="kind of adjective")
        parts.append(section.model_copy(update={"method": [OWN, *section.method]}))
    except headwise.HeadwiseError as error:
        parts.append(sections.untested("Decoding which adjective is the noun's own", error))
    pairs = that_fit(model, pairs) if pairs else None
    cut = headwise.ablate(model, pairs, seed=seed) if pairs and len(pairs.groups) > 1 else None
    known += [evidence.matters(cut)] if cut else []
    if pairs and pairs.pairs:
        cues = transforms.cues(pairs)
        try:
            aligned = headwise.ov_alignment_test(model, cues, "cue", seed=seed, n_null=n_null)
            known.append(evidence.collects(aligned))
            parts.append(sections.ov_alignment(aligned, cues))
        except headwise.HeadwiseError as error:
            parts.append(sections.untested("Alignment of updates with OV images", error))
    heads = evidence.judge_all(evidence.side_by_side(known))
    return sections.compose(
        model,
        analysis="adjective_noun",
        question=QUESTION,
        verdict=_verdict(looked, LOOKS),
        answer=f"{_answer(looked)} {evidence.summary(heads)}".rstrip(),
        controls=evidence.controls_line(heads),
        sections=[*_old(model, suite, looked, pairs, cut, heads), *parts],
        suite=suite,
        heads=heads,
        relations=[(query, LOOKS)],
        seed=seed,
    )


def _verdict(looked: headwise.RelationTestResult, order: AttentionOrder) -> Verdict:
    return evidence.verdict_over(evidence.looks(looked, order)["looks"])


def _answer(looked: headwise.RelationTestResult) -> str:
    best, verdict = looked.best(LOOKS), _verdict(looked, LOOKS)
    if best is None:
        return "No noun has an adjective that it can attend to, so nothing was counted."
    supported = {order: looked.supported[looked.supported["direction"] == order] for order in (LOOKS, REVERSE)}  # fmt: skip
    best = supported[LOOKS].iloc[0] if verdict == "supported" else best
    others = len(supported[LOOKS]) - 1
    opening = OPENINGS[verdict].format(
        model=looked.model, head=_name(best), heads=_name(best) + (f" and {others} more head{'s' * (others > 1)}" if others > 0 else ""),
        smallest=100 * evidence.SMALLEST, detectable=could_be_found(best["detectable"]),
    )  # fmt: skip
    answer = f"{opening} {_numbers(best, looked.has_tags)}."
    if _verdict(looked, REVERSE) == "supported":
        reverse = supported[REVERSE].iloc[0]
        answer += f" In the reverse direction, adjectives attend to their nouns in {_name(reverse)}: {_numbers(reverse, looked.has_tags)}."
    return answer


def _name(row: Any) -> str:
    return head_name(int(row["layer"]), int(row["head"]))


def _numbers(row: Any, has_tags: bool) -> str:
    """Hits, baseline and effect on all pairs and on non-adjacent ones, and beyond parts of speech."""
    parts = [
        f"in {percent(row[f'hit_rate{scope}'])} of {int(row[f'pairs{scope}'])} {cases}, against {percent(row[f'baseline_hit_rate{scope}'])} for '{row[f'baseline{scope}']}' "
        f"({points(row[f'effect{scope}'], row[f'effect_low{scope}'], row[f'effect_high{scope}'])})"
        for scope, cases in (("", "cases"), ("_non_adjacent", "non-adjacent cases"))
        if row[f"pairs{scope}"]
    ]  # fmt: skip
    if has_tags:
        tags = points(row["effect_tags"], row["effect_low_tags"], row["effect_high_tags"])
        parts.append(f"against the best baseline that reads gold parts of speech, '{row['baseline_tags']}', the effect is {tags}")  # fmt: skip
    return f"{PHRASES[row['direction']]} {'; '.join(parts)}"


def _old(model, suite, result, pairs, cut, heads) -> list[Section]:
    shape = head_cards.shape_shown(model)
    found = [
        Section(
            title="Attention",
            figures=_figures(result),
            tables=[
                tested.best_heads(result, list(TITLES)),
                Table.of(
                    "heads",
                    "Every head",
                    result.table,
                    [*tested.HEAD_COLUMNS, *tested.COLUMNS, *tested.MORE],
                    caption="p and q are over all heads and directions; intervals are for each head alone.",
                    folded=True,
                ),
            ],
            findings=_not_found(result),
            method=_method(model, suite, result),
            references=[
                "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
                "Voita, Talbot, Moiseev, Sennrich and Titov 2019, Analyzing multi-head self-attention.",
                "Pande, Budhraja, Nema, Kumar and Khapra 2021, The heads hypothesis.",
                "Kobayashi, Kuribayashi, Yokoi and Inui 2020, Attention is not only a weight.",
                "Jain and Wallace 2019, Attention is not explanation.",
            ],
            details=[head_details.directions_asked(result, shape)],
        ),
        Section(
            title="Ablation of each head",
            tables=[exhibits.heads_table(heads)],
            findings=exhibits.sentences(heads) if cut else [exhibits.UNCUT],
            method=exhibits.method(cut, len(pairs.pairs)) if cut else [],
            details=[
                head_details.ways(
                    cut, shape, note=" In sentences that go on as an adjective demands."
                )
            ]
            if cut
            else [],
        ),
    ]
    return found


TITLES: dict[AttentionOrder, str] = {
    "governor->dependent": "Noun looks at adjective",
    "dependent->governor": "Adjective looks at noun",
    "column": "Noun looks hardest",
}
CAUSAL = (
    "This model is a decoder: a word sees only what stands before it, and nothing looks ahead. A noun can look back at its "
    "adjectives; an adjective in front of its noun sees nothing of it."
)


def _figures(result: headwise.RelationTestResult) -> list[Heatmap]:
    figures: list[Heatmap] = []
    for direction, title in TITLES.items():
        best = result.best(direction)
        if best is None:
            continue
        for scope in list(tested.WHICH)[:2]:
            suffix = "" if scope == "all" else f"_{scope}"
            if not best[f"pairs{suffix}"]:
                continue
            figures.append(
                Heatmap(
                    title=f"{title}: {tested.WHICH[scope]}",
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


def _not_found(result: headwise.RelationTestResult) -> list[str]:
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


def _method(
    model: headwise.Model, suite: headwise.Suite, result: headwise.RelationTestResult
) -> list[str]:
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
        *tested.method(result, len(suite.groups)),
        "The hypothesis is that the noun attends: governor->dependent. Verdict: 'supported' if a head is; 'not supported' if every head is not; otherwise "
        "'inconclusive'. dependent->governor is judged by the same rule and said to be the other way round; it does not change the verdict.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
