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
from headwise.attention import AttentionOrder
from headwise.cli import bindings
from headwise.data import transforms
from headwise.interventions import that_fit
from headwise.report import sections
from headwise.report.schema import Verdict, could_be_found, head_name, percent, points

SUITE = "adjective_noun"
PAIRS = "adjective_pairs"
BURROW = "adjectives"
QUESTION = "Do some heads let nouns collect their adjectives?"
LABELS = ("amod", "pred", "described")
LOOKS: AttentionOrder = "governor->dependent"
REVERSE: AttentionOrder = "dependent->governor"
NAMES = ("noun", "adjective")
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
    own = bindings(model, smoke=smoke)
    try:
        read = headwise.probe(
            model, own, sites="z", labels=[name for name in own.labels if name != "adj"], classifiers="logistic",
            folds=3 if smoke else 5, draws=1 if smoke else evidence.N_DRAWS, seed=seed, n_null=n_probed,
            logistic=headwise.Logistic(C=(0.1,)) if smoke else None,
        )  # fmt: skip
        known.append(evidence.carries(read))
        section = sections.probing(read, model, own, word="the noun", kind="kind of adjective")
        parts.append(section.model_copy(update={"method": [OWN, *section.method]}))
    except headwise.HeadwiseError as error:
        parts.append(sections.untested("Decoding which adjective is the noun's own", error))
    pairs = that_fit(model, pairs) if pairs else None
    ablated = headwise.ablate(model, pairs, seed=seed) if pairs and len(pairs.groups) > 1 else None
    if pairs and pairs.pairs:
        cues = transforms.cues(pairs)
        try:
            aligned = headwise.ov_alignment_test(model, cues, "cue", seed=seed, n_null=n_null)
            known.append(evidence.collects(aligned))
            parts.append(sections.ov_alignment(aligned, cues))
        except headwise.HeadwiseError as error:
            parts.append(sections.untested("Alignment of updates with OV images", error))
    if ablated:
        known.append(evidence.matters(ablated))
        parts.append(
            sections.ablation(ablated, " In sentences that go on as an adjective demands.")
        )
    heads = evidence.judge_all(evidence.side_by_side(known))
    return sections.compose(
        model,
        analysis="adjective_noun",
        question=QUESTION,
        verdict=_verdict(looked, LOOKS),
        answer=f"{_answer(looked)} {evidence.summary(heads)}".rstrip(),
        controls=evidence.controls_line(heads),
        sections=[
            sections.attention(looked, suite, NAMES, title="Attention of nouns and adjectives"),
            *parts,
            sections.evidence(heads),
        ],
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
    found = looked.significant()
    supported = {order: found[found["direction"] == order] for order in (LOOKS, REVERSE)}
    best = supported[LOOKS].iloc[0] if verdict == "supported" else best
    others = len(supported[LOOKS]) - 1
    opening = OPENINGS[verdict].format(
        model=looked.model, head=_name(best), heads=_name(best) + (f" and {others} more head{'s' * (others > 1)}" if others > 0 else ""),
        smallest=100 * evidence.SMALLEST, detectable=could_be_found(best["detectable"]),
    )  # fmt: skip
    answer = f"{opening} {_numbers(looked, best)}."
    if _verdict(looked, REVERSE) == "supported":
        reverse = supported[REVERSE].iloc[0]
        answer += f" In the reverse direction, adjectives attend to their nouns in {_name(reverse)}: {_numbers(looked, reverse)}."
    return answer


def _name(row: Any) -> str:
    return head_name(int(row["layer"]), int(row["head"]))


def _numbers(looked: headwise.RelationTestResult, best: Any) -> str:
    """Hits, baseline and effect on all pairs and on non-adjacent ones, and beyond parts of speech."""
    place = {name: best[name] for name in ("relation", "direction", "layer", "head")}
    rows = [looked.row(**place, scope=scope) for scope in ("all", "non_adjacent")]
    parts = [
        f"in {percent(row['hit_rate'])} of {int(row['pairs'])} {cases}, against {percent(row['baseline_hit_rate'])} for '{row['baseline']}' "
        f"({points(row['effect'], row['effect_low'], row['effect_high'])})"
        for row, cases in zip(rows, ("cases", "non-adjacent cases"), strict=True)
        if row["pairs"]
    ]  # fmt: skip
    if looked.has_tags:
        tags = points(best["effect_tags"], best["effect_tags_low"], best["effect_tags_high"])
        parts.append(f"against the best baseline that reads gold parts of speech, '{best['baseline_tags']}', the effect is {tags}")  # fmt: skip
    return f"{sections.attends(best['direction'], NAMES)} {'; '.join(parts)}"


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
