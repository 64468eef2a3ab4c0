"""Training text as rows of tokens: whole passages, packed, each after an end mark.

Rows are made as they are needed and every passage is new, so nothing is seen twice and nothing is
kept. Passages are never cut: what does not fit into a row waits for the next.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from headwise.burrow.grammar.passages import training_text

WAITING = 256  # passages to choose from when a row is filled


def rows(
    tokenizer: PreTrainedTokenizerFast, n_context: int, seed: int, skip: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Rows of `n_context` tokens; what is left over at the end of a row is padded with -1.

    Args:
        tokenizer: It puts an end mark before every passage.
        n_context: Length of a row.
        seed: Seed of the text.
        skip: Rows to pass over, to go on where an earlier run stopped.
    """
    yield from islice(_pack(_encoded(tokenizer, seed), n_context), skip, None)


def _encoded(tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[list[int]]:
    texts = training_text(seed)
    while True:
        yield from tokenizer(list(islice(texts, 512)))["input_ids"]


def _pack(passages: Iterator[list[int]], n_context: int) -> Iterator[NDArray[np.int64]]:
    waiting: list[list[int]] = []
    while True:
        waiting += islice(passages, WAITING - len(waiting))
        row: list[int] = waiting.pop(0)[:n_context]
        while (room := n_context - len(row)) > 0:
            # The first that fits, so that the order stays that of the text; the rest of a row by size.
            fits = next((i for i, p in enumerate(waiting) if len(p) <= room), None)
            if fits is None:
                break
            row = row + waiting.pop(fits)
        yield np.array(row + [-1] * (n_context - len(row)))
