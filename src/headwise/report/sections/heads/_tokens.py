"""Tokens as a reader should see them."""

from typing import Any

from headwise.model.model import Model

SPACES = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}\N{LOWER ONE EIGHTH BLOCK}"  # of byte-level BPE and SentencePiece
NEWLINE = "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"


def shown(model: Model, token: int) -> str:
    """A token without marks and spaces at its ends; a piece within a word keeps its `##`, part of a letter its raw form."""
    tokenizer: Any = model.tokenizer
    raw = str(tokenizer.convert_ids_to_tokens(int(token)))
    if raw.startswith("##"):
        return raw
    text = str(tokenizer.decode([int(token)]))
    if "\N{REPLACEMENT CHARACTER}" in text:
        return raw.strip(SPACES) or raw
    return text.strip() or (NEWLINE if "\n" in text else raw.strip(SPACES) or "\N{OPEN BOX}")
