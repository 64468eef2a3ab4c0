"""Does a noun move along the directions of its own adjectives?

Question: in *A fluffy blue creature roamed the verdant forest*, does what heads add to *creature* point where *fluffy* and *blue*
point, more than where the adjectives of other creatures do?

Method: each head has a direction for every adjective: what it would write if it attended to the bare word alone (its
value-up image, W_O W_V e(fluffy)). For every sentence and head, the cosine of the head's update at the noun to the images of the
noun's own adjectives is compared with that to the images of the adjectives of the same noun in the same frame, told with others. Any attention
gives such a difference, in models that were never trained as well, so it counts only beyond the same under uniform attention, under the
attention of the other heads of the layer, and through their values. The same is asked of the word after the noun, which
is nobody's governor: what it collects, nouns need not be there for.

    uv run analyses/creature.py --model minilm
    headwise run creature --model burrow

Caveats: an image is that of a bare word, at the layer of the head; what a head writes from words that have changed on their way is missed.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

import headwise
from headwise import evidence
from headwise._formatting import MINUS
from headwise.data.suite import Link
from headwise.directions.ov_alignment import NoImages, OVAlignmentTestResult, ov_alignment_test
from headwise.evidence.rules import verdict_over
from headwise.report.schema import Column, Heatmap, Report, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.examples import examples_shown
from headwise.stats.deciding import INCONCLUSIVE, N_RANDOM, NO, YES

SUITE = "creature"
BURROW_PAIRS = "adjectives"
LOOKS = "governor->dependent"  # of the sentences to look at: the noun looks at its adjectives
QUESTION = (
    "Does a noun move along the directions of its own adjectives more than along those of others?"
)
COLUMNS = [
    Column(name="name", title="Head"),
    Column(name="own", title="Own", kind="number", note="Mean cosine of its update at the noun to the images of the noun's adjectives"),
    Column(name="others", title="Others'", kind="number", note="The same to those of the same noun's adjectives in other sentences"),
    Column(name="difference", title="Difference", kind="number", note="Own less others'; any attention gives one"),
    Column(name="over_uniform", title="Over uniform", kind="number", note="Less the difference under uniform attention, with the head's own values"),
    Column(name="over_attention", title="Over attention", kind="number", note="Less the difference under the attention of the other heads of its layer, with its own values"),
    Column(name="over_values", title="Over values", kind="number", note="Less the difference of its attention through the values of the other heads of its layer"),
    Column(name="effect", title="Smallest", kind="number", note="The smallest of the three"),
    Column(name="low", title="from", kind="number", note="Lower end of the 95% interval over groups"),
    Column(name="high", title="to", kind="number"),
    Column(name="p_fwer", title="p", kind="number", note="Sign-flip test over groups; over all heads and the three, the largest of the three"),
    Column(name="t", title="t", kind="number", note="The smallest of the three"),
    Column(name="control_t", title="Control t", kind="number", note="The largest t of any head with random weights, or of one head's attention with another's values"),
    Column(name="moves_detectable", title="Detectable", kind="number", note="Smallest effect that is found with 80% power"),
    Column(name="beside", title="Word after", kind="number", note="The difference at the word after the noun"),
]  # fmt: skip
EXAMPLE = [
    Column(name="text", title="Sentence"),
    Column(name="own", title="Own", kind="number"),
    Column(name="others", title="Others'", kind="number"),
]


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Measures updates at nouns along the value-up images of adjectives."""
    relation = "amod" if "amod" in suite.relations else next(iter(suite.relations), "amod")
    try:
        found = ov_alignment_test(model, suite, relation, seed, n_controls=2 if smoke else N_RANDOM)
    except NoImages as error:
        return _without_images(model, suite, relation, seed, str(error))
    beside = _beside(model, suite, relation, seed)
    heads = evidence.collects(found)
    best = int(np.array(found.table["effect"], dtype=float).argmax())
    verdict = verdict_over(heads["moves"])
    table = found.table.copy()
    table["moves_detectable"] = heads["moves_detectable"]
    table["beside"] = beside.table["difference"].to_numpy() if beside else np.nan
    asked = {"at the noun": found} | ({"at the word after it": beside} if beside else {})
    return Report(
        analysis="creature",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=_answer(model.name, verdict, found, heads, best),
        controls=_controls(found, heads),
        figures=[_map(found, best)],
        tables=[
            Table.of(
                "heads",
                "Every head",
                table.sort_values("effect", ascending=False),
                COLUMNS,
                caption="Cosines lie between -1 and 1. Any attention puts images of own adjectives into an update, so what counts is what the difference has beyond its controls.".replace("-1", f"{MINUS}1"),
                folded=len(table) > 40,
            ),
            Table.of("sentences", f"What {found.heads[best].name} does in each sentence", _sentences(found, suite, best), EXAMPLE, folded=True,
                     caption="Mean cosine of its update at the noun to the images of the noun's own adjectives, and of the others of the group."),
        ],
        not_found=_not_found(found, heads, beside, best),
        method=[
            *([suite.about] if suite.about else []),
            f"{len(found.groups)} sentences in {len(np.unique(found.groups))} groups; in a group the same noun has other adjectives. A head's image of an adjective is what it writes when the bare word's embedding "
            "is the only thing it attends to, less what it writes of nothing. The update is an attention-weighted sum of such images of what is attended to, so its difference between own and others' adjectives is compared with "
            "that of the same values under uniform attention, of the same values under the attention of the other heads of the layer, and of the same attention through the other heads' values against their images.",
            f"p: sign-flip test over groups, the largest of all heads and the three comparisons. Intervals are t intervals over groups. Controls: {found.n_controls} models of the same shape with random weights; and of this model every pair of one "
            "head's attention with another's values, among which some fit by chance.",
            "Verdict: 'supported' if the smallest excess of a head is 0.05 of a cosine or more, with p below 5% and a t above that of every control; 'not supported' if the smallest excess of every head lies within 0.05 of zero, simultaneously; otherwise 'inconclusive'.",
            *(["This model is a decoder: a noun sees what stands before it."] if model.is_causal else []),
        ],
        references=[
            "Elhage et al. 2021, A mathematical framework for transformer circuits.",
            "Dar, Geva, Gupta and Berant 2023, Analyzing transformers in embedding space.",
        ],
        heads=head_cards.heads_section(model, heads, [head_details.collected(asked, head_cards.shape_shown(model))]),
        attention=examples_shown(model, suite, [(relation, LOOKS)], heads_first=head_cards.first(heads), seed=seed),
    )  # fmt: skip


def _without_images(
    model: headwise.Model, suite: headwise.Suite, relation: str, seed: int, why: str
) -> Report:
    """What there is to say of a model whose tokenizer has too few adjectives as one token."""
    return Report(
        analysis="creature",
        model=model.name,
        question=QUESTION,
        verdict="inconclusive",
        answer=f"This cannot be asked of this model: {why}",
        figures=[],
        tables=[],
        not_found=["Nothing was measured."],
        method=["The image of a word is what a head writes when the word's embedding is all that it attends to; a word of several tokens has no embedding of its own."],
        references=["Elhage et al. 2021, A mathematical framework for transformer circuits."],
        heads=head_cards.heads_section(model),
        attention=examples_shown(model, suite, [(relation, LOOKS)], seed=seed),
    )  # fmt: skip


def _beside(
    model: headwise.Model, suite: headwise.Suite, relation: str, seed: int
) -> OVAlignmentTestResult | None:
    """The same asked of the word after each noun; None where sentences end with it."""
    moved = tuple(
        replace(
            s,
            links=tuple(
                Link(k.dependent, k.governor + 1, k.relation)
                for k in s.links
                if k.relation == relation
                and k.governor + 1 < len(s.words)
                and s.words[k.governor + 1][:1].isalpha()
            ),
        )
        for s in suite.sentences
    )
    try:
        return ov_alignment_test(
            model, replace(suite, sentences=moved), relation, seed, n_controls=0
        )
    except headwise.HeadwiseError:
        return None


def _answer(
    model: str, verdict: str, found: OVAlignmentTestResult, heads: pd.DataFrame, best: int
) -> str:
    row = found.table.iloc[best]
    yes = [
        str(n) for n, said in zip(found.table["name"], heads["moves"], strict=True) if said == YES
    ]
    opening = {
        "supported": f"In {model} nouns move along the directions of their own adjectives by what is the heads' own ({', '.join(yes)})",
        "not supported": f"In no head of {model} do nouns move along the directions of their own adjectives by more than any attention and any head's values would move them",
        "inconclusive": f"Whether heads of {model} move nouns along the directions of their own adjectives, more than any attention and any head's values would, cannot be told",
    }[verdict]
    return (
        f"{opening}: the update of {row['name']} has a cosine of {row['own']:.2f} to own adjectives' images and of {row['others']:.2f} to others', a difference of {row['difference']:.2f}, of which "
        f"{row['effect']:.2f} [{row['low']:.2f}, {row['high']:.2f}] are left beyond uniform attention, its neighbours' attention and its neighbours' values (t {row['t']:.1f}; the best mismatched pair of attention and values has {found.mismatched_t:.1f})."
    ).replace("-", MINUS)


def _controls(found: OVAlignmentTestResult, heads: pd.DataFrame) -> str:
    if not found.n_controls:
        return f"Controls: no model with random weights could be tested ({found.why_not}), so nothing is supported."
    return (
        f"Controls: t of the strongest head is {found.table['t'].max():.1f}, of the strongest in {found.n_controls} models with random weights {found.random_t:.1f}, of the strongest pair of one head's attention with another's values "
        f"{found.mismatched_t:.1f}; uniform attention has no excess by definition. {int((heads['moves'] == YES).sum())} heads exceed all of them."
    ).replace("-", MINUS)


def _map(found: OVAlignmentTestResult, best: int) -> Heatmap:
    shape = (1 + max(h.layer for h in found.heads), 1 + max(h.head for h in found.heads))
    values = np.full(shape, np.nan)
    for head, effect in zip(found.heads, found.table["effect"], strict=True):
        values[head.layer, head.head] = effect
    return Heatmap(
        title="What each head collects beyond its controls",
        caption="Cosine of what each head adds to the noun with the images of its own adjectives, less that with other sentences' adjectives, beyond uniform attention, its neighbours' attention and its "
        "neighbours' values: the smallest of the three. Outlined: the largest.",
        values=values,
        low=0.0,
        high=max(0.1, float(np.ceil(10 * np.nanmax(values)) / 10)),
        unit="number",
        marked=[(found.heads[best].layer, found.heads[best].head)],
    )


def _sentences(found: OVAlignmentTestResult, suite: headwise.Suite, best: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": [suite.sentences[int(i)].text for i in found.sentences],
            "own": found.cosines[best],
            "others": found.others[best],
        }
    )


def _not_found(
    found: OVAlignmentTestResult,
    heads: pd.DataFrame,
    beside: OVAlignmentTestResult | None,
    best: int,
) -> list[str]:
    said = heads["moves"].value_counts()
    t = found.table
    lines = [
        f"Of {len(t)} heads {int(said.get(YES, 0))} pass every test, {int(said.get(NO, 0))} are shown to have less than 0.05 of a cosine beyond their controls, and the evidence is inconclusive for {int(said.get(INCONCLUSIVE, 0))}.",
        f"The difference alone, which any attention gives, is above zero in {int((t['difference'] > 0).sum())} heads; beyond uniform attention in {int((t['over_uniform'] > 0).sum())}, beyond the attention of their neighbours in {int((t['over_attention'] > 0).sum())}, beyond "
        f"their neighbours' values in {int((t['over_values'] > 0).sum())}.",
    ]
    if beside is None:
        lines.append("The word after the noun was not tested, as sentences end with the noun.")
    else:
        own, after = t["difference"].to_numpy(), beside.table["difference"].to_numpy()
        less = int((after >= own).sum())
        lines.append(
            f"The word after the noun has the same adjectives in its update: {found.heads[best].name} with a difference of {after[best]:.2f} there against {own[best]:.2f} at the noun; in {less} of {len(own)} heads it has as "
            "much as the noun or more, so there the noun is not special.".replace("-", MINUS)
        )
    if found.left_out:
        lines.append(f"{found.left_out} adjectives are of several tokens and have no image.")
    return lines


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
