"""Results in a notebook: the same components as on a page, offline."""

import html
import re

import pandas as pd
import pytest

import headwise
from headwise import HeadwiseError
from headwise.report.sections.single_result import report_of
from helpers import pages
from helpers.architectures import make

SUITE = "probes/adjective_noun.toml"


@pytest.fixture(scope="module")
def suite():
    return headwise.read_suite(SUITE).sample_groups(40)


@pytest.fixture(scope="module")
def tiny_t5(wordpiece):
    return headwise.load(make("T5", len(wordpiece)), tokenizer=wordpiece)


@pytest.fixture(scope="module")
def looked(tiny_bert, suite):
    return headwise.relation_test(tiny_bert, suite, "amod", n_null=0)


def framed(view):
    """The page in a view's frame."""
    frame = view._repr_html_()
    assert frame.startswith("<iframe ") and 'sandbox="allow-scripts allow-downloads"' in frame
    return html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])


def test_a_relation_in_a_notebook(visitor, looked):
    view = looked.view()
    assert framed(view) == view.html
    visit = visitor.open(view.html, "#L1H2")
    assert visit.text("#head") == "L1H2"
    assert visit.page.locator("[data-evidence] .panel:not(.is-missing)").count() == 1
    rows = len(looked.table)
    assert f"{rows} rows" in visit.text("[data-table]")
    assert visit.page.locator("h1").count() == 0


def test_a_frame_in_another_page(visitor, looked):
    """As a notebook does it: the frame draws itself, and may do nothing else."""
    outer = f"<!doctype html><html data-ready><body>{looked.view(height=500)._repr_html_()}</body></html>"
    visit = visitor.open(outer)
    frame = visit.page.frame_locator("iframe")
    frame.locator("#head").wait_for()
    frame.locator(".stage").first.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("Enter")
    assert frame.locator("#head").inner_text().startswith("L")
    assert frame.locator("body").evaluate("() => window.origin") == "null"


def test_a_whole_report(visitor):
    report = pages.whole()
    assert headwise.show(report).html == report.view().html
    assert visitor.open(report.view().html).text("h1") == "plain"


def test_all_numbers_of_a_table_are_there(looked):
    table = report_of(looked).tables[0].to_frame()
    assert list(table) == list(looked.table)
    assert table["hit_rate"].tolist() == pytest.approx(
        looked.table["hit_rate"].tolist(), nan_ok=True
    )


def test_views_are_saved(tmp_path, looked):
    view = looked.view()
    assert view.save(tmp_path / "page.html").read_text(encoding="utf-8") == view.html
    with pytest.raises(HeadwiseError, match="cannot be written"):
        view.save(tmp_path / "no" / "page.html")


def test_where_no_script_runs(visitor, looked):
    """A line says what to do; where the script runs it is never seen."""
    view = looked.view()
    assert ".save(" in view._repr_html_().split("</iframe>")[1]
    line = ".unscripted"
    assert visitor.open(view.html).page.locator(line).is_hidden()
    dead = re.sub(r"<script>.*?</script>", "", view.html, flags=re.DOTALL)
    told = visitor.open(dead.replace("<html", "<html data-dead"), ready="html[data-dead]")
    told.page.locator(line).wait_for(state="visible")
    assert "drawn by a script" in told.text(line)


def test_what_cannot_be_shown(tiny_bert, tiny_t5):
    with pytest.raises(HeadwiseError, match="A DataFrame cannot be shown"):
        headwise.show(pd.DataFrame())
    cache = headwise.capture(tiny_bert, ["the mole"], ["pattern"])
    with pytest.raises(HeadwiseError, match=r"headwise\.show_attention\(model, sentences\)"):
        headwise.show(cache)
    with pytest.raises(HeadwiseError, match="head 9"):
        headwise.show_attention(tiny_bert, "the mole", ["L0H9"])
    with pytest.raises(HeadwiseError, match="no side 'cross'; it is a model of one stack"):
        headwise.show_attention(tiny_bert, "the mole", side="cross")
    with pytest.raises(HeadwiseError, match="pass it as targets"):
        headwise.show_attention(tiny_t5, "the mole", side="cross")
    with pytest.raises(HeadwiseError, match="takes no targets"):
        headwise.show_attention(tiny_bert, "the mole", targets=["a mole"])
