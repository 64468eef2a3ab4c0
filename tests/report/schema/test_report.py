"""Reports as data: typed, frozen, and read again."""

import json

import pytest
from pydantic import ValidationError

from headwise import HeadwiseError
from headwise.report import (
    render_report,
    write_report,
)
from headwise.report.schema import Report, load_report
from helpers import pages


def test_files_that_are_no_report(tmp_path):
    page = write_report(pages.whole(), tmp_path)
    path = page.parent / "results.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(HeadwiseError, match="cannot be read as a report"):
        load_report(path)
    path.write_text(json.dumps(json.loads(whole) | {"schema_version": 0}))
    with pytest.raises(HeadwiseError, match="schema version 0; this headwise reads 1 to 3"):
        load_report(path)
    path.write_text(json.dumps(json.loads(whole) | {"sections": [{"title": "x", "tables": [3]}]}))
    with pytest.raises(HeadwiseError, match=r"not a complete report: sections\.0\.tables\.0"):
        load_report(path)


def test_an_older_report_is_read_and_one_from_the_future_is_not(tmp_path):
    page = write_report(pages.whole(), tmp_path)
    path = page.parent / "results.json"
    new = json.loads(path.read_text())
    (section,) = new["sections"]
    flat = {**section, "not_found": section["findings"]}
    second = {k: v for k, v in (new | flat).items() if k not in ("sections", "title", "findings")}
    for measure in second["heads"]["measures"]:
        measure["said"] = measure.pop("answers")
    path.write_text(json.dumps(second | {"schema_version": 2}))
    assert load_report(path) == pages.whole(title="Results")
    first = {k: v for k, v in second.items() if k not in ("heads", "attention")}
    path.write_text(json.dumps(first | {"schema_version": 1}))
    assert load_report(path) == pages.whole(title="Results", heads=None, attention=None)
    assert render_report(load_report(path))
    path.write_text(json.dumps(new | {"schema_version": 99}))
    with pytest.raises(HeadwiseError, match="A newer headwise made it"):
        load_report(path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, number):
    path = write_report(pages.whole(), tmp_path).parent / "results.json"
    data = json.loads(path.read_text())
    data["heads"]["measures"][0]["n"] = "N"
    path.write_text(json.dumps(data).replace('"N"', number))
    with pytest.raises(HeadwiseError, match=f"{number} is no finite number"):
        load_report(path)


def test_reports_are_typed_and_frozen():
    with pytest.raises(ValidationError):
        pages.whole().model_copy().question = "another"
    with pytest.raises(ValidationError):
        Report.model_validate(pages.whole().model_dump() | {"extra": 1})
