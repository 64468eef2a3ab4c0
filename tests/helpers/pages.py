"""Reports with something in every place, for tests of the page."""

import numpy as np
import pandas as pd

from headwise.report.schema import (
    Attention,
    Column,
    Detail,
    Example,
    Heads,
    Heatmap,
    Lines,
    Linked,
    Marked,
    Matrix,
    Measure,
    Packed,
    Provenance,
    Report,
    Section,
    Series,
    Source,
    Table,
    Telling,
    Text,
    Writes,
    Written,
)

KINDS = ("looks", "carries", "matters", "moves")


def heads(n_layers=3, n_heads=4, kinds=KINDS, text="plain", seed=0, missing=False):
    """Evidence on every head, drawn at random."""
    rng = np.random.default_rng(seed)
    shape = (n_layers, n_heads)
    n = n_layers * n_heads

    def packed(*more):
        values = rng.normal(0.1, 0.1, (*shape, *more))
        return Packed.of(np.full_like(values, np.nan) if missing else values)

    return Heads(
        n_layers=n_layers,
        n_heads=n_heads,
        measures=[
            Measure(
                kind=kind,
                what=f"{kind}: {text}",
                unit="difference" if kind == "looks" else "rate",
                rule=text,
                p_over=text,
                answers="-" + "".join(rng.choice(list("ynu"), n - 1)),
                effect=packed(),
                low=packed(),
                high=packed(),
                p=packed(),
                control=packed(),
                detectable=packed(),
            )
            for kind in kinds
        ],
        verdicts="".join(rng.choice(list("samri-"), n)),
        rules=text,
        details=[
            Detail(
                title=text,
                caption=text,
                rows=[text, "mean"],
                unit="rate",
                effect=packed(2),
                low=packed(2),
                high=packed(2),
                p=packed(2),
            )
        ],
        writes=[
            Writes(head=i, directions=[Written(share=0.4, up=[text, "fur"], down=[text, "gram"])])
            for i in range(n)
        ],
        writes_caption=text,
    )


def example(words=("the", "mole", "dug", "a", "hole"), held=range(12), seed=0, keys=None):
    """A sentence with random attention between a special token and its words."""
    rng = np.random.default_rng(seed)
    own = Text(tokens=["[CLS]", *words], words=list(words), word_of=[-1, *range(len(words))])
    other = keys and Text(tokens=["<s>", *keys], words=list(keys), word_of=[-1, *range(len(keys))])
    shape = (len(held), len(own.tokens), len((other or own).tokens))
    scores = rng.normal(0, 2, shape)
    pattern = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    low, high = scores.min((1, 2)), scores.max((1, 2))
    scaled = (scores - low[:, None, None]) / (high - low)[:, None, None]
    return Example(
        queries=own,
        keys=other,
        links=[Linked(query=len(words) - 1, key=0, relation=words[0])],
        marks=[Marked(word=1, label=words[0])],
        sinks=[0],
        heads=list(held),
        pattern=Packed.roots(pattern),
        norms=Packed.roots(pattern**2 / (pattern**2).sum(-1, keepdims=True)),
        scores=Packed.of(np.rint(255 * scaled), "u1"),
        score_ranges=[(float(a), float(b)) for a, b in zip(low, high, strict=True)],
    )


def attention(n_layers=3, n_heads=4, text="plain", examples=None):
    """Sentences to look at."""
    held = range(n_layers * n_heads)
    shown = examples or [
        example((text, "mole", "dug", "a", "hole"), held),
        example((text, "creature", "roamed"), held[:3], seed=1),
    ]
    return Attention(
        n_layers=n_layers,
        n_heads=n_heads,
        caption=text,
        examples=shown,
        telling=[
            Telling(head=head, example=0, score=0.5, why=why)
            for head in range(n_layers * n_heads)
            for why in ("clearest", "worst")
        ],
    )


def whole(text="plain", n_layers=3, n_heads=4, **changes):
    """A report with every kind of part, and `text` wherever text can enter."""
    rng = np.random.default_rng(0)
    rows = 40
    frame = pd.DataFrame(
        {
            "head": [text, "L0H1", "L2H3", None, *["L1H2"] * (rows - 4)],
            "rate": [0.123456, np.nan, 0.5, -0.25, *rng.uniform(size=rows - 4)],
            "n": [1200, 3, 7, 0, *range(10, rows + 6)],
        }
    )
    columns = [
        Column(name=text, title=text, note=text),
        Column(name="rate", title="Rate", kind="rate"),
        Column(name="n", title="N", kind="integer"),
    ]
    made = Report(
        analysis="looks",
        model=changes.pop("model", "tiny"),
        question=text,
        verdict="inconclusive",
        answer=text,
        sections=[
            Section(
                title=text,
                figures=[
                    Heatmap(
                        title=text,
                        caption=text,
                        values=rng.uniform(size=(n_layers, n_heads)),
                        baseline=(text, 0.25),
                        marked=[(0, 1)],
                    ),
                    Matrix(
                        title=text,
                        caption=text,
                        rows=[text, "amod"],
                        columns=["L0H0", "L0H1", "L1H0", "L1H1"],
                        breaks=[2],
                        values=np.array([[0.1, -0.2, np.nan, 0.9], [0.0, 0.25, 0.5, 0.3]]),
                        marked=[(1, 2)],
                        marks=text,
                    ),
                    Lines(
                        title=text,
                        caption=text,
                        x_label=text,
                        x=[0, 1],
                        series=[
                            Series(name=text, values=[0.1, np.nan], low=[0.0, 0.2], high=[0.2, 0.4]),
                            Series(name="bag", values=[0.3, 0.3], is_baseline=True),
                        ],
                    ),
                ],
                tables=[
                    Table.of("heads", text, frame.rename(columns={"head": text}), columns, caption=text),
                    Table.of("none", text, frame.rename(columns={"head": text})[:0], columns, folded=True),
                ],
                findings=[text],
                method=[text],
                references=[text],
            )
        ],
        heads=heads(n_layers, n_heads, text=text),
        attention=attention(n_layers, n_heads, text),
        provenance=Provenance(
            created="2026-01-01 00:00 UTC", seconds=1.5, command=text, seed=0, smoke=True, device="cpu",
            dtype="float32", platform="x", options={"label": text}, versions={"torch": text}, commit="", dirty=None,
            model=Source(name=text, path=text, note=text, license=text), data=Source(name=text),
        ),
    )  # fmt: skip
    parts = {name: changes.pop(name) for name in Section.model_fields if name in changes}
    (section,) = made.sections
    sections = [section.model_copy(update=parts)]
    return made.model_copy(update={"sections": sections} | changes)
