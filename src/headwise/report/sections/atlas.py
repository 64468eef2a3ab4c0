"""What every head attends to, whatever the words mean, as a section."""

from headwise._formatting import head_name, percent
from headwise.attention.head_atlas import SINK, Atlas
from headwise.data.suite import Suite
from headwise.report.schema import Detail, Heatmap, Section, Table

from .heads.head_details import Row, detail

MAPS = {
    "previous": ("Previous token", "Mean attention on the token before."),
    "same": ("Same token", "Mean attention of a token on itself."),
    "first": ("First token", "Mean attention on the first token of the text."),
    "duplicate": ("Duplicate token", "On random tokens that are repeated: mean attention from the second occurrence to the first."),
    "induction": ("Induction", "On random tokens that are repeated: mean attention from the second occurrence to the token after the first."),
    "sink": ("Sink", "The most attention that one token of a sentence receives, averaged over its query tokens."),
}  # fmt: skip


def atlas(result: Atlas, suite: Suite) -> Section:
    """Shares of attention of every head on the sentences of a suite, and on repeated random tokens."""
    return Section(
        title="Attention of every head",
        figures=[
            Heatmap(title=title, caption=caption, values=result.grid(name), marked=[strongest(result, name)])
            for name, (title, caption) in MAPS.items()
        ],
        tables=[Table.of("heads", "Every head", result.table, result.columns)],
        findings=["These numbers are descriptions; nothing was tested. What a head does needs a test of its own."],
        method=[
            f"Shares of attention between tokens are averaged over {result.n_tokens:,} query tokens of {len(suite):,} sentences that may attend to another token. A sink is the token of a sentence that receives most attention, averaged "
            f"over the query tokens elsewhere; {percent(result.sink_share)} of heads give one token more than {percent(SINK)}.",
            "Duplicate and induction: 32 rows of 24 different random tokens, each row repeated once.",
        ],
        references=[
            "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
            "Olsson et al. 2022, In-context learning and induction heads.",
            "Xiao, Tian, Chen, Han and Lewis 2024, Efficient streaming language models with attention sinks.",
        ],
        details=[_on_cards(result)],
    )  # fmt: skip


def strongest(result: Atlas, name: str) -> tuple[int, int]:
    """Layer and head with the largest value of a column."""
    row = result.table.iloc[int(result.table[name].to_numpy(float).argmax())]
    return int(row["layer"]), int(row["head"])


def strongest_heads(result: Atlas) -> str:
    """The head with the most attention on each of three tokens, in a phrase."""
    tokens = {"previous": "the previous token", "first": "the first token", "induction": "the token after an earlier occurrence of the same one"}  # fmt: skip
    return "; ".join(
        f"{head_name(*strongest(result, name))} attends most to {token} ({percent(float(result.table[name].max()))})"
        for name, token in tokens.items()
    )


def _on_cards(result: Atlas) -> Detail:
    shares = [column for column in result.columns.values() if column.unit == "rate"]
    rows = [Row(column.title, result.table, [column.name]) for column in shares]
    caption = "Mean share of its attention. Duplicate and induction: on random tokens that are repeated. These are descriptions, so without interval and p."
    return detail("What it attends to", caption, "rate", rows)
