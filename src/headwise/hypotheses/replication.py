"""Whether the findings of one report hold in another: on other sentences, another seed, another model.

The heads of the first report's findings were chosen there, so nothing is selected on the second: each is judged by its own interval, widened for the number of findings (Bonferroni). A head that
was chosen as the best of many on the first data has no such luck on the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from headwise._columns import Column, Columns
from headwise._formatting import MINUS, Unit, head_name
from headwise._result import Result
from headwise.errors import HeadwiseError
from headwise.evidence.together import written
from headwise.report.schema import Report, Section, Table
from headwise.stats.deciding import LEVEL, SMALLEST

from .file import KINDS, HypothesisFile, parse

Outcome = Literal["replicated", "not replicated", "inconclusive"]
RULE = (
    "A finding is a head that is a yes by one kind of evidence in the first report. It is replicated where in the second its effect is at least the smallest effect of interest and larger than that of every head of every control, and its interval, widened for the number of findings, lies above "
    "zero; not replicated where that interval lies below the smallest effect of interest; and inconclusive otherwise. A supported claim is replicated where a head that supported it is replicated by every kind that was a yes, and not "
    "replicated where none of them can be; heads of models of other shapes are other heads, so there the verdicts on the claim are compared. A claim that was not supported is replicated where it is not supported again. "
    "A report that was inconclusive says nothing that could be replicated."
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ReplicationResult(Result):
    """Both reports side by side.

    Attributes:
        model: Name of the second report's model.
        suite: Name of its sentences.
        first: Name of the first report's model.
        claim: Whether the verdict on the claim is replicated; `nothing to replicate` if it was inconclusive.
        verdicts: The verdicts of both.
        shared: How many sentences of the second report are among those of the first; None where that is not known.
        sentences: How many sentences the second has.
        same_shape: Whether heads of the first are heads of the second.
        table: One row per finding.
    """

    columns: ClassVar[Columns] = Columns(
        Column("kind", "Evidence", "text", "looks, carries, matters or moves"),
        Column("name", "Head", "text", "Its name"),
        Column("outcome", "Outcome", "text", "By the rule of replication"),
        Column("unit", "Unit", "text", "Of the effects: a `rate` or a `difference` is a share of 1, a `number` is one"),
        Column("first", "First", "number", "Effect in the first report, in the unit of its kind"),
        Column("first_low", "from", "number", "Lower end of its 95% interval"),
        Column("first_high", "to", "number", "Upper end of its 95% interval"),
        Column("second", "Second", "number", "Effect in the second report"),
        Column("second_low", "from", "number", "Lower end of its interval, widened for the number of findings"),
        Column("second_high", "to", "number", "Upper end of its interval, widened for the number of findings"),
    )  # fmt: skip

    model: str
    suite: str
    first: str
    claim: Outcome | Literal["nothing to replicate"]
    verdicts: tuple[str, str]
    shared: int | None
    sentences: int
    same_shape: bool
    table: pd.DataFrame

    @property
    def sentence(self) -> str:
        """What came of it, with what the two reports have in common."""
        outcomes = self.table["outcome"].tolist()
        found = {o: outcomes.count(o) for o in ("replicated", "not replicated", "inconclusive")}
        of_heads = ", ".join(f"{n} {name}" for name, n in found.items() if n)
        heads = f" Of {len(self.table)} findings on single heads: {of_heads}." if len(self.table) else ""  # fmt: skip
        if not self.same_shape:
            heads = " The models have other shapes, so heads are not compared."
        common = ""
        if self.shared is None:
            common = " Whether sentences are shared is not known: the first report does not say which it tested."  # fmt: skip
        elif self.shared:
            common = f" {self.shared:,} of {self.sentences:,} sentences are those of the first report{', so this is no replication on other data' if self.shared == self.sentences else ''}."
        return f"The claim: {self.claim} (first {self.verdicts[0]}, second {self.verdicts[1]}).{heads}{common}"  # fmt: skip

    def _summary(self) -> str:
        return self.sentence

    def significant(self) -> pd.DataFrame:
        """The findings that are replicated."""
        return self.table.loc[self.table["outcome"] == "replicated"]


def replicate(
    first: Report, second: Report, *, smallest: Mapping[str, float] | None = None
) -> ReplicationResult:
    """Compares a report with an earlier one of the same question.

    Args:
        first: The earlier one, which chose the heads.
        second: The later one.
        smallest: Smallest effects of interest by kind of evidence; those of the hypothesis by default, or 0.05.

    Raises:
        HeadwiseError: They answer different questions, one has no evidence on heads, or a smallest effect of interest is none.
    """
    if not (isinstance(first, Report) and isinstance(second, Report)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise HeadwiseError("Two reports are compared, as headwise.report.schema.load_report reads them.")  # fmt: skip
    if first.analysis != second.analysis:
        raise HeadwiseError(f"These are reports of two hypotheses, {first.analysis!r} and {second.analysis!r}; a replication is of one.")  # fmt: skip
    then, now = _hypothesis(first), _hypothesis(second)
    if then and now and then != now:
        raise HeadwiseError(f"These are reports of two hypotheses of the name {first.analysis!r}, which differ; a replication is of one.")  # fmt: skip
    if smallest is None and then:
        smallest = then.smallest
    for kind, least in (smallest or {}).items():
        if kind not in KINDS or not 0 < least < 1:
            raise HeadwiseError(f"smallest: {kind!r} is {least!r}; expected one of {', '.join(KINDS)} and a number between 0 and 1.")  # fmt: skip
    if first.heads is None or second.heads is None:
        raise HeadwiseError(f"A report of {first.analysis!r} has no evidence on heads, so there is nothing to replicate.")  # fmt: skip
    same = (first.heads.n_layers, first.heads.n_heads) == (second.heads.n_layers, second.heads.n_heads)  # fmt: skip
    table = _findings(first, second, smallest or {}) if same else _none()
    data = second.provenance.data if second.provenance else None
    known = first.provenance.sentences if first.provenance else []
    own = second.provenance.sentences if second.provenance else []
    return ReplicationResult(
        model=second.model,
        suite=data.name if data else "",
        first=first.model,
        claim=_claim(first, second, table, same=same),
        verdicts=(first.verdict, second.verdict),
        shared=len(set(known) & set(own)) if known and own else None,
        sentences=len(set(own)),
        same_shape=same,
        table=table,
    )


def outcome(
    effect: float, low: float, high: float, *, control: float, smallest: float, n_findings: int
) -> tuple[Outcome, float, float]:
    """Whether one finding is replicated, and the widened interval.

    Args:
        effect: In the second report.
        low: Lower end of its 95% interval.
        high: Upper end.
        control: The largest effect of any head of a control of the second report; NaN without controls, in which case nothing is replicated.
        smallest: Smallest effect of interest.
        n_findings: How many findings are judged.
    """
    wider = float(stats.norm.isf(LEVEL / 2 / max(1, n_findings)) / stats.norm.isf(LEVEL / 2))
    low, high = effect - wider * (effect - low), effect + wider * (high - effect)
    # Written so that NaN is no replication: what was not controlled was not shown.
    if effect >= smallest and low > 0 and effect > control:
        return "replicated", low, high
    return ("not replicated" if high < smallest else "inconclusive"), low, high


def section(result: ReplicationResult) -> Section:
    """The replication as a part of the second report."""
    shown = result.table.assign(
        first=[_interval(row, "first") for row in result.table.to_dict("records")],
        second=[_interval(row, "second") for row in result.table.to_dict("records")],
    )
    columns = Columns(*(Column(c.name, c.title, "text", c.meaning) for c in result.columns.pick("kind", "name", "outcome", "first", "second").values()))  # fmt: skip
    return Section(
        title="Replication",
        tables=[Table.of("replication", "Findings of the first report, and the same heads here", shown, columns)] if len(shown) else [],
        findings=[result.sentence],
        method=[RULE],
    )  # fmt: skip


def _hypothesis(report: Report) -> HypothesisFile | None:
    """What the report says that it tested."""
    text = report.provenance.hypothesis if report.provenance else ""
    return parse(Path(f"{report.analysis}.toml"), text) if text else None


def _findings(first: Report, second: Report, smallest: Mapping[str, float]) -> pd.DataFrame:
    assert first.heads is not None and second.heads is not None
    later = {measure.kind: measure for measure in second.heads.measures}
    found = [
        (measure, int(i)) for measure in first.heads.measures
        for i in np.flatnonzero(np.array(list(measure.answers)) == "y")
    ]  # fmt: skip
    rows: list[dict[str, object]] = []
    for measure, i in found:
        # A kind that could not be tested again leaves its findings open, and they count as findings.
        one, two = (
            [float(getattr(m, name).array().ravel()[i]) if m else float("nan") for name in ("effect", "low", "high")]
            for m in (measure, later.get(measure.kind))
        )  # fmt: skip
        least = smallest.get(measure.kind, SMALLEST)
        own = later.get(measure.kind)
        control = float(own.control.array().ravel()[i]) if own and own.control else float("nan")
        said, low, high = outcome(*two, control=control, smallest=least, n_findings=len(found))
        layer, head = divmod(i, first.heads.n_heads)
        rows.append(
            {
                "kind": measure.kind,
                "name": head_name(layer, head),
                "outcome": said,
                "unit": measure.unit,
                "first": one[0],
                "first_low": one[1],
                "first_high": one[2],
                "second": two[0],
                "second_low": low,
                "second_high": high,
            }
        )
    return pd.DataFrame(rows) if rows else _none()


def _none() -> pd.DataFrame:
    numbers = {name: pd.Series(dtype=float) for name in ("first", "first_low", "first_high", "second", "second_low", "second_high")}  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype=object) for name in ("kind", "name", "outcome", "unit")} | numbers)  # fmt: skip


def _claim(
    first: Report, second: Report, table: pd.DataFrame, *, same: bool
) -> Outcome | Literal["nothing to replicate"]:
    if first.verdict not in ("supported", "not supported"):
        return "nothing to replicate"
    opposite = {"supported": "not supported", "not supported": "supported"}[first.verdict]
    if first.verdict == "not supported" or not same or table.empty:
        if second.verdict == first.verdict:
            return "replicated"
        return "not replicated" if second.verdict == opposite else "inconclusive"
    outcomes = {
        name: set(own["outcome"])
        for name, own in table.groupby("name")
        if name in _supporting(first)
    }
    if any(own == {"replicated"} for own in outcomes.values()):
        return "replicated"
    return "not replicated" if all("not replicated" in own for own in outcomes.values()) else "inconclusive"  # fmt: skip


def _supporting(report: Report) -> set[str]:
    """Heads that support the claim: by their verdict, or, where none could be given, by every kind that was tested."""
    heads = report.heads
    assert heads is not None
    names = [head_name(*divmod(i, heads.n_heads)) for i in range(heads.n_layers * heads.n_heads)]
    if "s" in heads.verdicts:
        return {name for name, letter in zip(names, heads.verdicts, strict=True) if letter == "s"}
    return {name for i, name in enumerate(names) if all(m.answers[i] == "y" for m in heads.measures)}  # fmt: skip


UNITS: dict[str, Unit] = {unit: unit for unit in get_args(Unit)}


def _interval(row: Mapping[str, object], name: str) -> str:
    value, low, high = (float(str(row[f"{name}{end}"])) for end in ("", "_low", "_high"))
    unit = UNITS[str(row["unit"])]
    interval = f"[{written(low, unit)}, {written(high, unit)}]".replace(" points", "")
    return f"{written(value, unit)} {interval}".replace(" -", f" {MINUS}")
