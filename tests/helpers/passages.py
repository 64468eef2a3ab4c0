"""Passages of burrow's English, as the grammar writes them."""

from headwise.burrow.grammar.passages import PHENOMENA, write

N = 300


def writers(phenomenon, n=N, held_out=False):
    return [write(PHENOMENA[phenomenon], f"test {i}", held_out=held_out) for i in range(n)]
