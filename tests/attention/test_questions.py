"""Who looks, at whom, and what can be seen."""

import numpy as np

from headwise.attention.questions import ask

PAIRS = np.array([(0, 0, 2), (0, 1, 2), (0, 3, 2), (1, 1, 0)])
LENGTHS = np.array([4, 2])


def test_who_is_asked():
    """Words 0, 1 and 3 of the first sentence depend on word 2; a governor is asked once."""
    found, impossible = ask("governor->dependent", PAIRS, LENGTHS, is_causal=False)
    assert (found.sentence.tolist(), found.query.tolist(), impossible) == ([0, 1], [2, 0], 0)
    assert found.targets.tolist() == [[0, 1, 3], [1, -1, -1]]
    assert found.nearest.tolist() == [1, 1]
    found, _ = ask("column", PAIRS, LENGTHS, is_causal=False)
    assert found.query.tolist() == [0, 1, 3, 1] and found.targets.ravel().tolist() == [2, 2, 2, 0]


def test_what_a_decoder_is_asked():
    found, impossible = ask("governor->dependent", PAIRS, LENGTHS, is_causal=True)
    assert found.targets.tolist() == [[0, 1, -1]] and impossible == 1
    assert (found.first.tolist(), found.end.tolist()) == ([0], [2])
    found, impossible = ask("column", PAIRS, LENGTHS, is_causal=True)
    assert found.query.tolist() == [0, 1] and found.first.tolist() == [1, 2] and impossible == 2
    found, impossible = ask("dependent->governor", PAIRS, LENGTHS, is_causal=True)
    assert found.query.tolist() == [3, 1] and found.end.tolist() == [3, 1] and impossible == 2
