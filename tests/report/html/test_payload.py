"""Python and JavaScript agree: what the scripts read is what the schema holds, no more and no less."""

import numpy as np
import pytest

from headwise.report.html.payload import Page, nice_above, page_of
from helpers import pages

# What the page says once for all, or the template has written already.
WRITTEN = {
    ".heads.n_layers",
    ".heads.n_heads",
    ".heads.side",
    ".attention.n_layers",
    ".attention.side",
}
# Wraps the page's data so that every name that a script asks for is written down.
RECORDER = """
(() => {
  const reads = (window.reads = new Set());
  const watch = (value, path) => {
    if (value === null || typeof value !== "object") return value;
    return new Proxy(value, {
      get(target, name, receiver) {
        if (typeof name === "symbol") return Reflect.get(target, name);
        if (Array.isArray(target)) {
          const own = Reflect.get(target, name);
          return /^[0-9]+$/.test(name) ? watch(own, `${path}[]`) : own;
        }
        reads.add(`${path}.${name}`);
        return watch(Reflect.get(target, name), `${path}.${name}`);
      },
    });
  };
  const parse = JSON.parse;
  JSON.parse = (text) => watch(parse(text), "");
})();
"""


def paths(schema, definitions, path=""):
    """Every path of names that a schema allows, `[]` for an item of a list."""
    if "$ref" in schema:
        yield from paths(definitions[schema["$ref"].split("/")[-1]], definitions, path)
    for other in schema.get("anyOf", ()):
        yield from paths(other, definitions, path)
    if isinstance(schema.get("items"), dict):
        yield from paths(schema["items"], definitions, f"{path}[]")
    for name, other in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from paths(other, definitions, f"{path}.{name}")


def use_everything(visit):
    """Opens what can be opened, and looks at every picture in every way."""
    page = visit.page
    for summary in page.locator("summary").all():
        summary.click()
    sentences = page.locator("[data-attention] select").first
    for value in sentences.locator("option").evaluate_all("all => all.map(o => o.value)"):
        sentences.select_option(value)
    for view in ("Text", "Lines", "Dots"):
        page.get_by_role("radio", name=view).check()
        for level in ("Tokens", "Words"):
            page.get_by_role("radio", name=level).check()
    weights = page.locator("[data-attention] label", has_text="Weight").locator("select")
    for value in weights.locator("option").evaluate_all("all => all.map(o => o.value)"):
        weights.select_option(value)
    with page.expect_download():
        page.locator("[data-table='0']").get_by_role("button", name="Save as CSV").click()


def test_scripts_read_what_the_schema_holds(visitor):
    crossing = pages.example(("the", "mole", "dug"), seed=2, keys=("ein", "Maulwurf"))
    shown = [*pages.attention().examples, crossing]
    report = pages.whole(attention=pages.attention(examples=shown))
    visit = visitor.open(report, script=RECORDER)
    use_everything(visit)
    reads = set(visit.page.evaluate("[...window.reads]"))
    schema = Page.model_json_schema(mode="serialization")
    known = set(paths(schema, schema["$defs"]))
    methods = {name for name in reads if name.split(".")[-1] in ("toJSON", "then", "length")}
    assert reads - methods - known == set()  # nothing is asked for that is not sent
    assert known - reads - WRITTEN == set()  # nothing is sent that nobody asks for


def test_what_the_scripts_get():
    page = page_of(pages.whole())
    assert (page.n_layers, page.n_heads) == (3, 4)
    assert [panel.title for panel in page.panels[:4]] == ["Looks", "Carries", "Matters", "Moves"]
    texts, rate, n = page.tables[0].columns
    assert texts.numbers is None and texts.codes.array()[:4].tolist() == [0, 1, 2, -1]
    assert rate.codes is None and rate.numbers.array()[0] == 0.123456
    assert np.isnan(rate.numbers.array()[1]) and n.numbers.array()[0] == 1200
    nothing = page_of(pages.whole(heads=None, attention=None, figures=[]))
    assert (nothing.n_layers, nothing.n_heads) == (0, 0)


@pytest.mark.parametrize(
    ("value", "end"),
    [(0.043, 0.05), (0.05, 0.05), (0.21, 0.5), (1.2, 2), (0.0, 0.1), (-1, 0.1), (7e-4, 1e-3)],
)
def test_scales_end_at_round_numbers(value, end):
    assert nice_above(value) == pytest.approx(end)
