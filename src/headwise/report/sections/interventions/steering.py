"""Steering in several doses, as a section."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headwise._formatting import percent
from headwise.interventions._columns import POOLED
from headwise.interventions.steering._damage import SAYS
from headwise.interventions.steering.doses import pooled, reported
from headwise.interventions.steering.steering import SteerResult
from headwise.report.schema import Lines, Section, Series, Table
from headwise.stats.deciding import MIN_CLUSTERS


def steering(results: Sequence[SteerResult], what: str, seed: int = 0) -> Section | None:
    """What steering does, dose by dose; None of no results.

    Args:
        results: Of one or several directions, with the same doses and the same first metric.
        what: What flips, such as `the pronoun`.
        seed: Fixes the halves of the groups on which the dose is chosen and reported.
    """
    if not results:
        return None
    first, table = results[0], pooled(results)
    return Section(
        title="Steering",
        figures=[_lines(table, what)],
        tables=[
            Table.of(
                "steering", "Steering, dose by dose", table, POOLED,
                caption=f"Metric: {first.says[first.metrics[0]]}. Off-target changes are damage: at other positions of the same sentences, and in sentences of another question with the same addition to their marked word.",
            )
        ],
        findings=[_finding(results, seed)],
        method=[_method(first)],
        references=[
            "Turner et al. 2023, Activation addition: Steering language models without optimization.",
            "Rimsky et al. 2024, Steering Llama 2 via contrastive activation addition.",
        ],
    )  # fmt: skip


def _lines(table: pd.DataFrame, what: str) -> Lines:
    return Lines(
        title="Dose-response of steering",
        caption=f"Percent of sentences in which {what} flips when a multiple of the direction is added to the word, with 95% intervals over groups, and the same for random directions of the same length.",
        x_label="multiple of the direction, towards the other class",
        x=table["dose"].tolist(),
        series=[
            Series.of("direction", table, "flipped"),
            Series(name="random directions", values=table["flipped_random"].tolist(), is_baseline=True),
        ],
    )  # fmt: skip


def _finding(results: Sequence[SteerResult], seed: int) -> str:
    """The effect at doses that were chosen on other groups."""
    found, layer = reported(results, seed), results[0].direction.layer
    if found.clusters < MIN_CLUSTERS:
        return (
            f"The clean model is correct in {found.sentences} sentences of {found.clusters} groups; with fewer than {MIN_CLUSTERS} groups the share that "
            "flips is not reported."
        )
    doses = " and ".join(f"{dose:g}x" for dose in sorted(set(found.doses)))
    read_out = (
        ", after which nothing is computed (a read-out, no intervention),"
        if results[0].is_read_out
        else ""
    )
    beside = (
        ""
        if np.isnan(found.beside)
        else f"{found.beside:.2g} at other positions of the same sentences (random {found.beside_random:.2g}) and "
    )
    return (
        f"Adding {doses} the direction at layer {layer}{read_out} flips {percent(found.flipped)} of {found.sentences} sentences [{percent(found.flipped_low)}, {percent(found.flipped_high)}]; random directions of the "
        f"same length flip {percent(found.flipped_random)}. Doses were chosen on one half of the groups and are reported on the other. The off-target change is "
        f"{beside}{found.elsewhere:.2g} in sentences of another question (random {found.elsewhere_random:.2g})."
    )  # fmt: skip


def _method(first: SteerResult) -> str:
    place = (
        "after which nothing is computed, so that this is a read-out and no intervention"
        if first.is_read_out
        else "before the rest of the model is computed"
    )
    return (
        f"At layer {first.direction.layer}, {place}, multiples of the direction between two classes were added to the vector of the marked word, towards the class that the sentence does not have; "
        f"a dose of 1 is the distance between the class means. Directions were fitted without the words that decide in the steered sentences. Metric: {first.says[first.metrics[0]]}. The {first.n_null} random "
        "directions have the covariance of the words within classes at that layer and the same length. The dose was chosen on one half of the groups and reported on the other, both halves in turn. "
        f"Off-target change: {SAYS['next' if first.speaks else 'vectors']}."
    )  # fmt: skip
