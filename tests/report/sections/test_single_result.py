"""Every result has a page of its own."""

import html
import re

import pytest

import headwise
from headwise.attention.head_atlas import atlas
from headwise.interventions.prompts import that_fit
from headwise.report.sections.single_result import report_of

SUITE = "probes/adjective_noun.toml"


@pytest.fixture(scope="module")
def suite():
    return headwise.read_suite(SUITE).sample_groups(40)


def framed(view):
    """The page in a view's frame."""
    frame = view._repr_html_()
    assert frame.startswith("<iframe ") and 'sandbox="allow-scripts allow-downloads"' in frame
    return html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])


def test_every_result_can_be_seen(visitor, tiny_gpt2, suite):
    pairs = that_fit(tiny_gpt2, headwise.read_suite("probes/adjective_pairs.toml")).sample_groups(6)
    mole = headwise.read_suite("probes/mole.toml")
    results = [
        headwise.ablate(tiny_gpt2, pairs),
        headwise.read_circuits(tiny_gpt2, n_null=2),
        atlas(tiny_gpt2, suite),
        headwise.probe(tiny_gpt2, mole, folds=3, sites=["residual", "z"], draws=1),
        headwise.logit_lens(tiny_gpt2, mole),
    ]
    for result in results:
        report = report_of(result)
        assert report.tables and report.tables[0].rows
        visit = visitor.open(headwise.show(result).html)
        assert visit.page.locator("table.data tbody tr").count() > 0
    assert report_of(results[0]).heads.measures[0].kind == "matters"
    assert len(report_of(results[2]).figures) == 6
