"""One part of a report: the answer to one question, with its figures, tables, findings and method."""

from pydantic import Field

from .figures import Figure
from .head_cards import Detail
from .packed import Frozen
from .tables import Table


class Section(Frozen):
    """What was done to answer one question, and what came of it.

    Attributes:
        title: Heading on the page.
        figures: In order of importance.
        tables: In order of importance.
        findings: What was found and what was not, with its limits, a sentence or two each.
        method: Paragraphs in plain words.
        references: Papers that the method comes from.
        details: Numbers for every head's card. They move to `Report.heads`, so `results.json` holds them there.
    """

    title: str
    figures: list[Figure] = []
    tables: list[Table] = []
    findings: list[str] = []
    method: list[str] = []
    references: list[str] = []
    details: list[Detail] = Field(default=[], exclude=True)
