"""Everyone can read a report: no serious finding of axe-core in any view, in light and dark, on a phone."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from headwise.report import render_index
from helpers import pages


def findings(page):
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:150]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("view", ["Dots", "Lines", "Text"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious(visitor, scheme, view):
    visit = visitor.open(pages.whole(), color_scheme=scheme)
    for folded in visit.page.locator("summary").all():
        folded.click()
    visit.page.get_by_role("radio", name=view).check()
    assert findings(visit.page) == []


def test_nothing_serious_on_a_phone(visitor):
    visit = visitor.open(pages.whole(), viewport={"width": 400, "height": 800})
    assert findings(visit.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_are_legible_on_every_step_of_the_scale(visitor, scheme):
    values = np.linspace(0, 1, 24).reshape(4, 6)
    map_ = pages.whole().figures[0].model_copy(update={"values": values.tolist(), "baseline": None})
    page = visitor.open(pages.whole(figures=[map_], heads=None), color_scheme=scheme).page
    shades = page.locator("figure .grid path[class*='step-']").evaluate_all(
        "paths => paths.map(path => path.getAttribute('class'))"
    )
    assert set(shades) == {f"step-{i}" for i in range(21)}
    assert findings(page) == []


def test_nothing_serious_in_the_index(visitor, tmp_path):
    page = visitor.browser.new_page()
    page.set_content(render_index([pages.whole(model="a"), pages.whole(model="b")]))
    assert findings(page) == []
    page.close()


def test_pictures_have_words_behind_them(visitor):
    visit = visitor.open(pages.whole())
    for stage in visit.page.locator(".stage").all():
        assert stage.get_attribute("aria-label") and stage.get_attribute("tabindex") == "0"
    tables = visit.page.locator("[data-evidence] .panel .sr-only table")
    assert tables.count() == 5 and tables.nth(1).locator("td").count() == 12 + 1
    assert "bag" in visit.page.locator(".lines .sr-only").first.text_content()
