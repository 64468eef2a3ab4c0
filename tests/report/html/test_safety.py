"""Whatever data hold is shown as text: strings made to break out, in every place where data enter."""

import re
from html.parser import HTMLParser

import pytest

from headwise.data.suite import Link, Mark, Sentence, Suite
from headwise.report import render_index, render_report
from headwise.report.sections.heads.examples import examples_shown
from helpers import nasty, pages

CENSUS = """() => {
  const count = {};
  for (const element of document.querySelectorAll("*"))
    count[element.tagName] = (count[element.tagName] || 0) + 1;
  return count;
}"""
HANDLERS = """() => [...document.querySelectorAll("*")].flatMap((element) =>
  [...element.attributes].filter(({ name }) => name.startsWith("on")).map(({ name }) => name))"""


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def test_there_are_enough_of_them():
    assert len(set(nasty.STRINGS)) >= 50


@pytest.fixture(scope="module")
def plain():
    return {}


@pytest.mark.parametrize("text", nasty.STRINGS, ids=range(len(nasty.STRINGS)))
def test_text_from_data_is_text(visitor, plain, text):
    """The page has the same elements as with a harmless word, and says what it was given."""
    if not plain:
        plain |= visitor.open(pages.whole("plain")).page.evaluate(CENSUS)
    visit = visitor.open(pages.whole(text, model=text))
    page = visit.page
    assert page.evaluate("window.pwned") is None
    assert page.evaluate(HANDLERS) == []
    count = page.evaluate(CENSUS)
    of_data = {"B", "U", "A", "LI"}  # what marks and links words depends on which these are
    assert {k: v for k, v in count.items() if k not in of_data} == {
        k: v for k, v in plain.items() if k not in of_data
    }
    assert page.text_content("h1") == text
    assert page.text_content("[data-table='0'] tbody td") == text


def test_a_suite_of_such_words_comes_through_an_analysis(visitor, minilm, tmp_path):
    """From sentences through tokenizer, attention and tables to the page."""
    words = [text for text in nasty.STRINGS if len(text) < 200 and not text.isspace()]
    sentences = [
        Sentence(
            words=("the", word, "mole", "dug"),
            spaces=(True, True, True, False),
            links=(Link(1, 2, "amod"),),
            marks=(Mark(2, word),),
            group=f"group {i}",
        )
        for i, word in enumerate(words)
    ]
    suite = Suite("<b>suite</b>", "<i>question</i>", tuple(sentences))
    shown = examples_shown(minilm, suite, [("amod", "governor->dependent")], n=60)
    held = {word for example in shown.examples for word in example.queries.words}
    assert len(held & set(words)) >= 50
    visit = visitor.open(pages.whole(suite.question, heads=None, figures=[], attention=shown))
    page = visit.page
    sentence = page.locator("[data-attention] select").first
    for value in sentence.locator("option").evaluate_all("all => all.map(o => o.value)"):
        sentence.select_option(value)
    for view in ("Lines", "Text", "Dots"):
        page.get_by_role("radio", name=view).check()
        page.get_by_role("radio", name="Tokens").check()
    assert page.evaluate("window.pwned") is None and page.evaluate(HANDLERS) == []
    assert page.locator("script").count() == 2 and page.locator("img, iframe").count() == 0


def test_the_index_shows_text(visitor):
    reports = [pages.whole(text, model=f"{i} {text}") for i, text in enumerate(nasty.STRINGS[:30])]
    html = render_index(reports)
    wanted = Tags(render_index([pages.whole(model=str(i)) for i in range(30)]))
    assert Tags(html).tags == wanted.tags
    context = visitor.browser.new_context()
    page = context.new_page()
    page.set_content(html)
    assert page.evaluate("window.pwned") is None
    context.close()


def test_nothing_is_let_in_from_outside():
    html = render_report(pages.whole())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy and "http" not in policy and "*" not in policy
    assert "unsafe-eval" not in policy and "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    links = [v for k, v in Tags(html).attributes if k in ("src", "href", "srcset", "action")]
    assert links == []
    assert not re.search(r"url\(\s*['\"]?(?!#)", html) and "@import" not in html


def test_only_the_own_script_may_run(visitor):
    html = render_report(pages.whole()).replace(
        "</main>", "<script>window.pwned = 1</script></main>"
    )
    visit = visitor.open(html)
    assert visit.page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in line for line in visit.complaints)
    visit.complaints.clear()


@pytest.mark.parametrize("width", [400, 1200])
def test_long_words_do_not_push_the_page_apart(visitor, width):
    visit = visitor.open(
        pages.whole("W" * 10_000, model="tiny"), viewport={"width": width, "height": 800}
    )
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
