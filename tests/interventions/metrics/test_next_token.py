"""What a model says next, by hand."""

import pytest

from headwise import HeadwiseError, ablate
from headwise.data.suite import Pair, Sentence, Suite


def test_words_that_a_tokenizer_does_not_know(tiny_bert):
    pair = Pair(
        Sentence.of("the blue creature"), Sentence.of("the red creature"), "\u2603", "forest"
    )
    with pytest.raises(HeadwiseError, match="does not know the word"):
        ablate(tiny_bert, Suite("s", "?", (), pairs=(pair, pair)))
    same = Pair(pair.clean, pair.corrupted, "forest", "forest")
    with pytest.raises(HeadwiseError, match="same tokens"):
        ablate(tiny_bert, Suite("s", "?", (), pairs=(same, same)))
