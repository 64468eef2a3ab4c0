"""JSON Schema as TypeScript: by hand, all that it knows, and no word on what it doesn't."""

from typing import Literal

import pytest
from pydantic import BaseModel

from headwise.report.html.schema import TYPES, page_types
from headwise.report.html.typescript import HEADER, types_of


class Part(BaseModel):
    """One part."""

    kind: Literal["pattern", "scores"]
    span: tuple[int, float]


class Whole(BaseModel):
    """A whole.

    Attributes:
        parts: What it is made of.
    """

    name: str
    parts: list[Part] = []
    rows: list[list[bool]]
    first: Part | None = None


def test_types_by_hand():
    assert types_of(Whole.model_json_schema(mode="serialization")) == HEADER + (
        """
/**
 * One part.
 */
export interface Part {
  kind: "pattern" | "scores";
  span: [number, number];
}

/**
 * A whole.
 *
 * Attributes:
 *     parts: What it is made of.
 */
export interface Whole {
  name: string;
  parts: Array<Part>;
  rows: Array<Array<boolean>>;
  first: Part | null;
}
"""
    )


def test_what_has_no_type_is_refused():
    class Loose(BaseModel):
        anything: dict[str, int]

    with pytest.raises(ValueError, match="no TypeScript is known for"):
        types_of(Loose.model_json_schema(mode="serialization"))


def test_the_types_of_the_scripts_are_up_to_date():
    assert TYPES.read_text(encoding="utf-8") == page_types(), (
        "run: python -m headwise.report.html.schema docs"
    )
