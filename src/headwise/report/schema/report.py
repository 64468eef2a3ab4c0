"""Reports as data: what an analysis returns, `results.json` holds and the page is drawn from.

The schema is versioned; files of earlier versions are upgraded when they are read. Missing numbers are `null` in the file
and None here, or NaN in a packed array.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError, model_validator

from headwise._files import reason
from headwise._formatting import Verdict
from headwise._result import Viewable
from headwise.errors import HeadwiseError

from .attention import Attention
from .figures import Figure
from .head_cards import Heads
from .packed import Frozen
from .section import Section
from .tables import Table

SCHEMA_VERSION = 3


class Source(Frozen):
    """Where a model or a data set came from."""

    name: str
    path: str = ""
    sha256: str = ""
    license: str = ""
    note: str = ""


class Provenance(Frozen):
    """Everything needed to obtain the same figures again."""

    created: str
    seconds: float
    command: str
    script: str = ""
    seed: int
    smoke: bool
    device: str
    dtype: str
    platform: str
    options: dict[str, str] = {}
    versions: dict[str, str]
    commit: str
    dirty: bool | None
    model: Source
    data: Source
    hypothesis: str = ""
    sentences: list[str] = []


class Report(Frozen, Viewable):
    """The answer to one question about one model.

    Attributes:
        analysis: Name of the analysis.
        model: Name of the model.
        question: The question, in plain words.
        verdict: The verdict, by the rule stated in the method.
        answer: One sentence with its numbers; never stronger than the verdict.
        controls: One line on what the controls reach: never-trained models, uniform attention, permuted labels; empty where none was run.
        sections: One for each question that was tested, in the order of the page.
        heads: The evidence on every head, and its card.
        attention: Example sentences.
        provenance: Filled in by the runner.
    """

    schema_version: Literal[3] = SCHEMA_VERSION
    analysis: str
    model: str
    question: str
    verdict: Verdict
    answer: str
    controls: str = ""
    sections: list[Section] = []
    heads: Heads | None = None
    attention: Attention | None = None
    provenance: Provenance | None = None

    @property
    def figures(self) -> list[Figure]:
        """Those of all sections."""
        return [figure for section in self.sections for figure in section.figures]

    @property
    def tables(self) -> list[Table]:
        """Those of all sections."""
        return [table for section in self.sections for table in section.tables]

    @property
    def findings(self) -> list[str]:
        """Those of all sections."""
        return [line for section in self.sections for line in section.findings]

    @property
    def method(self) -> list[str]:
        """That of all sections."""
        return [paragraph for section in self.sections for paragraph in section.method]

    @property
    def references(self) -> list[str]:
        """Those of all sections, each once."""
        return list(dict.fromkeys(paper for s in self.sections for paper in s.references))

    @model_validator(mode="after")
    def _names_once(self) -> "Report":
        """Tables are files of a folder, so no two may have one name."""
        names = [table.name for table in self.tables]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tables are named {', '.join(sorted(twice))}")
        return self

    @property
    def slug(self) -> str:
        """Name of the report's folder."""
        return slug_of(self.analysis, self.model)


def slug_of(analysis: str, model: str) -> str:
    """Name of a report's folder: letters, digits, dots, dashes and underscores."""
    name = f"{analysis}-{model}"[:200]
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name)


def _from_1(data: dict[str, Any]) -> dict[str, Any]:
    """Version 2 added cards and example sentences; a report without them is complete."""
    return data | {"schema_version": 2}


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 3 orders a report by question, so what an older one holds is one section; it names answers so."""
    names = {"figures": "figures", "tables": "tables", "not_found": "findings", "method": "method", "references": "references"}  # fmt: skip
    section = {"title": "Results"} | {new: data.get(old, []) for old, new in names.items()}
    kept = {name: value for name, value in data.items() if name not in names}
    if heads := kept.get("heads"):
        measures = [{"answers" if k == "said" else k: v for k, v in m.items()} for m in heads["measures"]]  # fmt: skip
        kept["heads"] = heads | {"measures": measures}
    return kept | {"schema_version": 3, "sections": [section]}


UPGRADES: dict[object, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1, 2: _from_2}


def _finite(text: str) -> float:
    """A number of a file; what is missing is written as null, and nothing is infinite."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def load_report(path: Path) -> Report:
    """Reads `results.json`.

    Raises:
        HeadwiseError: Not a report, truncated, or of an unknown schema version.
    """
    try:
        data: object = json.loads(
            path.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite
        )
    except (OSError, ValueError, RecursionError) as error:
        raise HeadwiseError(f"{path}: cannot be read as a report: {str(error)[:200]}.") from error
    version: object = data.get("schema_version") if isinstance(data, dict) else None
    if version not in (*UPGRADES, SCHEMA_VERSION):
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        step = "A newer headwise made it: update this one." if newer else "Run the analysis again."
        raise HeadwiseError(
            f"{path}: a report of schema version {repr(version)[:40]}; this headwise reads {1} to {SCHEMA_VERSION}. {step}"
        )
    try:
        while version in UPGRADES:
            data = UPGRADES[version](cast(dict[str, Any], data))
            version = data["schema_version"]
        return Report.model_validate(data)
    except ValidationError as error:
        raise HeadwiseError(f"{path}: not a complete report: {reason(error)}.") from error
    except (
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        ValueError,
        RecursionError,
    ) as error:
        raise HeadwiseError(f"{path}: not a complete report: {str(error)[:200]}.") from error
