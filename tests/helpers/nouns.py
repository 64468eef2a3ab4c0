"""Labelled nouns whose label the word before gives away."""

from headwise.data.suite import Suite
from headwise.data.toml import parse

LABELS = {"described": "", "bare": ""}
NOUNS = ("boat", "kettle", "castle", "lantern", "harbour", "meadow", "barrel", "violin", "window", "garden", "turnip", "ladder")  # fmt: skip
SAYS = ("waited by", "belonged to", "looked like", "reminded us of", "burned behind", "grew near")


def nouns(n=24):
    """Nouns with an adjective before them, each another one, and nouns with an article before them."""
    letters = "bcdfghklmnprstvw"
    adjectives = [f"{letters[i % 16]}o{letters[(7 * i + 3) % 16]}{letters[(5 * i + 1) % 16]}ish" for i in range(n)]  # fmt: skip
    found = []
    starts = ("So", "But then", "And so very often")
    for i in range(n):
        noun, rest = NOUNS[i % 12], f"{SAYS[i % 6]} {NOUNS[(5 * i + 2) % 12]} number {i}"
        first, second = starts[i % 3], starts[(i + 1 + i // 3 % 2) % 3]
        found.append(
            parse(f"{first} the {adjectives[i]} [{noun}|described] {rest}", LABELS, f"g{i}")
        )
        found.append(parse(f"{second} the [{noun}|bare] {rest}", LABELS, f"g{i}"))
    return Suite("nouns", "?", tuple(found), LABELS)
