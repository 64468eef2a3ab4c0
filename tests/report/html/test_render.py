"""What a reader does with a report, in a browser."""

import csv
import xml.etree.ElementTree as ET

import pytest

from headwise._formatting import head_name
from headwise.report import (
    render_report,
)
from headwise.report.schema import Linked, Telling
from helpers import pages


def cell(visit, panel, head, n_layers=3, n_heads=4):
    """Where a head lies in a panel's picture, on the screen."""
    grid = visit.page.locator("[data-evidence] .panel").nth(panel).locator(".stage")
    grid.scroll_into_view_if_needed()
    frame = grid.locator("svg").bounding_box()
    _, _, width, height = (float(v) for v in grid.locator("svg").get_attribute("viewBox").split())
    layer, head = divmod(head, n_heads)
    left, top, right, low = 26, 16, 8, 2
    side = ((width - left - right) / n_heads, (height - top - low) / n_layers)
    return (
        frame["x"] + (left + (head + 0.5) * side[0]) * frame["width"] / width,
        frame["y"] + (top + (layer + 0.5) * side[1]) * frame["height"] / height,
    )


def test_a_report_opens(visitor):
    visit = visitor.open(pages.whole())
    assert visit.text("h1") == "plain"
    assert visit.page.locator("[data-evidence] .panel").count() == 5  # four kinds and the verdict
    assert visit.page.locator("[data-panel] .panel").count() == 1
    assert visit.text("#head").startswith("L")
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_report_without_sentences_and_kinds_of_evidence_opens_at_a_head(visitor):
    empty = pages.attention().model_copy(update={"examples": [], "telling": []})
    visit = visitor.open(pages.whole(heads=None, attention=empty))
    assert visit.text("#head").startswith("L")


def test_numbers_are_unpacked_in_older_browsers_too(visitor):
    older = visitor.open(pages.whole(), "#L2H1", "delete Uint8Array.fromBase64")
    newer = visitor.open(pages.whole(), "#L2H1")
    assert older.text("[data-card]") == newer.text("[data-card]")


def test_what_lies_under_the_pointer_is_marked_everywhere(visitor):
    visit = visitor.open(pages.whole())
    visit.page.mouse.move(*cell(visit, 1, 6))
    marks = visit.page.locator(".panel .mark[visibility=visible]")
    assert marks.count() == 6
    assert visit.text("[data-readout]").startswith("L1H2")
    visit.page.mouse.move(2, 2)
    assert marks.count() == 0


def test_a_chosen_head_has_a_card_and_an_address(visitor):
    report = pages.whole()
    visit = visitor.open(report)
    visit.page.mouse.click(*cell(visit, 2, 9))
    assert visit.text("#head") == "L2H1"
    assert visit.page.url.endswith("#L2H1")
    shown = visit.text("[data-card]")
    effect = report.heads.measures[2].effect.array().ravel()[9]
    assert f"{100 * effect:.1f}%".replace("-", "\N{MINUS SIGN}") in shown
    said = {"y": "yes", "n": "no", "u": "inconclusive", "-": "not tested"}
    cells = visit.page.locator(".evidence td.outcome").all_inner_texts()
    assert cells == [said[measure.answers[9]] for measure in report.heads.measures]


def test_several_heads_are_chosen_together(visitor):
    visit = visitor.open(pages.whole(), "#L0H1")
    visit.page.keyboard.down("Shift")
    visit.page.mouse.click(*cell(visit, 1, 6))
    visit.page.keyboard.up("Shift")
    assert visit.text("#head") == "L1H2"
    path = visit.page.locator("[data-evidence] .chosen").first.get_attribute("d")
    assert path.count("M") == 2


def test_several_heads_without_a_keyboard(visitor):
    visit = visitor.open(pages.whole(), "#L0H1")
    visit.page.get_by_label("compare several heads").check()
    visit.page.mouse.click(*cell(visit, 1, 6))
    chips = visit.page.locator("[data-attention]").inner_text()
    assert "L0H1" in chips and "L1H2" in chips
    visit.page.mouse.click(*cell(visit, 1, 6))  # and out again
    assert visit.text("#head") == "L0H1"


def test_a_link_leads_to_a_head(visitor):
    visit = visitor.open(pages.whole(), "#L1H3")
    assert visit.text("#head") == "L1H3"
    heading = visit.page.locator("#head")
    assert heading.evaluate("e => e === document.activeElement")
    assert heading.evaluate(
        "e => e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom < innerHeight"
    )
    visit.page.evaluate("location.hash = '#L0H2'")
    visit.until("document.getElementById('head').textContent === 'L0H2'")
    visit.page.evaluate("location.hash = '#L9H9'")  # no such head
    assert visit.text("#head") == "L0H2"


def test_a_head_in_a_table_leads_to_its_card(visitor):
    visit = visitor.open(pages.whole())
    visit.page.locator("[data-table='0'] a", has_text="L2H3").click()
    visit.until("document.getElementById('head').textContent === 'L2H3'")


def column(visit, i):
    return visit.page.locator(f"[data-table='0'] tbody td:nth-child({i})").all_inner_texts()


def test_tables_sort_filter_and_unfold(visitor):
    visit = visitor.open(pages.whole())
    table = visit.page.locator("[data-table='0']")
    assert len(column(visit, 1)) == 25
    table.get_by_role("button", name="Show all 40 rows").click()
    assert len(column(visit, 1)) == 40
    assert column(visit, 2)[:4] == ["12.3%", "\N{EN DASH}", "50.0%", "\N{MINUS SIGN}25.0%"]
    table.get_by_role("button", name="Rate").click()
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    values = column(visit, 2)
    assert values[-1] == "\N{EN DASH}" and values[-2] == "\N{MINUS SIGN}25.0%"
    numbers = [float(v.rstrip("%").replace("\N{MINUS SIGN}", "-")) for v in values[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    table.get_by_role("button", name="Rate").click()
    assert column(visit, 2)[0] == "\N{MINUS SIGN}25.0%" and column(visit, 2)[-1] == "\N{EN DASH}"
    table.get_by_role("searchbox").fill("l1h2")
    assert set(column(visit, 1)) == {"L1H2"}
    assert "36 of 40 rows" in table.inner_text()
    table.get_by_role("searchbox").fill("nothing like it")
    assert "No row fits." in table.inner_text()


def saved(visit, button):
    with visit.page.expect_download() as download:
        button.click()
    return download.value


def rows_of(file):
    return list(csv.reader(file.path().read_text(encoding="utf-8").splitlines()))


def test_a_table_is_saved_as_it_is_shown(visitor):
    visit = visitor.open(pages.whole())
    table = visit.page.locator("[data-table='0']")
    table.get_by_role("searchbox").fill("l0h1")
    file = saved(visit, table.get_by_role("button", name="Save as CSV"))
    assert file.suggested_filename == "looks-tiny-heads.csv"
    assert rows_of(file) == [["plain", "rate", "n"], ["L0H1", "", "3"]]
    table.get_by_role("searchbox").fill("")
    file = saved(visit, table.get_by_role("button", name="Save as CSV"))
    rows = rows_of(file)
    assert len(rows) == 41 and rows[1] == ["plain", "0.123456", "1200"]  # all, at full precision


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_saved(visitor, scheme):
    visit = visitor.open(pages.whole(), color_scheme=scheme)
    for place in (
        "[data-evidence]",
        "[data-panel]",
        "[data-matrix]",
        "[data-chart]",
        "[data-attention]",
    ):
        save = visit.page.locator(f"{place} .save").first
        file = saved(visit, save.get_by_role("button", name="SVG"))
        text = file.path().read_text(encoding="utf-8")
        picture = ET.fromstring(text)
        assert float(picture.get("width")) > 50 and float(picture.get("height")) > 20
        assert "var(" not in text and "oklab" not in text and "color(" not in text
        file = saved(visit, save.get_by_role("button", name="PNG"))
        assert file.path().read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_keyboard_is_enough(visitor):
    visit = visitor.open(pages.whole())
    page = visit.page
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('stage')"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # visible focus
    page.keyboard.press("ArrowRight")
    start = visit.text("[data-readout]")
    page.keyboard.press("ArrowDown")
    assert visit.text("[data-readout]") != start
    assert page.locator(".panel .mark[visibility=visible]").count() == 6
    chosen = visit.text("[data-readout]").split()[0]
    page.keyboard.press("Enter")
    assert visit.text("#head") == chosen
    page.keyboard.press("Escape")
    assert page.locator(".panel .mark[visibility=visible]").count() == 0
    reached = set()
    for _ in range(150):
        page.keyboard.press("Tab")
        reached |= set(
            page.evaluate(
                "['data-card', 'data-attention', 'data-table', 'data-matrix'].filter(name => document.activeElement.closest(`[${name}]`))"
            )
        )
    assert reached == {"data-card", "data-attention", "data-table", "data-matrix"}


def test_dark_is_dark(visitor):
    light = visitor.open(pages.whole())
    dark = visitor.open(pages.whole(), color_scheme="dark")
    shade = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)"
    assert light.page.evaluate(shade) > 700 and dark.page.evaluate(shade) < 100


def test_a_phone_is_wide_enough(visitor):
    visit = visitor.open(
        pages.whole(n_layers=6, n_heads=12), viewport={"width": 400, "height": 800}, has_touch=True
    )
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 400
    visit.page.touchscreen.tap(*cell(visit, 1, 30, 6, 12))
    assert visit.text("#head") == head_name(*divmod(30, 12))


def test_a_model_of_48_layers_and_64_heads(visitor):
    report = pages.whole(n_layers=48, n_heads=64, attention=None)
    visit = visitor.open(report)
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.page.evaluate("document.querySelectorAll('*').length") < 4000
    visit.page.mouse.click(*cell(visit, 4, 48 * 64 - 1, 48, 64))
    assert visit.text("#head") == "L47H63"
    visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.press("Enter")
    assert visit.text("#head") == "L47H62"


def test_rules_are_folded_and_printed(visitor):
    visit = visitor.open(pages.whole())
    rule = visit.page.locator("details.rule p").first
    assert not rule.is_visible()
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rule.is_visible()


def test_print_leaves_out_what_paper_cannot_do(visitor):
    visit = visitor.open(pages.whole())
    visit.page.emulate_media(media="print")
    for tool in (".save", ".table-tools", ".steps", ".attn-controls"):
        assert not visit.page.locator(tool).first.is_visible()
    assert visit.page.locator(".panel svg").first.is_visible()


@pytest.mark.parametrize("kinds", [(), ("looks",), ("carries", "moves")])
def test_missing_kinds_are_said_to_be_missing(visitor, kinds):
    heads = pages.heads(kinds=kinds, text="plain")
    visit = visitor.open(pages.whole(heads=heads))
    missing = visit.page.locator(".panel.is-missing p b").all_inner_texts()
    wanted = ", ".join(kind for kind in pages.KINDS if kind not in kinds)
    assert missing == ([wanted] if kinds else [])
    if kinds:
        card = visit.text("[data-card]")
        assert "not tested" in card and "Missing for a firmer verdict" in card


def test_numbers_that_are_missing(visitor):
    report = pages.whole()
    figures = [
        report.figures[0].model_copy(update={"values": [[None] * 4] * 3, "baseline": ("bag", None)})
    ]
    visit = visitor.open(pages.whole(heads=pages.heads(missing=True), figures=figures))
    shown = visit.text("body")
    assert "NaN" not in shown and "null" not in shown and "undefined" not in shown
    assert "\N{EN DASH}" in visit.text("[data-card]")


def test_a_report_with_nothing_in_it(visitor):
    visit = visitor.open(
        pages.whole(
            heads=None,
            attention=None,
            sections=[],
            provenance=None,
        )
    )
    assert visit.text("h1") == "plain"


def test_an_empty_table_says_so(visitor):
    visit = visitor.open(pages.whole())
    visit.page.locator(".table details summary").click()
    assert "No rows." in visit.text("[data-table='1']")


def long_report(n=512, held=4):
    words = [f"word{i}" for i in range(n - 1)]
    long = pages.example(words, range(held)).model_copy(update={"causal": True})
    return pages.whole(attention=pages.attention(examples=[long]))


VIEWS = {"Dots": "ArrowRight", "Lines": "ArrowDown", "Text": "ArrowLeft"}


def active(visit, key):
    """What is said of the active word after a key on the picture."""
    picture = visit.page.locator("[data-attention] [role=application]").first
    status = visit.page.locator("[data-attention] [aria-live=polite]").first
    before = status.inner_text()
    picture.focus()
    visit.page.keyboard.press(key)
    say = "before => document.querySelector('[data-attention] [aria-live=polite]').innerText !== before"
    visit.until(say, before)
    return status.inner_text()


@pytest.mark.parametrize("view", VIEWS)
def test_512_tokens_answer_the_keyboard(visitor, view):
    """Every view follows the active word, with a number of elements that does not grow with words squared."""
    visit = visitor.open(long_report())
    visit.page.get_by_role("radio", name=view).check()
    said = {active(visit, VIEWS[view]) for _ in range(3)}
    assert len(said) == 3 and all("%" in one for one in said)
    assert visit.page.evaluate("document.querySelectorAll('[data-attention] *').length") < 8000


@pytest.mark.parametrize("view", VIEWS)
def test_two_different_sides(visitor, view):
    crossing = pages.example(("the", "mole", "dug"), keys=("der", "Maulwurf", "grub", "tief"))
    visit = visitor.open(pages.whole(attention=pages.attention(examples=[crossing])))
    visit.page.get_by_role("radio", name=view).check()
    said = " ".join(active(visit, VIEWS[view]) for _ in range(2))
    assert "attends to" in said and "Maulwurf" in said


def test_words_that_a_head_is_judged_by_are_set_off(visitor):
    links = [Linked(query=4, key=1, relation="a"), Linked(query=2, key=3, relation="b")]
    shown = pages.example().model_copy(update={"links": links})
    told = [
        Telling(head=0, example=0, score=0.5, why="clearest", links=[1]),
        Telling(head=1, example=0, score=0.5, why="clearest"),
    ]
    held = pages.attention(examples=[shown]).model_copy(update={"telling": told})
    visit = visitor.open(pages.whole(attention=held), "#L0H0")
    sentence = visit.page.locator(".sentence").first
    assert sentence.locator("u").all_inner_texts() == ["dug"]
    assert sentence.locator("b").all_inner_texts() == ["a"]
    visit.page.evaluate("location.hash = '#L0H1'")
    visit.until("document.querySelectorAll('.sentence u').length === 2")


def test_telling_sentences_lead_to_their_picture(visitor):
    visit = visitor.open(pages.whole(), "#L1H1")
    sentence = visit.page.locator(".sentence").first
    sentence.click()
    top = visit.page.locator("[data-attention]").evaluate("e => e.getBoundingClientRect().top")
    assert -5 <= top <= 450


def test_rendering_twice_gives_the_same_bytes():
    assert render_report(pages.whole()) == render_report(pages.whole())
