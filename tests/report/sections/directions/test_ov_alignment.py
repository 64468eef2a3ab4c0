"""The section on alignment with OV images holds what the result holds."""

import pytest

import headwise
from headwise.data import transforms
from headwise.report import sections
from helpers.paths import PROBES


@pytest.fixture(scope="module")
def suite():
    return headwise.read_suite(PROBES / "creature.toml").sample_groups(12)


@pytest.fixture(scope="module")
def result(minilm, suite):
    return headwise.ov_alignment_test(minilm, suite, n_null=0)


def test_numbers_of_the_strongest_head_and_of_the_word_after(result, suite, minilm):
    after = transforms.after_governors(suite, "amod")
    beside = headwise.ov_alignment_test(minilm, after, n_null=0)
    section = sections.ov_alignment(result, suite, beside)
    whole, each = section.tables
    rows = whole.to_frame().set_index("name")
    name = result.heads[result.strongest].name
    assert rows.index[0] == name and rows["effect"].is_monotonic_decreasing
    own = beside.table.set_index("name")["difference"]
    assert rows["beside"][name] == pytest.approx(own[name])
    assert len(each.rows) == len(result.sentences)
    assert any(line.startswith("At the word after the noun") for line in section.findings)
    (detail,) = section.details
    assert any("at the word after it" in row for row in detail.rows)


def test_without_controls_nothing_is_supported_and_it_says_so(result, suite):
    assert "no head is supported" in sections.ov_alignment_controls(result)
    findings = " ".join(sections.ov_alignment(result, suite).findings)
    assert f"Of {len(result.table)} heads, 0 pass every test" in findings
    assert "was not tested" in findings
