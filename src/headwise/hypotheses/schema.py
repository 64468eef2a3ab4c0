"""JSON Schema of a hypothesis file, with which editors complete keys: `python -m headwise.hypotheses.schema docs` writes it."""

import json
import sys
from pathlib import Path

from .file import HypothesisFile


def schema() -> str:
    """The schema, as it stands in the documentation."""
    return json.dumps(HypothesisFile.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) / "hypothesis.schema.json").write_text(schema(), encoding="utf-8")
