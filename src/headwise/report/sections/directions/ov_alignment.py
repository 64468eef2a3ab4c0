"""Whether heads move words along the OV images of the words that they are linked to, as a section."""

import numpy as np
import pandas as pd

from headwise._columns import Column, Columns
from headwise._formatting import MINUS
from headwise.data.suite import Suite
from headwise.directions.ov_alignment import OVAlignmentTestResult
from headwise.evidence import COLLECTS, INCONCLUSIVE, NO, YES, collects
from headwise.report.schema import Section, Table

from ..heads.head_details import collected

MEASURED = OVAlignmentTestResult.columns
COLUMNS = MEASURED.pick(
    "name", "own", "others", "difference", "over_uniform", "over_attention", "over_values",
    "effect", "effect_low", "effect_high", "p_fwer", "t", "control_t",
    Column("moves_detectable", "Detectable", "number", "Smallest effect that is found with 80% power"),
    Column("beside", "Word after", "number", "The difference at the word after the noun"),
)  # fmt: skip
EXAMPLE = Columns(Column("text", "Sentence"), MEASURED.pick("own", "others"))


def ov_alignment(
    result: OVAlignmentTestResult, suite: Suite, beside: OVAlignmentTestResult | None = None
) -> Section:
    """What each head adds to a word, along the OV images of the words that it is linked to.

    Args:
        result: At the words that are linked.
        suite: The sentences that were tested.
        beside: The same at the word after each.
    """
    heads = collects(result)
    table = result.table.assign(
        moves_detectable=heads["moves_detectable"],
        beside=np.nan if beside is None else beside.table["difference"].to_numpy(),
    )
    best = result.strongest
    name = result.heads[best].name
    sentences = pd.DataFrame(
        {
            "text": [suite.sentences[int(i)].text for i in result.sentences],
            "own": result.cosines[best],
            "others": result.others[best],
        }
    )
    left_out = (
        f"{result.left_out} adjectives of several tokens were left out, as they have no OV image."
    )
    both = {"at the noun": result} | ({"at the word after it": beside} if beside else {})
    return Section(
        title="Alignment of updates with OV images",
        tables=[
            Table.of(
                "alignment", "Every head", table.sort_values("effect", ascending=False), COLUMNS, folded=len(table) > 40,
                caption=f"Cosines lie between {MINUS}1 and 1. Any attention brings a noun's own adjectives into its update; the excess over the controls is tested.",
            ),
            Table.of(
                "aligned_sentences", f"{name} in each sentence", sentences, EXAMPLE, folded=True,
                caption="Mean cosine of its update at the noun to the OV images of the noun's own adjectives, and of the other adjectives of the group.",
            ),
        ],
        findings=[_tally(result, heads), _comparisons(result.table), _after(result, beside), *([left_out] if result.left_out else [])],
        method=[
            f"{len(result.groups)} sentences in {len(np.unique(result.groups))} groups were tested; the sentences of a group have the same noun and different adjectives. The OV image of an adjective is what a head writes when "
            "the bare word's embedding is all it attends to, less what it writes from nothing. A head's update is an attention-weighted sum of such OV images, so the difference between own and other adjectives is compared with "
            "three controls: uniform attention with the head's own values, the attention of the other heads of its layer with its own values, and its own attention with the values and OV images of the other heads.",
            f"p is from a sign-flip test over groups, over the largest of all heads and the three comparisons; intervals are t intervals over groups. Further controls are {result.n_null} models of the same shape with random "
            "weights, and every pair of one head's attention with another's values, some of which align by chance.",
            COLLECTS.text,
        ],
        references=[
            "Elhage et al. 2021, A mathematical framework for transformer circuits.",
            "Dar, Geva, Gupta and Berant 2023, Analyzing transformers in embedding space.",
        ],
        details=[collected(both)],
    )  # fmt: skip


def ov_alignment_controls(result: OVAlignmentTestResult) -> str:
    """What the controls reach, in a line."""
    if not result.n_null:
        return f"Controls: no model with random weights could be tested ({result.why_not}), so no head is supported."
    above = int((collects(result)["moves"] == YES).sum())
    return (
        f"Controls: the largest t is {result.table['t'].max():.1f} among the heads of the model, {result.random_t:.1f} in {result.n_null} models with random weights and "
        f"{result.mismatched_t:.1f} among pairs of one head's attention with another's values. {above} heads exceed all controls; uniform attention has no excess by definition."
    ).replace("-", MINUS)


def _tally(result: OVAlignmentTestResult, heads: pd.DataFrame) -> str:
    said = heads["moves"].value_counts()
    return (
        f"Of {len(heads)} heads, {said.get(YES, 0)} pass every test, {said.get(NO, 0)} exceed their controls by less than 0.05 of a cosine, and the evidence is inconclusive for "
        f"{said.get(INCONCLUSIVE, 0)}."
    )


def _comparisons(table: pd.DataFrame) -> str:
    above = (table[["difference", "over_uniform", "over_attention", "over_values"]] > 0).sum()
    return (
        f"The difference between own and other adjectives is above zero in {above['difference']} heads; beyond uniform attention it is so in {above['over_uniform']}, beyond the attention "
        f"of the other heads in {above['over_attention']}, and beyond their values in {above['over_values']}."
    )


def _after(result: OVAlignmentTestResult, beside: OVAlignmentTestResult | None) -> str:
    if beside is None:
        return "The word after the noun was not tested, as the sentences end with the noun."
    own, after = result.table["difference"].to_numpy(), beside.table["difference"].to_numpy()
    best = result.strongest
    return (
        f"At the word after the noun, {result.heads[best].name} has a difference of {after[best]:.2f}, against {own[best]:.2f} at the noun. In {int((after >= own).sum())} of {len(own)} heads the difference "
        "is as large there as at the noun, so the noun is not special to them."
    ).replace("-", MINUS)
