"""The two contracts as JSON Schema: `results.json`, and what the page's scripts read.

    python -m headwise.report.html.schema docs

writes `results.schema.json` and `page.schema.json` into a folder; a test sees to it that those in `docs/` are up to date.
"""

import json
import sys
from pathlib import Path

from headwise.report.schema import Report

from .payload import Page

MODELS = {"results": Report, "page": Page}


def schema_of(name: str) -> str:
    """A schema as text, the same for the same models."""
    schema = MODELS[name].model_json_schema(mode="serialization")
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in MODELS:
        (Path(sys.argv[1]) / f"{name}.schema.json").write_text(schema_of(name), encoding="utf-8")
