"""The page's scripts as one: in an order that works, all of them, and nothing that only a loader of modules understands."""

import re
from importlib.resources import files

import pytest

from headwise.report.html import bundle
from headwise.report.html.bundle import read_static


def test_modules_are_bundled_in_the_order_they_need():
    script = bundle.bundle("main")
    defined = [match[1] for match in re.finditer(r"^const module_(\w+) =", script, re.MULTILINE)]
    used = [(match[1], match.start()) for match in re.finditer(r"\} = module_(\w+);", script)]
    assert "</script" not in script.lower()
    assert defined[-1] == "main" and len(set(defined)) == len(defined)
    for name, at in used:
        assert script.index(f"const module_{name} =") < at


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (
            {"a": 'import { b } from "./b.js";\n', "b": 'import { a } from "./a.js";\n'},
            "circle: a -> b -> a",
        ),
        (
            {"a": 'import { b } from "./c/b.js";\n', "c/b": 'import { a } from "../a.js";\n'},
            "circle: a -> c/b -> a",
        ),
        ({"a": 'import b from "./b.js";\n'}, r"a\.js: cannot be bundled: import b from"),
        ({"a": "export default 3;\n"}, r"a\.js: cannot be bundled: export default"),
    ],
)
def test_what_cannot_be_bundled_is_refused(monkeypatch, modules, message):
    monkeypatch.setattr(bundle, "read_static", lambda name: modules[name[3:-3]])
    with pytest.raises(ValueError, match=message):
        bundle.bundle.__wrapped__("a")


def test_files_of_one_name_in_two_folders_stay_apart(monkeypatch):
    modules = {
        "a": 'import { one } from "./b/c.js";\nimport { two } from "./d/c.js";\n',
        "b/c": "export const one = 1;\n",
        "d/c": 'import { one } from "../b/c.js";\nexport const two = 2 * one;\n',
    }
    monkeypatch.setattr(bundle, "read_static", lambda name: modules[name[3:-3]])
    script = bundle.bundle.__wrapped__("a")
    assert re.findall(r"^const (module_\w+) =", script, re.MULTILINE) == [
        "module_b_c",
        "module_d_c",
        "module_a",
    ]
    assert script.count("const { one } = module_b_c;") == 2
    assert script.count("const { two } = module_d_c;") == 1


def test_types_are_left_out_and_nothing_else(monkeypatch):
    source = """
/** @import { Page } from "./page.d.ts" */

/**
 * Twice a number.
 * @type {(n: number) => number}
 */
export function twice(n) {
  /** @type {string[]} */
  const kept = ["/**", "*/"]; // stays
  const half = /** @type {number} */ (n);
  return half + n + kept.length; /* stays */
}
"""
    monkeypatch.setattr(bundle, "read_static", lambda name: source)
    script = bundle.bundle.__wrapped__("a")
    assert [line for line in script.splitlines() if line][2:-2] == [
        "function twice(n) {",
        '  const kept = ["/**", "*/"]; // stays',
        "  const half = /** @type {number} */ (n);",
        "  return half + n + kept.length; /* stays */",
        "}",
    ]


def test_every_script_is_used():
    folder = files("headwise") / bundle.STATIC / "js"
    paths = sorted(folder.rglob("*.js"))
    assert paths
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        assert f"const module_{name.replace('/', '_')} =" in bundle.bundle(), name
        assert read_static(f"js/{name}.js") == path.read_text(encoding="utf-8")
