"""Python and JavaScript agree: what the scripts read is what the schema holds, no more and no less."""

import json
import re

import pytest

from headwise.report import render_report
from headwise.report.html.payload import Page
from headwise.report.html.schema import MODELS, schema_of
from helpers import pages
from helpers.paths import ROOT

DOCS = ROOT / "docs"

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
