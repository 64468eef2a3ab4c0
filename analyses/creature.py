"""Does a noun move along the directions of its own adjectives?

Question: in *A fluffy blue creature roamed the verdant forest*, does what heads add to *creature* point where *fluffy* and *blue*
point, more than where the adjectives of other creatures do?

Method: each head has a direction for every adjective: what it would write if it attended to the bare word alone (its
value-up image, W_O W_V e(fluffy)). For every sentence and head, the cosine of the head's update at the noun to the images of the
noun's own adjectives is compared with that to the images of the adjectives of the same noun in the same frame, told with others.
The head is chosen on one half of the groups and reported on the other. The same is asked of the word after the noun, which
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
from headwise.directions.collecting import CollectResult, NoImages, test_collecting
from headwise.exhibits import cards, details
from headwise.exhibits.attention import examples_shown
from headwise.results import MINUS, Column, Heatmap, Report, Table, percent, verdict_of
from headwise.suites import Link

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
    Column(name="effect", title="Difference", kind="number"),
    Column(name="low", title="from", kind="number", note="Lower end of the 95% interval over groups"),
    Column(name="high", title="to", kind="number"),
    Column(name="wins", title="Own larger", kind="rate", note="Share of sentences; 50% is chance"),
    Column(name="p_family", title="p", kind="number", note="Signs of groups flipped; the largest of all heads"),
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
        found = test_collecting(model, suite, relation, seed)
    except NoImages as error:
        return _without_images(model, suite, relation, seed, str(error))
    beside = _beside(model, suite, relation, seed)
    groups = np.random.default_rng(seed).permutation(np.unique(found.groups))
    half, rest = groups[: len(groups) // 2].tolist(), groups[len(groups) // 2 :].tolist()
    chosen = found.among(half, seed)
    best = int(np.array(chosen["effect"], dtype=float).argmax())
    row = found.among(rest, seed).iloc[best]
    verdict = verdict_of([(row["low"], row["high"])])
    table = found.table.copy()
    table["beside"] = beside.table["effect"].to_numpy() if beside else np.nan
    heads = evidence.collects(found)
    asked = {"at the noun": found} | ({"at the word after it": beside} if beside else {})
    return Report(
        analysis="creature",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=_answer(model.name, verdict, row, found, len(rest)),
        figures=[_map(found, best)],
        tables=[
            Table.of(
                "heads",
                "Every head",
                table.sort_values("effect", ascending=False),
                COLUMNS,
                caption="Cosines lie between -1 and 1. Images of two adjectives in one head are alike by themselves, so what counts is the difference.".replace("-1", f"{MINUS}1"),
                folded=len(table) > 40,
            ),
            Table.of("sentences", f"What {row['name']} does in each sentence", _sentences(found, suite, best), EXAMPLE, folded=True,
                     caption="Mean cosine of its update at the noun to the images of the noun's own adjectives, and of the others of the group."),
        ],
        not_found=_not_found(found, beside, best),
        method=[
            *([suite.about] if suite.about else []),
            f"{len(found.groups)} sentences in {len(np.unique(found.groups))} groups; in a group the same noun has other adjectives. A head's image of an adjective is what it writes when the bare word's embedding "
            "is the only thing it attends to, less what it writes of nothing. The head is the best on one half of the groups and is reported on the other. p: signs of whole groups are flipped, "
            "the largest of all heads. Intervals draw groups again.",
            "Verdict: 'supported' if, on the other half, the head's difference lies above zero by its interval; 'not supported' if it lies at or below zero; otherwise 'inconclusive'.",
            *(["This model is a decoder: a noun sees what stands before it."] if model.is_causal else []),
        ],
        references=[
            "Elhage et al. 2021, A mathematical framework for transformer circuits.",
            "Dar, Geva, Gupta and Berant 2023, Analyzing transformers in embedding space.",
        ],
        heads=cards.heads_section(model, heads, [details.collected(asked, cards.shape_shown(model))]),
        attention=examples_shown(model, suite, [(relation, LOOKS)], heads_first=cards.first(heads), seed=seed),
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
        heads=cards.heads_section(model),
        attention=examples_shown(model, suite, [(relation, LOOKS)], seed=seed),
    )  # fmt: skip


def _beside(
    model: headwise.Model, suite: headwise.Suite, relation: str, seed: int
) -> CollectResult | None:
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
        return test_collecting(model, replace(suite, sentences=moved), relation, seed)
    except headwise.HeadwiseError:
        return None


def _answer(model: str, verdict: str, row: pd.Series, found: CollectResult, n_groups: int) -> str:
    opening = {
        "supported": f"In {model} nouns move along the directions of their own adjectives, more than along those of others",
        "not supported": f"In {model} no head was found that moves nouns along the directions of their own adjectives more than along those of others",
        "inconclusive": f"Whether nouns of {model} move along the directions of their own adjectives more than along those of others cannot be told",
    }[verdict]
    return (
        f"{opening}: the head {row['name']}, chosen on half of the groups, adds to a noun what has a cosine of {row['own']:.2f} to its own adjectives' images and of "
        f"{row['others']:.2f} to others' (difference {row['effect']:.2f} [{row['low']:.2f}, {row['high']:.2f}] in {n_groups} other groups, own larger in {percent(row['wins'])} of sentences); "
        f"of {len(found.heads)} heads {len(found.collecting)} do by a p over all heads below 5%."
    ).replace("-", MINUS)


def _map(found: CollectResult, best: int) -> Heatmap:
    shape = (1 + max(h.layer for h in found.heads), 1 + max(h.head for h in found.heads))
    values = np.full(shape, np.nan)
    for head, effect in zip(found.heads, found.table["effect"], strict=True):
        values[head.layer, head.head] = effect
    return Heatmap(
        title="What each head collects",
        caption="Cosine of what each head adds to the noun with the images of its own adjectives, less that with other sentences' adjectives. Outlined: the head "
        "chosen on half of the groups.",
        values=values,
        low=0.0,
        high=max(0.1, float(np.ceil(10 * np.nanmax(values)) / 10)),
        unit="number",
        marked=[(found.heads[best].layer, found.heads[best].head)],
    )


def _sentences(found: CollectResult, suite: headwise.Suite, best: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": [suite.sentences[int(i)].text for i in found.sentences],
            "own": found.cosines[best],
            "others": found.others[best],
        }
    )


def _not_found(found: CollectResult, beside: CollectResult | None, best: int) -> list[str]:
    rest = [str(n) for n in found.table["name"] if str(n) not in found.collecting]
    shown = f"{', '.join(rest[:12])}{' and others' if len(rest) > 12 else ''}" or "none"
    lines = [f"Heads that do not: {len(rest)} of {len(found.heads)} ({shown})."]
    if beside is None:
        lines.append("The word after the noun was not asked, as sentences end with the noun.")
    else:
        own, after = found.table["effect"].to_numpy(), beside.table["effect"].to_numpy()
        less = int((after >= own).sum())
        lines.append(
            f"The word after the noun collects the same adjectives: {found.heads[best].name} with a difference of {after[best]:.2f} there against {own[best]:.2f} at the noun; in {less} of {len(own)} heads it collects as "
            f"much as the noun or more, so there the noun is not special. Heads that collect there at all: {len(beside.collecting)}.".replace(
                "-", MINUS
            )
        )
    if found.left_out:
        lines.append(f"{found.left_out} adjectives are of several tokens and have no image.")
    return lines


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
