"""The two contracts as JSON Schema: `results.json`, and what the page's scripts read.

    python -m headwise.report.html.schema docs

writes `results.schema.json` and `page.schema.json` into a folder, and the page's types beside its scripts, in `static/js/page.d.ts`;
tests see to it that all of them are up to date.
"""

import json
import sys
from pathlib import Path

from headwise.report.schema import Report

from .payload import Page
from .typescript import types_of

MODELS = {"results": Report, "page": Page}
TYPES = Path(__file__).resolve().parent.parent / "static" / "js" / "page.d.ts"


def schema_of(name: str) -> str:
    """A schema as text, the same for the same models."""
    schema = MODELS[name].model_json_schema(mode="serialization")
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def page_types() -> str:
    """The page's schema as TypeScript, the same for the same models."""
    return types_of(Page.model_json_schema(mode="serialization"))


if __name__ == "__main__":
    for name in MODELS:
        (Path(sys.argv[1]) / f"{name}.schema.json").write_text(schema_of(name), encoding="utf-8")
    TYPES.write_text(page_types(), encoding="utf-8")
