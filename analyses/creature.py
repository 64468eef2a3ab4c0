"""Does a noun move along the directions of its own adjectives?

Question: in *A fluffy blue creature roamed the verdant forest*, does what heads add to *creature* point where *fluffy* and *blue*
point, more than where the adjectives of other creatures do?

Method: each head has a direction for every adjective, its OV image: what the head would write if it attended to the bare word alone,
W_O W_V e(fluffy). For every sentence and head, the cosine of the head's update at the noun to the OV images of the noun's own
adjectives is compared with that to the OV images of the adjectives of the same noun in the same frame in other sentences. Any attention
gives such a difference, in never-trained models as well, so it counts only beyond the same under uniform attention, under the
attention of the other heads of the layer, and through their values. The same is tested at the word after the noun.

    uv run analyses/creature.py --model minilm
    headwise run creature --model burrow

Caveats: an OV image is that of a bare word, at the layer of the head; what a head writes from words that earlier layers have changed is missed.
"""

import pandas as pd

import headwise
from headwise import evidence
from headwise.data import transforms
from headwise.directions import NoImages, OVAlignmentTestResult
from headwise.report import sections
from headwise.report.schema import MINUS, Section, Verdict

SUITE = "creature"
BURROW_PAIRS = "adjectives"
QUESTION = "Does a noun move along the directions of its own adjectives more than along those of others?"  # fmt: skip
OPENINGS: dict[Verdict, str] = {
    "supported": "{yes} of {model} move nouns along the directions of their own adjectives beyond every control",
    "not supported": "No head of {model} moves nouns along the directions of their own adjectives beyond its controls",
    "inconclusive": "Whether any head of {model} moves nouns along the directions of their own adjectives beyond its controls is inconclusive",
}
WITHOUT_IMAGES = Section(
    title="Alignment of updates with OV images",
    findings=["Nothing was measured."],
    method=["The OV image of a word is what a head writes when the word's embedding is all that it attends to; a word of several tokens has no embedding of its own."],
    references=["Elhage et al. 2021, A mathematical framework for transformer circuits."],
)  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> headwise.Report:
    """Measures updates at nouns along the OV images of adjectives."""
    relation = "amod" if "amod" in suite.relations else next(iter(suite.relations), "amod")
    asked = {
        "analysis": "creature",
        "question": QUESTION,
        "suite": suite,
        "relations": [(relation, "governor->dependent")],
        "seed": seed,
    }
    try:
        found = headwise.ov_alignment_test(
            model, suite, relation, seed=seed, n_null=2 if smoke else evidence.N_RANDOM
        )
    except NoImages as error:
        answer = f"This model cannot be tested: {error}"
        return sections.compose(
            model, **asked, verdict="inconclusive", answer=answer, sections=[WITHOUT_IMAGES]
        )
    heads = evidence.collects(found)
    verdict = evidence.verdict_over(heads["moves"])
    beside = _beside(model, suite, relation, seed)
    return sections.compose(
        model,
        **asked,
        verdict=verdict,
        answer=_answer(found, heads, verdict),
        controls=sections.ov_alignment_controls(found),
        sections=[sections.ov_alignment(found, suite, beside)],
        heads=heads,
    )


def _beside(
    model: headwise.Model, suite: headwise.Suite, relation: str, seed: int
) -> OVAlignmentTestResult | None:
    """The same at the word after each noun; None where sentences end with it."""
    after = transforms.after_governors(suite, relation)
    try:
        return headwise.ov_alignment_test(model, after, relation, seed=seed, n_null=0)
    except headwise.HeadwiseError:
        return None


def _answer(found: OVAlignmentTestResult, heads: pd.DataFrame, verdict: Verdict) -> str:
    row = found.table.iloc[found.strongest]
    yes = ", ".join(
        found.heads[i].name for i in (heads["moves"] == evidence.YES).to_numpy().nonzero()[0]
    )
    opening = OPENINGS[verdict].format(model=found.model, yes=yes)
    return (
        f"{opening}. The update of {row['name']} has a cosine of {row['own']:.2f} with the OV images of a noun's own adjectives and of {row['others']:.2f} with those of other adjectives; of the "
        f"difference of {row['difference']:.2f}, {row['effect']:.2f} [{row['effect_low']:.2f}, {row['effect_high']:.2f}] remain beyond uniform attention and beyond the attention and the values of the other heads of its "
        f"layer (t {row['t']:.1f}; the best mismatched pair of attention and values reaches {found.mismatched_t:.1f})."
    ).replace("-", MINUS)  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
