"""A report from its sections: what analyses return."""

from collections.abc import Mapping, Sequence

import pandas as pd

from headwise._formatting import Verdict
from headwise.data.suite import Suite
from headwise.model.model import Model
from headwise.report.schema import Report, Section

from .heads._candidates import TestedRelation
from .heads.examples import examples_shown
from .heads.head_cards import first, heads_section


def untested(title: str, why: object) -> Section:
    """A section of what could not be tested, and why."""
    return Section(title=title, findings=[f"Not tested: {why}"])


def compose(
    model: Model | str,
    *,
    analysis: str,
    question: str,
    answer: str,
    verdict: Verdict,
    sections: Sequence[Section | None],
    suite: Suite | None = None,
    heads: pd.DataFrame | None = None,
    controls: str = "",
    shown: Suite | None = None,
    relations: Sequence[TestedRelation] = (),
    judged_by: Mapping[tuple[int, int], int] | None = None,
    seed: int = 0,
) -> Report:
    """A report of one question to one model.

    Args:
        model: The model; of a shape, which has no weights, its name.
        analysis: Name of the analysis.
        question: In plain words.
        answer: One or two sentences with their numbers, never stronger than the verdict.
        verdict: What the evidence amounts to, by the rule stated in the method of a section.
        sections: In the order of the page; None for what was not run.
        suite: What was tested, if sentences were; what it says about itself opens the method.
        heads: One row per head, of `evidence.judge_all` or of one kind of evidence.
        controls: What the controls reach, in a line.
        shown: Sentences of which attention is shown; `suite` by default.
        relations: Which words should attend to which in them, each with who attends.
        judged_by: Of several relations, by which each head is judged.
        seed: Fixes which sentences are shown.
    """
    kept = [section for section in sections if section is not None]
    if kept and suite and suite.about:
        kept[0] = kept[0].model_copy(update={"method": [suite.about, *kept[0].method]})
    shown = shown or suite
    cards, attention = None, None
    if isinstance(model, Model):
        cards = heads_section(model, heads, [detail for s in kept for detail in s.details])
    if isinstance(model, Model) and shown:
        order = [] if heads is None else first(heads)
        attention = examples_shown(
            model, shown, relations, heads_first=order, judged_by=judged_by, seed=seed
        )
    return Report(
        analysis=analysis,
        model=model.name if isinstance(model, Model) else model,
        question=question,
        verdict=verdict,
        answer=answer,
        controls=controls,
        sections=kept,
        heads=cards,
        attention=attention,
    )
