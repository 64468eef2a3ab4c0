"""What words read as, as tables."""

# Rows of a data frame have no types that pyright could know.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

import pandas as pd

from headwise.directions.lens import LogitLensResult
from headwise.report.schema import Column, Table

STREAM = [
    Column(name="label", title="Told as"),
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="tokens", title="Highest", note="Mean over the words of this label"),
    Column(name="contrast", title="Above the others", note="Highest above what they are at words of the other labels; chosen for being large"),
]  # fmt: skip
RISES = [
    Column(name="head", title="Head"),
    Column(name="label", title="Told as"),
    Column(name="rises", title="Rise most"),
    Column(name="before", title="Highest before", note="The stream as the head found it"),
    Column(name="contrast", title="Above the others", note="Rise furthest above what they do at words of the other labels"),
]  # fmt: skip
NEAREST = [
    Column(name="label", title="Told as"),
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="token", title="Nearest"),
    Column(name="score", title="Cosine", kind="number", note="Mean over the words of this label"),
]  # fmt: skip
TARGETS = [
    Column(name="label", title="Told as"),
    Column(name="place", title="At"),
    Column(name="n_targets", title="Words", kind="integer"),
    Column(name="effect", title="Effect", kind="number", note="How far the words named stand above the mean word, less the same at the other labels' words"),
    Column(name="low", title="from", kind="number"),
    Column(name="high", title="to", kind="number"),
    Column(name="p_fwer", title="p", kind="number", note="Against random words of the vocabulary, the largest of all places"),
    Column(name="p_topic_family", title="p topic", kind="number", note="Against words of random topics"),
]  # fmt: skip
SHOWN = 5


def tables(result: LogitLensResult) -> list[Table]:
    """What words read as, which words heads raise, and whether words named beforehand stand out.

    Of a model without an output head the nearest token is told and no list: further down, and in heads, such lists are noise, and a
    vocabulary holds words that nobody wants in a report. `headwise.logit_lens` gives them.
    """
    found = _said(result) if result.how == "output head" else [_nearest(result)]
    if len(result.targets):
        t = result.targets.copy()
        t["place"] = [
            f"layer {row.layer}" if row.kind == "stream" else f"L{row.layer}H{row.head}"
            for row in t.itertuples()
        ]
        found.append(
            Table.of(
                "named",
                "Words that were named beforehand",
                t,
                TARGETS,
                caption="Words that are right after each sense in the minimal pairs. Believe an effect whose interval lies above zero and of which both p are small.",
                folded=True,
            )
        )
    return found


def _said(result: LogitLensResult) -> list[Table]:
    """What a model would say, and which words its heads raise."""
    contrasts, by = result.contrasts, ["label", "layer"]
    stream = _joined(result.stream, by, "tokens").merge(
        _joined(contrasts[contrasts["kind"] == "stream"], by, "contrast"), on=by
    )
    found = [
        Table.of(
            "reads_as",
            "What the word reads as, layer by layer",
            stream,
            STREAM,
            caption="Tokens of the highest mean log probability when the stream is read as if the model ended there.",
            folded=True,
        )
    ]
    if len(result.updates):
        by = ["label", "layer", "head"]
        rises = _joined(result.updates, by, "rises")
        above = _joined(contrasts[contrasts["kind"] == "update"], by, "contrast")
        before = _joined(result.stream, ["label", "layer"], "before")
        rises = rises.merge(above, on=by, how="left").merge(before, on=["label", "layer"])
        rises["head"] = [f"L{a}H{b}" for a, b in zip(rises["layer"], rises["head"], strict=True)]
        found.append(
            Table.of(
                "heads_say",
                "Which words heads raise",
                rises.sort_values(["head", "label"]),
                RISES,
                caption="The stream as the head found it, and the same with its update: tokens that rise most.",
                folded=True,
            )
        )
    return found


def _nearest(result: LogitLensResult) -> Table:
    """The nearest token alone."""
    nearest = result.stream[result.stream["rank"] == 0]
    return Table.of(
        "reads_as",
        "What the word lies nearest to, layer by layer",
        nearest.sort_values(["label", "layer"]),
        NEAREST,
        caption="The token whose embedding has the largest mean cosine with the stream at the word. This model's weights bring no output head to say words with.",
        folded=True,
    )


def method(result: LogitLensResult) -> list[str]:
    """How it was read."""
    end = (
        "through the model's own final norm and output head, as if it ended there; at the last layer that is what the model says"
        if result.how == "output head"
        else "as the nearest token embeddings by cosine, as the weights bring no output head to say words with"
    )
    return [
        f"Reading: the stream at the word is read {end}. Only the last layer was trained to be read; earlier ones may hold what this does not show. Words named beforehand are compared with "
        f"{result.n_shuffles:,} sets of as many random words (a shuffled vocabulary), and with words of random topics, which have as much in common."
    ]


def _joined(table: pd.DataFrame, by: list[str], name: str) -> pd.DataFrame:
    """The first tokens of each list in one cell."""
    top = table[table["rank"] < SHOWN].sort_values("rank")
    return top.groupby(by, sort=True)["token"].agg(", ".join).rename(name).reset_index()
