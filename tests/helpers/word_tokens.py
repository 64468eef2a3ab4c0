"""Models and sentences in which every word is one token."""

import headwise
from headwise.data.suite import Suite
from headwise.data.toml import parse
from helpers.architectures import make

LABELS = {"animal": "", "unit": ""}
SYLLABLES = [a + b for a in "bdgklmnprstv" for b in "aeiou"]
READ = ["mole", "dig", "fur", "gram", "atom", "creature", "substance", "the", "of", "one", "a", "."]
WORDS = [*READ, *(a + b for a in SYLLABLES[:24] for b in SYLLABLES[::6])]


def tiny(tokenizer, name="GPT2"):
    """A random model with more rows than its tokenizer knows."""
    return headwise.load(make(name, vocabulary=len(tokenizer) + 5), tokenizer=tokenizer)


def suite(n_groups=6):
    """Two senses, told by the word before."""
    sentences = [
        parse(f"the {WORDS[20 + 2 * n + i]} of the {clue} [mole|{sense}] .", LABELS, f"{sense}{n}")
        for i, (sense, clue) in enumerate((("animal", "creature"), ("unit", "substance")))
        for n in range(n_groups)
    ]
    return Suite("s", "?", tuple(sentences), LABELS)


def one(table, **where):
    """Rows of a table."""
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table)
    return table
