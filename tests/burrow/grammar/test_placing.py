"""The word that sets a sense, at many places."""

from collections import Counter

import pytest

from headwise import burrow_pairs

both_sides = pytest.mark.parametrize("held_out", [True, False])


@both_sides
@pytest.mark.parametrize("phenomenon", ["mole", "senses"])
def test_no_rule_of_place_finds_what_decides(burrow, phenomenon, held_out):
    """First noun, nearest noun, any distance, rarest and longest word: right in less than half, the first noun in a third."""
    right, n = Counter(), 0
    for sentence in burrow_pairs(phenomenon, 200, held_out=held_out).sentences:
        (link,) = sentence.links
        words, cause, mark = sentence.words, link.dependent, link.governor
        nouns = [i for i in range(mark) if sentence.tags[i] == "NOUN"]
        tokens = [max(burrow.tokenizer(w, add_special_tokens=False)["input_ids"]) for w in words]
        n += 1
        right["first noun"] += nouns[0] == cause
        right["second noun"] += nouns[1:2] == [cause]
        right["nearest noun"] += nouns[-1] == cause
        right["rarest"] += max(range(mark), key=tokens.__getitem__) == cause
        right["longest"] += max(range(mark), key=lambda i: len(words[i])) == cause
        right["only noun"] += nouns == [cause]
        right[mark - cause] += 1
    assert right["first noun"] / n <= 1 / 3
    assert max(count for count in right.values()) / n <= 0.55
