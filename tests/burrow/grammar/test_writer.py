"""What a text costs is how rare it is."""

import math
from collections import Counter

from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import load
from headwise.burrow.grammar.passages import PHENOMENA
from headwise.burrow.grammar.writer import Writer


def test_what_a_text_costs_is_how_rare_it_is():
    """The oracle is a probability: texts of one cost occur as often as the cost says."""
    seen, surprisals = Counter(), {}
    n = 10_000
    for i in range(n):
        w = Writer(Chance(i), load())
        PHENOMENA["relatives"](w)
        text = " ".join(w.words)
        seen[text] += 1
        surprisals[text] = sum(w.surprisals)
    for text, count in seen.most_common(20):
        expected = n * math.exp(-surprisals[text])
        assert abs(count - expected) < 5 * math.sqrt(expected), text
