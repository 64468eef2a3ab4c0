"""Where does every head look, whatever the words mean?

Question: before any hypothesis, which heads look at the previous token, at the first, at special
tokens; which spread their attention, which repeat?

Method: shares of attention on a suite's sentences, and on random tokens written twice, for every
head. Nothing is tested here and no head is called anything but by its numbers.

    uv run analyses/atlas.py --model burrow
    headwise run atlas --model minilm --data en_ewt-ud-dev.conllu

Caveats: a high share is a description. A head that looks at the previous token may do so for many
reasons, and a token that gets much attention may hand over nothing.
"""

import headwise
from headwise._formatting import head_name, percent
from headwise.attention.atlas import SINK, Atlas, atlas
from headwise.report.schema import Column, Detail, Heatmap, Report, Section, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.examples import examples_shown

SUITE = "adjective_noun"
BURROW = "narration"
QUESTION = "Where does every head look, whatever the words mean?"

MAPS = {
    "previous": ("Previous token", "Mean attention on the token before."),
    "same": ("Itself", "Mean attention on the token that looks."),
    "first": ("First token", "Mean attention on the first token of the text."),
    "duplicate": ("Same token before", "On random tokens written twice: mean attention from the second occurrence to the first."),
    "induction": ("What came after it", "On random tokens written twice: mean attention from the second occurrence to the token after the first."),
    "sink": ("One token takes all", "The most attention that one token of a sentence gets, averaged over those that look."),
}  # fmt: skip

COLUMNS = [
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="head", title="Head", kind="integer"),
    Column(name="entropy", title="Entropy", kind="number", note="Nats; 0 is all attention on one token"),
    Column(name="distance", title="Distance", kind="number", note="Tokens, mean of the absolute"),
    Column(name="previous", title="Previous", kind="rate"),
    Column(name="next", title="Next", kind="rate"),
    Column(name="same", title="Itself", kind="rate"),
    Column(name="first", title="First", kind="rate"),
    Column(name="special", title="Special", kind="rate", note="Tokens that belong to no word"),
    Column(name="sink", title="Sink", kind="rate", note="The most that one token gets, averaged over sentences"),
    Column(name="duplicate", title="Duplicate", kind="rate"),
    Column(name="induction", title="Induction", kind="rate"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Describes every head of a model."""
    found = atlas(model, suite, seed=seed)
    return Report(
        analysis="atlas",
        model=model.name,
        question=QUESTION,
        verdict="description",
        answer=_answer(found),
        sections=[
            Section(
                title="Results",
                figures=[
                    Heatmap(
                        title=title,
                        caption=caption,
                        values=_grid(found, name),
                        marked=[_top(found, name)],
                    )
                    for name, (title, caption) in MAPS.items()
                ],
                tables=[Table.of("heads", "Every head", found.table, COLUMNS)],
                findings=[
                    "Nothing was tested: these are descriptions, for orientation. What a head is for is a question of its own.",
                ],
                method=[
                    f"Shares of attention between tokens, averaged over {found.n_tokens:,} tokens of {len(suite):,} sentences that "
                    "see at least one other token. A sink is the token of a sentence that gets most, averaged over the tokens that "
                    f"look at it from elsewhere; {percent(found.sink_share)} of heads give one token more than {percent(SINK)}.",
                    *([suite.about] if suite.about else []),
                    "Duplicate and induction: 32 rows of 24 different random tokens written twice.",
                ],
                references=[
                    "Clark, Khandelwal, Levy and Manning 2019, What does BERT look at? An analysis of BERT's attention.",
                    "Olsson et al. 2022, In-context learning and induction heads.",
                    "Xiao, Tian, Chen, Han and Lewis 2024, Efficient streaming language models with attention sinks.",
                ],
            )
        ],
        heads=head_cards.heads_section(
            model, details=[_shares(found, head_cards.shape_shown(model))]
        ),
        attention=examples_shown(model, suite, seed=seed),
    )


def _shares(found: Atlas, shape: tuple[int, int]) -> Detail:
    """Shares of attention on each head's card."""
    shares = [column for column in COLUMNS if column.kind == "rate"]
    rows = [
        head_details.Row(c.title, found.table[["layer", "head"]].assign(effect=found.table[c.name]))
        for c in shares
    ]
    caption = "Mean share of its attention. Duplicate and induction: on random tokens written twice. Described, not tested, so without interval and p."
    return head_details.detail("Where it looks", caption, "rate", rows, shape)


def _grid(found: Atlas, name: str):
    return found.table.pivot(index="layer", columns="head", values=name).to_numpy(dtype=float)


def _top(found: Atlas, name: str) -> tuple[int, int]:
    row = found.table.loc[found.table[name].idxmax()]
    return int(row["layer"]), int(row["head"])


def _answer(found: Atlas) -> str:
    told: list[str] = []
    for name, what in (
        ("previous", "at the previous token"),
        ("first", "at the first token"),
        ("induction", "at what came after the same token before"),
    ):
        layer, head = _top(found, name)
        share = found.table[name].max()
        told.append(f"{head_name(layer, head)} looks most {what} ({percent(share)})")
    return (
        f"Of {len(found.table)} heads of {found.model}, {'; '.join(told)}; {percent(found.sink_share)} give one token more than "
        f"{percent(SINK)} of their attention. This is a description and no test."
    )


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
