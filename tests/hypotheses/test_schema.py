"""The schema in the documentation is that of the reader."""

from headwise.hypotheses.schema import schema
from helpers.paths import ROOT


def test_the_schema_in_the_documentation_is_up_to_date():
    path = ROOT / "docs/hypothesis.schema.json"
    assert path.read_text(encoding="utf-8") == schema(), "run: python -m headwise.hypotheses.schema docs"  # fmt: skip
