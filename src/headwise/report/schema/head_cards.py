"""Evidence on every head, and the contents of a head's card.

Everything is an array `[layer, head]`, or a string with one letter per head in the same order: layer 0 first.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from headwise._formatting import Unit

from .packed import Frozen, Packed

EvidenceKind = Literal["looks", "carries", "matters", "moves"]
Answers = Annotated[str, Field(pattern=r"^[ynu-]*$")]
ANSWERS = {"yes": "y", "no": "n", "inconclusive": "u"}
VERDICTS = {
    "supported": "s",
    "attends without mattering": "a",
    "matters without attending": "m",
    "refuted": "r",
    "inconclusive": "i",
}


class Measure(Frozen):
    """One kind of evidence on every head.

    Attributes:
        kind: Which kind.
        what: What the effect is, in plain words.
        unit: How the effect is written.
        rule: When it is a yes, and when a no.
        p_over: What p is corrected over.
        answers: `y`, `n`, `u` (inconclusive) or `-` (not tested) for each head.
        effect: `[layer, head]`.
        low: Lower end of the 95% interval.
        high: Upper end of the 95% interval.
        p: Corrected p.
        control: The largest effect of any head of any control (random weights, uniform attention, permuted links or labels), the
            same for every head or one of its own.
        detectable: The smallest effect that is detectable with 80% power.
    """

    kind: EvidenceKind
    what: str
    unit: Unit
    rule: str
    p_over: str
    answers: Answers
    effect: Packed
    low: Packed
    high: Packed
    p: Packed
    control: Packed | None = None
    detectable: Packed | None = None


class Detail(Frozen):
    """Further numbers of every head, a small table on each card: methods of ablation, directions, relations.

    Attributes:
        title: What they are.
        caption: How to read them.
        rows: Names of the rows.
        unit: How values are written.
        effect: `[layer, head, row]`; rows that are missing for a head are left out of its card.
        low: Lower end of the 95% interval.
        high: Upper end of the 95% interval.
        p: Corrected p.
    """

    title: str
    caption: str = ""
    rows: list[str]
    unit: Unit
    effect: Packed
    low: Packed
    high: Packed
    p: Packed


class Written(Frozen):
    """One direction that a head writes.

    Attributes:
        share: Share of what its weights write along it, 0 to 1.
        up: Tokens that it raises, most of all first; empty where a model has no output head.
        down: Tokens that it lowers.
    """

    share: float
    up: list[str] = []
    down: list[str] = []


class Writes(Frozen):
    """The directions that one head writes most, `head` counting from layer 0 on."""

    head: int
    directions: list[Written]


class Heads(Frozen):
    """All heads of one side of a model.

    Attributes:
        n_layers: Layers.
        n_heads: Heads of each layer.
        side: `encoder`, `decoder` or `cross` of a model with two stacks, else empty.
        measures: The kinds of evidence that were tested.
        verdicts: One letter per head, see `VERDICTS`; `-` where none can be given.
        rules: The rules of the verdict in one sentence; empty where none was given.
        details: Further numbers.
        writes: Directions that heads write.
        writes_caption: How these were found.
    """

    n_layers: int
    n_heads: int
    side: str = ""
    measures: list[Measure] = []
    verdicts: Annotated[str, Field(pattern=r"^[samri-]*$")] = ""
    rules: str = ""
    details: list[Detail] = []
    writes: list[Writes] = []
    writes_caption: str = ""

    @model_validator(mode="after")
    def _fits(self) -> "Heads":
        grid = [self.n_layers, self.n_heads]
        n = self.n_layers * self.n_heads
        for measure in self.measures:
            arrays = (
                measure.effect,
                measure.low,
                measure.high,
                measure.p,
                measure.control,
                measure.detectable,
            )
            if len(measure.answers) != n or any(a.shape != grid for a in arrays if a is not None):
                raise ValueError(f"{measure.kind}: not one value for each of {n} heads")
        for detail in self.details:
            wanted = [*grid, len(detail.rows)]
            if any(a.shape != wanted for a in (detail.effect, detail.low, detail.high, detail.p)):
                raise ValueError(f"{detail.title}: not one value for each of {n} heads and row")
        if self.verdicts and len(self.verdicts) != n:
            raise ValueError(f"{len(self.verdicts)} verdicts on {n} heads")
        return self
