"""The contracts as they are written down."""

import json
import re

import pytest

from headwise.report import (
    render_report,
)
from headwise.report.html.payload import Page
from headwise.report.html.schema import MODELS, schema_of
from helpers import pages
from helpers.paths import ROOT

DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", MODELS)
def test_schemas_in_the_documentation_are_up_to_date(name):
    path = DOCS / f"{name}.schema.json"
    assert path.read_text(encoding="utf-8") == schema_of(name), (
        "run: python -m headwise.report.html.schema docs"
    )


def test_the_data_of_a_page_follow_its_schema():
    html = render_report(pages.whole())
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert Page.model_validate(json.loads(data[1])).slug == "looks-tiny"
