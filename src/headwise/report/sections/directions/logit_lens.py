"""Which tokens words predict, layer by layer, as a section."""

import numpy as np
import pandas as pd

from headwise._columns import Column, Columns
from headwise.directions.lens import LogitLensResult
from headwise.report.schema import Section, Table

from ..heads.head_cards import named

READ = LogitLensResult.further["stream"]
NAMED = LogitLensResult.columns
STREAM = READ.pick(
    "label", "layer",
    Column("tokens", "Highest", "text", "Mean over the words of this label"),
    Column("contrast", "Above the others", "text", "Highest above the words of the other labels; chosen for being large"),
)  # fmt: skip
UPDATES = Columns(
    Column("head", "Head", "text"),
    READ["label"],
    Column("rises", "Rise most", "text", "Tokens that the head's update raises most"),
    Column("before", "Highest before", "text", "In the stream without the head's update"),
    Column("contrast", "Above the others", "text", "Rise furthest above the words of the other labels"),
)  # fmt: skip
NEAREST = READ.pick(
    "label",
    "layer",
    READ["token"].but(title="Nearest"),
    READ["score"].but(title="Cosine", meaning="Mean over the words of this label"),
)
TARGETS = NAMED.pick(
    "label",
    Column("place", "At", "text", "Layer of the stream, or head"),
    "n_targets",
    "effect",
    "effect_low",
    "effect_high",
    "p_fwer",
    "p_topic_fwer",
)
SHOWN = 5  # tokens of a list
END = {
    "output head": "through the model's own final norm and output head, as if the model ended there; at the last layer that is what the model predicts",
    "nearest embeddings": "as the nearest token embeddings by cosine, as the weights have no output head to predict words with",
}  # fmt: skip


def logit_lens(result: LogitLensResult) -> Section:
    """Which tokens words predict, which tokens heads raise, and whether words named beforehand score high."""
    return Section(
        title="Logit lens",
        tables=tables(result),
        method=[
            f"The stream at the word is read {END[result.how]}. Only the last layer was trained to be read; earlier ones may hold what this does not show. Words named beforehand are compared with {result.n_null:,} sets of as "
            "many random words (a permuted vocabulary), and with words of random topics, which have as much in common."
        ],
        references=[
            "nostalgebraist 2020, interpreting GPT: the logit lens.",
            "Belrose et al. 2023, Eliciting latent predictions from transformers with the tuned lens.",
        ],
    )  # fmt: skip


def tables(result: LogitLensResult) -> list[Table]:
    """The tables of the section.

    Without an output head the nearest token is reported and no list: at inner layers, and in heads, such lists are noise, and a
    vocabulary holds words that do not belong in a report. `headwise.logit_lens` returns them.
    """
    found = [_stream(result)] if result.how == "output head" else [_nearest(result)]
    if result.how == "output head" and len(result.updates):
        found.append(_updates(result))
    return [*found, _targets(result)] if len(result.table) else found


def _stream(result: LogitLensResult) -> Table:
    by = ["label", "layer"]
    contrasts = _joined(result.contrasts[result.contrasts["kind"] == "stream"], by, "contrast")
    return Table.of(
        "reads_as", "Tokens that the word predicts, layer by layer", _joined(result.stream, by, "tokens").merge(contrasts, on=by), STREAM,
        caption="Tokens of the highest mean log probability when the stream is read as if the model ended there.",
        folded=True,
    )  # fmt: skip


def _updates(result: LogitLensResult) -> Table:
    by = ["label", "layer", "head"]
    contrasts = _joined(result.contrasts[result.contrasts["kind"] == "update"], by, "contrast")
    before = _joined(result.stream, by[:2], "before")
    rises = _joined(result.updates, by, "rises").merge(contrasts, how="left").merge(before)
    rises = rises.assign(head=named(rises)["name"]).sort_values(["head", "label"])
    return Table.of(
        "heads_say", "Tokens that heads raise", rises, UPDATES,
        caption="Tokens whose score rises most from the stream without the head's update to the stream with it.",
        folded=True,
    )  # fmt: skip


def _nearest(result: LogitLensResult) -> Table:
    nearest = result.stream.loc[result.stream["rank"] == 0]
    return Table.of(
        "reads_as", "The token nearest to the word, layer by layer", nearest.sort_values(["label", "layer"]), NEAREST,
        caption="The token whose embedding has the largest mean cosine with the stream at the word. The weights of this model have no output head.",
        folded=True,
    )  # fmt: skip


def _targets(result: LogitLensResult) -> Table:
    t = result.table
    layer, head = t["layer"].astype(str), t["head"].astype(str)
    places = np.where(t["kind"] == "stream", "layer " + layer, "L" + layer + "H" + head)
    return Table.of(
        "named", "Words that were named beforehand", t.assign(place=places), TARGETS,
        caption="Words that are correct after each label in the minimal pairs. Rely on an effect only if its interval lies above zero and both p are small.",
        folded=True,
    )  # fmt: skip


def _joined(table: pd.DataFrame, by: list[str], name: str) -> pd.DataFrame:
    """The first tokens of each list in one cell."""
    top = table.loc[table["rank"] < SHOWN].sort_values("rank")
    return top.groupby(by, sort=True)["token"].agg(", ".join).reset_index(name=name)
