"""Attention on given sentences: what is shown is what was computed."""

import html
import json
import re

import pytest

import headwise
from headwise.report.schema import Packed
from helpers.architectures import make


@pytest.fixture(scope="module")
def tiny_t5(wordpiece):
    return headwise.load(make("T5", len(wordpiece)), tokenizer=wordpiece)


def framed(view):
    """The page in a view's frame."""
    frame = view._repr_html_()
    assert frame.startswith("<iframe ") and 'sandbox="allow-scripts allow-downloads"' in frame
    return html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])


def test_look(visitor, tiny_bert):
    view = headwise.show_attention(
        tiny_bert, ["A fluffy blue creature.", "Two moles."], ["L0H1", "L1H3"]
    )
    visit = visitor.open(view.html)
    visit.page.get_by_role("radio", name="Tokens").check()
    shown = visit.page.locator("[data-attention]").inner_text()
    assert "fluffy" in visit.page.locator("[data-attention] select").first.inner_text()
    assert "L0H1" in shown and "L1H3" in shown  # few heads are shown together
    assert visit.page.locator("[data-card]").count() == 0
    visit.page.locator("[data-panel] .stage").focus()
    visit.page.keyboard.press("ArrowLeft")
    assert "MB" in repr(view)


def test_look_is_exact(tiny_gpt2):
    report = _attention(headwise.show_attention(tiny_gpt2, "the fluffy blue creature"))
    cache = headwise.capture(tiny_gpt2, ["the fluffy blue creature"], ["pattern"])
    (example,) = report["examples"]
    held = Packed(**example["pattern"]).array() / 255.0
    wanted = cache.sentence(0)["pattern", 1][2].numpy()
    assert abs(held[4 + 2] ** 2 - wanted).max() < 0.004
    assert example["causal"]


def _attention(view):
    return json.loads(re.search(r'id="data">(.*?)</script>', view.html, re.DOTALL)[1])["attention"]


def test_look_at_two_sides(visitor, tiny_t5):
    view = headwise.show_attention(tiny_t5, "the fluffy creature", targets=["blue forest"])
    shown = _attention(view)
    assert shown["side"] == "cross" and not shown["examples"][0]["causal"]
    assert shown["examples"][0]["keys"]["words"] == ["the", "fluffy", "creature"]
    assert shown["examples"][0]["queries"]["words"] == ["blue", "forest"]
    visit = visitor.open(view.html)
    assert "Attention: cross" in visit.text("#look")
    decoder = _attention(
        headwise.show_attention(
            tiny_t5, "the fluffy creature", targets=["blue forest"], side="decoder"
        )
    )
    assert decoder["examples"][0]["causal"] and decoder["examples"][0]["keys"] is None
